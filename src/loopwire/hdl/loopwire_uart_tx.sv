// Sends bytes over a serial line: a low start bit, eight bits, lowest first, a high stop bit.
//
// RATE is the baud rate over the clock's frequency, in 2^-20.
module loopwire_uart_tx #(
    parameter int RATE = 125829
) (
    input  logic aclk,
    input  logic aresetn,

    input  logic [7:0] data,
    input  logic valid,
    output logic ready,

    output logic txd
);
  localparam int BITS = 10;

  logic [BITS-1:0] shifter;  // ones behind the stop bit: the line rests high
  logic [3:0] bits_left;
  logic [19:0] phase;
  logic [20:0] next_phase;
  assign next_phase = 21'(phase) + 21'(RATE);
  assign ready = bits_left == 0;
  assign txd = shifter[0];

  always_ff @(posedge aclk) begin
    if (ready) begin
      phase <= '0;
      if (valid) begin
        shifter <= {1'b1, data, 1'b0};
        bits_left <= 4'(BITS);
      end
    end else begin
      phase <= next_phase[19:0];
      if (next_phase[20]) begin
        shifter <= {1'b1, shifter[BITS-1:1]};
        bits_left <= bits_left - 4'd1;
      end
    end

    if (!aresetn) begin
      shifter <= '1;
      bits_left <= '0;
    end
  end
endmodule
