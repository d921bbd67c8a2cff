// What loopwire_fill promises: a sequence's words as they come, in the very cycle, then words of 0 up to STEPS, the last one
// marked; stable under stall.
module loopwire_fill_properties #(
    parameter int STEPS = 3,
    parameter int BITS = 2
) (
    input logic aclk,
    input logic aresetn,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    input logic s_last,
    input logic m_ready
);
  logic s_ready, m_valid, m_last;
  logic [BITS-1:0] m_data;
  loopwire_fill #(.STEPS(STEPS), .BITS(BITS)) fill (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(BITS + 1), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered({s_data, s_last})
  );
  loopwire_stream_rules #(.BITS(BITS + 1)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_data, m_last})
  );

  int come, gone;                               // words of the sequence
  logic ended;                                  // all that come have
  always_comb assume (!s_valid || s_last || come < STEPS - 1);
  always_ff @(posedge aclk) begin
    if (m_valid && m_ready && m_last) begin
      come <= 0;
      gone <= 0;
      ended <= 1'b0;
    end else begin
      if (s_valid && s_ready) begin
        come <= come + 1;
        ended <= s_last;
      end
      if (m_valid && m_ready) gone <= gone + 1;
    end
    if (!aresetn) begin
      come <= 0;
      gone <= 0;
      ended <= 1'b0;
    end
  end

  always_comb begin
    if (aresetn) begin
      assert (gone < STEPS && m_last == (gone == STEPS - 1));
      assert (m_valid == (ended || s_valid));
      assert (s_ready == (m_ready && !ended));
      if (m_valid) assert (m_data == (ended ? '0 : s_data));
      if (!ended) assert (come == gone);
    end
  end
endmodule
