// Keeps up to DEPTH words, and lets a word through in the very cycle in which it comes when it holds none.
module loopwire_queue #(
    parameter int DEPTH = 2,
    parameter int BITS = 96,
    localparam int COUNT_BITS = $clog2(DEPTH + 1),
    localparam int PLACE_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [BITS-1:0] s_data,
    input  logic s_valid,
    output logic s_ready,

    output logic [BITS-1:0] m_data,
    output logic m_valid,
    input  logic m_ready
);
  logic [BITS-1:0] words [0:DEPTH-1];
  logic [COUNT_BITS-1:0] count;
  logic [PLACE_BITS-1:0] write_place, read_place;

  wire empty = count == '0;
  assign s_ready = count != COUNT_BITS'(DEPTH);
  assign m_valid = !empty || s_valid;
  assign m_data = empty ? s_data : words[read_place];

  wire stored = s_valid && s_ready && !(empty && m_ready);
  wire taken = !empty && m_ready;

  always_ff @(posedge aclk) if (stored) words[write_place] <= s_data;

  always_ff @(posedge aclk) begin
    count <= count + COUNT_BITS'(stored) - COUNT_BITS'(taken);
    if (stored) write_place <= write_place == PLACE_BITS'(DEPTH - 1) ? '0 : write_place + PLACE_BITS'(1);
    if (taken) read_place <= read_place == PLACE_BITS'(DEPTH - 1) ? '0 : read_place + PLACE_BITS'(1);
    if (!aresetn) begin
      count <= '0;
      write_place <= '0;
      read_place <= '0;
    end
  end
endmodule
