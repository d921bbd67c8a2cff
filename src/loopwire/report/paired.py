"""Every tensor of a graph evaluated twice on the same inputs: in real numbers, and in fixed point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.emulator.evaluate import Array, evaluate_integers, evaluate_real
from loopwire.ir import ops
from loopwire.ir.fixed_point import quantise
from loopwire.ir.graph import Graph, Node, Value
from loopwire.report.clipping import check_finite

Reals = npt.NDArray[np.float64]
Visit = Callable[[Value, int, Reals, Array], None]
"""Called with a tensor in one step: the value, the step, its reals (N, …), and its integers (N, …) in steps of its
type."""

BATCH = 256
"""Sequences at a time: what is kept of one batch decides the memory, not how many batches there are."""


def is_shown(node: Node) -> bool:
    """Say whether a reader knows a node's result: a weight, a value that was rounded, or one with an equation."""
    return isinstance(node.op, ops.Const | ops.Cast | ops.Table) or bool(node.results[0].note)


def shown_values(graph: Graph) -> list[Value]:
    """Return the values that `visit_pairs` tells of, in the order of the graph."""
    nodes = [node for node in graph.walk() if not isinstance(node.op, ops.Scan) and is_shown(node)]
    return [*graph.inputs, *(node.result for node in nodes)]


def visit_pairs(graph: Graph, inputs: Sequence[npt.NDArray[Any]], visit: Visit) -> None:
    """Evaluate inputs (N, *input shape) in batches, and tell of every shown tensor in every step.

    Constants are visited once.

    Raises:
        DataError: a float value on the way is beyond double precision, or not a number.
    """
    constants: set[Value] = set()
    for start in range(0, len(inputs[0]), BATCH):
        reals = [x[start : start + BATCH].astype(np.float64) for x in inputs]
        integers = [quantise(x, value.type.element) for x, value in zip(reals, graph.inputs, strict=True)]
        for value, real, integer in zip(graph.inputs, reals, integers, strict=True):
            visit(value, 0, real, integer)
        _visit_batch(graph, reals, integers, constants, visit)


def _visit_batch(
    graph: Graph, reals: Sequence[Reals], integers: Sequence[Array], constants: set[Value], visit: Visit
) -> None:
    kept: list[Reals] = []

    def keep(node: Node, _: Sequence[Array], result: Array) -> None:
        if is_shown(node):
            check_finite(node.result, float(result.min()), float(result.max()))
            kept.append(result)

    with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked at above
        evaluate_real(graph, reals, observe=keep)
    following = iter(kept)
    steps: Counter[Value] = Counter()

    def compare(node: Node, _: Sequence[Array], result: Array) -> None:
        if not is_shown(node):
            return
        real, value = next(following), node.result
        if isinstance(node.op, ops.Const):
            if value in constants:
                return
            constants.add(value)
        visit(value, steps[value], real, result)
        steps[value] += 1

    evaluate_integers(graph, integers, observe=compare)
