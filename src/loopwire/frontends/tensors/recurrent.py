"""Recurrent layers over the steps of a sequence, and cells that a loop calls once a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.frontends.tensors.constants import constant_wire, is_state, state_view, vectors_of
from loopwire.frontends.tensors.exchange import features_last
from loopwire.frontends.tensors.slicing import select
from loopwire.frontends.tensors.trace import Step, Trace, Wire
from loopwire.frontends.tensors.views import Array, Axis, Operand, View, array_of, axis_of, only_wire
from loopwire.frontends.tensors.wires import reversed_steps
from loopwire.layers.cell import Cell
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.shape import Reshape


def sequence_of(trace: Trace, x: Operand, batch_axis: int, steps_axis: int) -> View:
    """Return what a recurrent layer reads, a view of one wire: three axes, or two without a batch.

    Raises:
        UnsupportedError: the axes are not these: another layout may be the right one.
    """
    if not isinstance(x, View):
        raise trace.refused("a recurrent layer reads a constant", "Give it a sequence that the model is called with")
    x = features_last(trace, x)
    wanted = [Axis.FEATURES] * 3
    wanted[batch_axis], wanted[steps_axis] = Axis.BATCH, Axis.STEPS
    met = [Axis.BATCH if kind is Axis.ONE and x.batch == 1 else kind for kind in x.axes]
    if met not in (wanted, [Axis.STEPS, Axis.FEATURES]):
        kinds = ", ".join(kind.value for kind in x.axes)
        wants = ", ".join(kind.value for kind in wanted)
        raise trace.refused(f"a recurrent layer reads axes ({kinds}) where it expects ({wants})", REMEDY)
    only_wire(trace, x)
    return x


class LoopError(UnsupportedError):
    """A loop that calls a cell otherwise than a layer would."""


REMEDY = "Give it a sequence of vectors; batch_first says which axis comes first"


def initial_states(
    trace: Trace, states: Sequence[Operand | None], names: Sequence[str], sizes: Sequence[int]
) -> list[Wire]:
    """Return the wires of initial states, of one layer and direction; none where all are zero.

    Args:
        trace: of the graph.
        states: vectors with a batch or without, or constants; None is zero.
        names: of constants among them.
        sizes: their features.

    Raises:
        UnsupportedError: a constant differs from sequence to sequence, or a state is not a vector.
    """
    vectors = [
        state if isinstance(state, View) else _vector(trace, state, size)
        for state, size in zip(states, sizes, strict=True)
    ]
    if all(not isinstance(vector, View) and not vector.any() for vector in vectors):
        return []
    return [
        _state_wire(trace, vector) if isinstance(vector, View) else constant_wire(trace, vector, name)
        for vector, name in zip(vectors, names, strict=True)
    ]


def state_of(trace: Trace, stacked: Operand, axis: int, place: int) -> Operand:
    """Return one of the initial states that lie side by side along an axis, for each layer and direction.

    Raises:
        UnsupportedError: the axis is one of steps, or of sequences: another layout may be the right one.
    """
    if isinstance(stacked, View) and stacked.axes[axis_of(trace, stacked, axis)] not in (Axis.PARTS, Axis.ONE):
        kind = stacked.axes[axis_of(trace, stacked, axis)]
        raise trace.refused(f"initial states are taken along the axis of the {kind.value}", "Stack them by layer")
    return select(trace, stacked, axis, place)


def recur(trace: Trace, layer: Cell, x: Wire, initial: Sequence[Wire]) -> tuple[Wire, dict[str, Wire]]:
    """Call a layer over a sequence.

    Returns:
        h after each step, in the order of the steps whichever way the layer reads, and the states after the last one.
    """
    histories = trace.recur(layer, x, *initial)
    last = {state: trace.step(history, history.shape[0] - 1) for state, history in histories.items()}
    output = next(iter(histories.values()))
    return reversed_steps(trace, output, layer.name) if layer.go_backwards else output, last


@dataclass
class _Loop:
    """A cell's calls so far: what it reads, and its states after each of them."""

    sequence: Wire
    backwards: bool
    histories: dict[str, Wire]
    steps: int


