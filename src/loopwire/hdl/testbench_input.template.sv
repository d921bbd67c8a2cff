  // Beats of $axis are $beat.
  logic [$beat_bits-1:0] ${axis}_beats[0:$beats-1];
  int ${axis}_offered = 0;   // beats, the pending one included
  int ${axis}_accepted = 0;  // beats
  int ${axis}_begun = 0, ${axis}_full = 0;  // sequences whose cycles are counted: first and last beats accepted
  int ${axis}_place = 0;     // the next beat in such a sequence
  logic ${axis}_ends;
  initial $$readmemh("$file", ${axis}_beats);

  task step_$axis;
    moves[$port] = ${axis}_tvalid && ${axis}_tready === 1'b1;
    if (moves[$port]) begin
      ${axis}_accepted = ${axis}_accepted + 1;
      accepted = accepted + 1;
    end
    if (${axis}_offered == ${axis}_accepted) begin
      if (${axis}_offered < $beats && !stopped[$port] && (rushing || $going != 2'd0)) begin
        ${axis}_tvalid <= 1'b1;
        $beat <= ${axis}_beats[${axis}_offered];
        ${axis}_offered = ${axis}_offered + 1;
      end else begin
        ${axis}_tvalid <= 1'b0;
        $beat <= {$beat_bits{$noise}};
      end
    end
  endtask

  // Full sequences without gaps, of any data.
  task count_$axis;
    if (${axis}_tvalid && ${axis}_tready === 1'b1) begin
      idle_cycles = 0;
      if (${axis}_place == 0) ${axis}_begun = ${axis}_begun + 1;
      if (${axis}_place == $full_beats - 1) ${axis}_full = ${axis}_full + 1;
      ${axis}_place = ${axis}_place == $full_beats - 1 ? 0 : ${axis}_place + 1;
    end
    ${axis}_tvalid <= ${axis}_full < (counting == 1 ? 1 : COUNTED);
    ${axis}_ends = ${axis}_place == $full_beats - 1;
$full_label    $beat <= $full_beat;
  endtask

