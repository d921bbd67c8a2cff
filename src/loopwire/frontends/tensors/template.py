"""What the steps of a loop share: the template that all of them match, wire by wire.

One step is gone through from its result back to what was there before it, its leaves: steps of sequences, what does not
change, and what the step before made, the states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from loopwire.frontends.tensors.trace import History, Result, Step, Trace, Wire
from loopwire.layers.constant import Constant
from loopwire.layers.dense import Dense
from loopwire.layers.model import Layer
from loopwire.layers.stepwise import is_stepwise

Find = Callable[[Trace, Sequence[Wire]], Wire | None]
"""Returns the sequence whose steps some vectors are, if there is one."""


Parts = tuple[Any, tuple[Wire, ...]]


def parts_of(trace: Trace, wire: Wire) -> Parts | None:
    """Return what makes a vector in a step, and of what; None of what is there before the step.

    That is a layer, a cell that is called on one step, or a layer on sequences of which the vector is a step.
    """
    match wire:
        case Result(layer=Constant()):
            return None
        case Result(layer=layer, inputs=inputs):
            return trace.meaning(layer), inputs
        case Step(of=History(of=of, state=state) as history) if history.shape[0] == 1:
            return (trace.meaning(of.layer), state), of.inputs
        case Step(of=Result(layer=layer, inputs=inputs), step=step) if is_stepwise(layer):
            return trace.meaning(layer), tuple(trace.step(given, step) for given in inputs)
        case _:
            return None


def layer_of(wire: Wire) -> Layer | None:
    """Return the layer that makes a vector, alone or step by step; None of a cell's state."""
    match wire:
        case Result(layer=layer):
            return layer
        case Step(of=Result(layer=layer)) if is_stepwise(layer):
            return layer
        case _:
            return None


def number_of(trace: Trace, wire: Wire) -> int:
    """Return the place of a wire among all, by when it was made; -1 of what `_parts` does not take apart."""
    if parts_of(trace, wire) is None:
        return -1
    return trace.made.get(wire.of if isinstance(wire, Step) else wire, -1)


@dataclass(frozen=True)
class Node:
    """A wire of the template, and of what it is made: other nodes, or leaves, which are -1, -2, …"""

    token: Any
    wire: Wire
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Same:
    """A leaf that is the same in all steps."""

    wire: Wire


@dataclass(frozen=True)
class Steps:
    """A leaf that is a step of a sequence, in each step of the loop one so many further on."""

    sequence: Wire
    first: int
    way: int


@dataclass(frozen=True)
class State:
    """A leaf that is what a node was in the step before."""

    node: int
    initial: Wire


Leaf = Same | Steps | State


class Template:
    """What the steps of a loop share."""

    def __init__(self, trace: Trace, ends: Sequence[Wire], find: Find) -> None:
        self._trace, self._ends, self._find = trace, ends, find
        self._template = len(ends) - 2
        self._before = number_of(trace, ends[self._template - 1])
        self.nodes: list[Node] = []
        self._places: dict[Wire, int] = {}
        self._count = 0
        self.found: list[dict[int, Wire]] = [{} for _ in ends]
        """By step and node."""
        self._given: list[dict[int, Wire]] = [{} for _ in ends]
        """By step and leaf."""
        self.leaves: dict[int, Leaf] = {}
        self.root = self._explored(ends[self._template])
        self.is_one = self.root >= 0 and self._matches()

    @property
    def states(self) -> list[State]:
        """All states, each once."""
        return list(dict.fromkeys(leaf for leaf in self.leaves.values() if isinstance(leaf, State)))

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
            case Same(wire=wire):
                return wire
            case Steps(sequence=sequence, first=first, way=way):
                return self._trace.step(sequence, first + way * (len(self._ends) - 1))
            case State(node=node):
                return self.found[-2][node]

    def _explored(self, wire: Wire) -> int:
        """Return the node of a wire of the template, with all that it is made of, or a leaf."""
        if wire in self._places:
            return self._places[wire]
        parts = parts_of(self._trace, wire)
        if parts is None or number_of(self._trace, wire) <= self._before:
            self._count += 1
            return -self._count
        token, inputs = parts
        node = Node(token, wire, tuple(self._explored(given) for given in inputs))
        self.nodes.append(node)
        self._places[wire] = len(self.nodes) - 1
        return self._places[wire]

    def _match(self, node: int, wire: Wire, step: int) -> bool:
        """Return whether a wire of a step is made as a node is."""
        if node < 0:
            return self._given[step].setdefault(node, wire) is wire
        if node in self.found[step]:
            return self.found[step][node] is wire
        mine = self.nodes[node]
        parts = parts_of(self._trace, wire)
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

    def _leaf(self, leaf: int) -> Leaf | None:
        """Return what a leaf is in all steps."""
        count = next((step for step, given in enumerate(self._given) if leaf not in given), len(self._ends))
        wires = [given[leaf] for given in self._given[:count]]
        for other, meaning in self.leaves.items():
            if all(self._given[step].get(other) is wire for step, wire in enumerate(wires)):
                return meaning
        if all(wire is wires[0] for wire in wires):
            return Same(wires[0])
        first, *others = [(wire.of, wire.step) if isinstance(wire, Step) else (wire, 0) for wire in wires]
        way = others[0][1] - first[1]
        if way and others == [(first[0], first[1] + way * (k + 1)) for k in range(len(others))]:
            return Steps(*first, way)
        node = next((node for node, wire in self.found[count - 2].items() if wire is wires[-1]), None)
        if node is None and count == len(self._ends) and number_of(self._trace, wires[-1]) > self._before:
            node = self._explored(wires[-1])
            if node < 0 or not all(self._match(node, wire, step) for step, wire in enumerate(wires[1:])):
                return None
        if node is not None:
            is_state = all(self.found[step].get(node) is wire for step, wire in enumerate(wires[1:]))
            return State(node, wires[0]) if is_state else None
        sequence = self._find(self._trace, wires) if count == len(self._ends) else None
        return None if sequence is None else Steps(sequence, 0, 1)


def _has_weights(wire: Wire) -> bool:
    layer = layer_of(wire)
    return layer is None or isinstance(layer, Dense)
