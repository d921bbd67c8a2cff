"""A module that puts the signals of all ports of another one together, as the simulation's driver wants them."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.hdl.axi_stream import NO_SIDEBAND, Sideband, StreamPort


def beat_bytes(
    inputs: Sequence[StreamPort], outputs: Sequence[StreamPort], sideband: Sideband = NO_SIDEBAND
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the bytes of a beat of each input and each output: TDATA, TKEEP, TUSER and TID."""
    sides = ("s", inputs), ("m", outputs)
    found = [tuple(sum(_sizes(side, k, p, sideband)) // 8 for k, p in enumerate(ports)) for side, ports in sides]
    return found[0], found[1]


def port_wrapper(
    name: str,
    top: str,
    inputs: Sequence[StreamPort],
    outputs: Sequence[StreamPort],
    sideband: Sideband = NO_SIDEBAND,
    has_status: bool = False,
) -> str:
    """Return the text of a module `name` around module `top`.

    Args:
        name: of the wrapper, with the ports that `sim_driver.cpp` drives.
        top: the module.
        inputs, outputs: its ports; the first input lies lowest.
        sideband: what comes with a sequence.
        has_status: whether it tells of broken framing; else the wrapper's status is 0.
    """
    widths = [8 * sum(side) for side in beat_bytes(inputs, outputs, sideband)]
    lines = [*header(name, len(inputs), len(outputs), *widths), "  logic framing_error, overrun;"]
    connections, after = [".aclk", ".aresetn"], []
    if has_status:
        connections += [".status_framing_error(framing_error)", ".status_overrun(overrun)"]
        after.append("  assign status = {overrun, framing_error};")
    else:
        after.append("  assign status = '0;")
    for side, ports in (("s", inputs), ("m", outputs)):
        offset = 0
        for k, port in enumerate(ports):
            connections += [f".{port.axis}_t{what}({side}_{what}[{k}])" for what in ("valid", "ready", "last")]
            signals = ("tdata", "tkeep", "tuser", "tid")
            bits_of, sizes = _bits(side, k, port, sideband), _sizes(side, k, port, sideband)
            for signal, bits, size in zip(signals, bits_of, sizes, strict=True):
                if bits:
                    connections.append(f".{port.axis}_{signal}({side}_data[{offset} +: {bits}])")
                if side == "m" and size > bits:
                    after.append(f"  assign m_data[{offset + bits} +: {size - bits}] = '0;")
                offset += size
    instance = [f"  {top} dut (", ",\n".join(f"      {connection}" for connection in connections), "  );"]
    return "\n".join([*lines, *instance, *after, "endmodule", ""])


def header(name: str, inputs: int, outputs: int, in_bits: int, out_bits: int) -> list[str]:
    """Return the lines that begin such a module: its number of ports, and the bits of data on either side."""
    return [
        f"module {name} (",
        "    input  logic aclk, aresetn,",
        f"    input  logic [{in_bits - 1}:0] s_data,",
        f"    input  logic [{inputs - 1}:0] s_valid, s_last,",
        f"    output logic [{inputs - 1}:0] s_ready,",
        f"    output logic [{out_bits - 1}:0] m_data,",
        f"    output logic [{outputs - 1}:0] m_valid, m_last,",
        f"    input  logic [{outputs - 1}:0] m_ready,",
        "    output logic [1:0] status   // {overrun, framing error}",
        ");",
    ]


def _bits(side: str, index: int, port: StreamPort, sideband: Sideband) -> tuple[int, int, int, int]:
    """Return the bits of TDATA, TKEEP, TUSER and TID; 0 where there is none."""
    given = sideband.of_input(index) if side == "s" else sideband
    user_bits = given.tuser_bits if side == "s" else given.user_bits
    return port.format.bits, port.format.keep_bits, user_bits, given.id_bits


def _sizes(side: str, index: int, port: StreamPort, sideband: Sideband) -> list[int]:
    """Return the bits of the same in whole bytes."""
    return [-(-bits // 8) * 8 for bits in _bits(side, index, port, sideband)]
