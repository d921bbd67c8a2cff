"""Loops that were written out, step after step, become one recurrent layer again, whose step is what all steps share.

Vectors v₁ … v_T are the steps of a loop if all are made alike: of weights and layers that are the same, of the steps of
sequences in turn, of what does not change, and of what the step before made, its states. One step, the template, is
gone through from its result back to what was there before it; all others must match it, wire by wire.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from loopwire.frontends.tensors.constants import constant_wire
from loopwire.frontends.tensors.emission import emitted, reachable
from loopwire.frontends.tensors.trace import History, Input, Pass, Place, Result, Step, Trace, Wire, is_stepwise
from loopwire.frontends.tensors.wires import joined, reversed_steps, selected_steps
from loopwire.layers.constant import Constant
from loopwire.layers.dense import Dense
from loopwire.layers.loop import Loop
from loopwire.layers.select import Slice
from loopwire.layers.shape import RepeatVector

LEAST_STEPS = 3
MOST_TRIES = 200
MOST_STRIDES = 4
"""How often a layer may be called in a step, where a loop is looked for."""


def sequence_of_steps(trace: Trace, wires: Sequence[Wire]) -> Wire | None:
    """Return the sequence whose steps these vectors are, in this order or in reverse; None where they are none's."""
    key = ("sequence", *wires)
    if key not in trace.memory:
        trace.memory[key] = None  # while it is looked for
        trace.memory[key] = _known(trace, wires) or _rolled(trace, wires) or _lifted(trace, wires)
    found: Wire | None = trace.memory[key]
    return found


def roll(trace: Trace, outputs: Sequence[Wire]) -> None:
    """Make loops of what outputs are made of, where no sequence was made of their steps."""
    tries, rolls = 0, True
    while rolls:
        rolls = False
        vectors = [wire for wire in reachable(outputs, trace.replaced) if len(wire.shape) == 1 and _parts(trace, wire)]
        vectors.sort(key=lambda wire: _number(trace, wire))
        alike: dict[Any, list[Wire]] = defaultdict(list)
        ends = []
        for wire in vectors:
            token, _ = _parts(trace, wire) or (None, ())
            alike[token, wire.shape].append(wire)
            ends.append((alike[token, wire.shape], len(alike[token, wire.shape])))
        for group, count in reversed(ends):
            for chosen in _ends_of(group[:count]):
                tries += 1
                if tries > MOST_TRIES:
                    return
                if _rolled(trace, chosen) is not None:
                    rolls = True
                    break
            if rolls:
                break


def _ends_of(group: Sequence[Wire]) -> Iterator[Sequence[Wire]]:
    """Yield what may be the results of a loop's steps among results of one layer: all, every second one, …

    The first step may have begun from constants that are part of other layers then.
    """
    for stride in range(1, MOST_STRIDES + 1):
        ends = group[::-1][::stride][::-1]
        yield from (ends[first:] for first in (0, 1) if len(ends) - first >= LEAST_STEPS)


def _known(trace: Trace, wires: Sequence[Wire]) -> Wire | None:
    """Return the sequence that these are the steps of, all of them in order or in reverse."""
    steps = [trace.replaced.get(wire, wire) for wire in wires]
    of = [step.of for step in steps if isinstance(step, Step)]
    if len(of) < len(wires) or any(sequence is not of[0] for sequence in of):
        return None
    order = [step.step for step in steps if isinstance(step, Step)]
    forward = list(range(of[0].shape[0]))
    if order == forward:
        return of[0]
    return reversed_steps(trace, of[0]) if order == forward[::-1] else None


def _lifted(trace: Trace, wires: Sequence[Wire]) -> Wire | None:
    """Return a layer's result on sequences whose steps it was called on."""
    results = [wire for wire in wires if isinstance(wire, Result)]
    if len(results) < len(wires) or not is_stepwise(results[0].layer):
        return None
    if len({(trace.meaning(wire.layer), len(wire.inputs)) for wire in results}) > 1:
        return None
    sequences: list[Wire] = []
    for given in zip(*(wire.inputs for wire in results), strict=True):
        if all(wire is given[0] for wire in given):
            sequence: Wire | None = trace.call(RepeatVector(f"{trace.place.name}_repeated", len(wires)), given[0])
        else:
            sequence = sequence_of_steps(trace, given)
        if sequence is None:
            return None
        sequences.append(sequence)
    made = trace.call(results[0].layer, *sequences)
    trace.replaced.update((wire, trace.step(made, k)) for k, wire in enumerate(wires))
    return made


