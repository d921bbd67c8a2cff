// COUNT counters side by side: how many of two to six bits are 1, the first INVERTED of them inverted before.
(* keep_hierarchy = "yes" *)                    // a look-up table each bit or two; synthesis would join several counters
module loopwire_counters #(
    parameter int BITS = 6,                     // that each counts
    parameter int COUNT_BITS = 3,
    parameter int COUNT = 1,
    parameter int INVERTED = 0
) (
    input  logic [BITS-1:0][COUNT-1:0]       bits,
    output logic [COUNT_BITS-1:0][COUNT-1:0] counts
);
  logic [5:0][COUNT-1:0] b;
  always_comb begin
    b = '0;
    for (int k = 0; k < BITS; k++) b[k] = k < INVERTED ? ~bits[k] : bits[k];
  end
  wire [COUNT-1:0] ones_low = b[0] ^ b[1] ^ b[2], twos_low = b[0] & b[1] | b[0] & b[2] | b[1] & b[2];
  wire [COUNT-1:0] ones_high = b[3] ^ b[4] ^ b[5], twos_high = b[3] & b[4] | b[3] & b[5] | b[4] & b[5];
  wire [COUNT-1:0] twos = ones_low & ones_high;
  wire [COUNT-1:0] fours = twos_low & twos_high | twos_low & twos | twos_high & twos;
  assign counts = (COUNT_BITS*COUNT)'({fours, twos_low ^ twos_high ^ twos, ones_low ^ ones_high});
endmodule
