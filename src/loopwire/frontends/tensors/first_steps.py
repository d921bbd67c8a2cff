"""First steps of loops that began from zeros: what constants made of them, in the exporter or as the graph is read.

A layer on zeros is a constant, and a constant that is added or multiplied is a normalisation (`arithmetic.combine`): so
the first step has other layers than those that follow. It is one of the loop, from zeros, if it is just what becomes
of the template so.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, islice

import numpy as np

from loopwire.frontends.tensors.constants import constant_wire
from loopwire.frontends.tensors.template import Same, State, Steps, Template, layer_of, parts_of
from loopwire.frontends.tensors.trace import Trace, Wire
from loopwire.frontends.tensors.views import Array
from loopwire.layers.activation import Activation
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.merge import Add, Multiply, Subtract
from loopwire.layers.model import Layer
from loopwire.layers.select import Slice

CLOSE = 1e-5
"""Of numbers that an exporter computed in float32, relative and absolute."""
MOST_CHOICES = 16
"""Of states that were zeros."""
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def begins_with_zeros(trace: Trace, body: Template, first: Wire) -> bool:
    """Put a step before those of a template, if it gave `first` and began from zeros; return whether it did.

    Some of the states may have begun from something else.
    """
    states = list(dict.fromkeys(state.node for state in body.states))
    choices = (zeros for count in range(len(states), 0, -1) for zeros in combinations(states, count))
    for zeros in islice(choices, MOST_CHOICES):
        step = _FirstStep(trace, body, frozenset(zeros))
        if step.gives(body.root, first) and all(step.gives(state.node, state.initial) for state in body.states):
            break
    else:
        return False
    for leaf, meaning in body.leaves.items():
        match meaning:
            case State(node=node) if node in step.zeros:
                shape = body.nodes[node].wire.shape
                key = ("first state", shape)
                if key not in trace.memory:
                    trace.memory[key] = constant_wire(trace, np.zeros(shape), f"{trace.place.name}_start")
                body.leaves[leaf] = State(node, trace.memory[key])
            case State(node=node):
                if node not in step.initial:
                    return False
                body.leaves[leaf] = State(node, step.initial[node])
            case Steps(sequence=sequence, first=place, way=way):
                body.leaves[leaf] = Steps(sequence, place - way, way)
            case Same():
                pass
    return True


class _FirstStep:
    """The template, some of its states zeros."""

    def __init__(self, trace: Trace, body: Template, zeros: frozenset[int]) -> None:
        self._trace, self._body = trace, body
        self.zeros = zeros
        """Nodes that were zeros before the step."""
        self.initial: dict[int, Wire] = {}
        """And what others were."""
        self._constants: dict[int, Array | None] = {}

    def gives(self, node: int, wire: Wire) -> bool:
        """Return whether a node is this wire in the first step."""
        if node < 0:
            return self._leaf_is(node, wire)
        if self._constant(node) is not None:
            return False
        made, layer = layer_of(self._body.nodes[node].wire), layer_of(wire)
        parts = parts_of(self._trace, wire)
        if made is None or layer is None or parts is None:
            return False
        inputs = parts[1]
        operands = self._body.nodes[node].inputs
        known = [self._constant(each) for each in operands]
        if all(constant is None for constant in known):
            alike = self._trace.meaning(layer) == self._trace.meaning(made) and len(inputs) == len(operands)
            return alike and all(self.gives(each, given) for each, given in zip(operands, inputs, strict=True))
        if len(operands) != 2 or not isinstance(layer, BatchNormalization):
            return False
        place = 0 if known[0] is not None else 1
        constant = known[place]
        assert constant is not None
        one, none = np.ones_like(constant), np.zeros_like(constant)
        match made:
            case Add():
                scale, offset = one, constant
            case Subtract():
                scale, offset = (-one, constant) if place == 0 else (one, -constant)
            case Multiply():
                scale, offset = constant, none
            case _:
                return False
        same = np.allclose(layer.scale, scale, CLOSE, CLOSE) and np.allclose(layer.offset, offset, CLOSE, CLOSE)
        return same and self.gives(operands[1 - place], inputs[0])

    def _leaf_is(self, leaf: int, wire: Wire) -> bool:
        match self._body.leaves[leaf]:
            case Same(wire=same):
                return same is wire
            case Steps(sequence=sequence, first=first, way=way):
                place = first - way
                return 0 <= place < sequence.shape[0] and wire is self._trace.step(sequence, place)
            case State(node=node):
                return node not in self.zeros and self.initial.setdefault(node, wire) is wire

    def _constant(self, node: int) -> Array | None:
        """Return what a node, or a leaf, is where all that it is made of is constant."""
        if node < 0:
            leaf = self._body.leaves[node]
            if isinstance(leaf, State) and leaf.node in self.zeros:
                return np.zeros(self._body.nodes[leaf.node].wire.shape)
            return None
        if node not in self._constants:
            operands = [self._constant(each) for each in self._body.nodes[node].inputs]
            known = [operand for operand in operands if operand is not None]
            layer = layer_of(self._body.nodes[node].wire)
            self._constants[node] = _computed(layer, known) if len(known) == len(operands) else None
        return self._constants[node]


def _computed(layer: Layer | None, given: list[Array]) -> Array | None:
    """Return what a layer makes of constants, None where that is not known."""
    match layer:
        case Dense(kernel=kernel, bias=bias):
            return np.asarray(kernel @ given[0] + bias)
        case BatchNormalization(scale=scale, offset=offset):
            return np.asarray(scale * given[0] + offset)
        case Slice(start=start, stop=stop):
            return given[0][start:stop]
        case Activation(function=function) if function.name in FUNCTIONS and not function.slope:
            return np.asarray(FUNCTIONS[function.name](given[0]))
        case Add():
            return np.asarray(sum(given))
        case Multiply():
            return np.asarray(np.prod(given, axis=0))
        case Subtract():
            return np.asarray(given[0] - given[1])
        case _:
            return None
