"""Which axes of a graph's inputs are batch, steps and features: found from what its operations make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from loopwire.errors import UnsupportedError
from loopwire.frontends.reading import Reading
from loopwire.frontends.tensors.hypotheses import GraphInput, Run, read_graph
from loopwire.frontends.tensors.recurrent import initial_states, recur, sequence_of, state_of
from loopwire.frontends.tensors.slicing import select
from loopwire.frontends.tensors.trace import Place, Trace
from loopwire.frontends.tensors.views import Operand, View, array_of, only_wire
from loopwire.layers.lstm import Lstm

UNITS = 4


def lstm(name: str, features: int) -> Lstm:
    random = np.random.default_rng(features)
    shapes = (4 * UNITS, features), (4 * UNITS, UNITS), (4 * UNITS,)
    return Lstm(name, *(random.normal(size=shape) for shape in shapes))


def layers(count: int, batch_axis: int) -> Run:
    """Return a graph of LSTMs, each with its states as inputs, stacked by layer."""

    def run(trace: Trace, inputs: Sequence[View]) -> Sequence[Operand]:
        x: Operand = inputs[0]
        for k in range(count):
            trace.enter(Place(f"l{k}", f"l{k}"))
            layer = lstm(f"l{k}", 3 if k == 0 else UNITS)
            sequence = sequence_of(trace, x, batch_axis, 1 - batch_axis)
            states = [state_of(trace, stacked, 0, 0) for stacked in inputs[1 + 2 * k : 3 + 2 * k]]
            given = initial_states(trace, states, ("h", "c"), (UNITS, UNITS))
            output, _ = recur(trace, layer, only_wire(trace, sequence), given)
            x = replace(sequence, parts=array_of([output], ()))
        return [x]

    return run


@pytest.mark.parametrize("batch_axis", [0, 1])
@pytest.mark.parametrize("count", [1, 3])
def test_states_of_many_layers_as_inputs(count: int, batch_axis: int) -> None:
    names = [f"{state}{k}" for k in range(count) for state in "hc"]
    shape = (2, 5, 3) if batch_axis == 0 else (5, 2, 3)
    inputs = [GraphInput("x", shape), *(GraphInput(name, (1, 2, UNITS)) for name in names)]
    model = read_graph("m", inputs, layers(count, batch_axis), "test", Reading())
    assert {tensor.name: tensor.shape for tensor in model.inputs} == {"x": (5, 3), **dict.fromkeys(names, (UNITS,))}


def test_open_steps_are_the_users_and_the_batch_may_be_open() -> None:
    inputs = [GraphInput("x", ("n", "t", 3))]

    def run(trace: Trace, given: Sequence[View]) -> Sequence[Operand]:
        sequence = sequence_of(trace, given[0], 0, 1)
        output, _ = recur(trace, lstm("l", 3), only_wire(trace, sequence), [])
        return [replace(sequence, parts=array_of([output], ()))]

    assert read_graph("m", inputs, run, "test", Reading(steps=7)).input_shape == (7, 3)
    with pytest.raises(UnsupportedError, match=r"input 'x': its sequences, of shape \(n, t, 3\), may have any number"):
        read_graph("m", inputs, run, "test", Reading())


def test_an_input_is_no_bundle_of_tensors_but_for_states() -> None:
    """Where single steps alone are read, and no other layout makes sense, they are steps: here, steps first."""

    def run(trace: Trace, given: Sequence[View]) -> Sequence[Operand]:
        trace.enter(Place("picked", "the operation"))
        return [select(trace, given[0], 0, 1)]

    model = read_graph("m", [GraphInput("x", (2, 4, 3))], run, "test", Reading())
    assert [(tensor.shape, model.outputs[0].shape) for tensor in model.inputs] == [((2, 3), (3,))]
