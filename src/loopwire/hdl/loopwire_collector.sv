// Takes results from an engine's pipeline, which never waits, and hands them on in the order of their tickets.
//
// A ticket has room for BEATS beats: one where a sequence gives one result, as many as it has steps where each step gives one.
// Where BLOCK_RAM is 1 the results are kept in block RAM, and each is there a cycle later: the memory's output register holds
// the one that is handed on next.
module loopwire_collector #(
    parameter int TICKETS = 8,
    parameter int BEATS = 1,
    parameter int Y_BITS = 80,
    parameter bit BLOCK_RAM = 0,
    localparam int TICKET_BITS = $clog2(TICKETS),
    localparam int BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1,
    localparam int COUNT_BITS = $clog2(BEATS + 1)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic y_valid,
    input  logic y_last,
    input  logic [TICKET_BITS-1:0] y_ticket,
    input  logic [BEAT_BITS-1:0] y_beat,
    input  logic [Y_BITS-1:0] y,

    output logic [Y_BITS-1:0] m_data,
    output logic m_valid,
    input  logic m_ready,
    output logic m_last,

    output logic ticket_returned
);
  localparam int ROOM = TICKETS * BEATS;
  localparam int ADDRESS_BITS = $clog2(ROOM);
  logic [TICKETS-1:0][COUNT_BITS-1:0] written;   // beats a ticket holds
  logic [TICKETS-1:0] complete;                  // the last of them is there

  logic [TICKET_BITS-1:0] read_ticket;
  logic [COUNT_BITS-1:0] read_count;

  // Where the next beat to hand on is: after this cycle, and, of what is looked up in this cycle, now.
  logic [TICKET_BITS-1:0] next_ticket, sought_ticket;
  logic [COUNT_BITS-1:0] next_count, sought_count;
  logic sought_valid, sought_last;
  always_comb begin
    next_ticket = read_ticket;
    next_count = read_count;
    if (m_valid && m_ready) next_count = m_last ? '0 : read_count + COUNT_BITS'(1);
    if (ticket_returned) next_ticket = read_ticket == TICKET_BITS'(TICKETS - 1) ? '0 : read_ticket + TICKET_BITS'(1);
  end
  assign sought_ticket = BLOCK_RAM ? next_ticket : read_ticket;
  assign sought_count = BLOCK_RAM ? next_count : read_count;
  assign sought_valid = sought_count < written[sought_ticket];
  assign sought_last = complete[sought_ticket]
      && COUNT_BITS'(sought_count + COUNT_BITS'(1)) == written[sought_ticket];
  assign ticket_returned = m_valid && m_ready && m_last;

  logic [ADDRESS_BITS-1:0] write_address, read_address;
  assign write_address = ADDRESS_BITS'(BEATS) * ADDRESS_BITS'(y_ticket) + (BEATS > 1 ? ADDRESS_BITS'(y_beat) : '0);
  assign read_address = ADDRESS_BITS'(BEATS) * ADDRESS_BITS'(sought_ticket)
      + (BEATS > 1 ? ADDRESS_BITS'(sought_count) : '0);

  if (BLOCK_RAM) begin : gen_block_ram
    // No result is read in the cycle in which it is written: then it is not yet counted.
    (* ram_style = "block", no_rw_check *) logic [Y_BITS-1:0] results [0:ROOM-1];
    always_ff @(posedge aclk) if (y_valid) results[write_address] <= y;
    always_ff @(posedge aclk) begin
      m_data <= results[read_address];
      m_valid <= aresetn && sought_valid;
      m_last <= sought_last;
    end
  end else begin : gen_look_up_tables
    logic [Y_BITS-1:0] results [0:ROOM-1];
    always_ff @(posedge aclk) if (y_valid) results[write_address] <= y;
    assign m_data = results[read_address];
    assign m_valid = sought_valid;
    assign m_last = sought_last;
  end

  always_ff @(posedge aclk) begin
    if (y_valid) begin
      written[y_ticket] <= written[y_ticket] + COUNT_BITS'(1);
      complete[y_ticket] <= y_last;
    end
    read_count <= next_count;
    read_ticket <= next_ticket;
    if (ticket_returned) begin
      written[read_ticket] <= '0;
      complete[read_ticket] <= 1'b0;
    end
    if (!aresetn) begin
      written <= '0;
      complete <= '0;
      read_ticket <= '0;
      read_count <= '0;
    end
  end
endmodule
