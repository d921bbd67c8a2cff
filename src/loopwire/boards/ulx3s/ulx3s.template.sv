// $design on a ULX3S: a host computer talks to it over the board's USB-serial bridge, at $baud Bd.
//
// LEDs: 0 blinks while the clock runs; 1 data come from the host, 2 go to it; 3 the clock is steady; 5, 6, 7 a frame from
// the host was broken, lost, or meant nothing. Button FIRE 1 resets.
module $top (
    input  logic clk_25mhz,
    input  logic ftdi_txd,        // from the bridge
    output logic ftdi_rxd,        // to the bridge
    input  logic [1:1] btn,
    output logic [7:0] led,
    output logic wifi_gpio0       // high: the ESP32 leaves the board alone
);
  localparam int UART_RATE = $uart_rate;  // $baud Bd at $clock_mhz MHz, in 2^-20
  localparam int BLINK_BITS = 26;
  localparam int SHOWN_BITS = 22;         // a LED's light for a byte
  localparam int RESET_BITS = 8;

  logic aclk, locked;
  (* ICP_CURRENT = "12", LPF_RESISTOR = "8", MFG_ENABLE_FILTEROPAMP = "1", MFG_GMCREF_SEL = "2" *)
  EHXPLLL #(
      .CLKI_DIV($input_divider),
      .CLKFB_DIV($feedback_divider),
      .CLKOP_DIV($output_divider),
      .CLKOP_CPHASE($output_phase),
      .CLKOP_FPHASE(0),
      .CLKOP_ENABLE("ENABLED"),
      .FEEDBK_PATH("CLKOP"),
      .OUTDIVIDER_MUXA("DIVA"),
      .PLLRST_ENA("DISABLED"),
      .INTFB_WAKE("DISABLED"),
      .STDBY_ENABLE("DISABLED"),
      .DPHASE_SOURCE("DISABLED")
  ) pll_i (
      .CLKI(clk_25mhz),
      .CLKFB(aclk),
      .CLKOP(aclk),
      .LOCK(locked),
      .RST(1'b0),
      .STDBY(1'b0),
      .PHASESEL0(1'b0),
      .PHASESEL1(1'b0),
      .PHASEDIR(1'b1),
      .PHASESTEP(1'b1),
      .PHASELOADREG(1'b1),
      .PLLWAKESYNC(1'b0),
      .ENCLKOP(1'b0)
  );

  // Reset lasts until the clock has been steady and the button up for a while.
  // These registers begin as the bitstream says; always_ff would let nothing but the clock write them.
  logic [1:0] steady;
  logic [RESET_BITS-1:0] steady_for;
  logic aresetn;
  initial {steady, steady_for, aresetn} = '0;
  always @(posedge aclk) begin
    steady <= {steady[0], locked && !btn[1]};
    if (!steady[1]) steady_for <= '0;
    else if (!aresetn) steady_for <= steady_for + RESET_BITS'(1);
    aresetn <= steady[1] && (aresetn || &steady_for);
  end

  logic [7:0] rx_data, tx_data;
  logic rx_valid, rx_broken, tx_valid, tx_ready;
  logic [2:0] errors;
  loopwire_uart_rx #(.RATE(UART_RATE)) uart_rx_i (
      .aclk, .aresetn, .rxd(ftdi_txd), .data(rx_data), .valid(rx_valid), .broken(rx_broken)
  );
  loopwire_uart_tx #(.RATE(UART_RATE)) uart_tx_i (
      .aclk, .aresetn, .data(tx_data), .valid(tx_valid), .ready(tx_ready), .txd(ftdi_rxd)
  );
  $hosted hosted_i (
      .aclk, .aresetn, .rx_data, .rx_valid, .rx_broken, .tx_data, .tx_valid, .tx_ready, .errors
  );

  logic [BLINK_BITS-1:0] blink;
  logic [SHOWN_BITS-1:0] rx_shown, tx_shown;
  always_ff @(posedge aclk) begin
    blink <= blink + BLINK_BITS'(1);
    if (rx_valid) rx_shown <= '1;
    else if (rx_shown != 0) rx_shown <= rx_shown - SHOWN_BITS'(1);
    if (tx_valid && tx_ready) tx_shown <= '1;
    else if (tx_shown != 0) tx_shown <= tx_shown - SHOWN_BITS'(1);
  end
  assign led = {errors, 1'b0, locked, tx_shown != 0, rx_shown != 0, blink[BLINK_BITS-1]};
  assign wifi_gpio0 = 1'b1;
endmodule : $top