def _rolled(trace: Trace, wires: Sequence[Wire]) -> Wire | None:
    """Return the results of a loop's steps, where these are, as a sequence."""
    numbers = [_number(trace, wire) for wire in wires]
    if len(wires) < LEAST_STEPS or min(numbers) < 0 or any(len(wire.shape) != 1 for wire in wires):
        return None
    if all(a > b for a, b in pairwise(numbers)):
        sequence = _rolled(trace, wires[::-1])
        return None if sequence is None else reversed_steps(trace, sequence)
    if not all(a < b for a, b in pairwise(numbers)):
        return None
    body = _Body(trace, wires)
    return _called(trace, body, wires) if body.is_one else None


Parts = tuple[Any, tuple[Wire, ...]]


def _parts(trace: Trace, wire: Wire) -> Parts | None:
    """Return what makes a vector in a step, and of what; None of what is there before the step.

    That is a layer, or a cell that is called on one step.
    """
    match wire:
        case Result(layer=Constant()):
            return None
        case Result(layer=layer, inputs=inputs):
            return trace.meaning(layer), inputs
        case Step(of=History(of=of, state=state) as history) if history.shape[0] == 1:
            return (trace.meaning(of.layer), state), of.inputs
        case _:
            return None


def _number(trace: Trace, wire: Wire) -> int:
    """Return the place of a wire among all, by when it was made; -1 of what `_parts` does not take apart."""
    if _parts(trace, wire) is None:
        return -1
    return trace.made.get(wire.of if isinstance(wire, Step) else wire, -1)


@dataclass(frozen=True)
class _Node:
    """A wire of the template, and of what it is made: other nodes, or leaves, which are -1, -2, …"""

    token: Any
    wire: Wire
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class _Same:
    """A leaf that is the same in all steps."""

    wire: Wire


@dataclass(frozen=True)
class _Steps:
    """A leaf that is a step of a sequence, in each step of the loop one so many further on."""

    sequence: Wire
    first: int
    way: int


@dataclass(frozen=True)
class _State:
    """A leaf that is what a node was in the step before."""

    node: int
    initial: Wire


_Leaf = _Same | _Steps | _State


