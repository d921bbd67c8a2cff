// Self-checking testbench of $top.
//
// Sends all sequences with random gaps and stalls; some stalls last until the module is full, some gaps until it is
// empty; some beats break the framing in ways that change no result. Resets the module a few times, sends the sequences
// again from the first, and compares every result, those before the resets too, and the status. Run it in the folder of
// the .hex files:
//     iverilog -g2012 -o simulate ${top}_tb.sv <sources> && vvp simulate

`timescale 1ns / 1ps

module ${top}_tb;
  localparam int SEQUENCES = $n_sequences;
  localparam int INPUTS = $n_inputs;    // ports
  localparam int OUTPUTS = $n_outputs;  // ports
  localparam int SENT = $n_sent;  // beats, at all inputs
  localparam int DUE = $n_due;    // beats, at all outputs
  localparam int RESETS = 8;
  localparam int RESET_CYCLES = 4;
  localparam int STOPS = 12;            // of some ports in a run, on average
  localparam int STILL_CYCLES = $still_cycles;  // without a beat on the ports that go on, which end a stop
  localparam int TIMEOUT_CYCLES = $timeout_cycles;
  localparam int MAX_ERRORS = 20;
  localparam int LATENCY_CYCLES = $latency_cycles;  // of a lone full sequence; 0: cycles are not counted
  localparam int PERIOD_SEQUENCES = $period_sequences;  // at full rate, the last ones of COUNTED
  localparam int PERIOD_CYCLES = $period_cycles;    // from the first beat of the one before them to that of the last
  localparam int COUNTED = $counted_sequences;

  logic aclk = 1'b0;
  logic aresetn = 1'b0;
$signals  logic status_framing_error, status_overrun;

  $top dut (
      .aclk(aclk),
      .aresetn(aresetn),
$connections      .status_framing_error(status_framing_error),
      .status_overrun(status_overrun)
  );

  always #($half_period_ns) aclk = ~aclk;

  initial
    if ($$test$$plusargs("waves")) begin
      $$dumpfile("waves.vcd");
      $$dumpvars(0, ${top}_tb);
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
  logic [INPUTS+OUTPUTS-1:0] stopped = '0;  // a bit for each port, inputs lowest
  logic [INPUTS+OUTPUTS-1:0] moves = '0;    // likewise: a beat in this cycle
  int still = 0;                    // cycles since a port that goes on moved a beat
  logic rushing = 1'b0;             // neither gaps nor stalls
  int accepted = 0;                 // input beats
  int received = 0;                 // output beats
  int idle_cycles = 0;
  int drain_cycles = 1000;          // still to go after the last result: surplus beats would show
  int errors = 0;
  int counting = 0;                 // 0: results are compared; 1: a lone sequence; 2: sequences at full rate
  int cycle = 0;
  int began = 0;                    // the cycle from which is counted
  int begun = 0;                    // of those whose cycles are counted, sequences that each input has begun to take
  logic running = 1'b0;             // the lone one has begun
  logic [OUTPUTS-1:0] ended = '0;   // its results are there

  function automatic int lesser(input int a, input int b);
    return a < b ? a : b;
  endfunction

  task fail(input string problem);
    errors = errors + 1;
    $$display("ERROR at %0.1f ns: %s, at output beat %0d of %0d", $$realtime, problem, received, DUE);
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

$ports  // The status tells of broken framing: not before the first beat that breaks it, and in the end.
  task check_status;
    if ((^{$handshakes}) === 1'bx) fail("TREADY or TVALID is unknown");
    if ((status_framing_error !== 1'b0 && $no_error) || (status_overrun !== 1'b0 && $no_overrun)
        || (drain_cycles == 1 && {status_framing_error, status_overrun} !== $status))
      fail("the status tells the framing wrong");
  endtask

  // A side stops, or one of its ports.
  task choose_stops;
    if (moves != '0) still = 0;
    else still = still + 1;
    if (stopped == '0) begin
      if (moves[INPUTS-1:0] != '0 && random[31:16] % SENT < STOPS) begin
        if (random[3]) stopped[INPUTS-1:0] = random[4] ? '1 : INPUTS'(1) << random[15:8] % INPUTS;
        else stopped[INPUTS+OUTPUTS-1:INPUTS] = random[4] ? '1 : OUTPUTS'(1) << random[15:8] % OUTPUTS;
        still = 0;
      end
    end else if (still >= STILL_CYCLES) begin
      stopped = '0;
      rushing = random[5];
    end
  endtask

  task count_cycles;
    cycle = cycle + 1;
$counts    if (counting == 1) begin
      if (!running) began = cycle;
      running = running || $any_begun;
      ended = ended | {$lasts};
      if (&ended) begin
        if (cycle - began != LATENCY_CYCLES) begin
          fail("the latency is not the predicted one");
          $$display("  it is %0d cycles, not %0d", cycle - began, LATENCY_CYCLES);
        end
        count_from_reset(2);
      end
    end else begin
      if (begun != $least_begun) begin
        begun = $least_begun;
        if (begun == COUNTED && cycle - began != PERIOD_CYCLES) begin
          fail("the initiation interval is not the predicted one");
          $$display("  %0d sequences take %0d cycles, not %0d", PERIOD_SEQUENCES, cycle - began, PERIOD_CYCLES);
        end
        if (begun == COUNTED - PERIOD_SEQUENCES) began = cycle;
      end
      if ($least_full == COUNTED) finish;
    end
  endtask

  task count_from_reset(input int what);
    counting = what;
    reset_cycles = RESET_CYCLES;
    aresetn <= 1'b0;
    idle_cycles = 0;
    begun = 0;
$recounts  endtask

  always @(posedge aclk) begin
    random <= xorshift(random);
$ready    idle_cycles = idle_cycles + 1;
    if (reset_cycles > 0) begin
      reset_cycles = reset_cycles - 1;
      aresetn <= reset_cycles == 0;
      if (reset_cycles < RESET_CYCLES - 2 && {$readies} !== INPUTS'(0)) fail("TREADY is high in the reset");
    end else if (counting != 0) count_cycles;
    else begin
      check_status;
$steps      if (moves != '0) idle_cycles = 0;
      choose_stops;
      until_reset = until_reset - 1;
      if (resets < RESETS && until_reset <= 0) begin
        resets = resets + 1;
        until_reset = 1 + random[30:0] % (3 * STILL_CYCLES);
        reset_cycles = RESET_CYCLES;
        aresetn <= 1'b0;
        accepted = 0;
        received = 0;
$resets      end
    end
    if (counting == 0 && resets == RESETS && received >= DUE && accepted == SENT) drain_cycles = drain_cycles - 1;
    else if (idle_cycles > TIMEOUT_CYCLES) fail("no beat moved");
    if (drain_cycles == 0 && counting == 0 && errors == 0 && LATENCY_CYCLES != 0) count_from_reset(1);
    else if ((drain_cycles == 0 && counting == 0) || idle_cycles > TIMEOUT_CYCLES || errors >= MAX_ERRORS) finish;
  end
endmodule
