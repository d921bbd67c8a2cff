// a · b + ADDED, in a DSP block whose adder adds the constant.
module loopwire_rounded_product #(
    parameter int A_WIDTH = 4,
    parameter int B_WIDTH = 4,
    parameter int A_SIGNED = 1,
    parameter int B_SIGNED = 1,
    parameter int Y_WIDTH = 8,                  // holds every result
    parameter int ADDED = 0
) (
    input  logic [A_WIDTH-1:0] a,
    input  logic [B_WIDTH-1:0] b,
    output logic [Y_WIDTH-1:0] y
);
  // Signed factors, so that a synthesiser finds the true widths of both.
  wire signed [A_WIDTH:0] factor_a = {A_SIGNED != 0 && a[A_WIDTH-1], a};
  wire signed [B_WIDTH:0] factor_b = {B_SIGNED != 0 && b[B_WIDTH-1], b};
  wire unused = &{1'b0, factor_a, factor_b};    // of which a narrower result takes only the lower bits
  assign y = Y_WIDTH'(factor_a) * Y_WIDTH'(factor_b) + Y_WIDTH'(ADDED);
endmodule