class _Body:
    """What the steps of a loop share."""

    def __init__(self, trace: Trace, ends: Sequence[Wire]) -> None:
        self._trace, self._ends = trace, ends
        self._template = len(ends) - 2
        self._before = _number(trace, ends[self._template - 1])
        self.nodes: list[_Node] = []
        self._places: dict[Wire, int] = {}
        self._count = 0
        self.found: list[dict[int, Wire]] = [{} for _ in ends]
        """By step and node."""
        self._given: list[dict[int, Wire]] = [{} for _ in ends]
        """By step and leaf."""
        self.leaves: dict[int, _Leaf] = {}
        self.root = self._explored(ends[self._template])
        self.is_one = self.root >= 0 and self._matches()

    @property
    def states(self) -> list[_State]:
        """All states, each once."""
        return list(dict.fromkeys(leaf for leaf in self.leaves.values() if isinstance(leaf, _State)))

    def is_last(self, node: int, wire: Wire) -> bool:
        """Return whether a wire is what a node is in the last step, which nothing in the loop reads."""
        last = len(self._ends) - 1
        found, given = dict(self.found[last]), dict(self._given[last])
        if self._match(node, wire, last) and all(self._at_last(leaf) is met for leaf, met in self._given[last].items()):
            return True
        self.found[last], self._given[last] = found, given
        return False

    def _at_last(self, leaf: int) -> Wire:
        match self.leaves[leaf]:
            case _Same(wire=wire):
                return wire
            case _Steps(sequence=sequence, first=first, way=way):
                return self._trace.step(sequence, first + way * (len(self._ends) - 1))
            case _State(node=node):
                return self.found[-2][node]

    def _explored(self, wire: Wire) -> int:
        """Return the node of a wire of the template, with all that it is made of, or a leaf."""
        if wire in self._places:
            return self._places[wire]
        parts = _parts(self._trace, wire)
        if parts is None or _number(self._trace, wire) <= self._before:
            self._count += 1
            return -self._count
        token, inputs = parts
        node = _Node(token, wire, tuple(self._explored(given) for given in inputs))
        self.nodes.append(node)
        self._places[wire] = len(self.nodes) - 1
        return self._places[wire]

    def _match(self, node: int, wire: Wire, step: int) -> bool:
        """Return whether a wire of a step is made as a node is."""
        if node < 0:
            return self._given[step].setdefault(node, wire) is wire
        if node in self.found[step]:
            return self.found[step][node] is wire
        parts, mine = _parts(self._trace, wire), self.nodes[node]
        if parts is None or parts[0] != mine.token or len(parts[1]) != len(mine.inputs):
            return False
        self.found[step][node] = wire
        pairs = zip(mine.inputs, parts[1], strict=True)
        return wire.shape == mine.wire.shape and all(self._match(each, given, step) for each, given in pairs)

    def _matches(self) -> bool:
        """Return whether all steps are alike, have a state, and weights."""
        if not all(self._match(self.root, wire, step) for step, wire in enumerate(self._ends)):
            return False
        while len(self.leaves) < self._count:
            leaf = -len(self.leaves) - 1
            meaning = self._leaf(leaf)
            if meaning is None:
                return False
            self.leaves[leaf] = meaning
        is_worth_it = any(_has_weights(node.wire) for node in self.nodes)
        return is_worth_it and bool(self.states)

    def _leaf(self, leaf: int) -> _Leaf | None:
        """Return what a leaf is in all steps."""
        count = next((step for step, given in enumerate(self._given) if leaf not in given), len(self._ends))
        wires = [given[leaf] for given in self._given[:count]]
        for other, meaning in self.leaves.items():
            if all(self._given[step].get(other) is wire for step, wire in enumerate(wires)):
                return meaning
        if all(wire is wires[0] for wire in wires):
            return _Same(wires[0])
        first, *others = [(wire.of, wire.step) if isinstance(wire, Step) else (wire, 0) for wire in wires]
        way = others[0][1] - first[1]
        if way and others == [(first[0], first[1] + way * (k + 1)) for k in range(len(others))]:
            return _Steps(*first, way)
        node = next((node for node, wire in self.found[count - 2].items() if wire is wires[-1]), None)
        if node is None and count == len(self._ends) and _number(self._trace, wires[-1]) > self._before:
            node = self._explored(wires[-1])
            if node < 0 or not all(self._match(node, wire, step) for step, wire in enumerate(wires[1:])):
                return None
        if node is not None:
            is_state = all(self.found[step].get(node) is wire for step, wire in enumerate(wires[1:]))
            return _State(node, wires[0]) if is_state else None
        sequence = sequence_of_steps(self._trace, wires) if count == len(self._ends) else None
        return None if sequence is None else _Steps(sequence, 0, 1)


def _has_weights(wire: Wire) -> bool:
    return not isinstance(wire, Result) or isinstance(wire.layer, Dense)


