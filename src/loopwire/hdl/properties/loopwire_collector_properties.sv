// What loopwire_collector promises: the results in the order of their tickets, each ticket's beats in order, none lost and
// none besides, however long the receiver stalls. In return each ticket is used again only when it has been given back.
module loopwire_collector_properties #(
    parameter int TICKETS = 4,
    parameter int BEATS = 2,
    parameter bit BLOCK_RAM = 0,
    localparam int TICKET_BITS = $clog2(TICKETS),
    localparam int BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1
) (
    input logic aclk,
    input logic aresetn,
    input logic y_valid,
    input logic y_last,
    input logic [TICKET_BITS-1:0] y_ticket,
    input logic y,
    input logic m_ready
);
  logic m_data, m_valid, m_last, ticket_returned;
  logic [BEAT_BITS-1:0] y_beat;
  loopwire_collector #(.TICKETS(TICKETS), .BEATS(BEATS), .Y_BITS(1), .BLOCK_RAM(BLOCK_RAM)) collector (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(2)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_data, m_last})
  );

  logic [TICKETS-1:0][3:0] written;             // beats of each ticket
  logic [TICKETS-1:0] complete;
  logic [3:0] ticket, beat;                     // handed on next
  logic [3:0] watched_ticket, watched_beat;     // any: they stay the same
  logic watched;
  assign y_beat = BEAT_BITS'(written[y_ticket]);
  wire moves = m_valid && m_ready;
  always_ff @(posedge aclk) begin
    watched_ticket <= watched_ticket;
    watched_beat <= watched_beat;
    if (y_valid) begin
      written[y_ticket] <= written[y_ticket] + 4'd1;
      complete[y_ticket] <= y_last;
      if (y_ticket == watched_ticket && written[y_ticket] == watched_beat) watched <= y;
    end
    if (moves) beat <= m_last ? 4'd0 : beat + 4'd1;
    if (moves && m_last) begin
      ticket <= ticket == TICKETS - 1 ? 4'd0 : ticket + 4'd1;
      written[ticket[TICKET_BITS-1:0]] <= '0;
      complete[ticket[TICKET_BITS-1:0]] <= 1'b0;
    end
    if (!aresetn) begin
      written <= '0;
      complete <= '0;
      ticket <= '0;
      beat <= '0;
    end
  end

  wire [3:0] here = written[ticket[TICKET_BITS-1:0]];
  // From block RAM, what is there one cycle is handed on in the next.
  wire [3:0] next_ticket = !(moves && m_last) ? ticket : ticket == TICKETS - 1 ? 4'd0 : ticket + 4'd1;
  wire [3:0] next_beat = !moves ? beat : m_last ? 4'd0 : beat + 4'd1;
  logic was_here;
  always_ff @(posedge aclk) was_here <= aresetn && next_beat < written[next_ticket[TICKET_BITS-1:0]];
  always_comb begin
    if (y_valid) assume (y_ticket < TICKETS && !complete[y_ticket]);
    if (y_valid) assume (written[y_ticket] < BEATS - 1 || (written[y_ticket] == BEATS - 1 && y_last));
    if (aresetn) begin
      assert (m_valid == (BLOCK_RAM ? was_here : beat < here));
      if (m_valid) assert (m_last == (complete[ticket[TICKET_BITS-1:0]] && beat + 4'd1 == here));
      if (m_valid && ticket == watched_ticket && beat == watched_beat) assert (m_data == watched);
      assert (ticket_returned == (moves && m_last));
    end
  end
endmodule
