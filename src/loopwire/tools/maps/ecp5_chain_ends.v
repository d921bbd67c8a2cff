// The ends of a carry chain once all is mapped: Yosys' last passes connect again what was left unconnected.
module FIRST_OF_CHAIN (A0, B0, C0, D0, A1, B1, C1, D1, CIN, S0, S1, COUT);
  parameter INIT0 = 0, INIT1 = 0, INJECT1_0 = "NO", INJECT1_1 = "NO";
  input A0, B0, C0, D0, A1, B1, C1, D1, CIN;
  output S0, S1, COUT;
  CCU2C #(.INIT0(INIT0), .INIT1(INIT1), .INJECT1_0(INJECT1_0), .INJECT1_1(INJECT1_1)) _TECHMAP_REPLACE_ (
      .A0(A0), .B0(B0), .C0(C0), .D0(D0), .A1(A1), .B1(B1), .C1(C1), .D1(D1), .CIN(1'bx), .S1(S1), .COUT(COUT));
endmodule

module LAST_OF_CHAIN (A0, B0, C0, D0, A1, B1, C1, D1, CIN, S0, S1, COUT);
  parameter INIT0 = 0, INIT1 = 0, INJECT1_0 = "NO", INJECT1_1 = "NO";
  input A0, B0, C0, D0, A1, B1, C1, D1, CIN;
  output S0, S1, COUT;
  CCU2C #(.INIT0(INIT0), .INIT1(INIT1), .INJECT1_0(INJECT1_0), .INJECT1_1(INJECT1_1)) _TECHMAP_REPLACE_ (
      .A0(A0), .B0(B0), .C0(C0), .D0(D0), .A1(A1), .B1(B1), .C1(C1), .D1(D1), .CIN(CIN), .S0(S0), .S1(S1), .COUT(1'bx));
endmodule
