// Makes one stream of STREAMS ones: a step is there when all of them have it. Data go beside this module.
//
// A stream of HELD gives one beat a sequence, which is kept for all of its steps; the others give a beat a step. A sequence
// ends with the first of these that ends, at the latest after STEPS steps; what others still have of it is taken then.
module loopwire_meet #(
    parameter int STREAMS = 2,
    parameter bit [STREAMS-1:0] HELD = '0,
    parameter int STEPS = 20,
    localparam int COUNT_BITS = STEPS > 1 ? $clog2(STEPS) : 1
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [STREAMS-1:0] s_valid,
    output logic [STREAMS-1:0] s_ready,
    input  logic [STREAMS-1:0] s_last,

    output logic m_valid,
    input  logic m_ready,
    output logic m_last
);
  logic [COUNT_BITS-1:0] count;                 // steps of the sequence that have passed
  logic [STREAMS-1:0] surplus;                  // the sequence has ended, but not this stream's part of it
  logic moves;

  assign m_valid = &s_valid && surplus == '0;
  assign m_last = |(s_last & ~HELD) || count == COUNT_BITS'(STEPS - 1);
  assign moves = m_valid && m_ready;
  assign s_ready = surplus | (moves ? ~HELD | {STREAMS{m_last}} : '0);

  always_ff @(posedge aclk) begin
    if (moves) begin
      count <= m_last ? '0 : count + COUNT_BITS'(1);
      surplus <= m_last ? ~HELD & ~s_last : '0;
    end else begin
      surplus <= surplus & ~(s_valid & s_last);
    end
    if (!aresetn) begin
      count <= '0;
      surplus <= '0;
    end
  end
endmodule
