// A DSP48E2 that multiplies, with a register behind the multiplier or without any, and adds what comes from the block
// before (OPMODE: X and Y are the product, Z is PCIN; UG579).
module _dsp48_ #(parameter FIRST = 1, REGISTERED = 0) (
    input  aclk,
    input  [29:0] a,
    input  [17:0] b,
    input  [47:0] pcin,
    output [47:0] pcout, p
);
  DSP48E2 #(
      .ACASCREG(0), .ADREG(0), .ALUMODEREG(0), .AREG(0), .BCASCREG(0), .BREG(0), .CARRYINREG(0), .CARRYINSELREG(0),
      .CREG(0), .DREG(0), .INMODEREG(0), .MREG(REGISTERED), .OPMODEREG(0), .PREG(0), .A_INPUT("DIRECT"),
      .B_INPUT("DIRECT"), .USE_MULT("MULTIPLY"), .USE_SIMD("ONE48"), .AMULTSEL("A"), .BMULTSEL("B")
  ) block (
      .CLK(aclk), .CEM(1'b1), .RSTM(1'b0), .A(a), .B(b), .C(48'b0), .D(27'b0), .PCIN(pcin), .PCOUT(pcout), .P(p),
      .INMODE(5'b0), .ALUMODE(4'b0), .OPMODE({4'b0000, !FIRST, 4'b0101}),
      .CARRYINSEL(3'b0), .CARRYIN(1'b0), .ACIN(30'b0), .BCIN(18'b0));
endmodule
