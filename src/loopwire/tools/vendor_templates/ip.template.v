// $top for block designs, which take no SystemVerilog at the top. The attributes tell Vivado the interfaces.
module ${top}_ip (
    (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 aclk CLK" *)
    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axis:m_axis, ASSOCIATED_RESET aresetn" *)
    input wire aclk,
    (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 aresetn RST" *)
    (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)
    input wire aresetn,
$ports
);
  $top design_i (
      .aclk(aclk),
      .aresetn(aresetn)$connections
  );
endmodule
