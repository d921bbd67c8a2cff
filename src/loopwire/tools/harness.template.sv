// All ports of $top behind shift registers, so that it fits any package.
module loopwire_pins (
    input  logic aclk,
    input  logic serial_in,
    input  logic load,
    output logic serial_out
);
  logic [$in_last:0] to_design;
  logic [$out_last:0] from_design, shifted;

  $top design_i (
$connections
  );

  always_ff @(posedge aclk) begin
    to_design <= {to_design[$in_last-1:0], serial_in};
    shifted <= load ? from_design : {1'b0, shifted[$out_last:1]};
  end
  assign serial_out = shifted[0];
endmodule : loopwire_pins
