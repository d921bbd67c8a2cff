// What loopwire_distributor and loopwire_merger promise: sequence k goes to copy k mod COPIES, whole, and its result is
// taken from there; the others wait.
module loopwire_copies_properties #(
    parameter int COPIES = 3,
    parameter int BITS = 1
) (
    input logic aclk,
    input logic aresetn,
    input logic s_valid,
    input logic s_last,
    input logic [COPIES-1:0] copy_ready,
    input logic [COPIES*BITS-1:0] copy_data,
    input logic [COPIES-1:0] copy_valid,
    input logic [COPIES-1:0] copy_last,
    input logic m_ready
);
  logic s_ready, m_valid, m_last;
  logic [COPIES-1:0] dealt, taken;
  logic [BITS-1:0] m_data;
  loopwire_distributor #(.COPIES(COPIES)) distributor (
      .aclk, .aresetn, .s_valid, .s_ready, .s_last, .m_valid(dealt), .m_ready(copy_ready)
  );
  loopwire_merger #(.COPIES(COPIES), .BITS(BITS)) merger (
      .aclk, .aresetn, .s_data(copy_data), .s_valid(copy_valid), .s_ready(taken), .s_last(copy_last),
      .m_data, .m_valid, .m_ready, .m_last
  );

  loopwire_begins_in_reset start (.*);
  for (genvar k = 0; k < COPIES; k++) begin : gen_copy
    loopwire_stream_rules #(.BITS(BITS + 1), .ASSUMED(1)) source (
        .aclk, .aresetn, .valid(copy_valid[k]), .ready(taken[k]), .offered({copy_data[k*BITS +: BITS], copy_last[k]})
    );
  end
  loopwire_stream_rules #(.BITS(1), .ASSUMED(1)) source (
      .aclk, .aresetn, .valid(s_valid), .ready(s_ready), .offered(s_last)
  );
  loopwire_stream_rules #(.BITS(BITS + 1)) result (
      .aclk, .aresetn, .valid(m_valid), .ready(m_ready), .offered({m_data, m_last})
  );

  logic [7:0] dealt_to, taken_from;             // the copies whose turn it is
  always_ff @(posedge aclk) begin
    if (s_valid && s_ready && s_last) dealt_to <= dealt_to == COPIES - 1 ? 8'd0 : dealt_to + 8'd1;
    if (m_valid && m_ready && m_last) taken_from <= taken_from == COPIES - 1 ? 8'd0 : taken_from + 8'd1;
    if (!aresetn) begin
      dealt_to <= '0;
      taken_from <= '0;
    end
  end
  always_comb begin
    if (aresetn) begin
      for (int k = 0; k < COPIES; k++) begin
        assert (dealt[k] == (s_valid && dealt_to == k));
        assert (taken[k] == (m_ready && taken_from == k));
        if (dealt_to == k) assert (s_ready == copy_ready[k]);
        if (taken_from == k) assert (m_valid == copy_valid[k]);
        if (taken_from == k && m_valid) assert (m_data == copy_data[k*BITS +: BITS] && m_last == copy_last[k]);
      end
    end
  end
endmodule
