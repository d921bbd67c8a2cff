// loopwire_counters of look-up tables of six inputs: of up to five bits, two bits of a count share one (UG474, UG574),
// which AMD's tools see and Yosys does not.
module loopwire_counters #(
    parameter BITS = 6, COUNT_BITS = 3, COUNT = 1, INVERTED = 0
) (
    input  [BITS*COUNT-1:0] bits,
    output [COUNT_BITS*COUNT-1:0] counts
);
  // The table of a bit of the count, of all values of six bits, where only the first BITS are counted.
  function [63:0] table_of;
    input integer place;
    integer value, k, ones;
    for (value = 0; value < 64; value = value + 1) begin
      ones = 0;
      for (k = 0; k < BITS; k = k + 1) ones = ones + (((value >> k) & 1) ^ (k < INVERTED ? 1 : 0));
      table_of[value] = (ones >> place) & 1;
    end
  endfunction
  localparam [63:0] ONES = table_of(0), TWOS = table_of(1), FOURS = table_of(2);
  genvar k, n;
  generate
    for (n = 0; n < COUNT; n = n + 1) begin : counters
      wire [5:0] taken;
      for (k = 0; k < 6; k = k + 1) begin : inputs
        if (k < BITS) assign taken[k] = bits[k*COUNT+n];
        else assign taken[k] = k == 5;  // gives a table of five bits its other output
      end
      if (BITS == 6) begin : six
        LUT6 #(.INIT(ONES)) ones (
            .I0(taken[0]), .I1(taken[1]), .I2(taken[2]), .I3(taken[3]), .I4(taken[4]), .I5(taken[5]), .O(counts[n]));
        LUT6 #(.INIT(TWOS)) twos (
            .I0(taken[0]), .I1(taken[1]), .I2(taken[2]), .I3(taken[3]), .I4(taken[4]), .I5(taken[5]),
            .O(counts[COUNT+n]));
      end else begin : five
        LUT6_2 #(.INIT({ONES[31:0], TWOS[31:0]})) ones_twos (
            .I0(taken[0]), .I1(taken[1]), .I2(taken[2]), .I3(taken[3]), .I4(taken[4]), .I5(taken[5]),
            .O6(counts[n]), .O5(counts[COUNT+n]));
      end
      if (COUNT_BITS == 3) begin : more
        LUT6 #(.INIT(FOURS)) fours (
            .I0(taken[0]), .I1(taken[1]), .I2(taken[2]), .I3(taken[3]), .I4(taken[4]), .I5(taken[5]),
            .O(counts[2*COUNT+n]));
      end
    end
  endgenerate
endmodule
