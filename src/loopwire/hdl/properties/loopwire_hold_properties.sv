// What loopwire_hold promises: results leave from LATENCY cycles after the first beat of their sequence on, not before, and
// then as soon as they can.
module loopwire_hold_properties #(
    parameter int LATENCY = 5,
    parameter int DEPTH = 4
) (
    input logic aclk,
    input logic aresetn,
    input logic begins,
    input logic s_valid,
    input logic s_last,
    input logic m_ready,
    input logic watch
);
  logic s_ready, m_valid;
  loopwire_hold #(.LATENCY(LATENCY), .DEPTH(DEPTH)) hold (.*);

  loopwire_begins_in_reset start (.*);

  // Any one sequence is watched, which `watch` chooses.
  logic watching;
  logic [3:0] inside, ahead;                    // sequences, and those of them that leave before the watched one
  logic [3:0] age;                              // of the watched one, in cycles; LATENCY at most
  wire ends = m_valid && m_ready && s_last;
  wire first = watching && ahead == '0;
  always_comb assume (!begins || inside < DEPTH);
  always_ff @(posedge aclk) begin
    inside <= inside + 4'(begins) - 4'(ends);
    if (ends && ahead != '0) ahead <= ahead - 4'd1;
    if (age < LATENCY) age <= age + 4'd1;
    if (ends && first) watching <= 1'b0;
    if (begins && watch && !watching) begin
      watching <= 1'b1;
      ahead <= inside - 4'(ends);
      age <= 4'd1;
    end
    if (!aresetn) begin
      inside <= '0;
      watching <= 1'b0;
    end
  end

  always_comb begin
    if (aresetn) begin
      assert (m_valid == (s_valid && s_ready) || !m_ready);
      if (inside == '0) assert (!m_valid && !s_ready);
      if (first) assert (m_valid == (s_valid && age >= LATENCY) && s_ready == (m_ready && age >= LATENCY));
    end
  end
endmodule
