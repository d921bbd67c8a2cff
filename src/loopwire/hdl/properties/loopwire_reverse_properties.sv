// What loopwire_reverse promises: each sequence's words, the last one first and in the very cycle if nothing older is left;
// none lost, none besides, the first one marked; ready while there is no more than one sequence; stable under stall.
module loopwire_reverse_properties #(
    parameter int STEPS = 3,
    parameter int BITS = 1
) (
    input logic aclk,
    input logic aresetn,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    input logic s_last,
    input logic m_ready,
    input logic watch
);
  logic s_ready, m_valid, m_last;
  logic [BITS-1:0] m_data;
  loopwire_reverse #(.STEPS(STEPS), .BITS(BITS)) turned (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(BITS + 1), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered({s_data, s_last})
  );
  loopwire_stream_rules #(.BITS(BITS + 1)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_data, m_last})
  );

  // Sequences are counted modulo 4, as they come and as they go; their lengths are kept.
  logic [1:0] coming, going;
  logic [2:0] come, gone;                       // words of these
  logic [3:0][2:0] length;
  wire takes = s_valid && s_ready;
  wire gives = m_valid && m_ready;
  wire whole = coming != going;                 // what goes has come before this cycle
  wire [2:0] place = (whole ? length[going] : come + 3'd1) - 3'd1 - gone;  // of the word that goes, as it came
  always_comb assume (!s_valid || s_last || come < STEPS - 1);

  // Any one word is watched, which `watch` chooses.
  logic watching;
  logic [BITS-1:0] watched;
  logic [1:0] its_sequence;
  logic [2:0] its_place;
  wire begins = takes && watch && !watching;
  wire is_its = watching && going == its_sequence && place == its_place;

  always_ff @(posedge aclk) begin
    if (takes) begin
      come <= s_last ? 3'd0 : come + 3'd1;
      if (s_last) begin
        length[coming] <= come + 3'd1;
        coming <= coming + 2'd1;
      end
    end
    if (gives) begin
      gone <= place == 3'd0 ? 3'd0 : gone + 3'd1;
      if (place == 3'd0) going <= going + 2'd1;
    end
    if (begins) begin
      watched <= s_data;
      its_sequence <= coming;
      its_place <= come;
    end
    watching <= (watching && !(gives && is_its)) || (begins && !(gives && !whole));
    if (!aresetn) begin
      coming <= '0;
      going <= '0;
      come <= '0;
      gone <= '0;
      watching <= 1'b0;
    end
  end

  always_comb begin
    if (aresetn) begin
      assert (m_valid == (whole || (takes && s_last)));
      assert (s_ready == (2'(coming - going) < 2'd2));
      if (m_valid) assert (m_last == (place == 3'd0));
      if (m_valid && !whole) assert (m_data == s_data);
      if (m_valid && is_its) assert (m_data == watched);
    end
  end
endmodule