def _called(trace: Trace, body: _Body, ends: Sequence[Wire]) -> Wire:
    """Call the loop's layer; return what its steps hand on, and let it stand for all that they made."""
    name = _name(trace, body)
    states: list[_State] = sorted(body.states, key=lambda state: state.node != body.root)
    if states[0].node != body.root:
        zeros = constant_wire(trace, np.zeros(ends[0].shape), f"{name}_none")
        states.insert(0, _State(body.root, zeros))
    place = Place(name, trace.place.where)
    given, sources = _step_inputs(trace, body, len(ends), place)
    if not sources:
        sources = [trace.call(RepeatVector(f"{name}_repeated", len(ends)), states[0].initial)]
    x = joined(trace, sources, f"{name}_inputs")
    inputs = [Input(body.nodes[state.node].wire.shape, place, f"s{k}") for k, state in enumerate(states)]
    inputs.append(Input(x.shape[1:], place, "x"))
    wires = _step_wires(body, states, inputs, given, place)
    model = emitted("step", inputs, [wires[state.node] for state in states], trace.source)
    initial = [state.initial for state in states]
    histories = trace.recur(Loop(name, body=model), x, *([] if all(map(_is_zero, initial)) else initial))
    history = histories["s0"]
    trace.replaced.update((wire, trace.step(history, k)) for k, wire in enumerate(ends))
    for k, state in enumerate(states[1:], 1):
        last = body.found[-1].get(state.node) or _last_of(trace, body, state.node)
        if last is not None:
            trace.replaced[last] = trace.step(histories[f"s{k}"], len(ends) - 1)
    return history


def _last_of(trace: Trace, body: _Body, node: int) -> Wire | None:
    """Return what a node is in the last step, where anything reads it."""
    begun = _number(trace, body.found[-2][node])
    later = [wire for wire, number in trace.made.items() if number > begun]
    vectors = [trace.step(wire, 0) if isinstance(wire, History) else wire for wire in later]
    return next((wire for wire in vectors if body.is_last(node, wire)), None)


def _step_inputs(trace: Trace, body: _Body, count: int, place: Place) -> tuple[dict[_Leaf, slice], list[Wire]]:
    """Return where leaves are in what a step is given beside the states, and the sequences that this is made of."""
    given: dict[_Leaf, slice] = {}
    sources: list[Wire] = []
    for leaf in dict.fromkeys(body.leaves.values()):
        match leaf:
            case _State():
                continue
            case _Same(wire=wire):
                source = trace.call(RepeatVector(f"{place.name}_repeated", count), wire)
            case _Steps(sequence=sequence, first=first, way=way):
                order = tuple(range(first, first + way * count, way))
                if order == tuple(range(sequence.shape[0])):
                    source = sequence
                elif order == tuple(range(sequence.shape[0]))[::-1]:
                    source = reversed_steps(trace, sequence)
                else:
                    source = selected_steps(trace, sequence, order)
        start = sum(wire.shape[1] for wire in sources)
        given[leaf] = slice(start, start + source.shape[1])
        sources.append(source)
    return given, sources


def _step_wires(
    body: _Body, states: Sequence[_State], inputs: Sequence[Input], given: dict[_Leaf, slice], place: Place
) -> list[Wire]:
    """Return the template's nodes as they are in a step of its own."""
    x = inputs[-1]
    leaves: dict[_Leaf, Wire] = dict(zip(states, inputs, strict=False))
    for leaf, part in given.items():
        whole = part == slice(0, x.shape[0])
        shape = (part.stop - part.start,)
        leaves[leaf] = x if whole else Result(shape, place, Slice(f"{place.name}_part", part.start, part.stop), (x,))
    made: list[Wire] = []
    passes: dict[Any, Pass] = {}
    for node in body.nodes:
        operands = tuple(made[each] if each >= 0 else leaves[body.leaves[each]] for each in node.inputs)
        match node.wire:
            case Result() as wire:
                made.append(replace(wire, inputs=operands))
            case Step(of=History(of=of) as history) as wire:
                own = passes.setdefault((id(of), *operands), Pass(of.layer, operands))
                made.append(replace(wire, of=replace(history, of=own)))
            case other:
                raise AssertionError(f"{other} is no node")
    return made


def _is_zero(wire: Wire) -> bool:
    return isinstance(wire, Result) and isinstance(wire.layer, Constant) and not wire.layer.values.any()


def _name(trace: Trace, body: _Body) -> str:
    """Return the path of the module that all nodes are of, or what is at work."""
    paths = [node.wire.place.name.split(".")[:-1] for node in body.nodes]
    common = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common) or f"{trace.place.name}_loop"
