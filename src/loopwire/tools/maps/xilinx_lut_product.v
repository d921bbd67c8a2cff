// loopwire_product for parts whose slices have look-up tables of six inputs: the carry chains of xilinx_product.v, which
// is read beside this file.
module loopwire_product #(
    parameter A_WIDTH = 4, B_WIDTH = 4, A_SIGNED = 1, B_SIGNED = 1, Y_WIDTH = 8, ADDED = 0
) (
    input  [A_WIDTH-1:0] a,
    input  [B_WIDTH-1:0] b,
    output [Y_WIDTH-1:0] y
);
  localparam SIGNED = A_SIGNED || B_SIGNED;
  localparam A_BITS = A_WIDTH + (SIGNED && !A_SIGNED), B_BITS = B_WIDTH + (SIGNED && !B_SIGNED);
  wire [A_BITS-1:0] wide_a = a;
  wire [B_BITS-1:0] wide_b = b;
  wire [Y_WIDTH-1:0] product;
  // A constant of the weight of the sign of a partial product, whose rows an unsigned factor chooses, takes nothing.
  localparam ROWS = A_SIGNED ? B_WIDTH : A_WIDTH, COLUMNS = A_SIGNED ? A_WIDTH : B_WIDTH;
  localparam RAISED = ADDED > 0 ? $clog2(ADDED) - (COLUMNS - 1) : -1;
  localparam ALONG = !A_SIGNED == B_SIGNED && ROWS < COLUMNS && RAISED >= 0 && RAISED < ROWS / 2 * 2
      && ADDED == 1 << $clog2(ADDED);
  _product_ #(
      .A_SIGNED(SIGNED), .B_SIGNED(SIGNED), .A_WIDTH(A_BITS), .B_WIDTH(B_BITS), .Y_WIDTH(Y_WIDTH),
      .RAISED(ALONG ? RAISED : -1),
      // Bits that are known to be 0, as techmap would tell: the signs of factors that have none.
      ._TECHMAP_CONSTMSK_A_({SIGNED && !A_SIGNED, {A_WIDTH{1'b0}}} >> (A_WIDTH + 1 - A_BITS)),
      ._TECHMAP_CONSTMSK_B_({SIGNED && !B_SIGNED, {B_WIDTH{1'b0}}} >> (B_WIDTH + 1 - B_BITS))
  ) factors (.A(wide_a), .B(wide_b), .Y(product));
  assign y = product + (ALONG ? 0 : ADDED);
endmodule
