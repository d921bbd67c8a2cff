// Every adder and subtracter as a carry chain of its own, before Yosys joins those that follow one another.
(* techmap_celltype = "$add $sub" *)
module _adder_ (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  localparam SIGNED = A_SIGNED && B_SIGNED;
  localparam [0:0] SUBTRACT = _TECHMAP_CELLTYPE_ == "$sub";
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire [Y_WIDTH-1:0] X, CO;
  \$alu #(.A_SIGNED(SIGNED), .B_SIGNED(SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH))
      _TECHMAP_REPLACE_ (.A(A), .B(B), .CI(SUBTRACT), .BI(SUBTRACT), .X(X), .Y(Y), .CO(CO));
endmodule
