// What loopwire_framer promises, in steps: behind it each sequence is of 1 to STEPS whole steps and ends with m_last,
// each beat is handed on or, in a sequence that goes on too long, dropped, and the status tells of all broken framing.
module loopwire_framer_properties #(
    parameter int STEPS = 7,
    parameter int PER_BEAT = 3,
    parameter int PARTS = 1,
    parameter bit STRICT = 0,
    parameter int CHANNELS = 1,
    parameter int ID_BITS = 1,
    localparam int COUNT_BITS = $clog2(PER_BEAT + 1)
) (
    input logic aclk,
    input logic aresetn,
    input logic s_valid,
    input logic s_last,
    input logic [ID_BITS-1:0] s_id,
    input logic [PER_BEAT-1:0] s_keep,
    input logic m_ready
);
  logic s_ready, m_valid, m_last, m_padding, begins, framing_error, overrun;
  logic [COUNT_BITS-1:0] m_steps;
  loopwire_framer #(
      .STEPS(STEPS), .PER_BEAT(PER_BEAT), .PARTS(PARTS), .STRICT(STRICT), .CHANNELS(CHANNELS), .ID_BITS(ID_BITS)
  ) framer (.*);

  loopwire_begins_in_reset start (.*);
  loopwire_stream_rules #(.BITS(PER_BEAT + ID_BITS + 1), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered({s_last, s_id, s_keep})
  );
  loopwire_stream_rules #(.BITS(COUNT_BITS + 2)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_last, m_steps, m_padding})
  );

  logic opened, dropping, padding;              // the reset is over; to a sequence's end; a step was cut off
  logic inside;                                 // not the sequence's first beat
  logic [7:0] awaited;                          // the channel whose turn it is
  logic [7:0] lacking, part, kept;              // steps of the longest sequence; of the step; steps of the beat
  logic holes, all, beyond;
  always_comb begin
    kept = 8'd1;
    holes = 1'b0;
    all = 1'b1;
    for (int k = 0; k < PER_BEAT; k++) begin
      if (s_keep[k]) kept = 8'(k + 1);
      all = all && s_keep[k];
    end
    for (int k = 0; k < PER_BEAT; k++) if (8'(k) < kept && !s_keep[k]) holes = 1'b1;
    beyond = kept > lacking;
  end
  wire whole = part == PARTS - 1;               // the beat completes a step
  wire full = whole && lacking <= PER_BEAT;     // and the longest sequence
  wire wrong = CHANNELS > 1 && !dropping && !inside && 8'(s_id) != awaited;
  wire taken = s_valid && s_ready;
  wire framed = taken && !dropping && !wrong;
  logic broken, surplus, by_last, by_count;
  always_ff @(posedge aclk) begin
    opened <= aresetn;
    padding <= (framed && s_last && !whole) || (padding && !m_ready);
    if (taken) dropping <= !s_last && (dropping || wrong || (STRICT && full)) && (STRICT || !full);
    if (taken && wrong) broken <= 1'b1;
    if (framed || (taken && !STRICT)) begin
      inside <= !s_last && !full;
      lacking <= s_last || full ? 8'(STEPS) : whole ? lacking - 8'(PER_BEAT) : lacking;
      part <= s_last || whole ? 8'd0 : part + 8'd1;
    end
    if (framed) begin
      if (s_last || full) awaited <= awaited == 8'(CHANNELS - 1) ? 8'd0 : awaited + 8'd1;
      if (holes || (!s_last && !full && !all) || (s_last && !whole)) broken <= 1'b1;
      if (full && beyond) surplus <= 1'b1;
      if (s_last) by_last <= 1'b1;
      if (!s_last && full) by_count <= 1'b1;
    end
    if (by_count && (STRICT || by_last)) surplus <= 1'b1;
    if (!aresetn) begin
      padding <= 1'b0;
      dropping <= 1'b0;
      inside <= 1'b0;
      awaited <= '0;
      lacking <= 8'(STEPS);
      part <= '0;
      broken <= 1'b0;
      surplus <= 1'b0;
      by_last <= 1'b0;
      by_count <= 1'b0;
    end
  end
  always_comb begin
    if (aresetn) begin
      assert (s_ready == (opened && !padding && (dropping || m_ready)));
      assert (m_valid == (padding || (s_valid && opened && !dropping && !wrong)));
      assert (begins == (framed && !inside));
      assert (m_padding == padding);
      if (m_valid) assert (m_last == (padding || (whole && (s_last || full))));
      if (m_valid && !padding) begin
        if (s_last || full) assert (8'(m_steps) == (kept < lacking ? kept : lacking));
        else assert (m_steps == COUNT_BITS'(PER_BEAT));
      end
      assert (framing_error == broken && overrun == surplus);
    end
  end
endmodule
