// a · b + ADDED, of look-up tables: a tree of sums of b's multiples by powers of two, one for each bit of a. Three pairs
// of them are one sum of three. Where ADDED is the weight of the sign of one of the multiples, that sign is inverted.
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
  localparam bit THREES = A_WIDTH == 5 || A_WIDTH == 6;
  localparam int LEVELS = THREES ? 1 : $clog2(A_WIDTH);
  localparam int RAISED = ADDED > 0 ? $clog2(ADDED) - (B_WIDTH - 1) : -1;
  localparam bit ALONG = A_SIGNED == 0 && B_SIGNED != 0 && A_WIDTH < B_WIDTH && RAISED >= 0 && RAISED < A_WIDTH / 2 * 2
      && ADDED == 1 << $clog2(ADDED);
  localparam int LEFT = ALONG ? 0 : ADDED;
  localparam logic [Y_WIDTH-1:0] SIGN = Y_WIDTH'(1) << (B_WIDTH - 1);
  wire [Y_WIDTH-1:0] wide_b = B_SIGNED != 0 ? Y_WIDTH'($signed(b)) : Y_WIDTH'(b);
  wire unused = &{1'b0, b};                     // of which a narrower result takes only the lower bits
  logic [A_WIDTH-1:0][Y_WIDTH-1:0] sums;
  always_comb begin
    for (int k = 0; k < A_WIDTH; k++) begin
      sums[k] = a[k] ? wide_b << k : '0;
      if (ALONG && k == RAISED) sums[k] = (((a[k] ? wide_b : '0) ^ SIGN) & (SIGN + (SIGN - 1))) << k;
      if (A_SIGNED != 0 && k == A_WIDTH - 1) sums[k] = -sums[k];
    end
    for (int level = 0; level < LEVELS; level++) begin
      for (int k = 0; k < A_WIDTH; k++) begin
        if (k % (2 << level) == 0 && k + (1 << level) < A_WIDTH) sums[k] = sums[k] + sums[k+(1<<level)];
      end
    end
  end
  if (THREES) begin : threes
    assign y = sums[0] + sums[2] + sums[4] + Y_WIDTH'(LEFT);
  end else begin : pairs
    assign y = sums[0] + Y_WIDTH'(LEFT);
  end
endmodule
