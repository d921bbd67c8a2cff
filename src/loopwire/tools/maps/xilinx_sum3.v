// loopwire_sum3 for parts whose slices have look-up tables of six inputs: Yosys would chain two adders.
//
// A table gives the sum of three bits and of the carry that the three bits below leave, and, for the table above, that
// carry (its other output). The chain adds both: sum of its bit ^ carry in. A subtraction adds 1, as the lowest table's
// carry from below. Two add 2: a carry into bit 1, where the chain begins. There it takes the carry that bit 0 leaves
// from below, its table gives the inverted sum of its three bits, and it passes 1 on where that is 0 (UG474, UG574; US
// patent 7 274 211).
module loopwire_sum3 #(
    parameter WIDTH = 8, SUBTRACT_B = 0, SUBTRACT_C = 0,
    parameter [WIDTH-1:0] INVERTED_A = 0, INVERTED_B = 0, INVERTED_C = 0
) (
    input  [WIDTH-1:0] a, b, c,
    output [WIDTH-1:0] y
);
  localparam BOTH = SUBTRACT_B != 0 && SUBTRACT_C != 0;
  localparam FIRST = BOTH;  // bit of the chain
  localparam BLOCKS = (WIDTH - FIRST + 3) / 4;
  wire [WIDTH-1:0] sums;
  wire [WIDTH:0] majorities;
  wire [4*BLOCKS:0] carries;
  wire [4*BLOCKS+FIRST-1:0] ones, chosen, added;
  assign majorities[0] = SUBTRACT_B != 0 || SUBTRACT_C != 0;
  assign carries[0] = BOTH ? majorities[1] : 1'b0;
  assign chosen = sums;
  assign ones = BOTH ? {majorities[WIDTH-1:0] | 2'b10} : majorities[WIDTH-1:0];
  if (BOTH) assign added[0] = sums[0];
  assign y = added[WIDTH-1:0];
  localparam [WIDTH-1:0] ALL = {WIDTH{1'b1}};
  localparam [WIDTH-1:0] NOT_A = INVERTED_A, NOT_B = SUBTRACT_B ? INVERTED_B ^ ALL : INVERTED_B;
  localparam [WIDTH-1:0] NOT_C = SUBTRACT_C ? INVERTED_C ^ ALL : INVERTED_C;
  genvar k;
  generate
    for (k = 0; k < WIDTH; k = k + 1) begin : bits
      // Inputs 3, 2, 1, 0: the majority from below, c, b, a.
      localparam [15:0] A = NOT_A[k] ? 16'h5555 : 16'haaaa, B = NOT_B[k] ? 16'h3333 : 16'hcccc;
      localparam [15:0] C = NOT_C[k] ? 16'h0f0f : 16'hf0f0;
      localparam [15:0] BELOW = !BOTH || k > 1 ? 16'hff00 : k == 1 ? 16'hffff : 16'h0000;
      localparam [15:0] PARITY = A ^ B ^ C ^ BELOW, MAJORITY = (A & B) | (A & C) | (B & C);
      LUT6_2 #(.INIT({PARITY, PARITY, MAJORITY, MAJORITY})) table_of_bit (
          .I0(a[k]), .I1(b[k]), .I2(c[k]), .I3(majorities[k]), .I4(1'b0), .I5(1'b1),
          .O6(sums[k]), .O5(majorities[k+1]));
    end
    for (k = 0; k < BLOCKS; k = k + 1) begin : blocks
      localparam LOW = 4 * k + FIRST;
      if (k == 0) begin : first
        CARRY4 chain (.CI(1'b0), .CYINIT(carries[0]), .DI(ones[LOW+:4]), .S(chosen[LOW+:4]), .O(added[LOW+:4]),
            .CO(carries[4:1]));
      end else begin : next
        CARRY4 chain (.CI(carries[4*k]), .CYINIT(1'b0), .DI(ones[LOW+:4]), .S(chosen[LOW+:4]), .O(added[LOW+:4]),
            .CO(carries[4*k+1+:4]));
      end
    end
  endgenerate
endmodule
