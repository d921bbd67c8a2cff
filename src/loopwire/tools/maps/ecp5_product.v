// loopwire_product for ECP5: carry chains whose own look-up tables make the multiples that they add.
//
// A half of a CCU2C: sum = LUT4 ^ carry in, carry out = LUT4 ? carry in : LUT2, where LUT2 is the LUT's four lowest
// bits (FPGA-TN-02200, "Ripple mode"; Yosys' model of the cell).
module loopwire_product #(
    parameter A_WIDTH = 4, B_WIDTH = 4, A_SIGNED = 1, B_SIGNED = 1, Y_WIDTH = 8, ADDED = 0
) (
    input  [A_WIDTH-1:0] a,
    input  [B_WIDTH-1:0] b,
    output [Y_WIDTH-1:0] y
);
  // The narrower factor chooses multiples of the other, which gets a sign.
  localparam SWAP = A_WIDTH > B_WIDTH;
  localparam ROWS = SWAP ? B_WIDTH : A_WIDTH;
  localparam COLUMNS = SWAP ? A_WIDTH + !A_SIGNED : B_WIDTH + !B_SIGNED;
  wire [ROWS-1:0] rows;
  wire signed [COLUMNS-1:0] columns;
  wire signed [ROWS+COLUMNS:0] product;
  generate
    if (SWAP) assign rows = b;
    else assign rows = a;
    if (SWAP && A_SIGNED) assign columns = $signed(a);
    else if (SWAP) assign columns = a;
    else if (B_SIGNED) assign columns = $signed(b);
    else assign columns = b;
  endgenerate
  loopwire_multiples #(.ROWS(ROWS), .COLUMNS(COLUMNS), .SUBTRACT(SWAP ? B_SIGNED : A_SIGNED), .ADDED(ADDED)) multiples (
      .x(rows), .z(columns), .y(product));
  assign y = product;
endmodule

// x · z + ADDED, of which z is signed, x with SUBTRACT.
module loopwire_multiples #(parameter ROWS = 2, COLUMNS = 1, SUBTRACT = 0, ADDED = 0) (
    input  [ROWS-1:0] x,
    input  signed [COLUMNS-1:0] z,
    output signed [ROWS+COLUMNS:0] y
);
  localparam FULL = $clog2(ROWS) > 0 ? 1 << ($clog2(ROWS) - 1) : 1;
  // Half of the rows each, or as many as leave an upper half that is a level less deep: it adds the constant meanwhile.
  localparam LOW = ADDED != 0 && ROWS > 4 && ROWS <= FULL + FULL / 2 ? FULL : (ROWS + 1) / 2;
  localparam HIGH = ROWS - LOW;
  localparam EARLY = LOW == FULL && HIGH <= FULL / 2 && ADDED % (1 << LOW) == 0;
  wire signed [ROWS+COLUMNS:0] product;
  generate
    if (ROWS == 1) begin : one
      assign product = !x ? 0 : SUBTRACT ? -z : z;
    end else if (ROWS == 2) begin : two
      wire signed [COLUMNS:0] wide = z;
      wire signed [COLUMNS:0] sum;
      loopwire_gated_sum #(.WIDTH(COLUMNS + 1), .SUBTRACT(SUBTRACT)) gated (
          .x(x[0]), .a({wide[COLUMNS], wide[COLUMNS:1]}), .z(x[1]), .b(wide), .y(sum));
      assign product = {sum[COLUMNS], sum, x[0] & z[0]};
    end else if (ROWS == 3) begin : three
      wire signed [COLUMNS+1:0] wide = z;
      wire signed [COLUMNS+2:0] high;
      wire signed [COLUMNS+1:0] sum;
      loopwire_multiples #(.ROWS(2), .COLUMNS(COLUMNS), .SUBTRACT(SUBTRACT)) pair (.x(x[2:1]), .z(z), .y(high));
      loopwire_gated_sum #(.WIDTH(COLUMNS + 2), .SUBTRACT(0)) gated (
          .x(1'b1), .a(high[COLUMNS+1:0]), .z(x[0]), .b({wide[COLUMNS+1], wide[COLUMNS+1:1]}), .y(sum));
      assign product = {sum[COLUMNS+1], sum, x[0] & z[0]};
    end else begin : halves
      wire signed [LOW+COLUMNS:0] low;
      wire signed [HIGH+COLUMNS:0] high;
      loopwire_multiples #(.ROWS(LOW), .COLUMNS(COLUMNS), .SUBTRACT(0)) lower (.x(x[LOW-1:0]), .z(z), .y(low));
      loopwire_multiples #(.ROWS(HIGH), .COLUMNS(COLUMNS), .SUBTRACT(SUBTRACT), .ADDED(EARLY ? ADDED >> LOW : 0)) upper (
          .x(x[ROWS-1:LOW]), .z(z), .y(high));
      wire signed [COLUMNS:0] carried = low[LOW+COLUMNS:LOW];
      wire signed [HIGH+COLUMNS:0] sum = carried + high;
      assign product = {sum, low[LOW-1:0]};
    end
    if (ADDED != 0 && !(ROWS > 3 && EARLY)) begin : last
      assign y = product + ADDED;
    end else assign y = product;
  endgenerate
