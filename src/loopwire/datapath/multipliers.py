"""What multiplies each constant matrix: a tree of shifts and adders, or multipliers and a tree of pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loopwire.cmvm.adder_tree import AdderTree
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.ops import Constant, MatVec, Products, ShiftAdd
from loopwire.datapath.pairs import reduction
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import Integers
from loopwire.ir.interval import Range

Solver = Callable[[Signal, Integers, Range], AdderTree | None]
"""Given a product's result, its constant matrix (m, n) and the range of its vector: the tree that computes it, or None
where multipliers shall."""


def with_multipliers(datapath: Datapath, solve: Solver) -> Datapath:
    """Return the datapath with each product of a matrix and a vector computed as `solve` says."""
    constants = {op.result: op.kind.integers for op in datapath.operations if isinstance(op.kind, Constant)}
    operations: list[Operation] = []
    for operation in datapath.operations:
        if not isinstance(operation.kind, MatVec):
            operations.append(operation)
            continue
        (matrix, x), result = operation.operands, operation.result
        tree = None
        if matrix in constants:
            tree = solve(result, constants[matrix].reshape(result.count, x.count), Range(x.low, x.high))
        if tree is not None:
            operations.append(Operation(ShiftAdd(tree), (x,), result))
        else:
            operations += _multiplied(matrix, x, result)
    return replace(datapath, operations=tuple(operations))


def _multiplied(matrix: Signal, x: Signal, result: Signal) -> list[Operation]:
    if x.count == 1:
        return [Operation(Products(), (matrix, x), result)]
    corners = [a * b for a in (matrix.low, matrix.high) for b in (x.low, x.high)]
    products = replace(result, name=f"{result.name}_products", count=matrix.count, low=min(corners), high=max(corners))
    return [Operation(Products(), (matrix, x), products), *reduction(products, result.count, False, result)]
