// Tells how many steps an input beat holds, and whether it ends its sequence.
//
// A sequence ends with s_last or with the beat in which its STEPS-th step lies. That beat holds the steps that s_keep tells,
// but none beyond the STEPS-th; all beats before it are full.
module loopwire_framer #(
    parameter int STEPS = 20,                   // of the longest sequence
    parameter int PER_BEAT = 4,                 // steps in a full beat
    localparam int COUNT_BITS = $clog2(PER_BEAT + 1)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic accepted,                      // the beat is taken in this cycle
    input  logic s_last,
    input  logic [PER_BEAT-1:0] s_keep,         // which steps are there: as many as stand below its highest 1, at least one

    output logic [COUNT_BITS-1:0] steps,
    output logic last
);
  localparam int BEATS = (STEPS + PER_BEAT - 1) / PER_BEAT;
  localparam int BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int IN_LAST_BEAT = STEPS - (BEATS - 1) * PER_BEAT;
  logic [BEAT_BITS-1:0] beat;
  logic [COUNT_BITS-1:0] kept, most;

  wire last_possible = beat == BEAT_BITS'(BEATS - 1);
  assign last = s_last || last_possible;
  assign most = last_possible ? COUNT_BITS'(IN_LAST_BEAT) : COUNT_BITS'(PER_BEAT);
  assign steps = last && kept < most ? kept : most;
  always_comb begin
    kept = COUNT_BITS'(1);
    for (int k = 1; k < PER_BEAT; k++) if (s_keep[k]) kept = COUNT_BITS'(k + 1);
  end

  always_ff @(posedge aclk) begin
    if (accepted) beat <= last ? '0 : beat + BEAT_BITS'(1);
    if (!aresetn) beat <= '0;
  end
endmodule
