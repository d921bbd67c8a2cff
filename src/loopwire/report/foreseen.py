"""What the weights alone tell of values that do not fit their types, without data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np

from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value
from loopwire.ir.real_interval import Bounds, real_bounds
from loopwire.ir.types import FixedType
from loopwire.report.clipping import ClippingMeter, holding, limits, named, tensor_name
from loopwire.report.doubts import UNDERFLOW_SHARE, too_coarse
from loopwire.report.saturation import saturation


def foreseen(graph: Graph) -> tuple[str, ...]:
    """Return sentences about the constants that their types do not carry, and the model's results that may not fit.

    Constants, of those whose types are the user's, are too large for them, or most of a tensor's are so small that they
    become 0.

    A result is reported where the network in floating point bounds it whatever the input, as behind a recurrent layer's
    bounded states, and the middle of these bounds is beyond its type: more than half of what they allow on one side.
    """
    meter = ClippingMeter()
    coarse = []
    for node in graph.walk():
        if isinstance(node.op, ops.Const) and node.result.role:
            meter.observe(node, (), node.op.reals)
            if _become_0(node.op) > UNDERFLOW_SHARE:
                coarse.append(node.result)
    constants = [saturation(row) for row in meter.rows(graph)]
    if coarse:
        names = [f"{value.layer}: {tensor_name(value)}" for value in coarse]
        constants.append(too_coarse(names, coarse[0].type.element))
    found = real_bounds(graph)
    results = [_beyond(value, to, found[value]) for output in graph.outputs for value, to in _rounded(graph, output)]
    return (*constants, *dict.fromkeys(text for text in results if text))


def _become_0(constant: ops.Const) -> float:
    """Return the share of a constant's elements other than 0 that are below half a step."""
    sizes = np.abs(constant.reals[constant.reals != 0])
    return float(np.mean(sizes < constant.type.step / 2)) if sizes.size else 0.0


def _rounded(graph: Graph, value: Value) -> Iterator[tuple[Value, FixedType]]:
    """Yield the values of which a result consists where they are brought into its type, each with that type."""
    node = graph.producers().get(value)
    if node is None:
        return
    match node.op:
        case ops.Cast(in_reals=True):
            pass  # the model's own
        case ops.Cast(to) | ops.Table(to=to):
            yield node.result, to
        case ops.Scan(body):
            yield from _rounded(body, body.outputs[node.results.index(value)])
        case ops.Reshape() | ops.Transpose() | ops.Reverse() | ops.Slice() | ops.Concat():
            for operand in node.operands:
                yield from _rounded(graph, operand)
        case ops.Where():
            for operand in node.operands[1:]:
                yield from _rounded(graph, operand)
        case ops.Const() | ops.Arithmetic():
            pass  # exact: its type holds it
        case _:
            assert_never(node.op)


def _beyond(value: Value, to: FixedType, bounds: Bounds) -> str | None:
    least, most = limits(to)
    middle = (bounds.low + bounds.high) / 2
    beyond = bounds.is_known & ((middle < least) | (middle > most))
    if not beyond.any():
        return None
    low, high = float(np.min(bounds.low[beyond])), float(np.max(bounds.high[beyond]))
    return (
        f"{named(value.layer, tensor_name(value))}: in floating point it lies between {low:.4g} and {high:.4g}, "
        f"whatever the input, and the middle of that is beyond {to}, which holds {to.min_integer * to.step:g} to "
        f"{to.max_integer * to.step:g}. {holding(to, low, high)} would hold all of it"
    )
