// Spreads a step over CHUNKS * PASSES cycles: a word each, the passes of a chunk one after another.
//
// `start` comes at most once in so many cycles. What accompanies the step is repeated with every word.
module loopwire_sequencer #(
    parameter int CHUNKS = 4,
    parameter int PASSES = 2,
    parameter int BITS = 8,
    localparam int WORDS = CHUNKS * PASSES,
    localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1,
    localparam int CHUNK_BITS = CHUNKS > 1 ? $clog2(CHUNKS) : 1,
    localparam int PASS_BITS = PASSES > 1 ? $clog2(PASSES) : 1
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic start,
    input  logic [BITS-1:0] start_with,

    output logic valid,
    output logic [BITS-1:0] accompanying,
    output logic [WORD_BITS-1:0] word,
    output logic [CHUNK_BITS-1:0] chunk,
    output logic [PASS_BITS-1:0] pass
);
  logic running;
  logic [BITS-1:0] kept;
  logic [WORD_BITS-1:0] next_word;
  logic [CHUNK_BITS-1:0] next_chunk;
  logic [PASS_BITS-1:0] next_pass;

  assign valid = start || running;
  assign accompanying = start ? start_with : kept;
  assign word = start ? '0 : next_word;
  assign chunk = start ? '0 : next_chunk;
  assign pass = start ? '0 : next_pass;

  always_ff @(posedge aclk) begin
    if (start) kept <= start_with;
    next_word <= word + WORD_BITS'(1);
    next_pass <= pass == PASS_BITS'(PASSES - 1) ? '0 : pass + PASS_BITS'(1);
    next_chunk <= pass == PASS_BITS'(PASSES - 1) ? chunk + CHUNK_BITS'(1) : chunk;
    running <= aresetn && valid && word != WORD_BITS'(WORDS - 1);
  end
endmodule
