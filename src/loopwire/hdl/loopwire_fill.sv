// Gives every sequence STEPS words: what a short one lacks is 0.
module loopwire_fill #(
    parameter int STEPS = 20,                   // at least 2
    parameter int BITS = 96,
    localparam int COUNT_BITS = $clog2(STEPS)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [BITS-1:0] s_data,
    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,

    output logic [BITS-1:0] m_data,
    output logic m_valid,
    input  logic m_ready,
    output logic m_last
);
  logic [COUNT_BITS-1:0] count;                 // words of the sequence that have passed
  logic filling;                                // those that came have, and more are due

  assign m_valid = filling || s_valid;
  assign m_data = filling ? '0 : s_data;
  assign m_last = count == COUNT_BITS'(STEPS - 1);
  assign s_ready = !filling && m_ready;

  always_ff @(posedge aclk) begin
    if (m_valid && m_ready) begin
      count <= m_last ? '0 : count + COUNT_BITS'(1);
      filling <= !m_last && (filling || s_last);
    end
    if (!aresetn) begin
      count <= '0;
      filling <= 1'b0;
    end
  end
endmodule
