// AXI4-Stream's rule of a stream: what is offered and not taken is offered again, unchanged. To be proved, or, where
// ASSUMED is 1, taken for granted. Ref: Arm IHI 0051B, 2.2.1, "Handshake signaling".
module loopwire_stream_rules #(
    parameter int BITS = 8,                     // of all that is offered, TLAST and sidebands included
    parameter bit ASSUMED = 0
) (
    input logic aclk,
    input logic aresetn,
    input logic valid,
    input logic ready,
    input logic [BITS-1:0] offered
);
  logic stalled;
  logic [BITS-1:0] before;
  always_ff @(posedge aclk) begin
    stalled <= aresetn && valid && !ready;
    before <= offered;
  end

  wire kept = !stalled || !aresetn || (valid && offered == before);
  if (ASSUMED) begin : gen_assumed
    always_comb assume (kept);
  end else begin : gen_proved
    always_comb assert (kept);
  end
endmodule
