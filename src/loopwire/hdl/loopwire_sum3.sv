// a ± b ± c in one carry chain, where each look-up table has six inputs.
module loopwire_sum3 #(
    parameter int WIDTH = 8,
    parameter int SUBTRACT_B = 0,
    parameter int SUBTRACT_C = 0
) (
    input  logic [WIDTH-1:0] a,
    input  logic [WIDTH-1:0] b,
    input  logic [WIDTH-1:0] c,
    output logic [WIDTH-1:0] y
);
  if (SUBTRACT_B != 0 && SUBTRACT_C != 0) begin : neither
    assign y = a - b - c;
  end else if (SUBTRACT_B != 0) begin : not_b
    assign y = a - b + c;
  end else if (SUBTRACT_C != 0) begin : not_c
    assign y = a + b - c;
  end else begin : all
    assign y = a + b + c;
  end
endmodule
