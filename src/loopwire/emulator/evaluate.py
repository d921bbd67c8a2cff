"""What a graph means: the integer evaluation is the definition of every op, the real one is the float reference.

Both run the same graph over a batch of sequences with numpy. Arrays have a leading batch axis, of length 1 where a
value is the same for all sequences. Integers are counted in steps of their value's type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers, cast, integer_dtype, quantise, to_real
from loopwire.ir.functions import TABULATED
from loopwire.ir.graph import Graph, Node
from loopwire.ir.interval import table_form
from loopwire.ir.lengths import short_values
from loopwire.ir.types import FixedType

Array = npt.NDArray[Any]
Observer = Callable[[Node, Sequence[Array], Array], None]
"""Called with every node evaluated but scans: the node, its operands and its result, in each step of a scan."""
Apply = Callable[[Node, Sequence[Array]], Array]


def evaluate_integers(
    graph: Graph,
    inputs: Sequence[Integers],
    lengths: npt.NDArray[np.int64] | None = None,
    observe: Observer | None = None,
) -> tuple[Integers, ...]:
    """Evaluate a graph on fixed-point numbers.

    Args:
        graph: any graph.
        inputs: integers (N, *shape) for each input.
        lengths: (N,) steps of each sequence, from 1 to T, where some are shorter than T; what lies beyond counts as 0.
        observe: called with every node evaluated.

    Returns:
        Integers (N, *shape) for each output.
    """
    with _one_thread():
        return _evaluate(graph, [shortened(x, lengths) for x in inputs], lengths, _apply_integer, observe)


def evaluate_real(
    graph: Graph,
    inputs: Sequence[npt.NDArray[np.float64]],
    lengths: npt.NDArray[np.int64] | None = None,
    observe: Observer | None = None,
) -> tuple[npt.NDArray[np.float64], ...]:
    """Evaluate a graph on real numbers: weights as trained, tables as their functions, casts without effect.

    Casts that are part of the model are done: the result is what its framework computes.
    """
    with _one_thread():
        return _evaluate(graph, [shortened(x, lengths) for x in inputs], lengths, _apply_real, observe)


def shortened(x: Array, lengths: npt.NDArray[np.int64] | None) -> Array:
    """Return sequences (N, T, …) with zeros beyond their lengths (N,); vectors (N, n) as they are."""
    if lengths is None or x.ndim < 3:
        return x
    given = np.arange(x.shape[1]) < lengths[:, np.newaxis]
    return np.where(_expand(given, x), x, np.zeros_like(x))


def _one_thread() -> AbstractContextManager[object]:
    """Let numpy's products of matrices run in one thread: those of one step are so small that more only wait."""
    limited: AbstractContextManager[object] = _thread_pools().limit(limits=1, user_api="blas")
    return limited


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def _evaluate(
    graph: Graph,
    inputs: Sequence[Array],
    lengths: npt.NDArray[np.int64] | None,
    apply: Apply,
    observe: Observer | None,
) -> tuple[Array, ...]:
    batch = max((x.shape[0] for x in inputs), default=1)
    known = dict(zip(graph.inputs, inputs, strict=True))
    short = frozenset() if lengths is None else short_values(graph)
    for node in graph.nodes:
        operands = [known[value] for value in node.operands]
        match node.op:
            case ops.Scan():
                ends = None if short.isdisjoint(node.operands[node.op.states :]) else lengths
                known.update(zip(node.results, _scan(node.op, operands, ends, apply, observe), strict=True))
            case ops.Reverse():
                known[node.result] = _reverse(operands[0], lengths if node.operands[0] in short else None)
            case _:
                known[node.result] = apply(node, operands)
                if observe is not None:
                    observe(node, operands, known[node.result])
    return tuple(np.broadcast_to(known[v], (batch, *known[v].shape[1:])) for v in graph.outputs)


def _scan(
    scan: ops.Scan,
    operands: Sequence[Array],
    lengths: npt.NDArray[np.int64] | None,
    apply: Apply,
    observe: Observer | None,
) -> tuple[Array, ...]:
    states, sequences = list(operands[: scan.states]), operands[scan.states :]
    stacked: list[list[Array]] = [[] for _ in scan.body.outputs[scan.states :]]
    for t in range(scan.length):
        outputs = _evaluate(scan.body, [*states, *(x[:, t] for x in sequences)], lengths, apply, observe)
        if lengths is not None:
            ended = t >= lengths
            kept = [*states, *(np.zeros_like(y) for y in outputs[scan.states :])]
            outputs = tuple(np.where(_expand(ended, y), old, y) for old, y in zip(kept, outputs, strict=True))
        states = list(outputs[: scan.states])
        for results, result in zip(stacked, outputs[scan.states :], strict=True):
            results.append(result)
    return (*states, *(np.stack(results, axis=1) for results in stacked))


