  // Beats of $axis are $beat.
  logic [$beat_bits-1:0] ${axis}_due[0:$beats-1];
  logic [$beat_bits-1:0] ${axis}_held = '0;
  logic ${axis}_stalled = 1'b0;
  int ${axis}_received = 0;  // beats
  initial $$readmemh("$file", ${axis}_due);

  task step_$axis;
    if (${axis}_stalled && ${axis}_tvalid !== 1'b1) fail("TVALID of $axis fell before TREADY rose");
    if (${axis}_stalled && $beat !== ${axis}_held) fail("a signal of $axis changed before TREADY rose");
    ${axis}_stalled = ${axis}_tvalid === 1'b1 && !${axis}_tready;
    moves[$port] = ${axis}_tvalid === 1'b1 && ${axis}_tready;
    ${axis}_held = $beat;
    if (moves[$port]) begin
      if (${axis}_received >= $beats) fail("a beat of $axis too many");
      else if (${axis}_held !== ${axis}_due[${axis}_received]) begin
        fail("a wrong beat of $axis");
        $$display("  the beat is %h, not %h", ${axis}_held, ${axis}_due[${axis}_received]);
      end
      ${axis}_received = ${axis}_received + 1;
      received = received + 1;
    end
  endtask

