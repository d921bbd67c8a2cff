// Takes a byte into a CRC-32: the 32-bit frame check sequence of RFC 1662, lowest bit first, before its complement.
module loopwire_crc32 (
    input  logic [31:0] crc,
    input  logic [7:0] data,
    output logic [31:0] next
);
  always_comb begin
    next = crc ^ {24'd0, data};
    for (int k = 0; k < 8; k++) next = {1'b0, next[31:1]} ^ (next[0] ? 32'hedb88320 : 32'd0);
  end
endmodule
