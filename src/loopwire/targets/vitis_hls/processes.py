"""Making processes of a graph's network: functions that run side by side, joined by channels, each a loop over steps.

An engine that runs a scan becomes two: what depends on its sequences alone (the input projection) and the recurrence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from loopwire.datapath.reuse import layer_of, sharing_of
from loopwire.datapath.sharing import PARALLEL
from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.lengths import short_values
from loopwire.knobs import Knobs
from loopwire.schedule.cutting import cut
from loopwire.schedule.engine import Engine, State
from loopwire.schedule.network import Feed, Network, Source
from loopwire.schedule.origins import Apart, known_constants
from loopwire.targets.vitis_hls.cxx import Scope
from loopwire.targets.vitis_hls.product import Passes
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
class Process:
    """A function that computes `nodes` in each of `length` steps.

    Attributes:
        reads: values that a channel brings: a beat in each step, or all beats at once where `length` is 1.
        initials: what a channel brings before the first step: where states start, or vectors that no step changes.
        writes: values and the channel each goes to, likewise; of states in `finals`, once after the last step.
        constants: integers of values that are the same in all steps.
        step_constants: integers of values (length, ...) that depend on the step's number only.
        passes: how each product of a matrix, by its result, is made.
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
    passes: dict[Value, Passes] = field(default_factory=dict)
    reverse: bool = False

    @property
    def recurs(self) -> bool:
        """Whether a step depends on the one before."""
        return any(state.changes for state in self.states)

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


def plan(graph: Graph, scope: Scope, knobs: Knobs) -> Plan:
    """Return the processes of a graph's network; `scope` gives them and their channels names.

    Raises:
        ConfigError: a layer cannot have its reuse factor.
        UnsupportedError: a result depends on no input, a scan runs inside a scan, or a layer can have no reuse factor.
    """
    return _Planner(graph, cut(graph, Apart.LAYERS), scope, knobs).plan()


@dataclass(frozen=True)
class _Given:
    """How a value is written: as `inner`, in `steps` beats a sequence, or as many as the reader wants where None."""

    value: Value
    steps: int | None
    writes: list[tuple[Value, Channel]]
    inner: Value


