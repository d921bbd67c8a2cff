// What loopwire_window promises: with each sample of a channel the last ones of that channel, 0 where there are none.
module loopwire_window_properties #(
    parameter int STEPS = 3,
    parameter int CHANNELS = 3,
    parameter int BITS = 1
) (
    input logic aclk,
    input logic aresetn,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    input logic s_last,
    input logic s_fresh,
    input logic m_ready
);
  logic s_ready, m_valid, m_last;
  logic [STEPS*BITS-1:0] m_data;
  loopwire_window #(.STEPS(STEPS), .CHANNELS(CHANNELS), .BITS(BITS)) window (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(BITS + 2), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered({s_data, s_last, s_fresh})
  );
  loopwire_stream_rules #(.BITS(STEPS * BITS + 1)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_data, m_last})
  );

  logic [7:0] channel, watched;                 // whose sample comes, and any one, which stays the same
  logic [(STEPS-1)*BITS-1:0] earlier;           // of the watched channel
  wire [STEPS*BITS-1:0] due = {s_data, s_fresh ? ((STEPS - 1) * BITS)'(0) : earlier};
  always_ff @(posedge aclk) begin
    watched <= watched;
    if (!aresetn) begin
      channel <= '0;
      earlier <= '0;
    end else if (s_valid && s_ready) begin
      channel <= channel == CHANNELS - 1 ? 8'd0 : channel + 8'd1;
      if (channel == watched) earlier <= due[BITS +: (STEPS-1)*BITS];
    end
  end
  always_comb begin
    assert (m_valid == s_valid && s_ready == m_ready && (!m_valid || m_last));
    if (aresetn && m_valid && channel == watched) assert (m_data == due);
  end
endmodule