def cell(trace: Trace, layer: Recurrent, key: object, x: Operand, states: Sequence[Operand | None]) -> list[View]:
    """Call a cell on one step: part of a pass over a sequence, where `x` is a step of one and the states are its own.

    Args:
        trace: of the graph.
        layer: the cell, as a layer over a sequence.
        key: what tells the cell from others, such as the names of its weights.
        x: a vector.
        states: as in `initial_states`.

    Returns:
        The states after the step.

    Raises:
        UnsupportedError: it is called in a loop in another way.
    """
    if not isinstance(x, View) and is_state(x):
        x = state_view(trace, x)
    if not isinstance(x, View):
        raise trace.refused("a recurrent cell reads a constant", "Give it a vector that the model is called with")
    x = features_last(trace, x)
    if x.is_sequence:
        raise trace.refused("a recurrent cell reads a whole sequence", "Call it on one step after another")
    wire = only_wire(trace, x)
    if trace.apart:
        return _one_step(trace, layer, x, wire, states)
    loops: list[_Loop] = trace.memory.setdefault(("loops", key), [])
    given = [only_wire(trace, state) if isinstance(state, View) else state for state in states]
    loop = next((loop for loop in loops if _goes_on(trace, loop, wire, given)), None)
    if loop is None:
        loop = _begun(trace, layer, wire, states)
        loops.append(loop)
    step = loop.steps
    loop.steps += 1
    own = [_state_at(trace, loop, history, step) for history in loop.histories.values()]
    return [replace(x, parts=array_of([state], x.parts.shape)) for state in own]


def _one_step(trace: Trace, layer: Recurrent, x: View, wire: Wire, states: Sequence[Operand | None]) -> list[View]:
    """Call a cell on a sequence of one step, from states that are always given."""
    sequence = trace.call(Reshape(f"{trace.place.name}_step", (1, wire.shape[0])), wire)
    sizes = [shape[0] for shape in layer.state_shapes.values()]
    initial = [
        _state_wire(trace, state if isinstance(state, View) else vectors_of(trace, state, size))
        for state, size in zip(states, sizes, strict=True)
    ]
    last = [trace.step(history, 0) for history in trace.recur(layer, sequence, *initial).values()]
    return [replace(x, parts=array_of([state], x.parts.shape)) for state in last]


def check_loops(trace: Trace) -> None:
    """Refuse loops that end before their sequence does.

    Raises:
        UnsupportedError: there is one.
    """
    for key, loops in trace.memory.items():
        if isinstance(key, tuple) and key[0] == "loops":
            for loop in loops:
                steps = loop.sequence.shape[0]
                if loop.steps < steps:
                    problem = f"its cell is called on {loop.steps} of the {steps} steps of a sequence"
                    raise LoopError(trace.place.where, problem, LOOP_REMEDY)


LOOP_REMEDY = "Call a cell on each step of a sequence in turn, from the first one or from the last, with its own states"


def _begun(trace: Trace, layer: Recurrent, wire: Wire, states: Sequence[Operand | None]) -> _Loop:
    if isinstance(wire, Step) and wire.step in (0, wire.of.shape[0] - 1):
        sequence, backwards = wire.of, wire.step > 0
    elif isinstance(wire, Step):
        problem = f"its cell starts at step {wire.step} of {wire.of.shape[0]}, or with other states"
        raise LoopError(trace.place.where, problem, LOOP_REMEDY)
    else:
        sequence, backwards = trace.call(Reshape(f"{trace.place.name}_step", (1, wire.shape[0])), wire), False
    names = [f"{layer.name}_{state}" for state in layer.states]
    initial = initial_states(trace, states, names, [shape[0] for shape in layer.state_shapes.values()])
    histories = trace.recur(replace(layer, go_backwards=backwards), sequence, *initial)
    return _Loop(sequence, backwards, histories, 0)


def _goes_on(trace: Trace, loop: _Loop, wire: Wire, states: Sequence[Wire | Array | None]) -> bool:
    steps = loop.sequence.shape[0]
    if not 0 < loop.steps < steps or not isinstance(wire, Step) or wire.of is not loop.sequence:
        return False
    place = steps - 1 - loop.steps if loop.backwards else loop.steps
    own = [_state_at(trace, loop, history, loop.steps - 1) for history in loop.histories.values()]
    return wire.step == place and all(state is mine for state, mine in zip(states, own, strict=True))


def _state_at(trace: Trace, loop: _Loop, history: Wire, step: int) -> Wire:
    """Return a state after a call, as the step of the sequence of states in the order of the steps."""
    if not loop.backwards:
        return trace.step(history, step)
    return trace.step(reversed_steps(trace, history), history.shape[0] - 1 - step)


def _vector(trace: Trace, state: Array | None, size: int) -> Array:
    if state is None:
        return np.zeros(size)
    rows = np.asarray(state, np.float64).reshape(-1, size) if state.size % size == 0 and state.size else None
    if rows is None or not (rows == rows[0]).all():
        problem = f"a constant initial state of shape {state.shape} is not the same {size} numbers for each sequence"
        raise trace.refused(problem, "Give the same initial state for all sequences")
    return np.asarray(rows[0])


def _state_wire(trace: Trace, state: View) -> Wire:
    state = features_last(trace, state)
    if state.is_sequence:
        raise trace.refused("an initial state is a sequence", "Give it a vector")
    return only_wire(trace, state)