def _reverse(sequence: Array, lengths: npt.NDArray[np.int64] | None) -> Array:
    if lengths is None:
        return sequence[:, ::-1]
    steps = np.arange(sequence.shape[1])
    order = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return np.take_along_axis(sequence, _expand(order, sequence), axis=1)


def _expand(array: Array, like: Array) -> Array:
    """Append axes of length 1 until `array` has as many as `like`."""
    return array.reshape(array.shape + (1,) * (like.ndim - array.ndim))


def _apply_integer(node: Node, operands: Sequence[Integers]) -> Integers:
    op = node.op
    types = [value.type.element for value in node.operands]
    result = node.result.type.element
    match op:
        case ops.Const():
            return op.integers[np.newaxis]
        case ops.Cast():
            wide = max(types[0].width, types[0].width + op.to.fraction - types[0].fraction) + 2
            exact = operands[0].astype(integer_dtype(wide, op.to.width + 1))
            return cast(exact, types[0].fraction, op.to).astype(integer_dtype(op.to.width + 1))
        case ops.Table():
            return table_form(op, types[0]).evaluate(operands[0])
        case ops.Add() | ops.Sub() | ops.Max() | ops.Min() | ops.Greater():
            return _apply_exact(op, _aligned(result, operands, types))
        case ops.Where():
            return _apply_exact(op, [operands[0], *_aligned(result, operands[1:], types[1:])])
        case ops.Arithmetic() | ops.Slice() | ops.Concat() | ops.Reshape() | ops.Transpose():
            exact_type = integer_dtype(result.width + 1, *(t.width for t in types))
            return _apply_exact(op, [x.astype(exact_type) for x in operands])
        case ops.Reverse() | ops.Scan():
            raise AssertionError("these look at steps, not at numbers")
        case _:
            assert_never(op)


def _aligned(result: FixedType, operands: Sequence[Integers], types: Sequence[FixedType]) -> list[Integers]:
    """Return operands counted in steps as fine as the finest of them and of the result."""
    fraction = max(result.fraction, *(t.fraction for t in types))
    exact_type = integer_dtype(result.width + 2, *(t.width + fraction - t.fraction for t in types))
    return [x.astype(exact_type) << (fraction - t.fraction) for x, t in zip(operands, types, strict=True)]


def _apply_real(node: Node, operands: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    match node.op:
        case ops.Const():
            return node.op.reals[np.newaxis]
        case ops.Cast():
            to = node.op.to
            return to_real(quantise(operands[0], to), to.fraction) if node.op.in_reals else operands[0]
        case ops.Table():
            return TABULATED[node.op.function].real(operands[0])
        case op:
            return _apply_exact(op, operands)


def _apply_exact(op: ops.Op, operands: Sequence[Array]) -> Array:
    """Apply an op that rounds nothing, to numbers counted in one and the same step."""
    result: Array
    match op:
        case ops.MatVec():
            matrix, vector = operands
            shared = len(matrix) == 1
            result = vector @ matrix[0].T if shared else (matrix @ vector[..., np.newaxis])[..., 0]
        case ops.Where():
            condition, a, b = _with_axes(operands)
            result = np.where(condition != 0, a, b)
        case ops.Lookup():
            (table,), index = operands
            beyond = ~((index >= 0) & (index < len(table)))
            found = table[np.where(beyond, 0, index).astype(np.int64)]
            result = np.where(beyond[:, np.newaxis], np.zeros_like(found), found)
        case ops.Add() | ops.Sub() | ops.Max() | ops.Min() | ops.Mul() | ops.Greater():
            a, b = _with_axes(operands)
            match op:
                case ops.Add():
                    result = a + b
                case ops.Sub():
                    result = a - b
                case ops.Mul():
                    result = a * b
                case ops.Max():
                    result = np.maximum(a, b)
                case ops.Min():
                    result = np.minimum(a, b)
                case ops.Greater():
                    result = (a > b).astype(a.dtype)
        case ops.ReduceSum():
            result = operands[0].sum(axis=1)
        case ops.ReduceMax():
            result = operands[0].max(axis=1)
        case ops.Slice():
            result = operands[0][:, op.start : op.stop]
        case ops.Concat():
            batch = max(x.shape[0] for x in operands)
            result = np.concatenate([np.broadcast_to(x, (batch, *x.shape[1:])) for x in operands], axis=1)
        case ops.Reshape():
            result = operands[0].reshape(operands[0].shape[0], *op.shape)
        case ops.Transpose():
            result = operands[0].reshape(len(operands[0]), op.rows, -1).swapaxes(1, 2).reshape(operands[0].shape)
        case ops.Const() | ops.Cast() | ops.Table() | ops.Reverse() | ops.Scan():
            raise AssertionError(f"{op} is applied by the caller")
        case _:
            assert_never(op)
    return result


def _with_axes(operands: Sequence[Array]) -> list[Array]:
    """Return arrays of as many axes each, length 1 where one had fewer."""
    axes = max(x.ndim for x in operands)
    return [x.reshape(x.shape + (1,) * (axes - x.ndim)) for x in operands]
