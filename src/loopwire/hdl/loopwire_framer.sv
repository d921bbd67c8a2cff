// Stands behind the input port: finds each sequence's end, counts each beat's steps, and says where a sender broke the framing.
//
// A beat holds up to PER_BEAT steps, or a step takes PARTS beats; one of the two is 1. A sequence ends with s_last, or with
// the beat in which its STEPS-th step ends. Its last beat holds the steps that s_keep tells, but none beyond the STEPS-th;
// all beats before it are full. So behind this module every sequence is of 1 to STEPS whole steps, and ends with m_last.
// * s_last within a step: the step counts, with m_padding as its last part, and ends the sequence: a framing error.
// * s_keep with holes, or not full before the last beat: its steps count as above: a framing error.
// * With CHANNELS above 1, s_id of a sequence's first beat that is not its channel's number, counted from the reset on: the
//   sequence is dropped, and all that follow until the one that the channel awaits: a framing error.
// * A sequence longer than STEPS. With STRICT 1 all end with s_last: what follows the STEPS-th step is dropped, up to s_last,
//   so that each s_last gives one result. With STRICT 0 it begins another sequence, as from a sender without s_last. An
//   overrun, which shows with STRICT 0 once sequences have ended both with and without s_last.
// s_ready depends on registers and m_ready alone, and is low from the reset's first edge to the first one after it.
module loopwire_framer #(
    parameter int STEPS = 20,                   // of the longest sequence
    parameter int PER_BEAT = 1,                 // steps in a full beat
    parameter int PARTS = 1,                    // beats of a step
    parameter bit STRICT = 0,
    parameter int CHANNELS = 1,                 // that take turns, sequence by sequence; 1: s_id means nothing here
    parameter int ID_BITS = 1,
    localparam int COUNT_BITS = $clog2(PER_BEAT + 1)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,
    input  logic [ID_BITS-1:0] s_id,
    input  logic [PER_BEAT-1:0] s_keep,         // which steps are there: as many as stand below its highest 1, at least one

    output logic m_valid,
    input  logic m_ready,
    output logic m_last,
    output logic [COUNT_BITS-1:0] m_steps,      // that the beat holds
    output logic m_padding,                     // no beat, but the rest of a step that s_last cut off

    output logic begins,                        // a sequence's first beat is taken in this cycle

    output logic framing_error,                 // since the reset
    output logic overrun                        // since the reset
);
  localparam int BEATS = (STEPS * PARTS + PER_BEAT - 1) / PER_BEAT;
  localparam int BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int PART_BITS = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int IN_LAST_BEAT = PARTS > 1 ? 1 : STEPS - (BEATS - 1) * PER_BEAT;
  logic open;                                   // the reset is over
  logic dropping;                               // up to s_last
  logic [BEAT_BITS-1:0] beat;                   // of the sequence
  logic [PART_BITS-1:0] part;                   // of the step
  logic [ID_BITS-1:0] channel;                  // whose sequence this is
  logic ended_by_last, ended_by_count;          // some sequence since the reset

  wire last_part = part == PART_BITS'(PARTS - 1);
  wire last_beat = beat == BEAT_BITS'(BEATS - 1);
  wire ends = s_last || last_beat;
  wire first = beat == '0;
  wire wrong = CHANNELS > 1 && first && s_id != channel;
  wire taken = s_valid && s_ready;
  wire framed = taken && !dropping && !wrong;

  assign s_ready = open && !m_padding && (dropping || m_ready);
  assign m_valid = m_padding || (s_valid && open && !dropping && !wrong);
  assign m_last = m_padding || (ends && last_part);
  assign begins = framed && first;

  wire holes = !s_keep[0] || |(~s_keep & (s_keep >> 1));
  wire beyond = last_beat && |(s_keep >> IN_LAST_BEAT);
  logic [COUNT_BITS-1:0] kept, most;
  assign most = last_beat ? COUNT_BITS'(IN_LAST_BEAT) : COUNT_BITS'(PER_BEAT);
  assign m_steps = ends && kept < most ? kept : most;
  always_comb begin
    kept = COUNT_BITS'(1);
    for (int k = 1; k < PER_BEAT; k++) if (s_keep[k]) kept = COUNT_BITS'(k + 1);
  end

  always_ff @(posedge aclk) begin
    open <= aresetn;
    if (taken) begin
      beat <= ends ? '0 : beat + BEAT_BITS'(1);
      part <= ends || last_part ? '0 : part + PART_BITS'(1);
      dropping <= !s_last && (STRICT ? dropping || wrong || last_beat : (dropping || wrong) && !last_beat);
      if (wrong && !dropping) framing_error <= 1'b1;
    end
    if (framed) begin
      if (ends) channel <= channel == ID_BITS'(CHANNELS - 1) ? '0 : channel + ID_BITS'(1);
      if (s_last) ended_by_last <= 1'b1;
      if (!s_last && last_beat) ended_by_count <= 1'b1;
      if (holes || (!ends && !(&s_keep)) || (s_last && !last_part)) framing_error <= 1'b1;
      if (beyond) overrun <= 1'b1;
    end
    if (ended_by_count && (STRICT || ended_by_last)) overrun <= 1'b1;
    m_padding <= (framed && s_last && !last_part) || (m_padding && !m_ready);
    if (!aresetn) begin
      beat <= '0;
      part <= '0;
      dropping <= 1'b0;
      channel <= '0;
      m_padding <= 1'b0;
      ended_by_last <= 1'b0;
      ended_by_count <= 1'b0;
      framing_error <= 1'b0;
      overrun <= 1'b0;
    end
  end
endmodule
