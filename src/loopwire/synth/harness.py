"""A design with the few pins that any package has: its ports as shift registers.

A beat of 100 and more bits has more wires than a package has pins. Shift registers at all ports keep every path of the
design between two registers of the same clock, which is how it will be timed where it is used, too.
"""

from __future__ import annotations

from string import Template

NAME = "loopwire_pins"
_TEXT = Template("""\
// All ports of $top behind shift registers, so that it fits any package.
module $name (
    input  logic aclk,
    input  logic serial_in,
    input  logic load,
    output logic serial_out
);
  logic [$in_last:0] to_design;
  logic [$out_last:0] from_design, shifted;

  $top design (
      .aclk,
      .aresetn(to_design[0]),
      .s_axis_tvalid(to_design[1]),
      .s_axis_tlast(to_design[2]),
      .m_axis_tready(to_design[3]),
$user      .s_axis_tdata(to_design[$in_last:$data_first]),
      .s_axis_tready(from_design[0]),
      .m_axis_tvalid(from_design[1]),
      .m_axis_tlast(from_design[2]),
      .m_axis_tdata(from_design[$out_last:3])
  );

  always_ff @(posedge aclk) begin
    to_design <= {to_design[$in_last-1:0], serial_in};
    shifted <= load ? from_design : {1'b0, shifted[$out_last:1]};
  end
  assign serial_out = shifted[0];
endmodule : $name
""")


def harness_text(top: str, in_bits: int, out_bits: int, has_user: bool) -> str:
    """Return the module, called `NAME`, around a design.

    Args:
        top: the design's top module.
        in_bits, out_bits: of its data.
        has_user: whether it has a port `s_axis_tuser`.
    """
    data_first = 5 if has_user else 4
    return _TEXT.substitute(
        name=NAME,
        top=top,
        user="      .s_axis_tuser(to_design[4]),\n" if has_user else "",
        in_last=data_first + in_bits - 1,
        data_first=data_first,
        out_last=3 + out_bits - 1,
    )
