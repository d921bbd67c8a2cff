// What loopwire_join promises: the parts in order, none lost, in words that are full but for a sequence's last, whose
// lacking parts are 0, and no wait without reason.
module loopwire_join_properties #(
    parameter int PARTS = 3,
    parameter int BITS = 1,
    localparam int COUNT_BITS = $clog2(PARTS + 1)
) (
    input logic aclk,
    input logic aresetn,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    input logic s_last,
    input logic m_ready,
    input logic watch
);
  logic s_ready, m_valid, m_last;
  logic [PARTS*BITS-1:0] m_data;
  logic [COUNT_BITS-1:0] m_parts;
  loopwire_join #(.PARTS(PARTS), .BITS(BITS)) join_parts (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(BITS + 1), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered({s_data, s_last})
  );
  loopwire_stream_rules #(.BITS(PARTS * BITS + COUNT_BITS + 1)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_data, m_parts, m_last})
  );

  logic [PARTS-1:0][BITS:0] parts;
  always_comb begin
    for (int k = 0; k < PARTS; k++) parts[k] = {m_last && m_parts == COUNT_BITS'(k + 1), m_data[k*BITS +: BITS]};
  end
  logic [4:0] inside;
  loopwire_in_order #(.OUT_PARTS(PARTS), .BITS(BITS + 1)) order (
      .aclk, .aresetn, .watch, .watched_part(5'd0), .inside,
      .in_parts(5'(s_valid && s_ready)), .in({s_last, s_data}),
      .out_parts(m_valid && m_ready ? 5'(m_parts) : 5'd0), .out(parts)
  );
  logic ended;                                  // the last part that went in ends a sequence
  always_ff @(posedge aclk) begin
    if (!aresetn) ended <= 1'b0;
    else if (s_valid && s_ready) ended <= s_last;
  end
  always_comb begin
    if (aresetn) begin
      if (m_valid) assert (m_last || m_parts == COUNT_BITS'(PARTS));
      if (m_valid) assert (m_parts != '0 && m_parts <= COUNT_BITS'(PARTS));
      for (int k = 0; k < PARTS; k++) if (m_valid && COUNT_BITS'(k) >= m_parts) assert (m_data[k*BITS +: BITS] == '0);
      // A whole word, and a sequence's last, never waits inside without being offered.
      if (!s_valid && (inside >= PARTS || (inside != '0 && ended))) assert (m_valid);
      if (s_valid) assert (s_ready == (m_ready || (!s_last && inside < PARTS - 1)));
    end
  end
endmodule
