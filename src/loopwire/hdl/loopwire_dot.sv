// Sum of products a[k] · b[k] in a cascade of DSP blocks: each block adds its product to the sum of the block before.
(* use_dsp = "yes" *)
module loopwire_dot #(
    parameter int TERMS = 2,
    parameter int A_WIDTH = 8,
    parameter int B_WIDTH = 8,
    parameter int A_SIGNED = 1,
    parameter int B_SIGNED = 1,
    parameter int Y_WIDTH = 17,                 // holds every result
    parameter int REGISTERED = 0                // registers are behind the multipliers, inside the blocks
) (
    input  logic aclk,
    input  logic [TERMS-1:0][A_WIDTH-1:0] a,
    input  logic [TERMS-1:0][B_WIDTH-1:0] b,
    output logic [Y_WIDTH-1:0] y
);
  localparam int A_BITS = A_WIDTH + int'(A_SIGNED == 0);
  localparam int B_BITS = B_WIDTH + int'(B_SIGNED == 0);
  logic [TERMS-1:0][Y_WIDTH-1:0] products, sums;
  wire unused = &{1'b0, aclk};
  for (genvar k = 0; k < TERMS; k++) begin : terms
    wire signed [A_BITS-1:0] p = A_BITS'(a[k]);
    wire signed [B_BITS-1:0] q = B_BITS'(b[k]);
    wire [Y_WIDTH-1:0] product = Y_WIDTH'(p) * Y_WIDTH'(q);
    if (REGISTERED != 0) begin : registered
      always_ff @(posedge aclk) products[k] <= product;
    end else begin : combinational
      assign products[k] = product;
    end
    if (k == 0) begin : first
      assign sums[k] = products[k];
    end else begin : next
      assign sums[k] = sums[k-1] + products[k];
    end
  end
  assign y = sums[TERMS-1];
endmodule
