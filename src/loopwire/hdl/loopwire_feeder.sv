// Gives an engine's pipeline its steps: SLOTS slots hold a sequence each and take turns, one each SPACING cycles, the same
// one again after RING cycles.
//
// A sequence arrives a beat a cycle and ends at s_last, with at most STEPS beats. Its steps are kept in the slot's buffer and
// issued one each RING cycles, in order (in reverse order, once all are there, where REVERSE is 1). A sequence is let in only
// when its slot is free and a ticket, its place in the collector, is left; so nothing behind this module ever waits.
// A sequence starts afresh, from the initial states, if s_fresh says so with its first beat or if it is its slot's first
// since the reset; others may go on from the states that their slot's last one left.
// With no sequence inside, the turns stop at the slot that is filled next. Where WAITS is 1 they also stop at a slot whose
// next step has not come: that is for a single slot, in a pipeline that keeps its states in memories.
// All that is told of a step stands in registers, made ready in the cycle before; a beat that comes in that cycle is passed
// by the buffer.
module loopwire_feeder #(
    parameter int STEPS = 20,
    parameter int RING = 5,
    parameter int SLOTS = 5,
    parameter int SPACING = 1,
    parameter int TICKETS = 8,
    parameter bit REVERSE = 0,
    parameter bit WAITS = 0,
    parameter int X_BITS = 96,
    parameter bit X_STAGE = 0,                  // of step_x: 1 for a cycle later than all else of the step
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
    output logic step_clears,                   // no step follows that needs the state, or there is no sequence
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
  (* ram_style = "distributed" *) logic [X_BITS-1:0] buffer [0:BUFFER-1];

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
  logic [SLOTS-1:0] leaving;                    // the slot issues its last step in this cycle
  assign leaving = turn & {SLOTS{step_valid && step_last}};

  logic accepted, accepted_first, accepted_last;
  logic [SLOTS-1:0] fill_here;
  logic [ADDRESS_BITS-1:0] fill_address;
  always_comb begin
    fill_address = '0;
    for (int k = 0; k < SLOTS; k++) begin
      fill_here[k] = fill_slot == SLOT_BITS'(k);
      if (fill_here[k]) fill_address = ADDRESS_BITS'(k * STEPS) + ADDRESS_BITS'(fill_count);
    end
    s_ready = fill_inside
        || (|(fill_here & (~busy | leaving)) && tickets_out < (TICKET_BITS + 1)'(TICKETS));
    accepted = s_valid && s_ready;
    accepted_first = accepted && !fill_inside;
    accepted_last = accepted && s_last;
  end

  // What each slot holds in the next cycle, but for a beat that comes in this one.
  logic [SLOTS-1:0][COUNT_BITS-1:0] received_then, issued_then;
  logic [SLOTS-1:0][ADDRESS_BITS-1:0] read_places;
  logic [SLOTS-1:0] ended_then, more_then, last_then, none_then, meets_fill;
  always_comb begin
    for (int k = 0; k < SLOTS; k++) begin
      received_then[k] = received[k];
      issued_then[k] = issued[k];
      ended_then[k] = ended[k];
      if (RING == 1 && step_valid) begin        // the turn after this one is the same slot's
        received_then[k] = step_last ? '0 : received[k];
        issued_then[k] = step_last ? '0 : issued[k] + COUNT_BITS'(1);
        ended_then[k] = ended[k] && !step_last;
      end
      more_then[k] = REVERSE ? ended_then[k] : issued_then[k] != received_then[k];
      last_then[k] = ended_then[k] && COUNT_BITS'(issued_then[k] + COUNT_BITS'(1)) == received_then[k];
      none_then[k] = issued_then[k] == '0;
      meets_fill[k] = issued_then[k] == fill_count;
      read_places[k] = ADDRESS_BITS'(k * STEPS) + ADDRESS_BITS'(issued_then[k]);
      if (REVERSE) read_places[k] = ADDRESS_BITS'(k * STEPS) + ADDRESS_BITS'(received_then[k])
          - ADDRESS_BITS'(issued_then[k]) - ADDRESS_BITS'(1);
    end
  end

  // Whose turn is next; whether a beat comes for it in this cycle is known last.
  logic stopped;
  logic [SLOTS-1:0] next_turn;
  logic [SLOT_BITS-1:0] next_slot;
  logic [ADDRESS_BITS-1:0] next_address;
  logic [STEP_BITS-1:0] next_index;
  logic [TICKET_BITS-1:0] next_ticket;
  logic next_fresh, next_none, next_filled, next_arrives, next_valid, next_last;
  always_comb begin
    stopped = |turn && !step_valid && (WAITS || (busy == '0 && |(turn & fill_here)));
    next_slot = '0;
    next_index = '0;
    next_ticket = '0;
    next_fresh = 1'b0;
    next_address = '0;
    for (int k = 0; k < SLOTS; k++) begin
      next_turn[k] = stopped ? turn[k] : phase == PHASE_BITS'((k * SPACING + RING - 1) % RING);
      if (next_turn[k]) begin
        next_slot = SLOT_BITS'(k);
        next_index = STEP_BITS'(issued_then[k]);
        next_ticket = ticket[k];
        next_fresh = fresh[k];
        next_address = read_places[k];
      end
    end
    next_none = !(|(next_turn & ~none_then));
    next_filled = accepted && |(next_turn & fill_here);
    next_arrives = next_filled && (REVERSE || |(next_turn & meets_fill));
    next_valid = next_filled ? !REVERSE || s_last : |(next_turn & more_then);
    next_last = next_filled ? s_last && |(next_turn & meets_fill) : |(next_turn & last_then);
    if (next_filled && accepted_first) begin
      next_ticket = fill_ticket;
      next_fresh = s_fresh || !fill_again;
    end
  end

  always_ff @(posedge aclk) begin
    step_valid <= aresetn && next_valid;
    step_clears <= !aresetn || (next_valid ? next_last : next_none);
    step_first <= next_none;
    step_fresh <= next_none && next_fresh;
    step_last <= next_last;
    step_index <= next_index;
    step_slot <= next_slot;
    step_ticket <= next_ticket;
  end

  if (X_STAGE) begin : gen_later
    logic read_arrives;
    logic [ADDRESS_BITS-1:0] read_address;
    logic [X_BITS-1:0] read_data;
    always_ff @(posedge aclk) begin
      read_arrives <= next_arrives;
      read_address <= next_address;
      read_data <= s_data;
      step_x <= read_arrives ? read_data : buffer[read_address];
    end
  end else begin : gen_at_once
    always_ff @(posedge aclk) step_x <= next_arrives ? s_data : buffer[next_address];
  end

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

    turn <= next_turn;
    if (!stopped) phase <= phase == PHASE_BITS'(RING - 1) ? '0 : phase + PHASE_BITS'(1);

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
      turn <= SLOTS'(1);
    end
  end
endmodule
