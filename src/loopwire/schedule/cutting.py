"""Cutting a graph into a network of engines and channels.

A channel brings an engine one vector a step, or one a sequence that is kept for all its steps. On its way a sequence
may lose steps at its ends, get steps of zeros behind, be cut into other steps, be turned round, or only its last step
be taken. What is computed once a sequence is an engine of its own, or the tail of the one scan that all of it depends
on. A sequence that is made by repeating a vector is no channel: its readers keep the vector instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.schedule.engine import Engine, State
from loopwire.schedule.network import Feed, Network, Source
from loopwire.schedule.origins import OTHER_TARGET, Apart, Origin, Origins, invariant, where


@dataclass(eq=False)
class _Unit:
    """What becomes an engine: a scan, with the nodes that follow its last step, or nodes that work once a sequence.

    A reversal that no channel makes is like a scan.
    """

    scan: Node | None = None
    nodes: list[Node] = field(default_factory=list)

    @property
    def results(self) -> set[Value]:
        found = {node.result for node in self.nodes}
        return found | set(self.scan.results) if self.scan is not None else found


def cut(graph: Graph, apart: Apart = Apart.NOTHING) -> Network:
    """Cut a graph.

    Args:
        graph: after the passes that serve the hardware.
        apart: what has engines of its own.

    Raises:
        UnsupportedError: a sequence is used in a way that no channel carries, or an end of the graph is not connected.
    """
    return _turned_by_feeders(_Cutter(graph, apart).network())


def _turned_by_feeders(network: Network) -> Network:
    """Let the engines of a chain read backwards by themselves: each takes a whole sequence anyway before it begins.

    That takes no memory, but a slot for longer, for which others would wait where branches meet.
    """
    turned = [
        bool(engine.nodes) and feeds[0].reverse for engine, feeds in zip(network.engines, network.feeds, strict=True)
    ]
    engines = [replace(e, reverse=True) if turns else e for e, turns in zip(network.engines, turned, strict=True)]
    feeds = [(replace(f[0], reverse=False), *f[1:]) if t else f for f, t in zip(network.feeds, turned, strict=True)]
    found = replace(network, engines=tuple(engines), feeds=tuple(feeds))
    return found if found.is_chain else network


class _Cutter:
    def __init__(self, graph: Graph, apart: Apart) -> None:
        self._graph = graph
        self._apart = apart
        self._origins = Origins(graph, apart)
        self._producers, self._users = graph.producers(), graph.users()
        self._constants = self._origins.constants
        self._levels: dict[Value, int] = dict.fromkeys(graph.inputs, 0)
        self._unit_of: dict[Value, _Unit] = {}

    def network(self) -> Network:
        units = self._units()
        order = self._ordered(units)
        wanted = self._wanted(units)
        engines: list[Engine] = []
        feeds: list[tuple[Feed, ...]] = []
        places = {unit: place for place, unit in enumerate(order)}
        outputs = {unit: [v for v in wanted if self._unit_of.get(v) is unit] for unit in units}
        sources = {value: Source(None, index) for index, value in enumerate(self._graph.inputs)}
        for unit in order:
            sources |= {value: Source(places[unit], index) for index, value in enumerate(outputs[unit])}
        per_step = {unit: self._is_per_step(unit, outputs[unit]) for unit in units}

        def feed(origin: Origin, held: bool, whole: bool = False) -> Feed:
            unit = self._unit_of.get(origin.value)
            is_final = unit is not None and per_step[unit] and not self._origins.is_sequence(origin.value)
            reshaping = self._origins.reshaping(origin, whole)
            return Feed(sources[origin.value], is_final, reshaping, origin.reverse, held)

        for unit, name in zip(order, self._names(order), strict=True):
            engine, origins = self._engine(unit, name, outputs[unit], per_step[unit])
            engines.append(engine)
            feeds.append(tuple(feed(origin, held, self._reads_whole(unit)) for origin, held in origins))
        ends = tuple(feed(self._origins.end(value), held=False) for value in self._graph.outputs)
        self._require_used(feeds, ends)
        return Network(tuple(engines), tuple(feeds), ends)

    def _names(self, order: Sequence[_Unit]) -> list[str]:
        """Name scans by their number, and what works once a sequence after the last scan that it follows."""
        scans = [unit for unit in order if unit.scan is not None]
        names = {unit: "engine" if len(scans) == 1 else f"engine_{k + 1}" for k, unit in enumerate(scans)}
        if len(order) == 1 and self._apart is Apart.NOTHING:
            return ["engine"]
        after: dict[_Unit, _Unit | None] = {}
        counts: dict[str, int] = {}
        for unit in order:
            before = {self._unit_of[o.value] for o in self._reads(unit) if o.value in self._unit_of}
            found = [other if other.scan is not None else after[other] for other in before]
            after[unit] = max((u for u in found if u is not None), key=order.index, default=None)
            if unit.scan is None:
                owner = after[unit]
                base = f"{names[owner]}_tail" if owner is not None else "vectors" if scans else "engine_tail"
                counts[base] = counts.get(base, 0) + 1
                names[unit] = f"{base}_{counts[base]}"
        return [names[unit] for unit in order]

    # --- units ---

    def _units(self) -> list[_Unit]:
        units: list[_Unit] = []
        components: dict[Value, _Unit] = {}
        for node in self._graph.nodes:
            if node.results[0] in self._constants or self._origins.recuts(node):
                continue
            if isinstance(node.op, ops.Reverse):
                if self._apart is Apart.LAYERS:
                    units.append(_Unit(node))
                continue
            if isinstance(node.op, ops.Scan):
                if self._only_repeats(node, node.op):
                    continue
                level = 1 + max((self._level(value) for value in node.operands), default=0)
                units.append(_Unit(node))
                self._levels.update(dict.fromkeys(node.results, level))
            elif self._apart is Apart.LAYERS:
                self._add_to_layer(node, units)
            else:
                self._require_vectors(node)
                self._add_vector(node, components, units)
        for unit in units:
            self._unit_of.update(dict.fromkeys(unit.results, unit))
        units = self._with_tails(units)
        self._unit_of = {value: unit for unit in units for value in unit.results}
        return units

    def _only_repeats(self, node: Node, scan: ops.Scan) -> bool:
        stacked = node.results[scan.states :]
        return bool(stacked) and all(self._origins.of(value).held for value in stacked) and not scan.body.nodes

    def _level(self, value: Value) -> int:
        """Return how many scans, at most, a value comes after."""
        return self._levels.get(self._origins.of(value).value, 0)

    def _require_vectors(self, node: Node) -> None:
        for operand in node.operands:
            origin = self._origins.of(operand)
            if self._origins.comes_in_steps(origin):
                problem = f"no hardware stores all of %{operand.name}, of shape {operand.type.shape}"
                remedy = f"%{node.result.name} needs the whole sequence: read it step by step. {OTHER_TARGET}"
                raise UnsupportedError(where(operand), problem, remedy)

    def _add_to_layer(self, node: Node, units: list[_Unit]) -> None:
        """Put a node that works once a sequence beside the last one, if that is of the same layer."""
        layer = node.result.layer
        if not units or units[-1].scan is not None or units[-1].nodes[-1].result.layer != layer:
            units.append(_Unit())
        for operand in node.operands:
            units[-1].nodes += (view for view in self._views(operand) if view not in units[-1].nodes)
        units[-1].nodes.append(node)

    def _views(self, value: Value) -> list[Node]:
        """Return the nodes that give a value another shape, the first one first."""
        producer = self._producers.get(value)
        if producer is None or value in self._constants or not isinstance(producer.op, ops.Reshape):
            return []
        return [*self._views(producer.operands[0]), producer]

    def _reads_whole(self, unit: _Unit) -> bool:
        return unit.scan is None and self._apart is Apart.LAYERS

    def _add_vector(self, node: Node, components: dict[Value, _Unit], units: list[_Unit]) -> None:
        """Put a node that works once a sequence beside those that it needs, where no scan is between them."""
        level = max((self._level(v) for v in node.operands if v not in self._constants), default=0)
        self._levels[node.result] = level
        known = [components[v] for v in node.operands if v in components and self._levels[v] == level]
        products_apart = self._apart is Apart.PRODUCTS
        starts = products_apart and isinstance(node.op, ops.MatVec) and any(_multiplies(unit) for unit in known)
        unit = _Unit() if starts or not known else max(known, key=units.index)
        if unit not in units:
            units.append(unit)
        for other in [] if products_apart else known:
            if other is not unit:
                unit.nodes = sorted([*unit.nodes, *other.nodes], key=self._graph.nodes.index)
                units.remove(other)
                components.update({member.result: unit for member in other.nodes})
                known = [unit if entry is other else entry for entry in known]
        unit.nodes.append(node)
        components[node.result] = unit

    def _with_tails(self, units: list[_Unit]) -> list[_Unit]:
        """Give nodes that depend on one scan's final states, which none but they read, to its engine."""
        if self._apart is not Apart.NOTHING:
            return units
        kept = []
        for unit in units:
            reads = {self._origins.of(v).value for node in unit.nodes for v in node.operands} - self._constants.keys()
            owners = {self._unit_of.get(value) for value in reads - unit.results}
            owner = owners.pop() if len(owners) == 1 else None
            if unit.scan is not None or owner is None or owner.scan is None or owner.nodes:
                kept.append(unit)
                continue
            read = {user for value in owner.scan.results for user in self._users.get(value, [])}
            if read <= set(unit.nodes) and self._graph_outputs.isdisjoint(owner.scan.results):
                owner.nodes = unit.nodes
            else:
                kept.append(unit)
        return kept

    @cached_property
    def _graph_outputs(self) -> set[Value]:
        return {self._origins.of(value).value for value in self._graph.outputs}

    def _reads(self, unit: _Unit) -> list[Origin]:
        """Return what a unit needs of others, or of the inputs."""
        values = list(unit.scan.operands) if unit.scan is not None else []
        values += [value for node in unit.nodes for value in node.operands]
        found = map(self._origins.of, values)
        origins = dict.fromkeys(replace(o, reshaped=None, kept=None) if self._reads_whole(unit) else o for o in found)
        return [o for o in origins if o.value not in self._constants and o.value not in unit.results]

    def _ordered(self, units: Sequence[_Unit]) -> list[_Unit]:
        ordered: list[_Unit] = []
        done: set[Value] = set(self._graph.inputs)
        while len(ordered) < len(units):
            ready = next(u for u in units if u not in ordered and all(o.value in done for o in self._reads(u)))
            ordered.append(ready)
            done |= ready.results
        return ordered

    def _wanted(self, units: Iterable[_Unit]) -> list[Value]:
        """Return the values that leave their unit, in the order of the graph."""
        read = {origin.value for unit in units for origin in self._reads(unit)} | {
            self._origins.end(value).value for value in self._graph.outputs
        }
        return [result for node in self._graph.nodes for result in node.results if result in read]

    def _is_per_step(self, unit: _Unit, outputs: Iterable[Value]) -> bool:
        return unit.scan is not None and any(self._origins.is_sequence(value) for value in outputs)

    # --- engines ---

    def _engine(
        self, unit: _Unit, name: str, outputs: Sequence[Value], per_step: bool
    ) -> tuple[Engine, list[tuple[Origin, bool]]]:
        """Return a unit's engine, and for each of its `xs` what it is and whether it is kept for all steps."""
        constants = tuple(self._producers[v] for v in self._constants_read(unit))
        if unit.scan is None:
            origins = [(origin, False) for origin in self._reads(unit)]
            xs = tuple(origin.reshaped or origin.value for origin, _ in origins)
            nodes = (*constants, *unit.nodes)
            return Engine(name, 1, False, xs, (), nodes, (), (), {}, tuple(outputs), per_step=False), origins
        node, scan = unit.scan, unit.scan.op
        if isinstance(scan, ops.Reverse):
            (operand,), (result,) = node.operands, node.results
            length = operand.type.shape[0]
            turned = Engine(name, length, True, (operand,), (), (), (), (), {result: operand}, (result,), per_step=True)
            return turned, [(self._origins.of(operand), False)]
        assert isinstance(scan, ops.Scan)
        body, unchanged = scan.body, invariant(scan)
        xs_of: dict[tuple[Origin, bool], Value] = {}
        aliases: dict[Value, Value] = dict(zip(node.results[: scan.states], body.outputs, strict=False))

        def enters(inner: Value, origin: Origin, held: bool) -> None:
            first = xs_of.setdefault((replace(origin, held=False), held), inner)
            if first is not inner:
                aliases[inner] = first

        states, step_constants = [], []
        given = list(zip(node.operands, body.inputs, strict=True))
        for index, (outer, read) in enumerate(given[: scan.states]):
            origin, initial = self._origins.of(outer), self._constants.get(outer)
            if initial is not None:
                states.append(State(read, body.outputs[index], initial, index in scan.carried))
            elif index in unchanged:
                enters(read, origin, held=True)
            else:
                start = xs_of.setdefault((origin, True), outer)
                zeros = np.zeros(read.type.shape, np.int64)
                states.append(State(read, body.outputs[index], zeros, index in scan.carried, start))
        for outer, inner in given[scan.states :]:
            origin = self._origins.of(outer)
            if outer in self._constants:
                producer = self._producers[outer].op
                if not isinstance(producer, ops.Const):
                    raise UnsupportedError(where(outer), f"%{outer.name} is computed from constants", "Leave it out")
                step_constants.append((inner, producer))
            elif origin.value in self._constants:
                raise UnsupportedError(where(outer), f"%{outer.name} repeats a constant", "Leave it out")
            else:
                enters(inner, origin, origin.held)
        aliases |= dict(zip(node.results[scan.states :], body.outputs[scan.states :], strict=True))
        engine = Engine(
            name,
            scan.length,
            False,
            tuple(xs_of.values()),
            body.nodes,
            (*constants, *unit.nodes) if unit.nodes else (),
            tuple(states),
            tuple(step_constants),
            aliases,
            tuple(outputs),
            per_step,
        )
        return engine, list(xs_of)

    def _constants_read(self, unit: _Unit) -> list[Value]:
        """Return the constants that the nodes of a unit read, each a Const."""
        read = dict.fromkeys(value for node in unit.nodes for value in node.operands if value in self._constants)
        for value in read:
            if not isinstance(self._producers[value].op, ops.Const):
                raise UnsupportedError(where(value), f"%{value.name} is computed from constants", "Leave it out")
        return list(read)

    def _require_used(self, feeds: Iterable[Sequence[Feed]], ends: Sequence[Feed]) -> None:
        read = {feed.source.index for each in (*feeds, ends) for feed in each if feed.source.engine is None}
        for index, value in enumerate(self._graph.inputs):
            if index not in read:
                raise UnsupportedError("the model", f"nothing depends on its input %{value.name}", "Leave it out")


def _multiplies(unit: _Unit) -> bool:
    return any(isinstance(node.op, ops.MatVec) for node in unit.nodes)
