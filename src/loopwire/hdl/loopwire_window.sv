// Makes of each sample the window of its channel's last STEPS samples, the oldest lowest, in the very cycle in which it comes.
//
// Samples come channel after channel. Before a channel's first sample since the reset, and before one with s_fresh, its
// samples count as 0.
module loopwire_window #(
    parameter int STEPS = 5,                    // at least 2
    parameter int CHANNELS = 28,
    parameter int BITS = 16,                    // of a sample
    localparam int CHANNEL_BITS = CHANNELS > 1 ? $clog2(CHANNELS) : 1
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [BITS-1:0] s_data,
    input  logic s_valid,
    output logic s_ready,
    /* verilator lint_off UNUSEDSIGNAL */
    input  logic s_last,                        // of no meaning
    /* verilator lint_on UNUSEDSIGNAL */
    input  logic s_fresh,

    output logic [STEPS*BITS-1:0] m_data,
    output logic m_valid,
    input  logic m_ready,
    output logic m_last                         // each is a whole sequence
);
  localparam int EARLIER_BITS = (STEPS - 1) * BITS;
  logic [EARLIER_BITS-1:0] earlier [0:CHANNELS-1];
  logic [CHANNEL_BITS-1:0] channel;
  logic again;                                  // the channel has had a sample since the reset

  assign s_ready = m_ready;
  assign m_valid = s_valid;
  assign m_last = 1'b1;
  assign m_data = {s_data, again && !s_fresh ? earlier[channel] : EARLIER_BITS'(0)};

  always_ff @(posedge aclk) if (s_valid && s_ready) earlier[channel] <= m_data[BITS +: EARLIER_BITS];

  always_ff @(posedge aclk) begin
    if (s_valid && s_ready) begin
      channel <= channel == CHANNEL_BITS'(CHANNELS - 1) ? '0 : channel + CHANNEL_BITS'(1);
      if (channel == CHANNEL_BITS'(CHANNELS - 1)) again <= 1'b1;
    end
    if (!aresetn) begin
      channel <= '0;
      again <= 1'b0;
    end
  end
endmodule
