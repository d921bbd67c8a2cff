// Self-checking testbench of $top.
//
// Sends all sequences with random gaps and stalls; some stalls last until the module is full, some gaps until it is
// empty; some beats break the framing in ways that change no result. Resets the module a few times, sends the sequences
// again from the first, and compares every result, those before the resets too, and the status. Then it counts cycles: of
// a lone full sequence, and of full sequences at full rate. Run it in the folder of the .hex files:
//     iverilog -g2012 -o simulate ${top}_tb.sv <sources> && vvp simulate

`timescale 1ns / 1ps

module ${top}_tb;
  localparam int IN_BITS = $in_bits;
  localparam int OUT_BITS = $out_bits;
  localparam int IN_BEAT_BITS = $in_beat_bits;  // TDATA, TKEEP and labels
  localparam int OUT_BEAT_BITS = $out_beat_bits;
  localparam int SEQUENCES = $n_sequences;
  localparam int INPUTS = $n_inputs;    // beats
  localparam int OUTPUTS = $n_outputs;  // beats
  localparam int RESETS = 4;
  localparam int RESET_CYCLES = 4;
  localparam int STOPS = 12;            // of one side or the other in a run, on average
  localparam int STILL_CYCLES = $still_cycles;  // without a beat on the side that goes on, which end a stop
  localparam int FIRST_ERROR = $first_error;  // input beat that breaks the framing; INPUTS: none
  localparam int FIRST_OVERRUN = $first_overrun;
  localparam int TIMEOUT_CYCLES = $timeout_cycles;
  localparam int MAX_ERRORS = 20;
  localparam int LATENCY_CYCLES = $latency_cycles;  // of a lone full sequence; 0: cycles are not counted
  localparam int PERIOD_SEQUENCES = $period_sequences;  // at full rate, the last ones of COUNTED
  localparam int PERIOD_CYCLES = $period_cycles;    // from the first beat of the one before them to that of the last
  localparam int COUNTED = $counted_sequences;
  localparam int FULL_BEATS = $full_beats;          // of a full sequence
  localparam int CHANNELS = $channels;              // whose number TID is, in turn

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
  logic status_framing_error, status_overrun;
$keep_signals$label_signals
  $top dut (
      .aclk(aclk),
      .aresetn(aresetn),
$keep_ports      .s_axis_tdata(s_axis_tdata),
      .s_axis_tvalid(s_axis_tvalid),
      .s_axis_tready(s_axis_tready),
      .s_axis_tlast(s_axis_tlast),
$label_ports      .m_axis_tdata(m_axis_tdata),
      .m_axis_tvalid(m_axis_tvalid),
      .m_axis_tready(m_axis_tready),
      .m_axis_tlast(m_axis_tlast),
      .status_framing_error(status_framing_error),
      .status_overrun(status_overrun)
  );

  always #($half_period_ns) aclk = ~aclk;

  // Input beats are $sent,
  // output beats $got.
  logic [IN_BEAT_BITS+1:0] inputs[0:INPUTS-1];
  logic [OUT_BEAT_BITS+1:0] expected[0:OUTPUTS-1];
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
  int resets = 0;                   // in mid-run
  int until_reset = STILL_CYCLES;   // cycles
  logic input_stops = 1'b0;
  logic output_stops = 1'b0;
  int still = 0;                    // cycles since the other side moved a beat
  logic rushing = 1'b0;             // neither gaps nor stalls
  logic input_moves, output_moves;
  int offered = 0;                  // input beats, the pending one included
  int accepted = 0;                 // input beats
  int received = 0;                 // output beats
  int idle_cycles = 0;
  int drain_cycles = 1000;          // still to go after the last result: surplus beats would show
  int errors = 0;
  int counting = 0;                 // 0: results are compared; 1: a lone sequence; 2: sequences at full rate
  int cycle = 0;
  int began = 0;                    // the cycle from which is counted
  int full_number = 0;              // of those whose cycles are counted, the next one to be offered
  int beat = 0;
  logic full_last;
$full_signals  logic stalled = 1'b0;
  logic [OUT_BEAT_BITS+1:0] held = '0;

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
    if ((status_framing_error !== 1'b0 && accepted <= FIRST_ERROR) || (status_overrun !== 1'b0 && accepted <= FIRST_OVERRUN)
        || (drain_cycles == 1 && {status_framing_error, status_overrun} !== {INPUTS > FIRST_ERROR, INPUTS > FIRST_OVERRUN}))
      fail("the status tells the framing wrong");
    if (stalled && m_axis_tvalid !== 1'b1) fail("TVALID fell before TREADY rose");
    if (stalled && $got !== held) fail("TDATA or TLAST changed before TREADY rose");
    stalled = m_axis_tvalid === 1'b1 && !m_axis_tready;
    output_moves = m_axis_tvalid === 1'b1 && m_axis_tready;
    held = $got;
    if (output_moves) begin
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
    input_moves = s_axis_tvalid && s_axis_tready === 1'b1;
    if (input_moves) begin
      accepted = accepted + 1;
      idle_cycles = 0;
    end
    if (offered == accepted) begin
      if (offered < INPUTS && !input_stops && (rushing || random[1:0] != 2'd0)) begin
        s_axis_tvalid <= 1'b1;
        $sent <= inputs[offered];
        offered = offered + 1;
      end else begin
        s_axis_tvalid <= 1'b0;
        $sent <= {(IN_BEAT_BITS + 2) {random[2]}};
      end
    end
  endtask

  task choose_stops;
    if (input_stops ? output_moves : input_moves) still = 0;
    else still = still + 1;
    if (!input_stops && !output_stops) begin
      if (input_moves && random[31:16] % INPUTS < STOPS) begin
        input_stops = random[3];
        output_stops = !random[3];
        still = 0;
      end
    end else if (still >= STILL_CYCLES) begin
      input_stops = 1'b0;
      output_stops = 1'b0;
      rushing = random[4];
    end
  endtask

  // Full sequences without gaps or stalls, of any data.
  task drive_full;
    s_axis_tvalid <= full_number < (counting == 1 ? 1 : COUNTED);
    full_last = beat == FULL_BEATS - 1;
$full_values    $sent <= $full_beat;
  endtask

  task count_cycles;
    cycle = cycle + 1;
    if (s_axis_tvalid && s_axis_tready === 1'b1) begin
      idle_cycles = 0;
      if (beat == 0) begin
        if (counting == 2 && full_number == COUNTED - 1 && cycle - began != PERIOD_CYCLES) begin
          fail("the initiation interval is not the predicted one");
          $$display("  %0d sequences take %0d cycles, not %0d", PERIOD_SEQUENCES, cycle - began, PERIOD_CYCLES);
        end
        if (full_number == (counting == 1 ? 0 : COUNTED - 1 - PERIOD_SEQUENCES)) began = cycle;
      end
      beat = beat + 1;
      if (beat == FULL_BEATS) begin
        beat = 0;
        full_number = full_number + 1;
      end
    end
    if (counting == 1 && m_axis_tvalid === 1'b1 && m_axis_tlast === 1'b1) begin
      if (cycle - began != LATENCY_CYCLES) begin
        fail("the latency is not the predicted one");
        $$display("  it is %0d cycles, not %0d", cycle - began, LATENCY_CYCLES);
      end
      count_from_reset(2);
    end else if (counting == 2 && full_number == COUNTED) finish;
    drive_full;
  endtask

  task count_from_reset(input int what);
    counting = what;
    reset_cycles = RESET_CYCLES;
    aresetn <= 1'b0;
    s_axis_tvalid <= 1'b0;
    full_number = 0;
    beat = 0;
    idle_cycles = 0;
  endtask

  always @(posedge aclk) begin
    random <= xorshift(random);
    m_axis_tready <= counting != 0 || (!output_stops && (rushing || random[9:8] != 2'd0));
    idle_cycles = idle_cycles + 1;
    if (reset_cycles > 0) begin
      reset_cycles = reset_cycles - 1;
      aresetn <= reset_cycles == 0;
      if (reset_cycles < RESET_CYCLES - 2 && s_axis_tready !== 1'b0) fail("TREADY is high in the reset");
    end else if (counting != 0) count_cycles;
    else begin
      check_output;
      drive_input;
      choose_stops;
      until_reset = until_reset - 1;
      if (resets < RESETS && until_reset <= 0) begin
        resets = resets + 1;
        until_reset = 1 + random[30:0] % (3 * STILL_CYCLES);
        reset_cycles = RESET_CYCLES;
        aresetn <= 1'b0;
        s_axis_tvalid <= 1'b0;
        offered = 0;
        accepted = 0;
        received = 0;
        stalled = 1'b0;
      end
    end
    if (counting == 0 && resets == RESETS && received >= OUTPUTS && accepted == INPUTS) drain_cycles = drain_cycles - 1;
    else if (idle_cycles > TIMEOUT_CYCLES) fail("no beat moved");
    if (drain_cycles == 0 && counting == 0 && errors == 0 && LATENCY_CYCLES != 0) count_from_reset(1);
    else if ((drain_cycles == 0 && counting == 0) || idle_cycles > TIMEOUT_CYCLES || errors >= MAX_ERRORS) finish;
  end
endmodule
