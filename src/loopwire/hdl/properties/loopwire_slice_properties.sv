// What loopwire_slice promises: all words leave once and in order, a cycle after they came at the earliest; two fit, and
// neither side's signals depend on the other's in the same cycle.
module loopwire_slice_properties #(
    parameter int BITS = 2
) (
    input logic aclk,
    input logic aresetn,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    input logic m_ready
);
  logic s_ready, m_valid;
  logic [BITS-1:0] m_data;
  loopwire_slice #(.BITS(BITS)) slice (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(BITS), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered(s_data)
  );
  loopwire_stream_rules #(.BITS(BITS)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered(m_data)
  );

  logic opened;                                 // the reset is over
  logic [1:0] inside;                           // words
  logic [BITS-1:0] first, second;
  wire came = s_valid && s_ready;
  wire left = m_valid && m_ready;
  always_ff @(posedge aclk) begin
    opened <= aresetn;
    inside <= inside + 2'(came) - 2'(left);
    if (left) first <= second;
    if (came && inside - 2'(left) == 2'd0) first <= s_data;
    if (came && inside - 2'(left) == 2'd1) second <= s_data;
    if (!aresetn) inside <= '0;
  end
  always_comb begin
    if (aresetn) begin
      assert (s_ready == (opened && inside < 2'd2));
      assert (m_valid == (inside > 2'd0));
      if (m_valid) assert (m_data == first);
    end
  end
endmodule
