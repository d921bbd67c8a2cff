"""The module of one layer: its part of an engine's pipeline.

Arrays are packed, element 0 lowest. A signal is in the stage in which it is computed; `name_q[d]` is the same,
d stages later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from loopwire.area.cells import LEAST_SRL_STAGES
from loopwire.datapath.datapath import Feedback, Operation
from loopwire.datapath.ops import Constant, TableBeyond, TableIndex, View
from loopwire.datapath.signals import Signal
from loopwire.hdl.expressions import concatenation, resized
from loopwire.hdl.names import KEYWORDS
from loopwire.targets.verilog.operations import statements
from loopwire.targets.verilog.parts import Library
from loopwire.text.escapes import Comment, comment
from loopwire.text.identifiers import Identifier, LayerNames, Name, Names, tensor_of, words_of
from loopwire.timing import step_controls
from loopwire.timing.pipeline import Pipeline, Placement

INSTANCE = "_i"
"""What the name of a module's only instance ends in."""
BETWEEN_REGISTERS = '(* srl_style = "reg_srl_reg" *) '
"""Of delays that may become shift registers of look-up tables: Vivado leaves flip-flops at both ends (AMD UG901), since
what writes and what reads them has the time that the delay model gives it with flip-flops."""
FIXED = frozenset({"aclk", "y", "k", "d", "row", "col", "group", "pair", "last"})
"""What is called the same in every layer's module: its clock, indices of loops, wires inside of blocks."""


@dataclass
class LayerModule:
    """What one layer's module contains and how it is connected.

    `controls` tells in which stages it needs which of the bits that accompany a step; `clocked` says whether it holds
    any register.
    """

    layer: str
    operations: list[Operation] = field(default_factory=list)
    feedbacks: list[Feedback] = field(default_factory=list)
    inputs: list[Signal] = field(default_factory=list)
    outputs: list[Signal] = field(default_factory=list)
    controls: dict[str, set[int]] = field(default_factory=dict)
    clocked: bool = False

    def need(self, control: str, place: int) -> None:
        """Ask for a control in a stage."""
        self.controls.setdefault(control, set()).add(place)

    def control_ports(self) -> Iterator[str]:
        """Yield the names of its ports for controls."""
        for control, places in self.controls.items():
            yield from (f"{control}_{place}" for place in sorted(places))


def layer_modules(pipeline: Pipeline, slots: int) -> list[LayerModule]:
    """Divide a pipeline among its layers, in the order in which they compute."""
    unread = step_controls.single(slots, pipeline.datapath.sharing)
    modules: dict[str, LayerModule] = {}
    owner: dict[Signal, str] = {}
    for feedback in pipeline.datapath.feedbacks:
        module = modules.setdefault(feedback.read.layer, LayerModule(feedback.read.layer))
        module.feedbacks.append(feedback)
        owner[feedback.read] = feedback.read.layer
        for control, place in step_controls.of_feedback(feedback, pipeline):
            if control not in unread:
                module.need(control, place)
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
        for control in step_controls.of_operation(operation.kind):
            if control not in unread:
                module.need(control, pipeline.placements[operation].first_stage)
    for module in modules.values():
        reads = [v for operation in module.operations for v in operation.operands if v not in constants]
        reads += [feedback.following for feedback in module.feedbacks]
        module.inputs = [v for v in dict.fromkeys(reads) if owner.get(v) != module.layer]
        for signal in module.inputs:
            if signal in owner and signal not in modules[owner[signal]].outputs:
                modules[owner[signal]].outputs.append(signal)
        module.clocked = bool(module.feedbacks) or any(_is_clocked(op, pipeline) for op in module.operations)
    output = pipeline.datapath.output
    if output in owner and output not in modules[owner[output]].outputs:
        modules[owner[output]].outputs.append(output)
    return list(modules.values())


def _is_clocked(operation: Operation, pipeline: Pipeline) -> bool:
    """Return whether an operation reads anything of an earlier stage, or is a tree that spans several."""
    placement, places = pipeline.placements[operation], pipeline.stage_of()
    waits = any(places.get(v, placement.first_stage) < placement.first_stage for v in operation.operands)
    return waits or placement.registered


def shared_signals(x: Signal, modules: Sequence[LayerModule]) -> tuple[Signal, ...]:
    """Return the signals between the modules of an engine with input `x`."""
    return tuple(dict.fromkeys((x, *(v for module in modules for v in (*module.inputs, *module.outputs)))))


