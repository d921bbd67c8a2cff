"""The signals of a design's two ports, and what stands at the ports whatever the data: slices, labels, held results."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.hdl.module_port import CLOCK, RESET, STATUS, ModulePort
from loopwire.schedule.plan import Plan

Signals = Sequence[tuple[str, int]]
"""Names without the port's, and their bits, 0 where a signal is no vector; TVALID and TREADY left out."""


def input_signals(plan: Plan) -> Signals:
    """Return the signals of the input."""
    sideband = plan.sideband
    # Where fresh is all of TUSER it is no vector.
    user_bits = sideband.tuser_bits if sideband.user_bits else 0
    return [
        ("tdata", plan.input.bits),
        *([("tkeep", plan.input.keep_bits)] if plan.input.keep_bits else []),
        ("tlast", 0),
        *([("tuser", user_bits)] if sideband.tuser_bits else []),
        *([("tid", sideband.id_bits)] if sideband.id_bits else []),
    ]


def output_signals(plan: Plan) -> Signals:
    """Return the signals of the output."""
    sideband = plan.sideband
    return [
        ("tdata", plan.output.bits),
        *([("tkeep", plan.output.keep_bits)] if plan.output.keep_bits else []),
        ("tlast", 0),
        *([("tuser", sideband.user_bits)] if sideband.user_bits else []),
        *([("tid", sideband.id_bits)] if sideband.id_bits else []),
    ]


def module_ports(plan: Plan) -> tuple[ModulePort, ...]:
    """Return the ports of the top module."""
    return (CLOCK, RESET, *input_ports(plan), *output_ports(plan), *STATUS)


def input_ports(plan: Plan) -> tuple[ModulePort, ...]:
    """Return those of the input, TVALID and TREADY last."""
    signals = (ModulePort("input", f"s_axis_{signal}", bits) for signal, bits in input_signals(plan))
    return (*signals, ModulePort("input", "s_axis_tvalid"), ModulePort("output", "s_axis_tready"))


def output_ports(plan: Plan) -> tuple[ModulePort, ...]:
    """Return those of the output, TVALID and TREADY last."""
    signals = (ModulePort("output", f"m_axis_{signal}", bits) for signal, bits in output_signals(plan))
    return (*signals, ModulePort("output", "m_axis_tvalid"), ModulePort("input", "m_axis_tready"))


def bus(bits: int) -> str:
    """Return the dimension of a signal, with a space behind it, or nothing where it is no vector."""
    return f"[{bits - 1}:0] " if bits else ""


def slice_lines(name: str, signals: Signals, source: str, target: str) -> list[str]:
    """Write a register slice from the signals `<source>_...` to the signals `<target>_...`."""
    given, taken = (", ".join(f"{side}_{signal}" for signal, _ in signals) for side in (source, target))
    return [
        f"  loopwire_slice #(.BITS({sum(max(bits, 1) for _, bits in signals)})) {name}_slice (",
        f"      .aclk, .aresetn, .s_data({{{given}}}),",
        f"      .s_valid({source}_tvalid), .s_ready({source}_tready),",
        f"      .m_data({{{taken}}}), .m_valid({target}_tvalid), .m_ready({target}_tready)",
        "  );",
        "",
    ]


def declarations(side: str, signals: Signals) -> list[str]:
    """Declare a port's signals inside the module; what is padding is not read."""
    return [
        "  /* verilator lint_off UNUSEDSIGNAL */  // padding",
        *(f"  logic {bus(bits)}{side}_{signal};" for signal, bits in signals),
        "  /* verilator lint_on UNUSEDSIGNAL */",
        f"  logic {side}_tvalid, {side}_tready;",
    ]


def depth(plan: Plan) -> int:
    """Return for how many sequences, a power of two, there must be room from their first beat to their result."""
    return 1 << (plan.timing.most_sequences - 1).bit_length()


def label_lines(plan: Plan, source: str, target: str) -> list[str]:
    """Write what hands on TUSER and TID with the result."""
    sideband = plan.sideband
    if not sideband.label_bits:
        return []
    user = f"{source}_tuser"
    if sideband.fresh:
        user += f"[{sideband.user_bits}:1]"
    given = [user] if sideband.user_bits else []
    taken = [f"{target}_tuser"] if sideband.user_bits else []
    if sideband.id_bits:
        given.append(f"{source}_tid")
        taken.append(f"{target}_tid")
    return [
        f"  loopwire_labels #(.DEPTH({depth(plan)}), .BITS({sideband.label_bits})) labels (",
        f"      .aclk, .aresetn, .begins(sequence_begins), .s_label({{{', '.join(given)}}}),",
        f"      .ends({target}_tvalid && {target}_tready && {target}_tlast), .m_label({{{', '.join(taken)}}})",
        "  );",
        "",
    ]


def hold_lines(plan: Plan, valid: str, ready: str, last: str, target: str) -> list[str]:
    """Write what hands on a result: at once, or as late as the slowest."""
    held_cycles = plan.timing.held_cycles
    if not held_cycles:
        return [f"  assign {target}_tvalid = {valid};", f"  assign {ready} = {target}_tready;"]
    return [
        f"  loopwire_hold #(.LATENCY({held_cycles}), .DEPTH({depth(plan)})) hold (",
        "      .aclk, .aresetn, .begins(sequence_begins),",
        f"      .s_valid({valid}), .s_ready({ready}), .s_last({last}),",
        f"      .m_valid({target}_tvalid), .m_ready({target}_tready)",
        "  );",
    ]
