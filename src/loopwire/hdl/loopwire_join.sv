// Gathers parts to words of PARTS, the first one lowest, and hands on a word in the very cycle in which its last part comes.
//
// A sequence's last part ends a word too: the parts that it lacks are 0.
module loopwire_join #(
    parameter int PARTS = 2,
    parameter int BITS = 32,                    // of a part
    localparam int COUNT_BITS = $clog2(PARTS + 1)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [BITS-1:0] s_data,
    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,                        // it ends a sequence

    output logic [PARTS*BITS-1:0] m_data,
    output logic [COUNT_BITS-1:0] m_parts,      // how many of them have come
    output logic m_valid,
    input  logic m_ready,
    output logic m_last
);
  logic [(PARTS-1)*BITS-1:0] held;              // parts that have come, the others 0
  logic [COUNT_BITS-1:0] count;                 // how many

  wire complete = s_last || count == COUNT_BITS'(PARTS - 1);
  assign s_ready = !complete || m_ready;
  assign m_valid = s_valid && complete;
  assign m_last = s_last;
  assign m_parts = count + COUNT_BITS'(1);
  wire [PARTS*BITS-1:0] others = {{BITS{1'b0}}, held};
  for (genvar k = 0; k < PARTS; k++) begin : gen_part
    assign m_data[k*BITS +: BITS] = count == COUNT_BITS'(k) ? s_data : others[k*BITS +: BITS];
  end

  always_ff @(posedge aclk) begin
    if (s_valid && s_ready) begin
      held <= complete ? '0 : m_data[(PARTS-1)*BITS-1:0];
      count <= complete ? '0 : m_parts;
    end
    if (!aresetn) begin
      held <= '0;
      count <= '0;
    end
  end
endmodule
