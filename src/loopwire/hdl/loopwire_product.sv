// a · b + ADDED, of look-up tables: a tree of sums of b's multiples by powers of two, one for each bit of a.
(* use_dsp = "no" *)
module loopwire_product #(
    parameter int A_WIDTH = 4,
    parameter int B_WIDTH = 4,
    parameter int A_SIGNED = 1,
    parameter int B_SIGNED = 1,
    parameter int Y_WIDTH = 8,                  // holds every result
    parameter int ADDED = 0
) (
    input  logic [A_WIDTH-1:0] a,
    input  logic [B_WIDTH-1:0] b,
    output logic [Y_WIDTH-1:0] y
);
  wire [Y_WIDTH-1:0] wide_b = B_SIGNED != 0 ? Y_WIDTH'($signed(b)) : Y_WIDTH'(b);
  wire unused = &{1'b0, b};                     // of which a narrower result takes only the lower bits
  logic [A_WIDTH-1:0][Y_WIDTH-1:0] sums;
  always_comb begin
    for (int k = 0; k < A_WIDTH; k++) sums[k] = a[k] ? wide_b << k : '0;
    if (A_SIGNED != 0) sums[A_WIDTH-1] = -sums[A_WIDTH-1];
    for (int step = 1; step < A_WIDTH; step = 2 * step) begin
      for (int k = 0; k + step < A_WIDTH; k = k + 2 * step) sums[k] = sums[k] + sums[k+step];
    end
    y = sums[0] + Y_WIDTH'(ADDED);
  end
endmodule
