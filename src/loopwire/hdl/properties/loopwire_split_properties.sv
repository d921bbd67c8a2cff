// What loopwire_split promises: each word's parts in order, none lost, the last one marked, and no wait without reason.
module loopwire_split_properties #(
    parameter int PARTS = 3,
    parameter int BITS = 1,
    localparam int COUNT_BITS = $clog2(PARTS + 1)
) (
    input logic aclk,
    input logic aresetn,
    input logic [PARTS*BITS-1:0] s_data,
    input logic [COUNT_BITS-1:0] s_parts,
    input logic s_valid,
    input logic s_last,
    input logic m_ready,
    input logic watch,
    input logic [4:0] watched_part
);
  logic s_ready, m_valid, m_last;
  logic [BITS-1:0] m_data;
  loopwire_split #(.PARTS(PARTS), .BITS(BITS)) split (.*);

  always_comb assume (s_parts != '0 && s_parts <= PARTS);
  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(PARTS * BITS + COUNT_BITS + 1), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered({s_data, s_parts, s_last})
  );
  loopwire_stream_rules #(.BITS(BITS + 1)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_data, m_last})
  );

  logic [PARTS-1:0][BITS:0] parts;
  always_comb begin
    for (int k = 0; k < PARTS; k++) parts[k] = {s_last && s_parts == COUNT_BITS'(k + 1), s_data[k*BITS +: BITS]};
  end
  logic [4:0] inside;
  loopwire_in_order #(.IN_PARTS(PARTS), .BITS(BITS + 1)) order (
      .aclk, .aresetn, .watch, .watched_part, .inside,
      .in_parts(s_valid && s_ready ? 5'(s_parts) : 5'd0), .in(parts),
      .out_parts(5'(m_valid && m_ready)), .out({m_last, m_data})
  );
  always_comb begin
    if (aresetn) begin
      assert (m_valid == (inside != '0 || s_valid));
      assert (s_ready || inside != '0 || !m_ready);
    end
  end
endmodule
