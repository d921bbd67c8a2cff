// $design and what serves it to a host computer.
module $top (
    input  logic aclk,
    input  logic aresetn,

    input  logic [7:0] rx_data,
    input  logic rx_valid,
    input  logic rx_broken,
    output logic [7:0] tx_data,
    output logic tx_valid,
    input  logic tx_ready,

    output logic [2:0] errors
);
  logic design_resetn;
  logic [$in_last:0] to_design_data;
  logic [$keep_last:0] $to_keep;
  logic to_design_valid, to_design_ready, to_design_last, $to_user;
  logic [$out_last:0] from_design_data;
  logic from_design_valid, from_design_ready, from_design_last;
  logic [1:0] unused_status;
$unused_keep
  logic [7:0] identity [0:$identity_last];
  logic [$place_last:0] identity_place;
  logic [7:0] identity_byte;
  initial $$readmemh("$identity_file", identity);
  always_ff @(posedge aclk) identity_byte <= identity[identity_place];

  loopwire_host #(
      .IN_BYTES($in_bytes),
      .OUT_BYTES($out_bytes),
      .KEEP($has_keep),
      .BUFFER_BYTES($buffer_bytes),
      .IDENTITY_BYTES($identity_bytes)
  ) host_i (
      .aclk, .aresetn, .rx_data, .rx_valid, .rx_broken, .tx_data, .tx_valid, .tx_ready, .design_resetn,
      .to_design_data, .to_design_keep($to_keep), .to_design_valid, .to_design_ready, .to_design_last,
      .to_design_user($to_user),
      .from_design_data, .from_design_valid, .from_design_ready, .from_design_last,
      .identity_place, .identity_byte, .errors
  );

  $design design_i (
$connections
  );
endmodule : $top
