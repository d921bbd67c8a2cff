// Says whose turn it is: port 0 for BEATS[0] beats, then port 1 for its own, and so on, and again.
module loopwire_turns #(
    parameter int PORTS = 2,
    parameter int BITS = 4,                          // of the beats of a turn
    parameter logic [PORTS-1:0][BITS-1:0] BEATS = '1,  // of each turn
    localparam int PORT_BITS = PORTS > 1 ? $clog2(PORTS) : 1
) (
    input  logic aclk,
    input  logic aresetn,
    input  logic moves,              // a beat in this cycle
    output logic [PORTS-1:0] turn,   // a single 1
    output logic last                // beat of the turn
);
  logic [PORT_BITS-1:0] port;
  logic [BITS-1:0] beat;
  assign last = beat == BEATS[port] - BITS'(1);
  for (genvar k = 0; k < PORTS; k++) begin : gen_turn
    assign turn[k] = port == PORT_BITS'(k);
  end
  always_ff @(posedge aclk) begin
    if (moves) begin
      beat <= last ? '0 : beat + BITS'(1);
      if (last) port <= turn[PORTS-1] ? '0 : port + PORT_BITS'(1);
    end
    if (!aresetn) begin
      port <= '0;
      beat <= '0;
    end
  end
endmodule
