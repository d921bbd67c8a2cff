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
  _product_ #(
      .A_SIGNED(SIGNED), .B_SIGNED(SIGNED), .A_WIDTH(A_BITS), .B_WIDTH(B_BITS), .Y_WIDTH(Y_WIDTH)
  ) factors (.A(wide_a), .B(wide_b), .Y(product));
  assign y = product + ADDED;
endmodule
