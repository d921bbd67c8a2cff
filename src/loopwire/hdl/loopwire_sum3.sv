// a ± b ± c in one carry chain, where each look-up table has six inputs. Some bits of a, b and c may be inverted before.
module loopwire_sum3 #(
    parameter int WIDTH = 8,
    parameter int SUBTRACT_B = 0,
    parameter int SUBTRACT_C = 0,
    parameter logic [WIDTH-1:0] INVERTED_A = '0,
    parameter logic [WIDTH-1:0] INVERTED_B = '0,
    parameter logic [WIDTH-1:0] INVERTED_C = '0
) (
    input  logic [WIDTH-1:0] a,
    input  logic [WIDTH-1:0] b,
    input  logic [WIDTH-1:0] c,
    output logic [WIDTH-1:0] y
);
  wire [WIDTH-1:0] p = a ^ INVERTED_A, q = b ^ INVERTED_B, r = c ^ INVERTED_C;
  if (SUBTRACT_B != 0 && SUBTRACT_C != 0) begin : neither
    assign y = p - q - r;
  end else if (SUBTRACT_B != 0) begin : not_b
    assign y = p - q + r;
  end else if (SUBTRACT_C != 0) begin : not_c
    assign y = p + q - r;
  end else begin : all
    assign y = p + q + r;
  end
endmodule
