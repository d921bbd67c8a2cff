// Keeps the label of each sequence from its first beat to its result's last one. Results leave in the order of arrival.
module loopwire_labels #(
    parameter int DEPTH = 32,                   // sequences in the design at once, at most; a power of two
    parameter int BITS = 8
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic begins,                        // a sequence's first beat is taken in this cycle
    input  logic [BITS-1:0] s_label,

    input  logic ends,                          // a result's last beat is handed on in this cycle
    output logic [BITS-1:0] m_label             // of the result that is there
);
  localparam int PLACE_BITS = $clog2(DEPTH);
  logic [BITS-1:0] kept [0:DEPTH-1];
  logic [PLACE_BITS-1:0] write_place, read_place;

  assign m_label = kept[read_place];

  always_ff @(posedge aclk) if (begins) kept[write_place] <= s_label;

  always_ff @(posedge aclk) begin
    if (begins) write_place <= write_place + PLACE_BITS'(1);
    if (ends) read_place <= read_place + PLACE_BITS'(1);
    if (!aresetn) begin
      write_place <= '0;
      read_place <= '0;
    end
  end
endmodule
