// What loopwire_sequencer promises: CHUNKS * PASSES words from each start on, counted, and nothing between.
module loopwire_sequencer_properties #(
    parameter int CHUNKS = 3,
    parameter int PASSES = 2,
    parameter int BITS = 2,
    localparam int WORDS = CHUNKS * PASSES,
    localparam int WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1,
    localparam int CHUNK_BITS = CHUNKS > 1 ? $clog2(CHUNKS) : 1,
    localparam int PASS_BITS = PASSES > 1 ? $clog2(PASSES) : 1
) (
    input logic aclk,
    input logic aresetn,
    input logic start,
    input logic [BITS-1:0] start_with
);
  logic valid;
  logic [BITS-1:0] accompanying;
  logic [WORD_BITS-1:0] word;
  logic [CHUNK_BITS-1:0] chunk;
  logic [PASS_BITS-1:0] pass;
  loopwire_sequencer #(.CHUNKS(CHUNKS), .PASSES(PASSES), .BITS(BITS)) sequencer (.*);

  loopwire_begins_in_reset begins (.*);
  logic [7:0] to_go, number;                    // words after this cycle's, and this cycle's
  logic [BITS-1:0] with_it;
  assign number = start ? 8'd0 : 8'(WORDS) - to_go;
  always_ff @(posedge aclk) begin
    to_go <= !aresetn ? 8'd0 : start ? 8'(WORDS - 1) : to_go != 8'd0 ? to_go - 8'd1 : 8'd0;
    if (start) with_it <= start_with;
  end
  always_comb begin
    assume (!(start && to_go != 8'd0));
    if (aresetn) begin
      assert (valid == (start || to_go != 8'd0));
      if (valid) begin
        assert (word == number && chunk < CHUNKS && pass < PASSES && chunk * PASSES + pass == number);
        assert (accompanying == (start ? start_with : with_it));
      end
    end
  end
endmodule
