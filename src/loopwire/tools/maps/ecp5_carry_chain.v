// A carry chain of an ECP5 that makes its first carry itself and leaves its last unconnected, where nobody reads it.
// nextpnr gives a chain a cell more that feeds the carry in, constant or not, and one that hands the carry out.
//
// A half of a CCU2C: sum = LUT4 ^ carry in, carry out = LUT4 ? carry in : LUT2, where LUT2 is the LUT's four lowest
// bits (FPGA-TN-02200, "Ripple mode"; Yosys' model of the cell). With a LUT4 of zero the carry in takes no part.
(* techmap_celltype = "$alu" *)
module _chain_ (A, B, CI, BI, X, Y, CO);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  parameter _TECHMAP_CONSTMSK_CI_ = 0, _TECHMAP_CONSTVAL_CI_ = 0;
  parameter _TECHMAP_CONSTMSK_BI_ = 0, _TECHMAP_CONSTVAL_BI_ = 0;
  localparam [0:0] CARRY = _TECHMAP_CONSTVAL_CI_, INVERT = _TECHMAP_CONSTVAL_BI_;
  localparam WIDTH = Y_WIDTH <= 4 ? 6 : Y_WIDTH + Y_WIDTH % 2;
  localparam [15:0] SUM = 16'h96aa;
  localparam [15:0] FIRST_CARRY = CARRY ? (INVERT ? 16'h000b : 16'h000e) : (INVERT ? 16'h0002 : 16'h0008);
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  input CI, BI;
  output [Y_WIDTH-1:0] X, Y, CO;

  // Shorter ones become LUTs, as in Yosys' own map.
  wire _TECHMAP_FAIL_ = Y_WIDTH <= 4 || A_WIDTH == 0 || B_WIDTH == 0 || !_TECHMAP_CONSTMSK_CI_ || !_TECHMAP_CONSTMSK_BI_;

  wire [Y_WIDTH-1:0] A_wide, B_wide;
  generate
    if (A_SIGNED) assign A_wide = $signed(A);
    else assign A_wide = A;
    if (B_SIGNED) assign B_wide = $signed(B);
    else assign B_wide = B;
  endgenerate
  wire [WIDTH-1:0] AA = A_wide, BB = B_wide, S;
  wire [WIDTH:2] C;
  assign X = A_wide ^ (INVERT ? ~B_wide : B_wide);
  assign Y = {S[Y_WIDTH-1:1], X[0] ^ CARRY};

  (* first_of_chain *)
  CCU2C #(.INIT0(FIRST_CARRY), .INIT1(SUM), .INJECT1_0("NO"), .INJECT1_1("NO")) first_i (
      .A0(AA[0]), .B0(BB[0]), .C0(INVERT), .D0(1'b1), .A1(AA[1]), .B1(BB[1]), .C1(INVERT), .D1(1'b1),
      .S1(S[1]), .COUT(C[2]));

  genvar i;
  generate for (i = 2; i < WIDTH - 2; i = i + 2) begin : middle
    CCU2C #(.INIT0(SUM), .INIT1(SUM), .INJECT1_0("NO"), .INJECT1_1("NO")) slice_i (
        .A0(AA[i]), .B0(BB[i]), .C0(INVERT), .D0(1'b1), .A1(AA[i+1]), .B1(BB[i+1]), .C1(INVERT), .D1(1'b1),
        .CIN(C[i]), .S0(S[i]), .S1(S[i+1]), .COUT(C[i+2]));
  end endgenerate

  (* last_of_chain *)
  CCU2C #(.INIT0(SUM), .INIT1(SUM), .INJECT1_0("NO"), .INJECT1_1("NO")) last_i (
      .A0(AA[WIDTH-2]), .B0(BB[WIDTH-2]), .C0(INVERT), .D0(1'b1),
      .A1(AA[WIDTH-1]), .B1(BB[WIDTH-1]), .C1(INVERT), .D1(1'b1),
      .CIN(C[WIDTH-2]), .S0(S[WIDTH-2]), .S1(S[WIDTH-1]));
endmodule
