"""The module of one layer: its part of an engine's pipeline.

Arrays are packed, element 0 lowest. A signal stands in the stage in which it is computed; `name_q[d]` is the same, d stages later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from loopwire.hdl.expressions import concatenation, resized
from loopwire.hdl.names import Names, identifier
from loopwire.schedule.datapath import Constant, Operation, Ring, Signal, StepRom
from loopwire.schedule.pipeline import Pipeline, Placement
from loopwire.targets.verilog.operations import Library, statements

PORTS = {"aclk", "cell_index", "y", "x", "k", "i", "j"}


@dataclass
class LayerModule:
    """What one layer's module contains and how it is connected.

    `valid_stages` are the stages whose step_valid and step_active it needs, `index_stages` those whose step_index.
    """

    layer: str
    operations: list[Operation] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)
    inputs: list[Signal] = field(default_factory=list)
    outputs: list[Signal] = field(default_factory=list)
    valid_stages: list[int] = field(default_factory=list)
    index_stages: list[int] = field(default_factory=list)


def layer_modules(pipeline: Pipeline) -> list[LayerModule]:
    """Divide a pipeline among its layers, in the order in which they compute."""
    modules: dict[str, LayerModule] = {}
    owner: dict[Signal, str] = {}
    for ring in pipeline.datapath.rings:
        module = modules.setdefault(ring.read.layer, LayerModule(ring.read.layer))
        module.rings.append(ring)
        owner[ring.read] = ring.read.layer
        module.valid_stages.append(pipeline.entry[ring] + pipeline.loop_latency - 1)
    constants = {op.result: op for op in pipeline.datapath.operations if isinstance(op.kind, Constant)}
    for operation in pipeline.placements:
        if isinstance(operation.kind, Constant):
            continue
        module = modules.setdefault(operation.result.layer, LayerModule(operation.result.layer))
        module.operations += [
            constants[v] for v in operation.operands if v in constants and constants[v] not in module.operations
        ]
        module.operations.append(operation)
        owner[operation.result] = operation.result.layer
        if isinstance(operation.kind, StepRom):
            module.index_stages.append(pipeline.placements[operation].first_stage)
    for module in modules.values():
        reads = [v for operation in module.operations for v in operation.operands if v not in constants]
        reads += [ring.following for ring in module.rings]
        module.inputs = [v for v in dict.fromkeys(reads) if owner.get(v) != module.layer]
        for signal in module.inputs:
            if signal in owner and signal not in modules[owner[signal]].outputs:
                modules[owner[signal]].outputs.append(signal)
    output = pipeline.datapath.output
    if output in owner and output not in modules[owner[output]].outputs:
        modules[owner[output]].outputs.append(output)
    return list(modules.values())


def port_name(signal: Signal) -> str:
    """Return the name a signal has where modules are connected."""
    return identifier(signal.name)


def array(signal: Signal) -> str:
    """Return the packed dimensions of a signal."""
    return f"[{signal.count - 1}:0][{signal.width - 1}:0]"


def layer_module(name: str, module: LayerModule, pipeline: Pipeline, library: Library) -> str:
    """Return the module's text.

    Ports: aclk, the signals of other layers that it reads and those of its own that others read; `step_index_<s>`, the step's number in
    stage s; `step_valid_<s>` and `step_active_<s>`, whether a step is in stage s and whether its sequence goes on after it.
    """
    return _Writer(name, module, pipeline, library).text()


class _Writer:
    def __init__(self, name: str, module: LayerModule, pipeline: Pipeline, library: Library) -> None:
        self._name = name
        self._module = module
        self._pipeline = pipeline
        self._library = library
        self._stage_of = pipeline.stage_of()
        outer = [*module.inputs, *module.outputs]
        self._identifiers = {signal: port_name(signal) for signal in outer}
        names = Names(PORTS | set(self._identifiers.values()))
        own = [ring.read for ring in module.rings] + [operation.result for operation in module.operations]
        for signal in own:
            if signal not in self._identifiers:
                self._identifiers[signal] = names.unique(signal.name.removeprefix(f"{module.layer}."))
        self._last_read: dict[Signal, int] = {}
        for operation in module.operations:
            for operand in operation.operands:
                self._read(operand, pipeline.placements[operation].first_stage)
        for ring in module.rings:
            self._read(ring.following, self._end(ring))
            self._read(ring.read, self._end(ring))

    def _end(self, ring: Ring) -> int:
        return self._pipeline.entry[ring] + self._pipeline.loop_latency - 1

    def _read(self, signal: Signal, place: int) -> None:
        self._last_read[signal] = max(self._last_read.get(signal, place), place)

    def _delay(self, signal: Signal) -> int:
        """Return for how many stages a signal is kept."""
        place = self._stage_of.get(signal)
        return 0 if place is None else max(self._last_read.get(signal, place) - place, 0)

    def _in_stage(self, place: int) -> Callable[[Signal], str]:
        def text(signal: Signal) -> str:
            name = self._identifiers[signal]
            delay = place - self._stage_of[signal] if signal in self._stage_of else 0
            return f"{name}_q[{delay}]" if delay else name

        return text

    def text(self) -> str:
        module = self._module
        ports = ["input  logic aclk"]
        ports += [f"input  logic step_valid_{s}, step_active_{s}" for s in sorted(set(module.valid_stages))]
        bits = max(self._index_bits(), 1)
        ports += [f"input  logic [{bits - 1}:0] step_index_{s}" for s in sorted(set(module.index_stages))]
        ports += [f"input  logic {array(v)} {self._identifiers[v]}" for v in module.inputs]
        ports += [f"output logic {array(v)} {self._identifiers[v]}" for v in module.outputs]
        lines = [f"module {self._name} (", *(f"    {port}{',' if port != ports[-1] else ''}" for port in ports), ");"]
        for signal in module.inputs:
            lines += self._delays(signal)
        for ring in module.rings:
            lines += self._ring_declaration(ring)
        for operation in module.operations:
            lines += self._operation(operation)
        for ring in module.rings:
            lines += self._ring(ring)
        return "\n".join([*self._header(), *lines, f"endmodule : {self._name}", ""])

    def _header(self) -> list[str]:
        stages = [placement.time[0] for _, placement in self._placed()]
        first = min((placement.first_stage for _, placement in self._placed()), default=0)
        lines = [
            f"// Layer {self._module.layer or 'of the model itself'}: stages {first} to {max(stages, default=first)}."
        ]
        if self._module.rings:
            lines.append(f"// The state comes round every {self._pipeline.loop_latency} cycles.")
        return lines

    def _placed(self) -> list[tuple[Operation, Placement]]:
        return [
            (op, self._pipeline.placements[op]) for op in self._module.operations if not isinstance(op.kind, Constant)
        ]

    def _index_bits(self) -> int:
        roms = (op.kind for op in self._module.operations if isinstance(op.kind, StepRom))
        return max(((len(rom.rows) - 1).bit_length() for rom in roms), default=1)

    def _operation(self, operation: Operation) -> list[str]:
        signal, placement = operation.result, self._pipeline.placements[operation]
        name = self._identifiers[signal]
        place = "" if isinstance(operation.kind, Constant) else f", stage {self._span(operation)}"
        note = f"{signal.note}: " if signal.note else ""
        lines = [f"  // {note}{signal.type}{place}"]
        if signal not in self._module.outputs:
            lines.append(f"  logic {array(signal)} {name};")
        body = statements(
            operation,
            placement,
            name,
            self._in_stage(placement.first_stage),
            self._library,
            f"step_index_{placement.first_stage}",
        )
        return [*lines, *(f"  {line}" for line in body), *self._delays(signal)]

    def _span(self, operation: Operation) -> str:
        placement = self._pipeline.placements[operation]
        first, last = placement.first_stage, placement.time[0]
        return str(first) if first == last else f"{first} to {last}"

    def _delays(self, signal: Signal) -> list[str]:
        count, name = self._delay(signal), self._identifiers[signal]
        if not count:
            return []
        lines = [f"  logic [{count}:1]{array(signal)} {name}_q;", "  always_ff @(posedge aclk) begin"]
        lines.append(f"    {name}_q[1] <= {name};")
        if count > 1:
            lines.append(f"    for (int d = 2; d <= {count}; d++) {name}_q[d] <= {name}_q[d - 1];")
        return [*lines, "  end"]

    def _ring_declaration(self, ring: Ring) -> list[str]:
        name = self._identifiers[ring.read]
        state = f"  // State: {ring.read.type}, stage {self._pipeline.entry[ring]}"
        declared = [] if ring.read in self._module.outputs else [f"  logic {array(ring.read)} {name};"]
        return [state, *declared, *self._delays(ring.read)]

    def _ring(self, ring: Ring) -> list[str]:
        """Write the register that ends the loop: the next state, the state kept through a gap, or the initial one."""
        end = self._end(ring)
        name, read = self._identifiers[ring.read], ring.read
        following, held = self._in_stage(end)(ring.following), self._in_stage(end)(read)
        index = "0" if ring.following.count == 1 else "k"
        value = resized(f"{following}[{index}]", ring.following.width, ring.following.signed, read.width)
        initial = (
            "'0" if not ring.initial.any() else concatenation((int(v) for v in ring.initial), read.width, "        ")
        )
        return [
            "  always_ff @(posedge aclk) begin",
            f"    if (!step_active_{end}) {name} <= {initial};",
            f"    else for (int k = 0; k < {read.count}; k++) {name}[k] <= step_valid_{end} ? {value} : {held}[k];",
            "  end",
        ]
