// Products that no DSP block makes, of carry chains: the first adds a pair of partial products, whose bits its own
// look-up tables make, sum on one output and the bit that the chain passes on on the other (UG474, UG574); others add
// three such sums. Yosys would make them of full adders: 26 tables for 4 x 4 bits instead of 18. A table makes a bit of a
// product of six bits alone.
(* techmap_celltype = "$mul" *)
module _product_ (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  parameter RAISED = -1;  // partial product to which the weight of its sign s is added: 1 - s in place of - s
  parameter [A_WIDTH-1:0] _TECHMAP_CONSTMSK_A_ = 0, _TECHMAP_CONSTVAL_A_ = 0;
  parameter [B_WIDTH-1:0] _TECHMAP_CONSTMSK_B_ = 0, _TECHMAP_CONSTVAL_B_ = 0;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = &_TECHMAP_CONSTMSK_A_ || &_TECHMAP_CONSTMSK_B_ || A_WIDTH < 2 || B_WIDTH < 2 || A_WIDTH + B_WIDTH <= 6;
  localparam [A_WIDTH-1:0] ZEROS_A = _TECHMAP_CONSTMSK_A_ & ~_TECHMAP_CONSTVAL_A_;
  localparam [B_WIDTH-1:0] ZEROS_B = _TECHMAP_CONSTMSK_B_ & ~_TECHMAP_CONSTVAL_B_;
  localparam ROWS_A = A_WIDTH - ZEROS_A[A_WIDTH-1], ROWS_B = B_WIDTH - ZEROS_B[B_WIDTH-1];
  localparam SIGNED = A_SIGNED && B_SIGNED, SWAP = ROWS_A < ROWS_B;
  localparam POSITIVE = SWAP ? ZEROS_A[A_WIDTH-1] : ZEROS_B[B_WIDTH-1];
  localparam N = SWAP ? B_WIDTH : A_WIDTH, ROWS = SWAP ? ROWS_A : ROWS_B;
  localparam PAIRS = ROWS / 2, MOST = N + 3, BLOCKS = (MOST + 3) / 4;
  wire [N-1:0] p = SWAP ? B : A;
  wire [ROWS-1:0] q = SWAP ? A : B;
  wire [MOST-1:0] wide = {{3{SIGNED && p[N-1]}}, p};
  wire [Y_WIDTH*(PAIRS+1)-1:0] terms, sums;  // of each pair; of it and all before; nothing behind them
  wire [Y_WIDTH-1:0] total = PAIRS == 0 ? {Y_WIDTH{1'b0}} : sums[Y_WIDTH*(PAIRS-(PAIRS>0))+:Y_WIDTH];
  genvar k, n;
  generate
    for (n = 0; n < PAIRS; n = n + 1) begin : pairs
      localparam LAST = SIGNED && !POSITIVE && 2 * n + 2 == ROWS;  // whose upper partial product is subtracted
      localparam WIDTH = N + 2 + (RAISED >= 0 && RAISED / 2 == n);
      wire [4*BLOCKS-1:0] chosen, passed, added;
      wire [4*BLOCKS:0] carries;
      wire signed [WIDTH-1:0] sum = added;
      wire [MOST-1:0] upper = wide << 1;
      assign carries[0] = LAST;
      for (k = 0; k < WIDTH; k = k + 1) begin : bits
        // Inputs 3, 2, 1, 0: a bit of q and of p for the upper partial product, and for the lower one.
        localparam [15:0] LOWER = RAISED != 2 * n || k < N - 1 ? 16'h8888 : k == N - 1 ? 16'h7777 : 16'h0000;
        localparam [15:0] UPPER = LAST ? 16'h0fff : RAISED != 2 * n + 1 || k < N ? 16'hf000 : k == N ? 16'h0fff : 16'h0000;
        LUT6_2 #(.INIT({{2{LOWER ^ UPPER}}, {2{LOWER}}})) table_of_bit (
            .I0(wide[k]), .I1(q[2*n]), .I2(upper[k]), .I3(q[2*n+1]), .I4(1'b0), .I5(1'b1),
            .O6(chosen[k]), .O5(passed[k]));
      end
      for (k = 0; k < BLOCKS; k = k + 1) begin : blocks
        CARRY4 chain (.CI(k == 0 ? 1'b0 : carries[4*k]), .CYINIT(k == 0 ? carries[0] : 1'b0), .DI(passed[4*k+:4]),
            .S(chosen[4*k+:4]), .O(added[4*k+:4]), .CO(carries[4*k+1+:4]));
      end
      wire [Y_WIDTH-1:0] shifted;
      if (SIGNED) assign shifted = $signed(sum) <<< (2 * n);
      else assign shifted = {1'b0, added[WIDTH-1:0]} << (2 * n);
      assign terms[Y_WIDTH*n+:Y_WIDTH] = shifted;
      if (n == 0) assign sums[0+:Y_WIDTH] = shifted;
      else if (n % 2 == 0 && 2 * n - 2 >= Y_WIDTH) assign sums[Y_WIDTH*n+:Y_WIDTH] = sums[Y_WIDTH*(n-2)+:Y_WIDTH];
      else if (n % 2 == 0) begin : threes
        localparam LOW = 2 * n - 2;  // below both terms the sum passes
        assign sums[Y_WIDTH*n+:LOW] = sums[Y_WIDTH*(n-2)+:LOW];
        loopwire_sum3 #(.WIDTH(Y_WIDTH - LOW)) three (
            .a(sums[Y_WIDTH*(n-2)+LOW+:Y_WIDTH-LOW]), .b(terms[Y_WIDTH*(n-1)+LOW+:Y_WIDTH-LOW]),
            .c(terms[Y_WIDTH*n+LOW+:Y_WIDTH-LOW]), .y(sums[Y_WIDTH*n+LOW+:Y_WIDTH-LOW]));
      end else if (n == PAIRS - 1) assign sums[Y_WIDTH*n+:Y_WIDTH] = sums[Y_WIDTH*(n-1)+:Y_WIDTH] + shifted;
    end
    if (ROWS % 2 == 0) assign Y = total;
    else begin : odd
      wire [Y_WIDTH-1:0] extended, row;
      if (SIGNED) assign extended = $signed(p);
      else assign extended = p;
      assign row = q[ROWS-1] ? extended << (ROWS - 1) : {Y_WIDTH{1'b0}};
      if (SIGNED && !POSITIVE) assign Y = total - row;
      else assign Y = total + row;
    end
  endgenerate
endmodule
