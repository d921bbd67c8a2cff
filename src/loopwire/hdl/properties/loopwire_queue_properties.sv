// What loopwire_queue promises: words in order, none lost, and a word offered whenever there is one.
module loopwire_queue_properties #(
    parameter int DEPTH = 3,
    parameter int BITS = 2
) (
    input logic aclk,
    input logic aresetn,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    input logic m_ready,
    input logic watch
);
  logic s_ready, m_valid;
  logic [BITS-1:0] m_data;
  loopwire_queue #(.DEPTH(DEPTH), .BITS(BITS)) queue (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(BITS), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered(s_data)
  );
  loopwire_stream_rules #(.BITS(BITS)) result (.aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered(m_data));

  logic [4:0] inside;
  loopwire_in_order #(.BITS(BITS)) order (
      .aclk, .aresetn, .watch, .watched_part(5'd0), .inside,
      .in_parts(5'(s_valid && s_ready)), .in(s_data), .out_parts(5'(m_valid && m_ready)), .out(m_data)
  );
  always_comb begin
    if (aresetn) begin
      assert (m_valid == (inside != '0 || s_valid));
      assert (inside <= DEPTH);
      assert (s_ready || inside == DEPTH);
    end
  end
endmodule