class _Planner:
    def __init__(self, graph: Graph, network: Network, scope: Scope, knobs: Knobs) -> None:
        self._graph = graph
        self._network = network
        self._scope = scope
        self._knobs = knobs
        self._short = short_values(graph)
        self._processes: list[Process] = []
        self._channels: list[Channel] = []
        self._given: dict[Source, _Given] = {}
        self._gathered: dict[Source, _Given] = {}
        """Sequences that are read whole, or in other steps, too."""

    def plan(self) -> Plan:
        readers: list[list[tuple[Value, Channel]]] = [[] for _ in self._graph.inputs]
        for index, (x, writes) in enumerate(zip(self._graph.inputs, readers, strict=True)):
            self._given[Source(None, index)] = _Given(x, x.type.shape[0] if len(x.type.shape) == 2 else 1, writes, x)
        for index, (engine, feeds) in enumerate(zip(self._network.engines, self._network.feeds, strict=True)):
            if engine.reverse:
                given = [self._reverse(engine, feeds)]
            elif engine.tail:
                given = self._vectors(engine, feeds)
            else:
                given = self._scan(engine, feeds)
            self._given |= {Source(index, output): each for output, each in enumerate(given)}
        outputs = tuple(self._output(feed.source) for feed in self._network.outputs)
        inputs = tuple(self._input(x, writes) for x, writes in zip(self._graph.inputs, readers, strict=True))
        inner = tuple(channel for channel in self._channels if not channel.port)
        return Plan(_ordered(self._processes, inputs), inner, inputs, outputs)

    def _input(self, x: Value, readers: list[tuple[Value, Channel]]) -> Channel:
        """Return the port of an input; where several processes read it, a process of its own hands it on."""
        if len(readers) == 1:
            readers[0][1].port = True
            return readers[0][1]
        beats = readers[0][1].beats
        several = len(self._graph.inputs) > 1
        name = self._scope.names.unique(f"{self._scope.value(x) if several else 'x'}_port")
        channel = Channel(name, x, x.type.size // beats, beats, x in self._short, port=True)
        process = self._scope.names.unique(f"distribute_{self._scope.value(x) if several else 'input'}")
        fan_out = Process(process, "", channel.beats, reads=[(x, channel)], writes=readers)
        self._processes.insert(0, fan_out)
        return channel

    def _output(self, source: Source) -> Channel:
        given = self._given[source]
        if source.engine is None:
            process = self._process("model", "", 1)
            self._connect(process, given.value, source)
            out = self._write(given.value, given.value.type.size, 1, False, process.writes)
        else:
            out = self._channel(source, given.steps or 1)
        out.port = True
        return out

    def _process(self, name: str, layer: str, length: int) -> Process:
        process = Process(self._scope.names.unique(name), layer, length)
        self._processes.append(process)
        return process

    def _channel(self, source: Source, beats: int) -> Channel:
        """Return a new channel of what a process before gives, in this many beats a sequence."""
        given = self._given[source]
        if given.steps is not None and given.steps != beats:
            if source not in self._gathered:
                copy = self._process(f"{self._scope.value(given.value)}_gathered", given.value.layer, 1)
                self._connect(copy, given.value, source)
                self._gathered[source] = _Given(given.value, None, copy.writes, given.value)
            given = self._gathered[source]
        short = given.value in self._short and beats > 1
        return self._write(given.inner, given.value.type.size // beats, beats, short, given.writes)

    def _write(self, inner: Value, size: int, beats: int, short: bool, writes: list[tuple[Value, Channel]]) -> Channel:
        channel = Channel(self._scope.names.unique(f"{self._scope.value(inner)}_channel"), inner, size, beats, short)
        writes.append((inner, channel))
        self._channels.append(channel)
        return channel

    def _connect(self, process: Process, inner: Value, source: Source) -> None:
        """Let a process read a value: a beat in each of its steps, or in its only one all that there are."""
        beats = self._given[source].steps or 1 if process.length == 1 else process.length
        process.reads.append((inner, self._channel(source, beats)))

    def _keep(self, process: Process, inner: Value, source: Source) -> None:
        """Let a process read a vector before its first step, which no step changes."""
        process.states += (State(inner, inner, np.zeros(inner.type.shape, np.int64), False, inner),)
        process.initials.append((inner, self._channel(source, 1)))

    def _reverse(self, engine: Engine, feeds: Sequence[Feed]) -> _Given:
        (sequence,), (result,), (feed,) = engine.xs, engine.outputs, feeds
        process = self._process(self._scope.value(result), result.layer, engine.length)
        process.reverse = True
        self._connect(process, sequence, feed.source)
        return _Given(result, engine.length, process.writes, sequence)

    def _vectors(self, engine: Engine, feeds: Sequence[Feed]) -> list[_Given]:
        layer = engine.tail[-1].result.layer
        process = self._process(self._scope.layers.layer(layer), layer, 1)
        process.constants = known_constants(engine.tail)
        process.nodes = tuple(node for node in engine.tail if node.result not in process.constants)
        process.passes = self._passes(engine)
        for x, feed in zip(engine.xs, feeds, strict=True):
            self._connect(process, x, feed.source)
        return [_Given(value, None, process.writes, value) for value in engine.outputs]

    def _scan(self, engine: Engine, feeds: Sequence[Feed]) -> list[_Given]:
        assert not engine.stateful, "a function call starts from the initial states"
        layer = engine.outputs[0].layer
        if any(isinstance(inner.op, ops.Scan) for inner in engine.nodes):
            raise UnsupportedError(f"layer {layer!r}", "a scan runs inside a scan", "Give the layers one after another")
        name = self._scope.layers.layer(layer) if layer else self._scope.value(engine.outputs[0])
        if layer and any(p.layer == layer for p in self._processes):
            name = self._scope.value(engine.outputs[-1])

        meant = engine.meant
        states = tuple(replace(state, following=meant(state.following)) for state in engine.states)
        changing = {state.read for state in states if state.changes}
        body = [Node(n.op, tuple(map(meant, n.operands)), n.results) for n in engine.nodes]
        constants, passes = known_constants(body), self._passes(engine)
        step_constants = {value: constant.integers for value, constant in engine.step_constants}
        nodes = tuple(node for node in body if node.results[0] not in constants)
        early, late = _split(nodes, changing)
        first: Process | None = None
        if changing and any(not isinstance(n.op, View) for n in early):
            first = self._process(f"{name}_input", layer, engine.length)
            first.nodes, first.constants, first.step_constants, first.passes = early, constants, step_constants, passes
        process = self._process(f"{name}_recurrence" if changing else name, layer, engine.length)
        process.states, process.constants, process.step_constants = states, constants, step_constants
        process.passes = passes
        views = tuple(n for n in early if isinstance(n.op, View))
        process.nodes = (*views, *late) if first else nodes
        wanted = _roots_read(process, (*(s.following for s in states), *map(meant, engine.outputs)))
        for inner, feed in zip(engine.xs, feeds, strict=True):
            read = self._keep if feed.held else self._connect
            if first and any(inner in n.operands for n in early):
                read(first, inner, feed.source)
            if inner in wanted:
                read(process, inner, feed.source)
        if first:
            for inner in wanted:
                if any(inner in n.results for n in early):
                    short = any(channel.short for channel in first.taken)
                    channel = self._write(inner, inner.type.size, engine.length, short, first.writes)
                    process.reads.append((inner, channel))
        sources = {x: feed.source for x, feed in zip(engine.xs, feeds, strict=True)}
        for state in engine.states:
            if state.initial_value is not None:
                process.initials.append((state.read, self._channel(sources[state.initial_value], 1)))
        finals = {state.following: state.read for state in states}
        given = []
        for value in engine.outputs:
            inner = meant(value)
            if len(value.type.shape) > len(inner.type.shape):
                given.append(_Given(value, engine.length, process.writes, inner))
            else:
                given.append(_Given(value, None, process.finals, finals.get(inner, inner)))
        return given

    def _passes(self, engine: Engine) -> dict[Value, Passes]:
        """Return for each product, by its result, how it is made.

        Raises:
            ConfigError, UnsupportedError: as `sharing_of`.
        """
        found = {}
        for node, shared in products(engine):
            sharing = sharing_of(shared, self._knobs.reuse_factor_of(layer_of(shared)))
            (rows, columns), unrolled = node.operands[0].type.shape, self._knobs.copies > 1
            found[node.result] = Passes.of(rows, columns, PARALLEL if unrolled else sharing)
        return found


def products(engine: Engine) -> Iterator[tuple[Node, Engine]]:
    """Yield each product, with the engine whose multipliers make it: of its own where it is made once a sequence."""
    constants = [node for node in engine.tail if isinstance(node.op, ops.Const)]
    for node in (*engine.nodes, *engine.tail):
        if isinstance(node.op, ops.MatVec):
            yield node, replace(engine, tail=(*constants, node)) if engine.tail else engine


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
