// loopwire_dot in DSP48 blocks: the sum of one goes to the next over PCOUT and PCIN, which Yosys does not use on
// UltraScale parts. `_dsp48_` is that of the family, in a file beside this one.
module loopwire_dot #(
    parameter TERMS = 2, A_WIDTH = 8, B_WIDTH = 8, A_SIGNED = 1, B_SIGNED = 1, Y_WIDTH = 17, REGISTERED = 0
) (
    input  aclk,
    input  [TERMS*A_WIDTH-1:0] a,
    input  [TERMS*B_WIDTH-1:0] b,
    output [Y_WIDTH-1:0] y
);
  localparam SWAP = B_WIDTH + !B_SIGNED > 18;  // the narrower factor goes to port B
  wire [48*(TERMS+1)-1:0] cascade;
  wire [48*TERMS-1:0] sums;
  assign cascade[47:0] = 48'b0;
  assign y = sums[48*(TERMS-1)+:Y_WIDTH];
  genvar k;
  generate
    for (k = 0; k < TERMS; k = k + 1) begin : terms
      wire [A_WIDTH-1:0] p = a[k*A_WIDTH+:A_WIDTH];
      wire [B_WIDTH-1:0] q = b[k*B_WIDTH+:B_WIDTH];
      wire signed [A_WIDTH:0] signed_p = {A_SIGNED && p[A_WIDTH-1], p};
      wire signed [B_WIDTH:0] signed_q = {B_SIGNED && q[B_WIDTH-1], q};
      wire [29:0] wide;
      wire [17:0] narrow;
      if (SWAP) begin : swapped
        assign wide = signed_q;
        assign narrow = signed_p;
      end else begin : straight
        assign wide = signed_p;
        assign narrow = signed_q;
      end
      _dsp48_ #(.FIRST(k == 0), .REGISTERED(REGISTERED)) block (
          .aclk(aclk), .a(wide), .b(narrow), .pcin(cascade[48*k+:48]), .pcout(cascade[48*(k+1)+:48]), .p(sums[48*k+:48]));
    end
  endgenerate
endmodule
