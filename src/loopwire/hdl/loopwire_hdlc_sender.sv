// Puts frames into a stream of bytes: flags around them, escapes in them, their frame check sequence behind (RFC 1662,
// section 4).
module loopwire_hdlc_sender (
    input  logic aclk,
    input  logic aresetn,

    input  logic [7:0] s_data,
    input  logic s_valid,
    output logic s_ready,
    input  logic s_last,

    output logic [7:0] tx_data,
    output logic tx_valid,
    input  logic tx_ready
);
  localparam logic [7:0] FLAG = 8'h7e, ESCAPE = 8'h7d;
  typedef enum logic [1:0] {OPENING, CONTENT, CHECK, CLOSING} state_t;

  state_t state;
  logic escaped;               // the escape of this byte is out
  logic [1:0] check_byte;
  logic [31:0] crc, next_crc;
  logic [7:0] plain;
  logic special, done;         // done: the byte is out, all of it
  loopwire_crc32 crc32_i (.crc(crc), .data(s_data), .next(next_crc));

  assign plain = state == CONTENT ? s_data : ~crc[8*check_byte+:8];
  assign special = plain == FLAG || plain == ESCAPE;
  always_comb begin
    if (state == OPENING || state == CLOSING) tx_data = FLAG;
    else if (escaped) tx_data = plain ^ 8'h20;
    else tx_data = special ? ESCAPE : plain;
  end
  assign tx_valid = s_valid || state == CHECK || state == CLOSING;
  assign done = tx_valid && tx_ready && (!special || escaped);
  assign s_ready = state == CONTENT && done;

  always_ff @(posedge aclk) begin
    case (state)
      OPENING: begin
        crc <= '1;
        check_byte <= '0;
        if (tx_valid && tx_ready) state <= CONTENT;
      end
      CONTENT: begin
        if (tx_valid && tx_ready) escaped <= special && !escaped;
        if (done) crc <= next_crc;
        if (done && s_last) state <= CHECK;
      end
      CHECK: begin
        if (tx_ready) escaped <= special && !escaped;
        if (done) check_byte <= check_byte + 2'd1;
        if (done && check_byte == 2'd3) state <= CLOSING;
      end
      CLOSING: if (tx_ready) state <= OPENING;
      default: state <= OPENING;
    endcase
    if (!aresetn) begin
      state <= OPENING;
      escaped <= 1'b0;
    end
  end
endmodule
