"""The ports of a design, their signals, and what is at them whatever the data: slices, labels, held results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopwire.hdl.axi_stream import BeatFormat, Sideband
from loopwire.hdl.library import LibraryModules
from loopwire.hdl.module_port import CLOCK, RESET, STATUS, Direction, ModulePort
from loopwire.hdl.names import KEYWORDS, library_words
from loopwire.ir.graph import Value
from loopwire.schedule.plan import Plan
from loopwire.text.identifiers import Names

Signals = Sequence[tuple[str, int]]
"""Names without the port's, and their bits, 0 where a signal is not a vector; TVALID and TREADY left out."""


@dataclass(frozen=True)
class Port:
    """An AXI4-Stream of the top module.

    Attributes:
        index: which of the inputs, or outputs, it is.
        axis: begins the names of its signals.
        name: begins those inside; empty where it is the only one.
        format: of its beats.
        steps: vectors of a full sequence, as they come at the port.
        element: the type of an element.
        signals: of a beat.
        registered: whether a register slice is at it.
    """

    index: int
    axis: str
    name: str
    format: BeatFormat
    steps: int
    element: str
    signals: Signals
    registered: bool

    def inside(self, what: str) -> str:
        """Return the name of something of it in the module."""
        return f"{self.name}_{what}" if self.name else what

    @property
    def side(self) -> str:
        """How its signals are called inside of its slice."""
        if not self.registered:
            return self.axis
        return self.inside("taken" if self.axis.startswith("s_") else "given")


@dataclass(frozen=True)
class Ports:
    """All ports, named after the model's inputs and outputs; an only one is s_axis, or m_axis."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def all(self) -> tuple[Port, ...]:
        """Inputs, then outputs."""
        return (*self.inputs, *self.outputs)


def ports(plan: Plan, inputs: Sequence[str], outputs: Sequence[str]) -> Ports:
    """Return the ports of a plan, called after these names, or after the graph's values where there are none."""
    steps = tuple(1 if plan.slides(index) else count for index, count in enumerate(plan.input_steps))
    axes = _axes("s_axis", inputs, plan.graph.inputs), _axes("m_axis", outputs, plan.graph.outputs)
    inside = Names(KEYWORDS, library_words(), stems=(axis for side in axes for axis in side))

    def side(
        axes: Sequence[str], formats: Sequence[BeatFormat], steps: Sequence[int], values: Sequence[Value]
    ) -> tuple[Port, ...]:
        found = []
        for index, (axis, format, count, value) in enumerate(zip(axes, formats, steps, values, strict=True)):
            inner = inside.stem(axis.replace("_axis", "", 1)) if len(axes) > 1 else ""
            is_input = axis.startswith("s_")
            sideband = plan.sideband.of_input(index) if is_input else plan.sideband
            beat = (_input if is_input else _output)(format, sideband)
            found.append(Port(index, axis, inner, format, count, str(value.type.element), beat, plan.port_registers))
        return tuple(found)

    return Ports(
        side(axes[0], plan.inputs, steps, plan.graph.inputs),
        side(axes[1], plan.outputs, plan.output_steps, plan.graph.outputs),
    )


def _axes(axis: str, given: Sequence[str], values: Sequence[Value]) -> list[str]:
    """Return what begins the names of the ports of a side."""
    names = Names()
    return [f"{axis}_{names.unique(name)}" for name in given or [v.name for v in values]] if len(values) > 1 else [axis]


def _input(format: BeatFormat, sideband: Sideband) -> Signals:
    # Where fresh is all of TUSER it is not a vector.
    user_bits = sideband.tuser_bits if sideband.user_bits else 0
    return [
        ("tdata", format.bits),
        *([("tkeep", format.keep_bits)] if format.keep_bits else []),
        ("tlast", 0),
        *([("tuser", user_bits)] if sideband.tuser_bits else []),
        *([("tid", sideband.id_bits)] if sideband.id_bits else []),
    ]


def _output(format: BeatFormat, sideband: Sideband) -> Signals:
    return [
        ("tdata", format.bits),
        *([("tkeep", format.keep_bits)] if format.keep_bits else []),
        ("tlast", 0),
        *([("tuser", sideband.user_bits)] if sideband.user_bits else []),
        *([("tid", sideband.id_bits)] if sideband.id_bits else []),
    ]


