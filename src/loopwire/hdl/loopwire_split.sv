// Hands on the parts of each word one after another, the lowest first: that one in the very cycle in which the word comes.
module loopwire_split #(
    parameter int PARTS = 2,
    parameter int BITS = 96,                    // of a part
    localparam int COUNT_BITS = $clog2(PARTS + 1)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [PARTS*BITS-1:0] s_data,
    input  logic [COUNT_BITS-1:0] s_parts,      // how many of them the word holds, at least one
    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,                        // the last of them ends a sequence

    output logic [BITS-1:0] m_data,
    output logic m_valid,
    input  logic m_ready,
    output logic m_last
);
  logic [(PARTS-1)*BITS-1:0] held;              // parts still to come, the next one lowest
  logic [COUNT_BITS-1:0] left;                  // how many
  logic held_last;

  wire begun = left != '0;
  assign s_ready = !begun && m_ready;
  assign m_valid = begun || s_valid;
  assign m_data = begun ? held[BITS-1:0] : s_data[BITS-1:0];
  assign m_last = begun ? held_last && left == COUNT_BITS'(1) : s_last && s_parts == COUNT_BITS'(1);

  always_ff @(posedge aclk) begin
    if (m_valid && m_ready) begin
      held <= begun ? held >> BITS : s_data[PARTS*BITS-1:BITS];
      left <= (begun ? left : s_parts) - COUNT_BITS'(1);
      if (!begun) held_last <= s_last;
    end
    if (!aresetn) left <= '0;
  end
endmodule
