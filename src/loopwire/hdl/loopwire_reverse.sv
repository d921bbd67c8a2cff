// Gives the steps of each sequence in reverse order, the last one in the very cycle in which it comes.
//
// While one sequence leaves, the next one comes: there is room for two.
module loopwire_reverse #(
    parameter int STEPS = 20,
    parameter int BITS = 96,
    localparam int STEP_BITS = STEPS > 1 ? $clog2(STEPS) : 1
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
  (* ram_style = "distributed" *) logic [BITS-1:0] steps [0:2*STEPS-1];

  logic [1:0] full;                             // a whole sequence is there
  logic [1:0][STEP_BITS-1:0] top;               // its step that leaves next
  logic write_bank, read_bank;
  logic [STEP_BITS-1:0] count;                  // steps of the sequence that comes

  logic comes, ends, passes, leaves;
  assign s_ready = !full[write_bank];
  assign comes = s_valid && s_ready;
  assign ends = comes && s_last;
  assign passes = ends && read_bank == write_bank;   // nothing older is left: its last step leaves at once
  assign m_valid = full[read_bank] || (s_valid && s_ready && s_last && read_bank == write_bank);
  assign m_data = full[read_bank] ? steps[{31'd0, read_bank} * STEPS + int'(top[read_bank])] : s_data;
  assign m_last = full[read_bank] ? top[read_bank] == '0 : count == '0;
  assign leaves = m_valid && m_ready;

  always_ff @(posedge aclk) if (comes) steps[{31'd0, write_bank} * STEPS + int'(count)] <= s_data;

  always_ff @(posedge aclk) begin
    if (comes) count <= s_last ? '0 : count + STEP_BITS'(1);
    if (ends) begin
      full[write_bank] <= !(passes && leaves && count == '0);
      top[write_bank] <= passes && leaves ? count - STEP_BITS'(1) : count;
      write_bank <= !write_bank;
    end
    if (leaves && full[read_bank]) begin
      top[read_bank] <= top[read_bank] - STEP_BITS'(1);
      if (m_last) full[read_bank] <= 1'b0;
    end
    if (leaves && m_last) read_bank <= !read_bank;
    if (!aresetn) begin
      full <= '0;
      write_bank <= 1'b0;
      read_bank <= 1'b0;
      count <= '0;
    end
  end
endmodule
