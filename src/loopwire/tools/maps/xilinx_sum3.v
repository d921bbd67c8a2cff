// loopwire_sum3 for parts whose slices have look-up tables of six inputs: Yosys would chain two adders.
//
// A table gives the sum of three bits and of the carry that the three bits below leave, and, for the table above, that
// carry (its other output). The chain adds both: sum of its bit ^ carry in. Of two subtractions, each adds 1: one
// as the lowest table's carry from below, one as the chain's, which inverts the lowest bit of the sum: its table gives
// it so, as Yosys would take another for that (UG474, UG574; US patent 7 274 211).
module loopwire_sum3 #(
    parameter WIDTH = 8, SUBTRACT_B = 0, SUBTRACT_C = 0,
    parameter [WIDTH-1:0] INVERTED_A = 0, INVERTED_B = 0, INVERTED_C = 0
) (
    input  [WIDTH-1:0] a, b, c,
    output [WIDTH-1:0] y
);
  localparam BLOCKS = (WIDTH + 3) / 4;
  wire [WIDTH-1:0] sums;
  wire [WIDTH:0] majorities;
  wire [4*BLOCKS:0] carries;
  wire [4*BLOCKS-1:0] ones, chosen, added;
  localparam BOTH = SUBTRACT_B != 0 && SUBTRACT_C != 0;
  assign majorities[0] = SUBTRACT_B != 0 || SUBTRACT_C != 0;
  assign carries[0] = BOTH;
  assign chosen = sums;
  assign ones = majorities[WIDTH-1:0];
  assign y[0] = BOTH ? sums[0] : added[0];
  if (WIDTH > 1) assign y[WIDTH-1:1] = added[WIDTH-1:1];
  localparam [WIDTH-1:0] ALL = {WIDTH{1'b1}};
  localparam [WIDTH-1:0] NOT_A = INVERTED_A, NOT_B = SUBTRACT_B ? INVERTED_B ^ ALL : INVERTED_B;
  localparam [WIDTH-1:0] NOT_C = SUBTRACT_C ? INVERTED_C ^ ALL : INVERTED_C;
  genvar k;
  generate
    for (k = 0; k < WIDTH; k = k + 1) begin : bits
      // Inputs 3, 2, 1, 0: the majority from below, c, b, a.
      localparam [15:0] A = NOT_A[k] ? 16'h5555 : 16'haaaa, B = NOT_B[k] ? 16'h3333 : 16'hcccc;
      localparam [15:0] C = NOT_C[k] ? 16'h0f0f : 16'hf0f0;
      localparam [15:0] PARITY = A ^ B ^ C ^ (BOTH && k == 0 ? 16'h00ff : 16'hff00), MAJORITY = (A & B) | (A & C) | (B & C);
      LUT6_2 #(.INIT({PARITY, PARITY, MAJORITY, MAJORITY})) table_of_bit (
          .I0(a[k]), .I1(b[k]), .I2(c[k]), .I3(majorities[k]), .I4(1'b0), .I5(1'b1),
          .O6(sums[k]), .O5(majorities[k+1]));
    end
    for (k = 0; k < BLOCKS; k = k + 1) begin : blocks
      if (k == 0) begin : first
        CARRY4 chain (.CI(1'b0), .CYINIT(carries[0]), .DI(ones[3:0]), .S(chosen[3:0]), .O(added[3:0]), .CO(carries[4:1]));
      end else begin : next
        CARRY4 chain (.CI(carries[4*k]), .CYINIT(1'b0), .DI(ones[4*k+:4]), .S(chosen[4*k+:4]), .O(added[4*k+:4]),
            .CO(carries[4*k+1+:4]));
      end
    end
  endgenerate
endmodule
