// A register slice: nothing leads from one side to the other through gates alone. A word takes a cycle, and one moves each cycle.
module loopwire_slice #(
    parameter int BITS = 96
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [BITS-1:0] s_data,
    input  logic s_valid,
    output logic s_ready,                       // low in the reset and in the cycle after it

    output logic [BITS-1:0] m_data,
    output logic m_valid,
    input  logic m_ready
);
  logic [BITS-1:0] kept;                        // came when the word before could not leave
  logic open, keeps;                            // the reset is over; `kept` holds a word

  assign s_ready = open && !keeps;

  always_ff @(posedge aclk) begin
    if (s_ready) kept <= s_data;
    if (!m_valid || m_ready) m_data <= keeps ? kept : s_data;
  end

  always_ff @(posedge aclk) begin
    open <= aresetn;
    if (!m_valid || m_ready) begin
      m_valid <= keeps || (s_valid && s_ready);
      keeps <= 1'b0;
    end else if (s_valid && s_ready) keeps <= 1'b1;
    if (!aresetn) begin
      m_valid <= 1'b0;
      keeps <= 1'b0;
    end
  end
endmodule
