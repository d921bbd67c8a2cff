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
    for (int k = 0; k < A_WIDTH; k++) begin
      sums[k] = a[k] ? wide_b << k : '0;
      if (A_SIGNED != 0 && k == A_WIDTH - 1) sums[k] = -sums[k];
    end
    for (int level = 0; level < $clog2(A_WIDTH); level++) begin
      for (int k = 0; k < A_WIDTH; k++) begin
        if (k % (2 << level) == 0 && k + (1 << level) < A_WIDTH) sums[k] = sums[k] + sums[k+(1<<level)];
      end
    end
  end
  assign y = sums[0] + Y_WIDTH'(ADDED);
endmodule
