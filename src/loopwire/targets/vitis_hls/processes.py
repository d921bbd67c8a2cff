"""Cutting a graph into processes: functions that run side by side, joined by channels, each in a loop over the steps.

A scan becomes two: what depends on its sequences alone (the input projection) and the recurrence. What is no scan is
one process for each layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.lengths import short_values
from loopwire.schedule.cutting import known_constants
from loopwire.targets.vitis_hls.cxx import Scope
from loopwire.text.identifiers import Identifier

View = ops.Slice | ops.Reshape


@dataclass(eq=False)
class Channel:
    """Carries `value` from one process to another: `beats` of `size` elements for each sequence.

    `port` marks the design's inputs and outputs. A `short` one brings fewer beats where the design's input is short.
    """

    name: Identifier
    value: Value
    size: int
    beats: int
    short: bool
    port: bool = False


@dataclass(eq=False)
class State:
    """`read` holds in each step what `following` was in the step before, and `initial` in the first.

    Where `initial` is None, a channel brings it: one of the process's `initials`.
    """

    read: Value
    following: Value
    initial: Integers | None


@dataclass(eq=False)
class Process:
    """A function that computes `nodes` in each of `length` steps.

    Attributes:
        reads: values that a channel brings: a beat in each step, or all beats at once where `length` is 1.
        initials: states that a channel brings, before the first step.
        writes: values and the channel each goes to, likewise; of states in `finals`, once after the last step.
        constants: integers of values that are the same in all steps.
        step_constants: integers of values (length, ...) that depend on the step's number only.
        reverse: hands on the steps of its only input, the last one first.
    """

    name: Identifier
    layer: str
    length: int
    nodes: tuple[Node, ...] = ()
    reads: list[tuple[Value, Channel]] = field(default_factory=list)
    initials: list[tuple[Value, Channel]] = field(default_factory=list)
    states: tuple[State, ...] = ()
    writes: list[tuple[Value, Channel]] = field(default_factory=list)
    finals: list[tuple[Value, Channel]] = field(default_factory=list)
    constants: dict[Value, Integers] = field(default_factory=dict)
    step_constants: dict[Value, Integers] = field(default_factory=dict)
    reverse: bool = False

    @property
    def taken(self) -> tuple[Channel, ...]:
        """All channels that it reads."""
        return tuple(channel for _, channel in (*self.reads, *self.initials))

    @property
    def given(self) -> tuple[Channel, ...]:
        """All channels that it writes."""
        return tuple(channel for _, channel in (*self.writes, *self.finals))


@dataclass(frozen=True)
class Plan:
    """All processes in an order in which each comes after those it reads from, and the channels between them."""

    processes: tuple[Process, ...]
    channels: tuple[Channel, ...]
    inputs: tuple[Channel, ...]
    outputs: tuple[Channel, ...]

    @property
    def ports(self) -> tuple[Channel, ...]:
        """All inputs, then all outputs."""
        return (*self.inputs, *self.outputs)


def plan(graph: Graph, scope: Scope) -> Plan:
    """Cut a graph; `scope` gives processes and channels their names.

    Raises:
        UnsupportedError: a result depends on no input, or no result depends on an input.
    """
    return _Planner(graph, scope).plan()


@dataclass
class _Source:
    """Who writes a value, and how: `steps` beats a sequence, or as many as the reader wants where None."""

    steps: int | None
    writes: list[tuple[Value, Channel]]
    inner: Value


class _Planner:
    def __init__(self, graph: Graph, scope: Scope) -> None:
        self._graph = graph
        self._constants = known_constants(graph)
        self._short = short_values(graph)
        self._producers = graph.producers()
        self._processes: list[Process] = []
        self._channels: list[Channel] = []
        self._sources: dict[Value, _Source] = {}
        self._gathered: dict[Value, _Source] = {}
        """Sequences that are read whole, or in other steps, too."""
        self._scope = scope

    def plan(self) -> Plan:
        readers: dict[Value, list[tuple[Value, Channel]]] = {x: [] for x in self._graph.inputs}
        for x, writes in readers.items():
            self._sources[x] = _Source(x.type.shape[0] if len(x.type.shape) == 2 else 1, writes, x)
        vector: Process | None = None
        for node in self._graph.nodes:
            if node.results[0] in self._constants or isinstance(node.op, ops.Reshape):
                continue
            layer = node.results[0].layer
            if isinstance(node.op, ops.Scan):
                vector = None
                self._scan(node, node.op)
            elif isinstance(node.op, ops.Reverse):
                vector = None
                self._reverse(node)
            else:
                if vector is None or vector.layer != layer:
                    vector = self._process(self._scope.layers.layer(layer), layer, 1)
                self._add_to_vector(vector, node)
        outputs = tuple(self._output(y) for y in self._graph.outputs)
        inputs = tuple(self._input(x, writes) for x, writes in readers.items())
        inner = tuple(channel for channel in self._channels if not channel.port)
        return Plan(_ordered(self._processes, inputs), inner, inputs, outputs)

    def _input(self, x: Value, readers: list[tuple[Value, Channel]]) -> Channel:
        """Return the port of an input; where several processes read it, a process of its own hands it on."""
        if len(readers) == 1:
            readers[0][1].port = True
            return readers[0][1]
        if not readers:
            raise UnsupportedError("the model", "its result does not depend on its input", "Check its layers")
        beats = readers[0][1].beats
        several = len(self._graph.inputs) > 1
        name = self._scope.names.unique(f"{self._scope.value(x) if several else 'x'}_port")
        channel = Channel(name, x, x.type.size // beats, beats, x in self._short, port=True)
        process = self._scope.names.unique(f"distribute_{self._scope.value(x) if several else 'input'}")
        fan_out = Process(process, "", channel.beats, reads=[(x, channel)], writes=readers)
        self._processes.insert(0, fan_out)
        return channel

    def _output(self, y: Value) -> Channel:
        root = self._root(y)
        if root in self._constants:
            raise UnsupportedError("the model", "its result does not depend on its input", "Check its layers")
        if root in self._graph.inputs:
            process = self._process("model", "", 1)
            self._read(process, root, root, 1)
            self._sources[root] = _Source(None, process.writes, root)
        out = self._channel(y, self._sources[root].steps or 1)
        out.port = True
        return out

    def _process(self, name: str, layer: str, length: int) -> Process:
        process = Process(self._scope.names.unique(name), layer, length)
        self._processes.append(process)
        return process

    def _root(self, value: Value) -> Value:
        """Return the value that this one is the same elements of."""
        producer = self._producers.get(value)
        while producer is not None and isinstance(producer.op, ops.Reshape) and value not in self._constants:
            (value,) = producer.operands
            producer = self._producers.get(value)
        return value

    def _channel(self, value: Value, beats: int) -> Channel:
        """Return a new channel of a value that a process before writes, in this many beats a sequence."""
        root = self._root(value)
        source = self._sources[root]
        if source.steps is not None and source.steps != beats:
            if root not in self._gathered:
                copy = self._process(f"{self._scope.value(root)}_gathered", root.layer, 1)
                self._connect(copy, root, root, source.steps)
                self._gathered[root] = _Source(None, copy.writes, root)
            source = self._gathered[root]
        short = root in self._short and beats > 1
        return self._write(source.inner, root.type.size // beats, beats, short, source.writes)

    def _write(self, inner: Value, size: int, beats: int, short: bool, writes: list[tuple[Value, Channel]]) -> Channel:
        channel = Channel(self._scope.names.unique(f"{self._scope.value(inner)}_channel"), inner, size, beats, short)
        writes.append((inner, channel))
        self._channels.append(channel)
        return channel

    def _connect(self, process: Process, inner: Value, outer: Value, beats: int) -> None:
        process.reads.append((inner, self._channel(outer, beats)))

    def _read(self, process: Process, inner: Value, outer: Value, beats: int) -> None:
        """Let a process read a value: a beat in each step, or whole."""
        steps = self._sources[self._root(outer)].steps
        whole = process.length == 1 and steps is not None
        self._connect(process, inner, outer, steps if whole and steps is not None else beats)

    def _add_to_vector(self, process: Process, node: Node) -> None:
        for operand in node.operands:
            root = self._root(operand)
            if operand in self._constants:
                process.constants[operand] = self._constants[operand]
                continue
            known = {inner for inner, _ in process.reads} | {r for n in process.nodes for r in n.results}
            if root not in known:
                self._read(process, root, root, 1)
            process.nodes += self._reshapes(operand, process.nodes)
        process.nodes += (node,)
        self._sources[node.result] = _Source(None, process.writes, node.result)

    def _reshapes(self, value: Value, known: Sequence[Node]) -> tuple[Node, ...]:
        found: list[Node] = []
        root = self._root(value)
        while value is not root:
            node = self._producers[value]
            if node not in known:
                found.append(node)
            (value,) = node.operands
        return tuple(reversed(found))

    def _reverse(self, node: Node) -> None:
        (sequence,) = node.operands
        length = sequence.type.shape[0]
        process = self._process(self._scope.value(node.result), node.result.layer, length)
        process.reverse = True
        self._connect(process, sequence, sequence, length)
        self._sources[node.result] = _Source(length, process.writes, sequence)

    def _scan(self, node: Node, scan: ops.Scan) -> None:
        body = scan.body
        assert not scan.carried, "a function call starts from the initial states"
        layer = node.results[0].layer
        if any(isinstance(inner.op, ops.Scan) for inner in body.nodes):
            raise UnsupportedError(f"layer {layer!r}", "a scan runs inside a scan", "Give the layers one after another")
        name = self._scope.layers.layer(layer) if layer else self._scope.value(node.results[0])
        if layer and any(p.layer == layer for p in self._processes):
            name = self._scope.value(node.results[-1])
        constants = known_constants(body)
        given = list(zip(node.operands, body.inputs, strict=True))
        states = self._states(node, scan)
        step_constants = {i: self._constants[o] for o, i in given[scan.states :] if o in self._constants}
        sequences = {i: o for o, i in given[scan.states :] if o not in self._constants}
        nodes = tuple(n for n in body.nodes if n.results[0] not in constants)
        early, late = _split(nodes, {state.read for state in states})
        results = dict(zip(node.results[scan.states :], body.outputs[scan.states :], strict=True))
        first: Process | None = None
        if states and any(not isinstance(n.op, View) for n in early):
            first = self._process(f"{name}_input", layer, scan.length)
            first.nodes, first.constants, first.step_constants = early, constants, step_constants
        process = self._process(f"{name}_recurrence" if states else name, layer, scan.length)
        process.states, process.constants, process.step_constants = states, constants, step_constants
        views = tuple(n for n in early if isinstance(n.op, View))
        process.nodes = (*views, *late) if first else nodes
        wanted = _roots_read(process, (*(s.following for s in states), *results.values()))
        for inner, outer in sequences.items():
            if first and any(inner in n.operands for n in early):
                self._connect(first, inner, outer, scan.length)
            if inner in wanted:
                self._connect(process, inner, outer, scan.length)
        if first:
            for inner in wanted:
                if any(inner in n.results for n in early):
                    short = any(channel.short for channel in first.taken)
                    channel = self._write(inner, inner.type.size, scan.length, short, first.writes)
                    process.reads.append((inner, channel))
        for outer, state in zip(node.operands, states, strict=False):
            if state.initial is None:
                process.initials.append((state.read, self._channel(outer, 1)))
        for outer, inner in results.items():
            self._sources[outer] = _Source(scan.length, process.writes, inner)
        for outer, state in zip(node.results, states, strict=False):
            self._sources[outer] = _Source(None, process.finals, state.read)

    def _states(self, node: Node, scan: ops.Scan) -> tuple[State, ...]:
        states = []
        for outer, read, following in zip(
            node.operands[: scan.states], scan.body.inputs, scan.body.outputs, strict=False
        ):
            known = self._constants.get(outer)
            initial = None if known is None else np.broadcast_to(known, read.type.shape).reshape(-1)
            states.append(State(read, following, initial))
        return tuple(states)


def _ordered(processes: Sequence[Process], inputs: Sequence[Channel]) -> tuple[Process, ...]:
    """Return the processes in an order in which each comes after those it reads from."""
    ordered: list[Process] = []
    written = set(inputs)
    while len(ordered) < len(processes):
        ready = (p for p in processes if p not in ordered and written.issuperset(p.taken))
        ordered.append(next(ready))
        written.update(ordered[-1].given)
    return tuple(ordered)


def _split(nodes: Sequence[Node], reads: Iterable[Value]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Return the nodes that depend on no state, and those that do."""
    late_values = set(reads)
    early, late = [], []
    for node in nodes:
        if late_values.isdisjoint(node.operands):
            early.append(node)
        else:
            late.append(node)
            late_values.update(node.results)
    return tuple(early), tuple(late)


def _roots_read(process: Process, outputs: Iterable[Value]) -> list[Value]:
    """Return the values from outside that a process needs, looking through its views."""
    computed = {result: node for node in process.nodes for result in node.results}
    live, wanted = list(outputs), dict[Value, None]()
    seen: set[Value] = set()
    states = {state.read for state in process.states}
    while live:
        value = live.pop()
        if value in seen:
            continue
        seen.add(value)
        if value in computed:
            live += computed[value].operands
        elif value not in process.constants and value not in process.step_constants and value not in states:
            wanted[value] = None
    return list(wanted)


def live_nodes(nodes: Sequence[Node], outputs: Iterable[Value]) -> list[Node]:
    """Return the nodes that the outputs depend on, in their order."""
    live = set(outputs)
    kept = []
    for node in reversed(nodes):
        if not live.isdisjoint(node.results):
            live.update(node.operands)
            kept.append(node)
    return kept[::-1]


def count_products(process: Process) -> int:
    """Return the multiplications of one step of a process."""
    total = 0
    for node in process.nodes:
        if isinstance(node.op, ops.MatVec):
            total += prod(node.operands[0].type.shape)
        elif isinstance(node.op, ops.Mul):
            total += node.result.type.size
    return total
