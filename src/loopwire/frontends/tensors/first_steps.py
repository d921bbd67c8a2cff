"""First steps of loops that began from zeros: what constants made of them, in the exporter or as the graph is read.

A layer on zeros is a constant, and a constant that is added or multiplied is a normalisation (`arithmetic.combine`): so
the first step has other layers than those that follow. It is one of the loop, from zeros, if it is just what becomes
of the template so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from loopwire.frontends.tensors.constants import constant_wire
from loopwire.frontends.tensors.template import Same, State, Steps, Template
from loopwire.frontends.tensors.trace import Result, Step, Trace, Wire, is_stepwise
from loopwire.frontends.tensors.views import Array
from loopwire.layers.activation import Activation
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.merge import Add, Multiply, Subtract
from loopwire.layers.select import Slice

CLOSE = 1e-5
"""Of numbers that an exporter computed in float32, relative and absolute."""
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def begins_with_zeros(trace: Trace, body: Template, first: Wire) -> bool:
    """Put a step before those of a template, if it gave `first` and began from zeros; return whether it did."""
    step = _FirstStep(trace, body)
    if not step.gives(body.root, first) or not all(step.gives(state.node, state.initial) for state in body.states):
        return False
    for leaf, meaning in body.leaves.items():
        match meaning:
            case State(node=node):
                shape = body.nodes[node].wire.shape
                key = ("first state", shape)
                if key not in trace.memory:
                    trace.memory[key] = constant_wire(trace, np.zeros(shape), f"{trace.place.name}_start")
                body.leaves[leaf] = State(node, trace.memory[key])
            case Steps(sequence=sequence, first=place, way=way):
                body.leaves[leaf] = Steps(sequence, place - way, way)
            case Same():
                pass
    return True


class _FirstStep:
    """The template, its states zeros."""

    def __init__(self, trace: Trace, body: Template) -> None:
        self._trace, self._body = trace, body
        self._constants: dict[int, Array | None] = {}

    def gives(self, node: int, wire: Wire) -> bool:
        """Return whether a node is this wire in the first step."""
        if node < 0:
            return self._leaf_is(node, wire)
        if self._constant(node) is not None:
            return False
        made = self._body.nodes[node].wire
        own = _apart(self._trace, wire)
        if own is None or not isinstance(made, Result):
            return False
        layer, inputs = own
        operands = self._body.nodes[node].inputs
        known = [self._constant(each) for each in operands]
        if all(constant is None for constant in known):
            alike = self._trace.meaning(layer) == self._trace.meaning(made.layer) and len(inputs) == len(operands)
            return alike and all(self.gives(each, given) for each, given in zip(operands, inputs, strict=True))
        if len(operands) != 2 or not isinstance(layer, BatchNormalization):
            return False
        place = 0 if known[0] is not None else 1
        constant = known[place]
        assert constant is not None
        one, none = np.ones_like(constant), np.zeros_like(constant)
        match made.layer:
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
            case State():
                return False

    def _constant(self, node: int) -> Array | None:
        """Return what a node, or a leaf, is where all that it is made of is constant."""
        if node < 0:
            leaf = self._body.leaves[node]
            return np.zeros(self._body.nodes[leaf.node].wire.shape) if isinstance(leaf, State) else None
        if node not in self._constants:
            operands = [self._constant(each) for each in self._body.nodes[node].inputs]
            known = [operand for operand in operands if operand is not None]
            wire = self._body.nodes[node].wire
            is_known = len(known) == len(operands) and isinstance(wire, Result)
            self._constants[node] = _computed(wire, known) if is_known else None
        return self._constants[node]


def _computed(wire: Wire, given: list[Array]) -> Array | None:
    """Return what a layer makes of constants, None where that is not known."""
    match wire:
        case Result(layer=Dense(kernel=kernel, bias=bias)):
            return np.asarray(kernel @ given[0] + bias)
        case Result(layer=BatchNormalization(scale=scale, offset=offset)):
            return np.asarray(scale * given[0] + offset)
        case Result(layer=Slice(start=start, stop=stop)):
            return given[0][start:stop]
        case Result(layer=Activation(function=function)) if function.name in FUNCTIONS and not function.slope:
            return np.asarray(FUNCTIONS[function.name](given[0]))
        case Result(layer=Add()):
            return np.asarray(sum(given))
        case Result(layer=Multiply()):
            return np.asarray(np.prod(given, axis=0))
        case Result(layer=Subtract()):
            return np.asarray(given[0] - given[1])
        case _:
            return None


def _apart(trace: Trace, wire: Wire) -> tuple[Any, tuple[Wire, ...]] | None:
    """Return the layer that made a vector, and of what; of a step of a sequence, the steps that it was made of."""
    match wire:
        case Result(layer=layer, inputs=inputs):
            return layer, inputs
        case Step(of=Result(layer=layer, inputs=inputs), step=step) if is_stepwise(layer):
            return layer, tuple(trace.step(given, step) for given in inputs)
        case _:
            return None
