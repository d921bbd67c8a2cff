// Proves that what goes in comes out: in order, nothing lost between two that come out, nothing twice, nothing else.
//
// Up to IN_PARTS parts go in in a cycle and up to OUT_PARTS come out, those that go in in the same cycle included. Any one
// part is watched, which `watch` and `watched_part` choose: both are free. `inside` counts the parts that are to come out.
module loopwire_in_order #(
    parameter int IN_PARTS = 1,
    parameter int OUT_PARTS = 1,
    parameter int BITS = 2,                     // of a part
    parameter int COUNT_BITS = 5                // enough to count the parts inside
) (
    input logic aclk,
    input logic aresetn,

    input logic [COUNT_BITS-1:0] in_parts,      // how many go in in this cycle
    input logic [IN_PARTS-1:0][BITS-1:0] in,
    input logic [COUNT_BITS-1:0] out_parts,
    input logic [OUT_PARTS-1:0][BITS-1:0] out,

    input logic watch,
    input logic [COUNT_BITS-1:0] watched_part,
    output logic [COUNT_BITS-1:0] inside
);
  logic watching;
  logic [BITS-1:0] watched;
  logic [COUNT_BITS-1:0] ahead;                 // parts that come out before the watched one

  wire begins = !watching && watch && watched_part < in_parts;
  logic [BITS-1:0] chosen;
  logic [COUNT_BITS-1:0] place;
  always_comb begin
    chosen = watched;
    place = ahead;
    if (begins) begin
      place = inside + watched_part;
      for (int k = 0; k < IN_PARTS; k++) if (watched_part == COUNT_BITS'(k)) chosen = in[k];
    end
  end

  wire leaves = (watching || begins) && place < out_parts;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      inside <= '0;
      watching <= 1'b0;
    end else begin
      inside <= inside + in_parts - out_parts;
      watching <= (watching || begins) && !leaves;
      watched <= chosen;
      ahead <= place - out_parts;
    end
  end

  always_comb begin
    if (aresetn) begin
      assert (out_parts <= inside + in_parts);
      for (int k = 0; k < OUT_PARTS; k++) if (leaves && place == COUNT_BITS'(k)) assert (out[k] == chosen);
    end
  end
endmodule
