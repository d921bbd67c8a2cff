// What loopwire_meet promises: a step when all streams have it, all of one sequence and of one place in it; the sequence
// ends with the first stream that ends, at the latest after STEPS steps; what others still have of it is taken at once;
// a beat of HELD is kept for all steps of a sequence; stable under stall.
module loopwire_meet_properties #(
    parameter int STREAMS = 2,
    parameter bit [STREAMS-1:0] HELD = '0,
    parameter int STEPS = 3
) (
    input logic aclk,
    input logic aresetn,
    input logic [STREAMS-1:0] s_valid,
    input logic [STREAMS-1:0] s_last,
    input logic m_ready
);
  logic [STREAMS-1:0] s_ready;
  logic m_valid, m_last;
  loopwire_meet #(.STREAMS(STREAMS), .HELD(HELD), .STEPS(STEPS)) meet (.*);

  loopwire_begins_in_reset start (.*);
  for (genvar k = 0; k < STREAMS; k++) begin : gen_source
    loopwire_stream_rules #(.BITS(1), .ASSUMED(1)) source (
        .aclk, .aresetn, .valid(s_valid[k]), .ready(s_ready[k]), .offered(s_last[k])
    );
  end
  loopwire_stream_rules #(.BITS(1)) result (.aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered(m_last));

  // Sequences that have ended at each stream and behind, modulo 4, and steps of those that have not.
  logic [STREAMS-1:0][1:0] sequences;
  logic [STREAMS-1:0][2:0] steps;
  logic [1:0] sequence_behind;
  logic [2:0] step_behind;
  logic [STREAMS-1:0] level;                    // at the sequence that is at hand behind
  always_comb for (int k = 0; k < STREAMS; k++) level[k] = sequences[k] == sequence_behind;

  wire moves = m_valid && m_ready;
  always_ff @(posedge aclk) begin
    for (int k = 0; k < STREAMS; k++) begin
      if (s_valid[k] && s_ready[k]) begin
        if (HELD[k] || s_last[k]) sequences[k] <= sequences[k] + 2'd1;
        // Of what is taken beside the steps behind, the places do not matter.
        steps[k] <= s_last[k] || !level[k] ? 3'd0 : steps[k] + 3'd1;
      end
    end
    if (moves) begin
      step_behind <= m_last ? 3'd0 : step_behind + 3'd1;
      if (m_last) sequence_behind <= sequence_behind + 2'd1;
    end
    if (!aresetn) begin
      sequences <= '0;
      steps <= '0;
      sequence_behind <= '0;
      step_behind <= '0;
    end
  end

  always_comb begin
    if (aresetn) begin
      assert (m_valid == (&s_valid && &level));
      if (m_valid) assert (m_last == (|(s_last & ~HELD) || step_behind == STEPS - 1));
      for (int k = 0; k < STREAMS; k++) begin
        if (moves && !HELD[k]) assert (steps[k] == step_behind);
        if (!level[k]) assert (sequences[k] + 2'd1 == sequence_behind && !HELD[k]);
        assert (s_ready[k] == (!level[k] || (moves && (!HELD[k] || m_last))));
      end
    end
  end
endmodule
