// What loopwire_crop promises: words FIRST to FIRST + COUNT - 1 of each sequence, in the very cycle in which they come, the last
// one marked; no wait for the others; stable under stall.
module loopwire_crop_properties #(
    parameter int FIRST = 1,
    parameter int COUNT = 2,
    parameter int BITS = 2
) (
    input logic aclk,
    input logic aresetn,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    input logic s_last,
    input logic m_ready
);
  localparam int MOST = FIRST + COUNT + 2;      // words of a sequence here

  logic s_ready, s_begins, m_valid, m_last;
  logic [BITS-1:0] m_data;
  loopwire_crop #(.FIRST(FIRST), .COUNT(COUNT), .BITS(BITS)) crop (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(BITS + 1), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered({s_data, s_last})
  );
  loopwire_stream_rules #(.BITS(BITS + 1)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_data, m_last})
  );

  int come;                                     // words of the sequence
  wire within = come >= FIRST && come < FIRST + COUNT;
  always_comb begin
    assume (!s_valid || !s_last || come >= FIRST + COUNT - 1);
    assume (!s_valid || s_last || come < MOST - 1);
  end
  always_ff @(posedge aclk) begin
    if (s_valid && s_ready) come <= s_last ? 0 : come + 1;
    if (!aresetn) come <= 0;
  end

  always_comb begin
    if (aresetn) begin
      assert (come < MOST);
      assert (m_valid == (s_valid && within));
      assert (s_ready == (m_ready || !within));
      assert (s_begins == (come == 0));
      if (m_valid) assert (m_data == s_data && m_last == (come == FIRST + COUNT - 1));
    end
  end
endmodule
