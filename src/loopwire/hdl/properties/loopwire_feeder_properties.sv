// What loopwire_feeder promises: sequences go to the slots in turn, their steps are issued in order (or in reverse order),
// none lost and none besides, each with its vector, number, ticket and marks; and no more sequences are let in than there
// are tickets, so that none is used again before it has been returned.
module loopwire_feeder_properties #(
    parameter int STEPS = 2,
    parameter int RING = 2,
    parameter int SLOTS = 2,
    parameter int SPACING = 1,
    parameter int TICKETS = 2,
    parameter bit REVERSE = 0,
    parameter bit WAITS = 0,
    parameter bit X_STAGE = 0,
    localparam int TICKET_BITS = $clog2(TICKETS),
    localparam int STEP_BITS = STEPS > 1 ? $clog2(STEPS) : 1,
    localparam int SLOT_BITS = SLOTS > 1 ? $clog2(SLOTS) : 1
) (
    input logic aclk,
    input logic aresetn,
    input logic s_data,
    input logic s_valid,
    input logic s_last,
    input logic s_fresh,
    input logic ticket_returned
);
  logic s_ready, step_x, step_valid, step_clears, step_first, step_fresh, step_last;
  logic [SLOT_BITS-1:0] step_slot;
  logic [STEP_BITS-1:0] step_index;
  logic [TICKET_BITS-1:0] step_ticket;
  loopwire_feeder #(
      .STEPS(STEPS), .RING(RING), .SLOTS(SLOTS), .SPACING(SPACING), .TICKETS(TICKETS), .REVERSE(REVERSE),
      .WAITS(WAITS), .X_BITS(1), .X_STAGE(X_STAGE)
  ) feeder (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(3), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered({s_data, s_last, s_fresh})
  );

  // Where the next beat belongs.
  logic [3:0] slot, count, ticket, tickets_out;
  logic again;                                  // each slot has had a sequence since the reset
  // What each slot holds.
  logic [SLOTS-1:0] busy, ended, fresh;
  logic [SLOTS-1:0][3:0] received, issued, held, waiting;
  // Any vector of any slot: which, stays the same.
  logic [3:0] watched_slot, watched_beat;
  logic watched;

  wire accepted = s_valid && s_ready;
  always_ff @(posedge aclk) begin
    watched_slot <= watched_slot;
    watched_beat <= watched_beat;
    if (accepted && slot == watched_slot && count == watched_beat) watched <= s_data;
    if (accepted) begin
      count <= s_last ? 4'd0 : count + 4'd1;
      if (s_last) slot <= slot == SLOTS - 1 ? 4'd0 : slot + 4'd1;
      if (s_last && slot == SLOTS - 1) again <= 1'b1;
      if (s_last) ticket <= ticket == TICKETS - 1 ? 4'd0 : ticket + 4'd1;
    end
    tickets_out <= tickets_out + 4'(accepted && count == 4'd0) - 4'(ticket_returned);
    for (int k = 0; k < SLOTS; k++) begin
      // Cycles in which a step was there and was not issued.
      waiting[k] <= busy[k] && (REVERSE ? ended[k] : issued[k] != received[k]) && !(step_valid && step_slot == k)
          ? waiting[k] + 4'd1 : 4'd0;
      if (step_valid && step_slot == k) begin
        issued[k] <= step_last ? 4'd0 : issued[k] + 4'd1;
        if (step_last) begin
          busy[k] <= 1'b0;
          ended[k] <= 1'b0;
          received[k] <= 4'd0;
        end
      end
      if (accepted && slot == k) begin
        busy[k] <= 1'b1;
        ended[k] <= s_last;
        received[k] <= count + 4'd1;
        if (count == 4'd0) begin
          held[k] <= ticket;
          fresh[k] <= s_fresh || !again;
        end
      end
    end
    if (!aresetn) begin
      {slot, count, ticket, tickets_out} <= '0;
      again <= 1'b0;
      busy <= '0;
      ended <= '0;
      received <= '0;
      issued <= '0;
      waiting <= '0;
    end
  end

  always_comb begin
    assume (s_last || count < STEPS - 1);
    assume (!ticket_returned || tickets_out != 4'd0);
    if (aresetn) begin
      assert (tickets_out <= TICKETS);
      for (int k = 0; k < SLOTS; k++) begin
        // A sequence is let in as soon as its slot is free and a ticket is left, and not before.
        if (slot == k) begin
          assert (s_ready == (count != 4'd0 || (tickets_out < TICKETS
              && (!busy[k] || (step_valid && step_last && step_slot == k)))));
        end
        assert (waiting[k] < RING);
        if (step_valid && step_slot == k) begin
          assert (busy[k] && issued[k] < received[k] && (ended[k] || !REVERSE));
          assert (step_last == (ended[k] && issued[k] + 4'd1 == received[k]));
          assert (step_first == (issued[k] == 4'd0) && step_fresh == (step_first && fresh[k]));
          assert (step_index == issued[k] && step_ticket == held[k]);
          assert (step_clears == step_last);
        end
      end
    end
  end

  // The vector of a step, which comes with the rest or a cycle later.
  logic due, due_later;
  logic [3:0] beat;
  always_comb begin
    due = 1'b0;
    beat = 4'd0;
    for (int k = 0; k < SLOTS; k++) begin
      if (step_slot == k) beat = REVERSE ? received[k] - issued[k] - 4'd1 : issued[k];
      if (step_valid && step_slot == k && watched_slot == k && beat == watched_beat) due = 1'b1;
    end
  end
  logic watched_before;
  always_ff @(posedge aclk) begin
    due_later <= aresetn && due;
    watched_before <= watched;
  end
  always_comb begin
    if (aresetn && !X_STAGE && due) assert (step_x == watched);
    if (aresetn && X_STAGE && due_later) assert (step_x == watched_before);
  end
endmodule
