// Takes frames out of a stream of bytes, without their flags, escapes and frame check sequences (RFC 1662, section 4).
//
// Bytes are handed on before the check is known: `last` comes with the last byte of a good frame; `broken` tells to forget
// the bytes since the frame's begin. Nothing is handed on before the first flag, nor after an error until the next one.
module loopwire_hdlc_receiver (
    input  logic aclk,
    input  logic aresetn,

    input  logic [7:0] rx_data,
    input  logic rx_valid,
    input  logic rx_broken,

    output logic [7:0] data,
    output logic valid,
    output logic last,
    output logic broken
);
  localparam logic [7:0] FLAG = 8'h7e, ESCAPE = 8'h7d;
  localparam logic [31:0] GOOD = 32'hdebb20e3;  // the CRC of a frame and its check sequence
  localparam int HELD = 5;                      // the check sequence, and the byte before it

  logic hunting;                                // for a flag
  logic escaped;
  logic [HELD-1:0][7:0] held;
  logic [2:0] held_count;
  logic [31:0] crc, next_crc;
  logic [7:0] plain;
  logic flag, content, good;

  assign flag = rx_valid && rx_data == FLAG;
  assign content = rx_valid && rx_data != FLAG && rx_data != ESCAPE && !hunting;
  assign plain = escaped ? rx_data ^ 8'h20 : rx_data;
  assign good = held_count == 3'(HELD) && crc == GOOD && !escaped;
  loopwire_crc32 crc32_i (.crc(crc), .data(plain), .next(next_crc));

  assign data = held[HELD-1];
  assign last = flag;
  assign valid = held_count == 3'(HELD) && (content || (flag && good && !hunting));
  // Two flags in a row enclose nothing, which is no error.
  assign broken = !hunting && (rx_broken || (flag && (held_count != 0 || escaped) && !good));

  always_ff @(posedge aclk) begin
    if (content) begin
      held <= {held[HELD-2:0], plain};
      if (held_count != 3'(HELD)) held_count <= held_count + 3'd1;
      crc <= next_crc;
      escaped <= 1'b0;
    end
    if (rx_valid && rx_data == ESCAPE) escaped <= 1'b1;
    if (flag) begin
      hunting <= 1'b0;
      escaped <= 1'b0;
      held_count <= '0;
      crc <= '1;
    end
    if (!aresetn || rx_broken) begin
      hunting <= 1'b1;
      escaped <= 1'b0;
      held_count <= '0;
    end
  end
endmodule
