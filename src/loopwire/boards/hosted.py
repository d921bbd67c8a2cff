"""A design together with what serves it to a host: bytes in, bytes out, the same on every board."""

from __future__ import annotations

from importlib import resources
from string import Template

from loopwire.boards.identity import Identity
from loopwire.hdl.library import library_files

BUFFER_BYTES = 4096
"""Of frames on their way to the board: what comes in while an answer waits 13 ms in a USB bridge, at 3 MBd."""


def hosted_files(identity: Identity) -> dict[str, str]:
    """Return the files that are beside those of the design; the top module is `hosted_module(identity)`."""
    files = library_files(["loopwire_host"])
    identity_file, content = f"{identity.name}_identity.hex", identity.to_bytes()
    files[identity_file] = "".join(f"{byte:02x}\n" for byte in content)
    files[f"{hosted_module(identity)}.sv"] = _text(identity, identity_file, len(content))
    return files


def hosted_module(identity: Identity) -> str:
    """Return the name of the module that holds design and host."""
    return f"{identity.name}_hosted"


def _text(identity: Identity, identity_file: str, identity_bytes: int) -> str:
    bits_in, bits_out = identity.input.bits, identity.output.bits
    keep, user = identity.input.keep_bits > 0, identity.remembers
    pins = [
        ("aclk", "aclk"),
        ("aresetn", "design_resetn"),
        ("s_axis_tdata", "to_design_data"),
        *([("s_axis_tkeep", "to_design_keep")] if keep else []),
        ("s_axis_tvalid", "to_design_valid"),
        ("s_axis_tready", "to_design_ready"),
        ("s_axis_tlast", "to_design_last"),
        *([("s_axis_tuser", "to_design_user")] if user else []),
        ("m_axis_tdata", "from_design_data"),
        *([("m_axis_tkeep", "unused_keep")] if identity.output.keep_bits else []),
        ("m_axis_tvalid", "from_design_valid"),
        ("m_axis_tready", "from_design_ready"),
        ("m_axis_tlast", "from_design_last"),
        # The host sends whole sequences only.
        ("status_framing_error", "unused_status[0]"),
        ("status_overrun", "unused_status[1]"),
    ]
    connections = ",\n".join(f"      .{pin}({signal})" for pin, signal in pins)
    to_keep, to_user = ("to_design_keep" if keep else "unused_to_keep"), "to_design_user" if user else "unused_to_user"
    unused_keep = [f"  logic [{bits_out // 8 - 1}:0] unused_keep;\n"] if identity.output.keep_bits else []
    template = Template(resources.files(__package__).joinpath("hosted.template.sv").read_text())
    return template.substitute(
        design=identity.name,
        top=hosted_module(identity),
        in_last=bits_in - 1,
        keep_last=bits_in // 8 - 1,
        to_keep=to_keep,
        to_user=to_user,
        out_last=bits_out - 1,
        unused_keep="".join(unused_keep),
        identity_file=identity_file,
        identity_last=identity_bytes - 1,
        place_last=(identity_bytes - 1).bit_length() - 1,
        in_bytes=bits_in // 8,
        out_bytes=bits_out // 8,
        has_keep=int(keep),
        buffer_bytes=identity.buffer_bytes,
        identity_bytes=identity_bytes,
        connections=connections,
    )
