// What loopwire_labels promises: labels in order, none lost, from the cycle after a sequence's first beat to its result's
// last one.
module loopwire_labels_properties #(
    parameter int DEPTH = 4,
    parameter int BITS = 2
) (
    input logic aclk,
    input logic aresetn,
    input logic begins,
    input logic [BITS-1:0] s_label,
    input logic ends,
    input logic watch
);
  logic [BITS-1:0] m_label;
  loopwire_labels #(.DEPTH(DEPTH), .BITS(BITS)) labels (.*);

  loopwire_begins_in_reset start (.*);
  logic [4:0] inside;
  always_comb assume (!(begins && inside == DEPTH) && !(ends && inside == '0));
  loopwire_in_order #(.BITS(BITS)) order (
      .aclk, .aresetn, .watch, .watched_part(5'd0), .inside,
      .in_parts(5'(begins)), .in(s_label), .out_parts(5'(ends)), .out(m_label)
  );
endmodule
