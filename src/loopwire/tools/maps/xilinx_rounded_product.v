// loopwire_rounded_product for parts with DSP48E2 blocks, whose adder adds a constant at input C: OPMODE 0_0011_0101 is
// C + multiplier (UG579). Yosys takes no adder into these blocks, and products of fewer than 9 bits into none.
module loopwire_rounded_product #(
    parameter A_WIDTH = 4, B_WIDTH = 4, A_SIGNED = 1, B_SIGNED = 1, Y_WIDTH = 8, ADDED = 0
) (
    input  [A_WIDTH-1:0] a,
    input  [B_WIDTH-1:0] b,
    output [Y_WIDTH-1:0] y
);
  localparam A_BITS = A_WIDTH + !A_SIGNED, B_BITS = B_WIDTH + !B_SIGNED;
  localparam WIDE = A_BITS > B_BITS ? A_BITS : B_BITS, NARROW = A_BITS > B_BITS ? B_BITS : A_BITS;
  wire signed [A_BITS-1:0] factor_a = a;
  wire signed [B_BITS-1:0] factor_b = b;
  generate
    if (WIDE <= 27 && NARROW <= 18 && A_BITS + B_BITS >= 9 && Y_WIDTH >= 9) begin : in_block
      wire signed [29:0] wide = A_BITS > B_BITS ? factor_a : factor_b;
      wire signed [17:0] narrow = A_BITS > B_BITS ? factor_b : factor_a;
      wire [47:0] sum;
      wire signed [47:0] constant = ADDED;
      DSP48E2 #(
          .ACASCREG(0), .ADREG(0), .ALUMODEREG(0), .AREG(0), .BCASCREG(0), .BREG(0), .CARRYINREG(0), .CARRYINSELREG(0),
          .CREG(0), .DREG(0), .INMODEREG(0), .MREG(0), .OPMODEREG(0), .PREG(0), .USE_MULT("MULTIPLY")
      ) block (
          .A(wide), .B(narrow), .C(constant), .D(27'b0), .P(sum), .INMODE(5'b0), .ALUMODE(4'b0), .OPMODE(9'b000110101),
          .CARRYINSEL(3'b0), .ACIN(30'b0), .BCIN(18'b0), .PCIN(48'b0), .CARRYIN(1'b0));
      assign y = sum;
    end else begin : wider
      assign y = factor_a * factor_b + ADDED;
    end
  endgenerate
endmodule