def port_names(
    signals: Iterable[Signal], modules: Sequence[LayerModule], around: str, layers: LayerNames
) -> dict[Signal, Identifier]:
    """Return the names of signals between the modules of an engine, whose text without them is `around`."""
    controls = (control for module in modules for control in module.control_ports())
    names = Names(KEYWORDS, {*FIXED, *controls, *words_of(around)})
    return {signal: names.unique(layers.value(signal.name, signal.layer)) for signal in signals}


def array(signal: Signal) -> str:
    """Return the packed dimensions of a signal."""
    return f"[{signal.count - 1}:0][{signal.width - 1}:0]"


def layer_module(
    name: Identifier,
    module: LayerModule,
    ports: Mapping[Signal, Identifier],
    pipeline: Pipeline,
    library: Library,
    bits: Mapping[str, int],
    slots: int,
) -> str:
    """Return the module's text.

    Ports: aclk, the signals of other layers that it reads and those of its own that others read, and the controls that
    it needs, `<control>_<s>` of the step in stage s.

    Args:
        name: of the module.
        module: what it contains.
        ports: names of the signals that it shares with other layers.
        pipeline: what it is part of.
        library: where tables, trees and memory files go.
        bits: width of each control.
        slots: sequences in flight.
    """
    return _Writer(name, module, ports, pipeline, library, bits, slots).text()


