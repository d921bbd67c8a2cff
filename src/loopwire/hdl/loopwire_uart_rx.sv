// Receives bytes from a serial line: a low start bit, eight bits, lowest first, a high stop bit.
//
// RATE is the baud rate over the clock's frequency, in 2^-20. A bit is read in its middle.
module loopwire_uart_rx #(
    parameter int RATE = 125829
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic rxd,

    output logic [7:0] data,
    output logic valid,     // a byte is there, for one cycle
    output logic broken     // its stop bit was missing, for one cycle
);
  localparam int BITS = 10;

  logic [2:0] line;         // two registers against metastability, and the value before
  logic [3:0] bits_left;
  logic [19:0] phase;
  logic [20:0] next_phase;
  logic tick;               // the middle of a bit
  assign next_phase = 21'(phase) + 21'(RATE);
  assign tick = bits_left != 0 && next_phase[20];

  always_ff @(posedge aclk) begin
    line <= {line[1:0], rxd};
    valid <= tick && bits_left == 1 && line[1];
    broken <= tick && bits_left == 1 && !line[1];
    if (tick && bits_left != 1) data <= {line[1], data[7:1]};

    if (bits_left == 0) begin
      phase <= 20'h80000;   // half a bit
      if (line[2] && !line[1]) bits_left <= 4'(BITS);
    end else begin
      phase <= next_phase[19:0];
      if (tick) bits_left <= bits_left == 4'(BITS) && line[1] ? '0 : bits_left - 4'd1;
    end

    if (!aresetn) begin
      line <= '1;
      valid <= 1'b0;
      broken <= 1'b0;
      bits_left <= '0;
    end
  end
endmodule
