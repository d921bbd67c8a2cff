// Gives an engine's pipeline its steps: SLOTS slots hold a sequence each and take turns, one each SPACING cycles, the same
// one again after RING cycles.
//
// A sequence arrives a beat a cycle and ends at s_last or at its STEPS-th beat. Its steps are kept in the slot's buffer and
// issued one each RING cycles, in order (in reverse order, once all are there, where REVERSE is 1). A sequence is let in only
// when its slot is free and a ticket, its place in the collector, is left; so nothing behind this module ever waits.
// A sequence starts afresh, from the initial states, if s_fresh says so with its first beat or if it is its slot's first
// since the reset; others may go on from the states that their slot's last one left.
// With no sequence inside, the turns stop at the slot that is filled next. Where WAITS is 1 they also stop at a slot whose
// next step has not come: that is for a single slot, in a pipeline that keeps its states in memories.
module loopwire_feeder #(
    parameter int STEPS = 20,
    parameter int RING = 5,
    parameter int SLOTS = 5,
    parameter int SPACING = 1,
    parameter int TICKETS = 8,
    parameter bit REVERSE = 0,
    parameter bit WAITS = 0,
    parameter int X_BITS = 96,
    localparam int COUNT_BITS = $clog2(STEPS + 1),
    localparam int STEP_BITS = STEPS > 1 ? $clog2(STEPS) : 1,
    localparam int PHASE_BITS = RING > 1 ? $clog2(RING) : 1,
    localparam int SLOT_BITS = SLOTS > 1 ? $clog2(SLOTS) : 1,
    localparam int TICKET_BITS = $clog2(TICKETS)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [X_BITS-1:0] s_data,
    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,
    input  logic s_fresh,

    output logic step_valid,                    // a step enters the pipeline in this cycle
    output logic step_active,                   // its sequence goes on: the state is needed again
    output logic step_first,                    // it is the sequence's first
    output logic step_fresh,                    // it is the first of a sequence that starts afresh
    output logic step_last,                     // it is the sequence's last
    output logic [SLOT_BITS-1:0] step_slot,
    output logic [STEP_BITS-1:0] step_index,    // counted in the order in which steps are issued
    output logic [TICKET_BITS-1:0] step_ticket,
    output logic [X_BITS-1:0] step_x,

    input  logic ticket_returned                // the collector has handed on a sequence's result
);
  // The buffer holds STEPS beats a slot.
  localparam int BUFFER = SLOTS * STEPS;
  localparam int ADDRESS_BITS = BUFFER > 1 ? $clog2(BUFFER) : 1;
  logic [X_BITS-1:0] buffer [0:BUFFER-1];

  logic [SLOTS-1:0] busy;                       // from the first beat to the issue of the last step
  logic [SLOTS-1:0] ended;                      // all beats are there
  logic [SLOTS-1:0] fresh;                      // the sequence starts afresh
  logic [SLOTS-1:0][COUNT_BITS-1:0] received;   // beats in the buffer
  logic [SLOTS-1:0][COUNT_BITS-1:0] issued;     // steps issued
  logic [SLOTS-1:0][TICKET_BITS-1:0] ticket;

  // Where the next beat goes.
  logic [SLOT_BITS-1:0] fill_slot;
  logic fill_again;                             // the slot has had a sequence since the reset
  logic fill_inside;                            // not its sequence's first beat
  logic [COUNT_BITS-1:0] fill_count;
  logic [TICKET_BITS-1:0] fill_ticket;
  logic [TICKET_BITS:0] tickets_out;

  // Whose turn it is.
  logic [PHASE_BITS-1:0] phase;
  logic [SLOTS-1:0] turn;                       // whose, one-hot; nobody's in cycles between
  logic issue_last;
  logic [SLOTS-1:0] leaving;                    // the slot issues its last step in this cycle

  logic accepted, accepted_first, accepted_last;
  logic [SLOTS-1:0] fill_here;
  always_comb begin
    for (int k = 0; k < SLOTS; k++) fill_here[k] = fill_slot == SLOT_BITS'(k);
    s_ready = fill_inside
        || (|(fill_here & (~busy | leaving)) && tickets_out < (TICKET_BITS + 1)'(TICKETS));
    accepted = s_valid && s_ready;
    accepted_first = accepted && !fill_inside;
    accepted_last = accepted && (s_last || fill_count == COUNT_BITS'(STEPS - 1));
  end

  logic [ADDRESS_BITS-1:0] fill_address, issue_address;
  logic [COUNT_BITS-1:0] issue_received, issue_issued;
  logic [SLOTS-1:0][COUNT_BITS-1:0] issue_place;
  logic issue_busy, issue_ended, issue_fresh;
  always_comb begin
    for (int k = 0; k < SLOTS; k++) begin
      if (REVERSE) issue_place[k] = received[k] - issued[k] - COUNT_BITS'(1);
      else issue_place[k] = issued[k];
    end
    for (int k = 0; k < SLOTS; k++) turn[k] = phase == PHASE_BITS'(k * SPACING);
    issue_busy = 1'b0;
    issue_ended = 1'b0;
    issue_fresh = 1'b0;
    issue_received = '0;
    issue_issued = '0;
    step_ticket = '0;
    step_slot = '0;
    fill_address = '0;
    issue_address = '0;
    for (int k = 0; k < SLOTS; k++) begin
      if (turn[k]) begin
        issue_busy = busy[k];
        issue_ended = ended[k];
        issue_fresh = fresh[k];
        issue_received = received[k];
        issue_issued = issued[k];
        step_ticket = ticket[k];
        step_slot = SLOT_BITS'(k);
        issue_address = ADDRESS_BITS'(k * STEPS) + ADDRESS_BITS'(issue_place[k]);
      end
      if (fill_here[k]) fill_address = ADDRESS_BITS'(k * STEPS) + ADDRESS_BITS'(fill_count);
    end
    step_valid = issue_busy && (REVERSE ? issue_ended : issue_issued < issue_received);
    step_last = issue_ended && COUNT_BITS'(issue_issued + COUNT_BITS'(1)) == issue_received;
    step_active = step_valid ? !step_last : issue_issued != '0;
    step_first = issue_issued == '0;
    step_fresh = step_first && issue_fresh;
    step_index = STEP_BITS'(issue_issued);
    issue_last = step_valid && step_last;
    for (int k = 0; k < SLOTS; k++) leaving[k] = turn[k] && issue_last;
  end
  assign step_x = buffer[issue_address];

  always_ff @(posedge aclk) if (accepted) buffer[fill_address] <= s_data;

  always_ff @(posedge aclk) begin
    if (accepted) begin
      fill_inside <= !accepted_last;
      fill_count <= accepted_last ? '0 : fill_count + COUNT_BITS'(1);
      if (accepted_last) begin
        fill_slot <= fill_slot == SLOT_BITS'(SLOTS - 1) ? '0 : fill_slot + SLOT_BITS'(1);
        if (fill_slot == SLOT_BITS'(SLOTS - 1)) fill_again <= 1'b1;
        fill_ticket <= fill_ticket == TICKET_BITS'(TICKETS - 1) ? '0 : fill_ticket + TICKET_BITS'(1);
      end
    end
    tickets_out <= tickets_out + (TICKET_BITS + 1)'(accepted_first) - (TICKET_BITS + 1)'(ticket_returned);

    if (!(|turn && !step_valid && (WAITS || (busy == '0 && |(turn & fill_here))))) begin
      phase <= phase == PHASE_BITS'(RING - 1) ? '0 : phase + PHASE_BITS'(1);
    end

    for (int k = 0; k < SLOTS; k++) begin
      if (leaving[k]) begin
        busy[k] <= 1'b0;
        ended[k] <= 1'b0;
        received[k] <= '0;
        issued[k] <= '0;
      end else if (turn[k] && step_valid) issued[k] <= issued[k] + COUNT_BITS'(1);
      if (fill_here[k] && accepted) begin
        busy[k] <= 1'b1;
        ended[k] <= accepted_last;
        received[k] <= fill_count + COUNT_BITS'(1);
        if (accepted_first) begin
          ticket[k] <= fill_ticket;
          fresh[k] <= s_fresh || !fill_again;
        end
      end
    end

    if (!aresetn) begin
      busy <= '0;
      ended <= '0;
      received <= '0;
      issued <= '0;
      fill_slot <= '0;
      fill_again <= 1'b0;
      fill_inside <= 1'b0;
      fill_count <= '0;
      fill_ticket <= '0;
      tickets_out <= '0;
      phase <= '0;
    end
  end
endmodule
