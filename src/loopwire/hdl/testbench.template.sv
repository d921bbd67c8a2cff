// Self-checking testbench of $top.
//
// Sends all sequences with random gaps and stalls, resets the module in the middle of the run, sends them again
// from the first, and compares every result, those before the reset too. Run it in the folder of the .hex files:
//     iverilog -g2012 -o simulate ${top}_tb.sv <sources> && vvp simulate

`timescale 1ns / 1ps

module ${top}_tb;
  localparam int IN_BITS = $in_bits;
  localparam int OUT_BITS = $out_bits;
  localparam int IN_BEAT_BITS = $in_beat_bits;  // TDATA and TKEEP
  localparam int OUT_BEAT_BITS = $out_beat_bits;
  localparam int SEQUENCES = $n_sequences;
  localparam int INPUTS = $n_inputs;    // beats
  localparam int OUTPUTS = $n_outputs;  // beats
  localparam int RESET_AFTER = $reset_after;  // input beats
  localparam int RESET_CYCLES = 4;
  localparam int TIMEOUT_CYCLES = $timeout_cycles;
  localparam int MAX_ERRORS = 20;

  logic aclk = 1'b0;
  logic aresetn = 1'b0;
  logic [IN_BITS-1:0] s_axis_tdata = '0;
  logic s_axis_tvalid = 1'b0;
  logic s_axis_tready;
  logic s_axis_tlast = 1'b0;
  logic s_axis_tuser = 1'b0;
  logic [OUT_BITS-1:0] m_axis_tdata;
  logic m_axis_tvalid;
  logic m_axis_tready = 1'b0;
  logic m_axis_tlast;
$keep_signals
  $top dut (
      .aclk(aclk),
      .aresetn(aresetn),
$keep_ports      .s_axis_tdata(s_axis_tdata),
      .s_axis_tvalid(s_axis_tvalid),
      .s_axis_tready(s_axis_tready),
      .s_axis_tlast(s_axis_tlast),
$user_port      .m_axis_tdata(m_axis_tdata),
      .m_axis_tvalid(m_axis_tvalid),
      .m_axis_tready(m_axis_tready),
      .m_axis_tlast(m_axis_tlast)
  );

  always #($half_period_ns) aclk = ~aclk;

  // Input beats are $sent,
  // output beats $got.
  logic [IN_BEAT_BITS+1:0] inputs[0:INPUTS-1];
  logic [OUT_BEAT_BITS:0] expected[0:OUTPUTS-1];
  initial begin
    $$readmemh("$input_file", inputs);
    $$readmemh("$expected_file", expected);
  end

  logic [31:0] random = 32'h$seed;
  function automatic logic [31:0] xorshift(input logic [31:0] state);
    logic [31:0] x;
    x = state ^ (state << 13);
    x = x ^ (x >> 17);
    return x ^ (x << 5);
  endfunction

  int reset_cycles = RESET_CYCLES;  // still to go
  logic was_reset = 1'b0;           // in mid-run
  int offered = 0;                  // input beats, the pending one included
  int accepted = 0;                 // input beats
  int received = 0;                 // output beats
  int idle_cycles = 0;
  int drain_cycles = 1000;          // still to go after the last result: surplus beats would show
  int errors = 0;
  logic stalled = 1'b0;
  logic [OUT_BEAT_BITS:0] held = '0;

  task fail(input string problem);
    errors = errors + 1;
    $$display("ERROR at %0.1f ns: %s, at output beat %0d of %0d", $$realtime, problem, received, OUTPUTS);
  endtask

  task finish;
    if (errors == 0) begin
      $$display("PASS: %0d sequences, 0 errors", SEQUENCES);
      $$finish;
    end else begin
      $$display("FAIL: %0d sequences, %0d errors", SEQUENCES, errors);
      $$fatal(1, "the results differ from the expected ones");
    end
  endtask

  task check_output;
    if ((^{s_axis_tready, m_axis_tvalid}) === 1'bx) fail("TREADY or TVALID is unknown");
    if (stalled && m_axis_tvalid !== 1'b1) fail("TVALID fell before TREADY rose");
    if (stalled && $got !== held) fail("TDATA or TLAST changed before TREADY rose");
    stalled = m_axis_tvalid === 1'b1 && !m_axis_tready;
    held = $got;
    if (m_axis_tvalid === 1'b1 && m_axis_tready) begin
      if (received >= OUTPUTS) fail("a beat too many");
      else if (held !== expected[received]) begin
        fail("a wrong beat");
        $$display("  the beat is %h, not %h", held, expected[received]);
      end
      received = received + 1;
      idle_cycles = 0;
    end
  endtask

  task drive_input;
    if (s_axis_tvalid && s_axis_tready === 1'b1) begin
      accepted = accepted + 1;
      idle_cycles = 0;
    end
    if (offered == accepted) begin
      if (offered < INPUTS && random[1:0] != 2'd0) begin
        s_axis_tvalid <= 1'b1;
        $sent <= inputs[offered];
        offered = offered + 1;
      end else begin
        s_axis_tvalid <= 1'b0;
        $sent <= {(IN_BEAT_BITS + 2) {random[2]}};
      end
    end
  endtask

  always @(posedge aclk) begin
    random <= xorshift(random);
    m_axis_tready <= random[9:8] != 2'd0;
    idle_cycles = idle_cycles + 1;
    if (reset_cycles > 0) begin
      reset_cycles = reset_cycles - 1;
      aresetn <= reset_cycles == 0;
    end else begin
      check_output;
      drive_input;
      if (!was_reset && accepted == RESET_AFTER) begin
        was_reset = 1'b1;
        reset_cycles = RESET_CYCLES;
        aresetn <= 1'b0;
        s_axis_tvalid <= 1'b0;
        offered = 0;
        accepted = 0;
        received = 0;
        stalled = 1'b0;
      end
    end
    if (received >= OUTPUTS && accepted == INPUTS) drain_cycles = drain_cycles - 1;
    else if (idle_cycles > TIMEOUT_CYCLES) fail("no beat moved");
    if (drain_cycles == 0 || idle_cycles > TIMEOUT_CYCLES || errors >= MAX_ERRORS) finish;
  end
endmodule