def module_ports(ports: Ports) -> tuple[ModulePort, ...]:
    """Return the ports of the top module."""
    return (CLOCK, RESET, *(signal for port in ports.all for signal in signals_of(port)), *STATUS)


def signals_of(port: Port) -> tuple[ModulePort, ...]:
    """Return the signals of a port, TVALID and TREADY last."""
    given: Direction = "input" if port.axis.startswith("s_") else "output"
    taken: Direction = "output" if given == "input" else "input"
    beat = (ModulePort(given, f"{port.axis}_{signal}", bits) for signal, bits in port.signals)
    return (*beat, ModulePort(given, f"{port.axis}_tvalid"), ModulePort(taken, f"{port.axis}_tready"))


def bus(bits: int) -> str:
    """Return the dimension of a signal, with a space behind it, or nothing where it is not a vector."""
    return f"[{bits - 1}:0] " if bits else ""


def slice_lines(name: str, signals: Signals, source: str, target: str, library: LibraryModules) -> list[str]:
    """Write a register slice from the signals `<source>_...` to the signals `<target>_...`."""
    given, taken = (", ".join(f"{side}_{signal}" for signal, _ in signals) for side in (source, target))
    return [
        f"  {library.module('loopwire_slice')} #(.BITS({sum(max(bits, 1) for _, bits in signals)})) {name}_slice (",
        f"      .aclk, .aresetn, .s_data({{{given}}}),",
        f"      .s_valid({source}_tvalid), .s_ready({source}_tready),",
        f"      .m_data({{{taken}}}), .m_valid({target}_tvalid), .m_ready({target}_tready)",
        "  );",
        "",
    ]


def declarations(port: Port) -> list[str]:
    """Declare a port's signals inside the module; what is padding is not read."""
    return [
        "  /* verilator lint_off UNUSEDSIGNAL */  // padding",
        *(f"  logic {bus(bits)}{port.side}_{signal};" for signal, bits in port.signals),
        "  /* verilator lint_on UNUSEDSIGNAL */",
        f"  logic {port.side}_tvalid, {port.side}_tready;",
    ]


def depth(plan: Plan) -> int:
    """Return for how many sequences, a power of two, there must be room from their first beat to their result."""
    return 1 << (plan.timing.most_sequences - 1).bit_length()


def label_lines(plan: Plan, source: Port, target: Port, library: LibraryModules) -> list[str]:
    """Write what hands on TUSER and TID of the first input with a result."""
    sideband, given_by, taken_by = plan.sideband, source.side, target.side
    if not sideband.label_bits:
        return []
    user = f"{given_by}_tuser"
    if sideband.fresh:
        user += f"[{sideband.user_bits}:1]"
    given = [user] if sideband.user_bits else []
    taken = [f"{taken_by}_tuser"] if sideband.user_bits else []
    if sideband.id_bits:
        given.append(f"{given_by}_tid")
        taken.append(f"{taken_by}_tid")
    begins, labels = source.inside("sequence_begins"), library.module("loopwire_labels")
    return [
        f"  {labels} #(.DEPTH({depth(plan)}), .BITS({sideband.label_bits})) {target.inside('labels')} (",
        f"      .aclk, .aresetn, .begins({begins}), .s_label({{{', '.join(given)}}}),",
        f"      .ends({taken_by}_tvalid && {taken_by}_tready && {taken_by}_tlast), .m_label({{{', '.join(taken)}}})",
        "  );",
        "",
    ]


def hold_lines(plan: Plan, valid: str, ready: str, last: str, target: str, library: LibraryModules) -> list[str]:
    """Write what hands on a result: at once, or as late as the slowest."""
    held_cycles = plan.timing.held_cycles
    if not held_cycles:
        return [f"  assign {target}_tvalid = {valid};", f"  assign {ready} = {target}_tready;"]
    return [
        f"  {library.module('loopwire_hold')} #(.LATENCY({held_cycles}), .DEPTH({depth(plan)})) hold (",
        "      .aclk, .aresetn, .begins(sequence_begins),",
        f"      .s_valid({valid}), .s_ready({ready}), .s_last({last}),",
        f"      .m_valid({target}_tvalid), .m_ready({target}_tready)",
        "  );",
    ]