class _Writer:
    def __init__(
        self,
        name: Identifier,
        module: LayerModule,
        ports: Mapping[Signal, Identifier],
        pipeline: Pipeline,
        library: Library,
        bits: Mapping[str, int],
        slots: int,
    ) -> None:
        self._bits = bits
        self._slots = slots
        self._sharing = pipeline.datapath.sharing
        self._name = name
        self._module = module
        self._pipeline = pipeline
        self._library = library
        self._stage_of = pipeline.stage_of()
        given = {signal: ports[signal] for signal in (*module.inputs, *module.outputs)}
        names = Names(KEYWORDS, {*FIXED, *module.control_ports(), *given.values()})
        own = [feedback.read for feedback in module.feedbacks] + [operation.result for operation in module.operations]
        for signal in own:
            if signal not in given:
                given[signal] = names.unique(tensor_of(signal.name, module.layer))
        self._names = {signal: Name(name, names) for signal, name in given.items()}
        self._unused = names.unique("unused")
        self._last_read: dict[Signal, int] = {}
        for operation in module.operations:
            for operand in operation.operands:
                self._read(operand, pipeline.placements[operation].first_stage)
        for feedback in module.feedbacks:
            self._read(feedback.following, pipeline.write[feedback])
        self._held: dict[Signal, int] = {}
        for feedback in () if pipeline.datapath.in_memories else module.feedbacks:
            cut = pipeline.cuts[feedback]
            if cut.stage == pipeline.write[feedback]:
                self._read(feedback.read, cut.stage)
                continue
            for signal in cut.signals:
                self._read(signal, cut.stage + 1)
                self._held[signal] = cut.stage

    def _read(self, signal: Signal, place: int) -> None:
        self._last_read[signal] = max(self._last_read.get(signal, place), place)

    def _delay(self, signal: Signal) -> int:
        """Return for how many stages a signal is kept, up to the stage at whose end it is held."""
        place = self._stage_of.get(signal)
        if place is None:
            return 0
        last = min(self._last_read.get(signal, place), self._held.get(signal, 1 << 30))
        return max(last - place, 0)

    def _in_stage(self, place: int) -> Callable[[Signal], str]:
        def text(signal: Signal) -> str:
            name, since = self._names[signal], self._stage_of.get(signal, place)
            if place > self._held.get(signal, place):
                name, since = name.own("held"), self._held[signal] + 1
            return f"{name.own('q')}[{place - since}]" if place > since else str(name)

        return text

    def text(self) -> str:
        module = self._module
        ports = ["input  logic aclk"] if module.clocked else []
        for control, places in module.controls.items():
            width = self._bits[control]
            bus = f" [{width - 1}:0]" if width > 1 else ""
            ports += [f"input  logic{bus} {control}_{s}" for s in sorted(places)]
        ports += [f"input  logic {array(v)} {self._names[v]}" for v in module.inputs]
        ports += [f"output logic {array(v)} {self._names[v]}" for v in module.outputs]
        lines = [f"module {self._name} (", *(f"    {port}{',' if port != ports[-1] else ''}" for port in ports), ");"]
        for signal in module.inputs:
            lines += self._delays(signal)
        for feedback in module.feedbacks:
            lines += self._feedback_declaration(feedback)
        for operation in module.operations:
            lines += self._operation(operation)
        for feedback in module.feedbacks:
            lines += self._memory(feedback) if self._pipeline.datapath.in_memories else self._feedback(feedback)
        if partly := [self._in_stage(self._last_read[v])(v) for v in self._partly_read()]:
            lines.append(f"  wire {self._unused} = &{{1'b0, {', '.join(partly)}}};  // of which only parts are read")
        return "\n".join([*self._header(), *lines, f"endmodule : {self._name}", ""])

    def _partly_read(self) -> list[Signal]:
        """Return signals of which this module alone reads elements, and not all."""
        read: dict[Signal, set[int]] = {}
        for operation in self._module.operations:
            for operand in operation.operands:
                part = operation.kind if isinstance(operation.kind, View) else View(0, operand.count)
                read.setdefault(operand, set()).update(range(part.start, part.stop))
        whole = {*self._module.outputs, *(feedback.following for feedback in self._module.feedbacks)}
        return [signal for signal, elements in read.items() if len(elements) < signal.count and signal not in whole]

    def _header(self) -> list[Comment]:
        stages = [placement.time[0] for _, placement in self._placed()]
        first = min((placement.first_stage for _, placement in self._placed()), default=0)
        layer = self._module.layer or "of the model itself"
        lines = [comment(f"Layer {layer}: stages {first} to {max(stages, default=first)}.")]
        if self._module.feedbacks:
            lines.append(comment(f"The state comes round every {self._pipeline.loop_latency} cycles."))
        return lines

    def _placed(self) -> list[tuple[Operation, Placement]]:
        return [
            (op, self._pipeline.placements[op]) for op in self._module.operations if not isinstance(op.kind, Constant)
        ]

    def _operation(self, operation: Operation) -> list[str]:
        signal, placement = operation.result, self._pipeline.placements[operation]
        name = self._names[signal]
        place = "" if isinstance(operation.kind, Constant) else f", stage {self._span(operation)}"
        note = f"{signal.note}: " if signal.note else ""
        what = str(signal.type)
        if isinstance(operation.kind, TableIndex):
            what = f"cell of the table, {signal.width} bits"
        elif isinstance(operation.kind, TableBeyond):
            what = "below the table, above it"
        lines = [f"  {comment(f'{note}{what}{place}')}"]
        if signal not in self._module.outputs:
            lines.append(f"  logic {array(signal)} {name};")
        body = statements(
            operation,
            placement,
            name,
            self._in_stage(placement.first_stage),
            self._library,
            self._sharing,
        )
        return [*lines, *(f"  {line}" for line in body), *self._delays(signal)]

    def _span(self, operation: Operation) -> str:
        placement = self._pipeline.placements[operation]
        first, last = placement.first_stage, placement.time[0]
        return str(first) if first == last else f"{first} to {last}"

    def _delays(self, signal: Signal) -> list[str]:
        lines = _registers(self._names[signal], array(signal), self._delay(signal))
        return lines + (self._hold(signal) if signal in self._held else [])

    def _feedback_declaration(self, feedback: Feedback) -> list[str]:
        name = self._names[feedback.read]
        state = f"  // State: {feedback.read.type}, stage {self._pipeline.entry[feedback]}"
        declared = [] if feedback.read in self._module.outputs else [f"  logic {array(feedback.read)} {name};"]
        return [state, *declared, *self._delays(feedback.read)]

    def _memory(self, feedback: Feedback) -> list[str]:
        """Write the memory of a state: written chunk by chunk, read by chunk or whole."""
        end, entry = self._pipeline.write[feedback], self._pipeline.entry[feedback]
        first_step = f"{step_controls.first_control(feedback)}_{entry}"
        name, given = self._names[feedback.read], feedback.following
        memory = name.own("memory")
        value = self._widened(self._in_stage(end)(given), given, feedback.read.width)
        chunk_bits, chunks = given.count * feedback.read.width, self._sharing.chunks
        initial = "'0"
        if feedback.initial.any():
            initial = concatenation((int(v) for v in feedback.initial), feedback.read.width, "      ")
        if not feedback.gathered:
            depth = self._slots * chunks
            bits = max((depth - 1).bit_length(), 1)
            read, write = (self._address(s, chunks, bits) for s in (entry, end))
            first = "'0"
            lines = []
            if feedback.initial.any():
                lines = [f"  logic [{chunks - 1}:0][{chunk_bits - 1}:0] {name.own('initial')};"]
                lines += [f"  assign {name.own('initial')} = {initial};"]
                first = f"{name.own('initial')}[{f'chunk_{entry}' if chunks > 1 else 0}]"
            at_read, at_write = name.own("read"), name.own("write")
            return [
                *lines,
                f"  logic [{chunk_bits - 1}:0] {memory} [0:{depth - 1}];",
                f"  logic [{bits - 1}:0] {at_read}, {at_write};",
                f"  assign {at_read} = {read};",
                f"  assign {at_write} = {write};",
                f"  assign {name} = {first_step} ? {first} : {memory}[{at_read}];",
                f"  always_ff @(posedge aclk) if (step_valid_{end}) {memory}[{at_write}] <= {value};",
            ]
        lines = [f"  logic [{feedback.read.bits - 1}:0] {memory} [0:{self._slots - 1}];"]
        whole = value
        now = f"step_valid_{end} && pass_index_{end} == '0"
        if chunks > 1:
            earlier = name.own("earlier")
            lines += [
                f"  logic [{chunks - 2}:0][{chunk_bits - 1}:0] {earlier};",
                "  always_ff @(posedge aclk) begin",
                f"    for (int k = 0; k < {chunks - 1}; k++) begin",
                f"      if ({now} && chunk_{end} == {self._bits['chunk']}'(k)) {earlier}[k] <= {value};",
                "    end",
                "  end",
            ]
            whole = resized(f"{{{value}, {earlier}}}", chunks * chunk_bits, False, feedback.read.bits)
            now += f" && chunk_{end} == {self._bits['chunk']}'d{chunks - 1}"
        slot_read, slot_write = (f"slot_{s}" if self._slots > 1 else "0" for s in (entry, end))
        return [
            *lines,
            f"  assign {name} = {first_step} ? {initial} : {memory}[{slot_read}];",
            f"  always_ff @(posedge aclk) if ({now}) {memory}[{slot_write}] <= {whole};",
        ]

    def _address(self, place: int, chunks: int, bits: int) -> str:
        """Return where the chunk of the step in a stage is in a memory of all slots."""
        chunk = f"{bits}'(chunk_{place})" if chunks > 1 else f"{bits}'d0"
        return f"{bits}'(slot_{place}) * {bits}'d{chunks} + {chunk}" if self._slots > 1 else chunk

    def _widened(self, array_text: str, signal: Signal, width: int) -> str:
        if signal.width == width:
            return array_text
        elements = [resized(f"{array_text}[{k}]", signal.width, signal.signed, width) for k in range(signal.count)]
        return f"{{{', '.join(reversed(elements))}}}"

    def _hold(self, signal: Signal) -> list[str]:
        """Write the registers that keep a signal while its sequence waits: it comes round until the next step."""
        end, name = self._held[signal], self._names[signal]
        around = self._pipeline.loop_latency - 1
        held = name.own("held")
        kept = f"{held.own('q')}[{around}]" if around else str(held)
        return [
            f"  logic {array(signal)} {held};  // stage {end + 1}: of the last step that came",
            *_registers(held, array(signal), max(around, self._last_read.get(signal, 0) - end - 1)),
            f"  always_ff @(posedge aclk) {held} <= step_valid_{end} ? {self._in_stage(end)(signal)} : {kept};",
        ]

    def _feedback(self, feedback: Feedback) -> list[str]:
        """Write the register that ends the loop: the following state, the one held, or the initial one."""
        end, name = self._pipeline.write[feedback], self._names[feedback.read]
        read, given = feedback.read, feedback.following
        following = self._in_stage(end)(given)
        values = self._widened(following, given, read.width)
        initial = "'0"
        if feedback.initial.any():
            initial = concatenation((int(v) for v in feedback.initial), read.width, "        ")
        if self._pipeline.cuts[feedback].stage == end:
            values = f"(step_valid_{end} ? {values} : {self._in_stage(end)(read)})"
        return [f"  always_ff @(posedge aclk) {name} <= step_clears_{end} ? {initial} : {values};"]


def _registers(name: Name, dimensions: str, count: int) -> list[str]:
    """Write a signal's delays: name_q[d] is d cycles later."""
    if not count:
        return []
    style, later = BETWEEN_REGISTERS if count >= LEAST_SRL_STAGES else "", name.own("q")
    declared, first = f"  {style}logic [{count}:1]{dimensions} {later};", f"{later}[1] <= {name};"
    if count == 1:
        return [declared, f"  always_ff @(posedge aclk) {first}"]
    further = f"{later}[2] <= {later}[1];"
    if count > 2:
        further = f"for (int d = 2; d <= {count}; d++) {later}[d] <= {later}[d - 1];"
    return [declared, "  always_ff @(posedge aclk) begin", f"    {first}", f"    {further}", "  end"]
