"""ONNX's loops, Scan and Loop: their bodies step by step, which become one layer as any loop that was written out.

Ref: https://onnx.ai/onnx/operators/onnx__Scan.html, onnx__Loop.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count

import numpy as np

from loopwire.frontends.onnx.graph import Array, Graph, Operation, Value
from loopwire.frontends.tensors import joining, slicing, views
from loopwire.frontends.tensors.constants import state_view
from loopwire.frontends.tensors.rolling import sequence_of_steps
from loopwire.frontends.tensors.views import Operand, View
from loopwire.layers.model import MAX_STEPS

RunBody = Callable[[Graph, Mapping[str, Value]], Sequence[Operand]]
"""Runs a body, given the values of its inputs; those of the graphs around it are known."""


def scan(op: Operation, run: RunBody) -> Sequence[Value]:
    """Read Scan: the final states, then what the steps give, stacked."""
    body = _body(op)
    if op.opset < 9:
        raise op.refused("it is a Scan of opset 8, with a batch of its own", "Export with opset 9 or later")
    sequences = op.attribute("num_scan_inputs", 1)
    states = len(op.operands) - sequences
    results = len(body.outputs) - states
    if min(states, sequences - 1, results) < 0 or len(body.inputs) != len(op.operands):
        raise op.damaged(f"its body takes {len(body.inputs)} tensors and gives {len(body.outputs)}")
    axes = op.attribute("scan_input_axes", [0] * sequences)
    ways = op.attribute("scan_input_directions", [0] * sequences)
    result_axes = op.attribute("scan_output_axes", [0] * results)
    result_ways = op.attribute("scan_output_directions", [0] * results)
    if [len(axes), len(ways), len(result_axes), len(result_ways)] != [sequences, sequences, results, results]:
        raise op.damaged("it has axes and directions of other numbers of sequences")
    xs = [op.tensor(states + k) for k in range(sequences)]
    lengths = {x.shape[views.axis_of(op.trace, x, axis)] for x, axis in zip(xs, axes, strict=True)}
    if len(lengths) != 1:
        raise op.damaged(f"its sequences have {sorted(lengths)} steps")
    (steps,) = lengths
    carried = [_state(op, k) for k in range(states)]
    each: list[list[Operand]] = []
    for step in range(steps):
        places = [steps - 1 - step if back else step for back in ways]
        given = [slicing.select(op.trace, x, axis, place) for x, axis, place in zip(xs, axes, places, strict=True)]
        made = run(body, dict(zip((x.name for x in body.inputs), [*carried, *given], strict=True)))
        carried = list(made[:states])
        each.append(list(made))
    stacked = [
        _stacked(op, [made[states + k] for made in (each[::-1] if result_ways[k] else each)], result_axes[k])
        for k in range(results)
    ]
    return [*_final(op, each, states), *stacked]


def loop(op: Operation, run: RunBody) -> Sequence[Value]:
    """Read Loop of a number of rounds that is known: the final states, then what the rounds give, stacked."""
    body = _body(op)
    states = len(op.operands) - 2
    results = len(body.outputs) - 1 - states
    if min(states, results) < 0 or len(body.inputs) != states + 2:
        raise op.damaged(f"its body takes {len(body.inputs)} tensors and gives {len(body.outputs)}")
    most = int(_constant(op, 0).ravel()[0]) if op.has(0) else None
    goes_on = bool(_constant(op, 1).all()) if op.has(1) else True
    carried = [_state(op, 2 + k) for k in range(states)]
    each: list[list[Operand]] = []
    for step in count():
        if not goes_on or step == most:
            break
        if step >= MAX_STEPS:
            raise op.refused(f"it has more than {MAX_STEPS} iterations", "Give it fewer")
        given = [np.array(step, np.int64), np.array(True), *carried]
        made = run(body, dict(zip((x.name for x in body.inputs), given, strict=True)))
        condition = made[0]
        if isinstance(condition, View):
            raise op.refused(
                "whether it goes on depends on the model's inputs", "Give it a constant number of iterations"
            )
        goes_on, carried = bool(condition.all()), list(made[1 : 1 + states])
        each.append(list(made[1:]))
    if not each:
        raise op.refused("it has no iteration", "Export the model without it")
    stacked = [_stacked(op, [made[states + k] for made in each], 0) for k in range(results)]
    return [*_final(op, each, states), *stacked]


def _body(op: Operation) -> Graph:
    body = op.attribute("body")
    if not isinstance(body, Graph):
        raise op.damaged("it has no body")
    return body


def _constant(op: Operation, index: int) -> Array:
    value = op.value(index)
    if not isinstance(value, np.ndarray) or not value.size:
        raise op.refused(
            "its number of iterations depends on the model's inputs", "Give it a constant number of iterations"
        )
    return value


def _state(op: Operation, index: int) -> Operand:
    """Return an initial state; a constant of real numbers is a vector as any other, whole numbers are counters."""
    value = op.tensor(index)
    is_vector = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0 and value.shape[-1] > 0
    return state_view(op.trace, op.weights(index)) if is_vector else value


def _stacked(op: Operation, steps: Sequence[Operand], axis: int) -> Operand:
    op.trace.at(op.place)
    return joining.stack(op.trace, steps, axis)


def _final(op: Operation, each: Sequence[Sequence[Operand]], states: int) -> Sequence[Operand]:
    """Return the final states: of one layer, where the steps are alike and no sequence was made of them."""
    op.trace.at(op.place)
    for k in range(states):
        views_of = [value for made in each if isinstance(value := made[k], View) and value.parts.size == 1]
        wires = [view.parts.flat[0] for view in views_of]
        if len(wires) == len(each) and wires[-1] not in op.trace.replaced:
            sequence_of_steps(op.trace, wires)
    return each[-1][:states]


LOOPS = {"Scan": scan, "Loop": loop}
