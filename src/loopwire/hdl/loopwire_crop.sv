// Hands on COUNT words of each sequence, from word FIRST on, and takes the others. A sequence has at least FIRST + COUNT words.
module loopwire_crop #(
    parameter int FIRST = 2,
    parameter int COUNT = 4,
    parameter int BITS = 96,
    localparam int PLACE_BITS = $clog2(FIRST + COUNT + 1)
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [BITS-1:0] s_data,
    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,
    output logic s_begins,                      // the next word is a sequence's first

    output logic [BITS-1:0] m_data,
    output logic m_valid,
    input  logic m_ready,
    output logic m_last
);
  logic [PLACE_BITS-1:0] place;                 // words of the sequence that have come, at most FIRST + COUNT
  logic begun;                                  // FIRST of them have

  wire done = place == PLACE_BITS'(FIRST + COUNT);
  wire passes = begun && !done;
  assign s_ready = !passes || m_ready;
  assign s_begins = place == '0;
  assign m_data = s_data;
  assign m_valid = s_valid && passes;
  assign m_last = place == PLACE_BITS'(FIRST + COUNT - 1);

  always_ff @(posedge aclk) begin
    if (s_valid && s_ready) begin
      place <= s_last ? '0 : done ? place : place + PLACE_BITS'(1);
      begun <= s_last ? FIRST == 0 : begun || place == PLACE_BITS'(FIRST - 1);
    end
    if (!aresetn) begin
      place <= '0;
      begun <= FIRST == 0;
    end
  end
endmodule