endmodule

// (x ? a : 0) ± (z ? b : 0)
module loopwire_gated_sum #(parameter WIDTH = 4, SUBTRACT = 0) (
    input  [WIDTH-1:0] a, b,
    input  x, z,
    output [WIDTH-1:0] y
);
  // The first half makes the carry. Where LUT4 is 0 the carry out is a gated bit of the chain's left side.
  localparam HALVES = WIDTH + 1 + (WIDTH + 1) % 2;
  localparam [15:0] SUM = SUBTRACT ? 16'h8777 : 16'h7888;
  localparam [15:0] CARRY = SUBTRACT ? 16'h000f : 16'h0000;
  wire [HALVES-1:0] left = SUBTRACT ? {b, 1'b0} : {a, 1'b0};
  wire [HALVES-1:0] right = SUBTRACT ? {a, 1'b0} : {b, 1'b0};
  wire left_on = SUBTRACT ? z : x, right_on = SUBTRACT ? x : z;
  wire [HALVES-1:0] sum;
  wire [HALVES:2] carry;
  assign y = sum[WIDTH:1];

  (* first_of_chain *)
  CCU2C #(.INIT0(CARRY), .INIT1(SUM), .INJECT1_0("NO"), .INJECT1_1("NO")) first_i (
      .A0(1'b0), .B0(1'b0), .C0(1'b1), .D0(1'b1),
      .A1(left[1]), .B1(left_on), .C1(right[1]), .D1(right_on), .S1(sum[1]), .COUT(carry[2]));

  genvar i;
  generate for (i = 2; i < HALVES - 2; i = i + 2) begin : middle
    CCU2C #(.INIT0(SUM), .INIT1(SUM), .INJECT1_0("NO"), .INJECT1_1("NO")) slice_i (
        .A0(left[i]), .B0(left_on), .C0(right[i]), .D0(right_on),
        .A1(left[i+1]), .B1(left_on), .C1(right[i+1]), .D1(right_on),
        .CIN(carry[i]), .S0(sum[i]), .S1(sum[i+1]), .COUT(carry[i+2]));
  end endgenerate

  (* last_of_chain *)
  CCU2C #(.INIT0(SUM), .INIT1(SUM), .INJECT1_0("NO"), .INJECT1_1("NO")) last_i (
      .A0(left[HALVES-2]), .B0(left_on), .C0(right[HALVES-2]), .D0(right_on),
      .A1(left[HALVES-1]), .B1(left_on), .C1(right[HALVES-1]), .D1(right_on),
      .CIN(carry[HALVES-2]), .S0(sum[HALVES-2]), .S1(sum[HALVES-1]));
endmodule
