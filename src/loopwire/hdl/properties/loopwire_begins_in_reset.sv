// Time begins with a reset, in any state. What is proved from there on is true after every reset.
module loopwire_begins_in_reset (
    input logic aclk,
    input logic aresetn
);
  logic begun = 1'b0;
  always_ff @(posedge aclk) begun <= 1'b1;
  always_comb assume (aresetn == begun);
endmodule
