"""Products of a constant integer matrix with a vector as trees of shifted additions and subtractions.

The shared terms are found by alkaid's solver, which weighs adders by their bits; where its result is deeper than
allowed, sums are rebuilt from shallower terms.

Ref: C. Sun et al., arXiv:2507.04535 (the solver, as da4ml; alkaid is its successor).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import numpy as np
import numpy.typing as npt
from alkaid.cmvm import cmvm_solve

from loopwire.cmvm.adder_tree import AdderTree, Interval, Output, Term
from loopwire.cmvm.builder import Builder, all_negative
from loopwire.cmvm.signed_digits import csd_digits

SOLVER_BITS = 24
"""The solver takes its matrix as float32, whose integers are exact below 2**24."""
SOLVED_PRODUCTS = 16384
"""The most weights other than zero of a matrix that is solved without being asked for: about a minute."""
SOLVER_DIGITS = 8000
"""Signed digits that the solver is given at once. Its time grows with about their square; half as many cost some 6 %
more adders (measured on a 96 x 32 matrix of 8-bit weights)."""


KEPT_TREES = 8
"""So many trees are kept, of some 10 MB where they are large."""


def minimal_depth(matrix: npt.ArrayLike) -> int:
    """Return the least depth that a tree of signed digits allows: ceil(log2(digits)) of the heaviest row.

    A row without a positive digit has one term more, the zero that it is subtracted from.
    """
    rows = [[int(weight) for weight in row if weight] for row in np.asarray(matrix)]
    terms = [sum(map(csd_digits, row)) + all_negative(row) for row in rows if row]
    return max(((digits - 1).bit_length() for digits in terms), default=0)


def solve(
    matrix: npt.ArrayLike,
    inputs: Sequence[tuple[int, int]],
    max_depth: int | None = None,
    groups: Sequence[Sequence[int]] = (),
) -> AdderTree:
    """Return a tree of few adders for matrix @ x.

    Args:
        matrix: integers [m, n] below 2**24 in magnitude.
        inputs: least and greatest value of each of the n elements of x.
        max_depth: adders allowed on a path, at least `minimal_depth(matrix)`. By default any number: this saves a few
            per cent of the adders and about doubles the depth.
        groups: rows that may share adders; by default all may. Each row is in one group.
    """
    weights = np.asarray(matrix, np.int64)
    assert weights.ndim == 2 and weights.shape[1] == len(inputs), f"matrix {weights.shape} for {len(inputs)} inputs"
    assert np.abs(weights).max(initial=0) < 1 << SOLVER_BITS, "a weight is wider than the solver's float32"
    assert max_depth is None or max_depth >= minimal_depth(weights), f"no tree has a depth of {max_depth}"
    alike = tuple(map(tuple, groups))
    return _solved(weights.tobytes(), weights.shape[0], tuple(map(tuple, inputs)), max_depth, alike, SOLVER_DIGITS)


@lru_cache(maxsize=KEPT_TREES)
def _solved(
    weights: bytes,
    rows: int,
    inputs: tuple[tuple[int, int], ...],
    max_depth: int | None,
    groups: tuple[tuple[int, ...], ...],
    digits_at_once: int,
) -> AdderTree:
    """Solve; one matrix is asked for again and again while clocks, reuse factors or types of other layers are tried."""
    matrix = np.frombuffer(weights, np.int64).reshape(rows, len(inputs))
    builder = Builder([Interval(low, high) for low, high in inputs])
    outputs: dict[int, Output] = {}
    for group in groups or [range(rows)]:
        builder.begin_group()
        ours = matrix[list(group)]
        digits = sum(map(csd_digits, ours.ravel().tolist()))
        blocks = np.array_split(ours, max(1, math.ceil(digits / digits_at_once)))
        terms = [term for block in blocks for term in _solver_rows(block, builder, shallow=max_depth is not None)]
        outputs |= {row: builder.output(term, max_depth) for row, term in zip(group, terms, strict=True)}
    return builder.tree([outputs[row] for row in range(rows)], groups)


ZERO = Interval(0, 0)


@dataclass(frozen=True, slots=True)
class Addend:
    """What is added to a row of a product: (row << product_shift) + (a << shift)."""

    interval: Interval
    shift: int
    product_shift: int


@lru_cache(maxsize=KEPT_TREES)
def with_addends(tree: AdderTree, addends: tuple[Addend | None, ...]) -> AdderTree:
    """Return a tree that adds to its rows what is given for them, no deeper where that can be.

    Each addend joins as late as the depth allows: it is wide, and so are all sums that it is in.

    Args:
        tree: for matrix @ x, of m rows.
        addends: of each row, or None; an input of the new tree each, in this order behind those of x.
    """
    n = len(tree.inputs)
    inputs = [addend.interval for addend in addends if addend]
    builder = Builder([*tree.inputs, *inputs])

    moved: dict[int | None, int] = {source: source for source in range(n)}
    numbers = dict(zip((row for row, addend in enumerate(addends) if addend), count(n)))
    outputs: dict[int, Output] = {}
    for group in tree.groups or [range(len(tree.outputs))]:
        builder.begin_group()
        for k in tree.needed(group):
            moved[n + k] = builder.append(tree.nodes[k].moved(moved))
        for row in group:
            output, addend = tree.outputs[row], addends[row]
            product = None if output.source is None else Term(moved[output.source], output.shift, False)
            if addend:
                product = product and product.scaled(addend.product_shift, False)
                if addend.interval != ZERO:
                    product = builder.add_within(product, Term(numbers[row], addend.shift, False), tree.depth)
            outputs[row] = Output(product.source, product.shift) if product else Output(None, 0)
    return builder.tree([outputs[row] for row in range(len(tree.outputs))], tree.groups)


def _solver_rows(weights: npt.NDArray[np.int64], builder: Builder, shallow: bool) -> list[Term | None]:
    """Run the solver, put its adders into the builder and return the term of each row; None is zero."""
    if not weights.any():
        return [None] * len(weights)
    # An input that is always the same, but not zero, makes the solver take other sums for zero.
    highs = [interval.high + (interval.low == interval.high != 0) for interval in builder.inputs]
    intervals = [(float(interval.low), float(high), 1.0) for interval, high in zip(builder.inputs, highs, strict=True)]
    kernel = np.ascontiguousarray(weights.T, np.float32)
    # A product of two matrices has fewer adders but is two trees in series: 0 forbids it, -2 leaves it to the solver.
    decompose = 0 if shallow else -2
    stages = cmvm_solve(kernel, "mc", qintervals=intervals, decompose_dc=decompose, search_all_decompose_dc=False)
    terms: list[Term | None] = [Term(source, 0, False) for source in range(len(intervals))]
    for stage in stages:
        found: list[Term | None] = []
        for op in stage.ops:
            match op.opcode:
                case -1:
                    term = terms[op.data[0]]
                    found.append(term and term.scaled(stage.inp_shifts[op.data[0]], False))
                case 0 | 1:
                    left, right = found[op.addr[0]], found[op.addr[1]]
                    found.append(builder.add(left, right and right.scaled(op.data[0], op.opcode == 1)))
                case _:
                    raise AssertionError(f"opcode {op.opcode} in the solver's result")
        outputs = zip(stage.out_idxs, stage.out_shifts, stage.out_negs, strict=True)
        picked = [(found[index] if index >= 0 else None, shift, negative) for index, shift, negative in outputs]
        terms = [term and term.scaled(shift, negative) for term, shift, negative in picked]
    return terms
