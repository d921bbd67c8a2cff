"""Products of a constant integer matrix with a vector as trees of shifted additions and subtractions.

The shared terms are found by alkaid's solver, which weighs adders by their bits; where its result is deeper than
allowed, sums are rebuilt from shallower terms.

Ref: C. Sun et al., arXiv:2507.04535 (the solver, as da4ml; alkaid is its successor); M. C. Golumbic, "Combinatorial
merging", IEEE Trans. Comput. C-25 (1976) 1164-1167 (sums of least depth).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count

import numpy as np
import numpy.typing as npt
from alkaid.cmvm import cmvm_solve

from loopwire.cmvm.adder_tree import AdderTree, Interval, Node, Output
from loopwire.cmvm.signed_digits import csd, csd_digits

SOLVER_BITS = 24
"""The solver takes its matrix as float32, whose integers are exact below 2**24."""
SOLVED_PRODUCTS = 16384
"""The most weights other than zero of a matrix that is solved without being asked for: about a minute."""
SOLVER_DIGITS = 8000
"""Signed digits that the solver is given at once. Its time grows with about their square; half as many cost some 6 %
more adders (measured on a 96 x 32 matrix of 8-bit weights)."""


KEPT_TREES = 8
"""So many trees are kept, of some 10 MB where they are large."""


def _all_negative(values: Iterable[int]) -> bool:
    """Say whether no canonic signed digit of the values is positive."""
    # Of a positive value no digit is negative if its binary digits are its canonic ones: no two 1s side by side.
    return all(value < 0 and not -value & -value >> 1 for value in values)


def minimal_depth(matrix: npt.ArrayLike) -> int:
    """Return the least depth that a tree of signed digits allows: ceil(log2(digits)) of the heaviest row.

    A row without a positive digit has one term more, the zero that it is subtracted from.
    """
    rows = [[int(weight) for weight in row if weight] for row in np.asarray(matrix)]
    terms = [sum(map(csd_digits, row)) + _all_negative(row) for row in rows if row]
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
    builder = _Builder([Interval(low, high) for low, high in inputs])
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


def with_addends(tree: AdderTree, addends: Sequence[Addend | None]) -> AdderTree:
    """Return a tree that adds to its rows what is given for them, no deeper where that can be.

    Each addend joins as late as the depth allows: it is wide, and so are all sums that it is in.

    Args:
        tree: for matrix @ x, of m rows.
        addends: of each row, or None; an input of the new tree each, in this order behind those of x.
    """
    n = len(tree.inputs)
    inputs = [addend.interval for addend in addends if addend]
    builder = _Builder([*tree.inputs, *inputs])

    moved = {source: source for source in range(n)}
    numbers = dict(zip((row for row, addend in enumerate(addends) if addend), count(n)))
    outputs: dict[int, Output] = {}
    for group in tree.groups or [range(len(tree.outputs))]:
        builder.begin_group()
        for k in tree.needed(group):
            node = tree.nodes[k]
            left = None if node.left is None else moved[node.left]
            moved[n + k] = builder.append(replace(node, left=left, right=moved[node.right]))
        for row in group:
            output, addend = tree.outputs[row], addends[row]
            product = None if output.source is None else _Term(moved[output.source], output.shift, False)
            if addend:
                product = product and product.scaled(addend.product_shift, False)
                if addend.interval != ZERO:
                    product = builder.add_within(product, _Term(numbers[row], addend.shift, False), tree.depth)
            outputs[row] = Output(product.source, product.shift) if product else Output(None, 0)
    return builder.tree([outputs[row] for row in range(len(tree.outputs))], tree.groups)


@dataclass(frozen=True, slots=True)
class _Term:
    """±(source << shift)."""

    source: int
    shift: int
    negative: bool

    def scaled(self, shift: int, negative: bool) -> _Term:
        return _Term(self.source, self.shift + shift, self.negative ^ negative)


@dataclass(frozen=True, slots=True)
class _Weight:
    """Of a sum, or the change of it from one sum to another.

    Attributes:
        digits: sum of 2**depth over its terms.
        positives: factors that have a positive digit.
    """

    digits: int
    positives: int

    @property
    def total(self) -> int:
        """With the zero from which a sum without a positive digit is subtracted."""
        return self.digits + (self.positives == 0)

    def __add__(self, other: _Weight) -> _Weight:
        return _Weight(self.digits + other.digits, self.positives + other.positives)

    def __sub__(self, other: _Weight) -> _Weight:
        return _Weight(self.digits - other.digits, self.positives - other.positives)


def _solver_rows(weights: npt.NDArray[np.int64], builder: _Builder, shallow: bool) -> list[_Term | None]:
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
    terms: list[_Term | None] = [_Term(source, 0, False) for source in range(len(intervals))]
    for stage in stages:
        found: list[_Term | None] = []
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


class _Builder:
    """Adders found so far. In a group equal linear forms of the inputs are one source, however they came about."""

    def __init__(self, inputs: list[Interval]) -> None:
        self.inputs = inputs
        self.nodes: list[Node] = []
        self.forms = list(np.eye(len(inputs), dtype=np.int64))
        self.users: Counter[int] = Counter()
        self.sources: dict[bytes, int] = {}
        self.begin_group()

    def begin_group(self) -> None:
        """Share nothing that was found so far."""
        self.sources = {self.forms[source].tobytes(): source for source in range(len(self.inputs))}

    def add(self, a: _Term | None, b: _Term | None, keep_sign: bool = False) -> _Term | None:
        """Return a term that equals a + b; with `keep_sign`, a negative one only if both a and b are."""
        if a is None or b is None:
            term = a or b
            return self._negation(term) if term and term.negative and keep_sign else term
        low = min(a.shift, b.shift)
        if a.negative and not b.negative:
            a, b = b, a
        left_shift, right_shift, subtract = a.shift - low, b.shift - low, a.negative != b.negative
        left, right = self.forms[a.source] << left_shift, self.forms[b.source] << right_shift
        form = left - right if subtract else left + right
        if not form.any():
            return None
        depth = 1 + max(self._depth(a.source), self._depth(b.source))
        even = _trailing_zeros(form)
        for negative in (False,) if keep_sign else (False, True):
            source = self.sources.get((-form >> even if negative else form >> even).tobytes())
            if source is not None and self._depth(source) <= depth:
                return _Term(source, even + low, a.negative ^ negative)
        node = Node(a.source, b.source, left_shift, right_shift, subtract, self._interval(form), depth)
        return _Term(self._append(node, form), low, a.negative)

    def append(self, node: Node) -> int:
        """Take a node as it is; return its number as a source."""
        left = 0 if node.left is None else self.forms[node.left] << node.left_shift
        right = self.forms[node.right] << node.right_shift
        return self._append(node, left - right if node.subtract else left + right)

    def add_within(self, term: _Term | None, addend: _Term, max_depth: int) -> _Term:
        """Return a term that equals term + addend: in the last adder, or in one before where that would be too deep."""
        total = self._added_inside(term, addend, max_depth) or self.add(term, addend)
        assert total and not total.negative
        return total

    def _added_inside(self, term: _Term | None, addend: _Term, max_depth: int) -> _Term | None:
        if term is None or self._depth(term.source) < max_depth:
            return self.add(term, addend)
        if term.source < len(self.inputs):
            return None
        node = self.nodes[term.source - len(self.inputs)]
        parts = [_Term(node.right, node.right_shift, node.subtract).scaled(term.shift, term.negative)]
        if node.left is not None:
            parts.append(_Term(node.left, node.left_shift, False).scaled(term.shift, term.negative))
        parts.sort(key=lambda part: (self._depth(part.source), self.users[part.source]))
        for inner, outer in (parts, parts[::-1]) if len(parts) == 2 else ((parts[0], None),):
            added = self._added_inside(inner, addend, max_depth - 1)
            if added:
                return self.add(added, outer)
        return None

    def output(self, row: _Term | None, max_depth: int | None) -> Output:
        """Return the output that equals a row, its sum rebuilt where it is negated or too deep.

        Terms t of depths d(t) can be summed within a depth D if and only if the sum of 2**d(t) is at most 2**D
        (Golumbic 1976). While it is not, a term is replaced by its own operands.
        """
        if row is None:
            return Output(None, 0)
        assert row.shift >= 0
        limit = math.inf if max_depth is None else 1 << max_depth
        if not row.negative and 1 << self._depth(row.source) <= limit:
            return Output(row.source, row.shift)
        factors = {row.source: -1 if row.negative else 1}
        if row.source >= len(self.inputs):
            factors = _changed(factors, self._expansion(factors, row.source))
        weight = self._weight(factors)
        gains: dict[int, _Weight] = {}  # of the nodes in the sum whose replacement would change the same as before
        while weight.total > limit:
            choices = []
            for source in factors:
                if source >= len(self.inputs):
                    if source not in gains:
                        gains[source] = self._gain(factors, self._expansion(factors, source))
                    new_weight = (weight + gains[source]).total
                    choices.append((self.users[source] > 1 or new_weight > weight.total, new_weight, source))
            *_, chosen = min(choices)
            changes = self._expansion(factors, chosen)
            weight, factors = weight + gains[chosen], _changed(factors, changes)
            gains = {source: gain for source, gain in gains.items() if changes.keys().isdisjoint(self._reads(source))}
        return self._sum(factors, row.shift)

    def _expansion(self, factors: dict[int, int], source: int) -> dict[int, int]:
        """Return the factors that change where a node is replaced by its operands in a sum; 0 where one goes.

        Args:
            factors: the sum, as the integer factor of each source.
            source: the node.
        """
        node = self.nodes[source - len(self.inputs)]
        factor = factors[source]
        changes = {source: 0}
        if node.left is not None:
            changes[node.left] = factors.get(node.left, 0) + (factor << node.left_shift)
        right = changes.get(node.right, factors.get(node.right, 0))
        changes[node.right] = right + ((-factor if node.subtract else factor) << node.right_shift)
        return changes

    def _reads(self, source: int) -> tuple[int, ...]:
        """Return the sources whose factors decide a node's `_gain`."""
        return (source, *self.nodes[source - len(self.inputs)].operands)

    def _gain(self, factors: dict[int, int], changes: dict[int, int]) -> _Weight:
        """Return by how much a sum's weight grows where some of its factors change."""
        before = {changed: factors[changed] for changed in changes if changed in factors}
        return self._weight(changes) - self._weight(before)

    def _weight(self, factors: dict[int, int]) -> _Weight:
        digits = sum(csd_digits(factor) << self._depth(source) for source, factor in factors.items())
        return _Weight(digits, sum(factor != 0 and not _all_negative((factor,)) for factor in factors.values()))

    def _sum(self, factors: dict[int, int], shift: int) -> Output:
        """Add the terms of a sum, the two shallowest first."""
        ties = count()
        heap = [(self._depth(t.source) if t else 0, t.shift if t else 0, next(ties), t) for t in _terms(factors)]
        heapq.heapify(heap)
        while len(heap) > 1:
            a, b = heapq.heappop(heap)[-1], heapq.heappop(heap)[-1]
            # Some term must stay positive to the end: no negation follows the last adder.
            last_positive = all(term and term.negative for *_, term in heap)
            t = self.add(a, b, keep_sign=last_positive)
            heapq.heappush(heap, (self._depth(t.source) if t else 0, t.shift if t else 0, next(ties), t))
        total = heap[0][-1]
        assert total and not total.negative
        return Output(total.source, total.shift + shift)

    def tree(self, outputs: list[Output], groups: Sequence[Sequence[int]] = ()) -> AdderTree:
        """Return the tree of the adders that the outputs need."""
        whole = AdderTree(tuple(self.inputs), tuple(self.nodes), tuple(outputs))
        return replace(whole.part(range(len(outputs))), groups=tuple(tuple(group) for group in groups))

    def _negation(self, term: _Term) -> _Term:
        form = -self.forms[term.source]
        node = Node(None, term.source, 0, 0, True, self._interval(form), 1 + self._depth(term.source))
        return _Term(self._append(node, form), term.shift, False)

    def _append(self, node: Node, form: npt.NDArray[np.int64]) -> int:
        self.nodes.append(node)
        self.forms.append(form)
        self.users.update(node.operands)
        self.sources[form.tobytes()] = len(self.forms) - 1
        return len(self.forms) - 1

    def _depth(self, source: int) -> int:
        return 0 if source < len(self.inputs) else self.nodes[source - len(self.inputs)].depth

    def _interval(self, form: npt.NDArray[np.int64]) -> Interval:
        ends = [sorted((weight * x.low, weight * x.high)) for weight, x in zip(form.tolist(), self.inputs, strict=True)]
        return Interval(sum(low for low, _ in ends), sum(high for _, high in ends))


def _changed(factors: dict[int, int], changes: dict[int, int]) -> dict[int, int]:
    """Return a sum with some of its factors changed, those of 0 left out."""
    return {source: factor for source, factor in {**factors, **changes}.items() if factor}


def _terms(factors: dict[int, int]) -> list[_Term | None]:
    """Return the signed digits of a sum, and a zero if all are negative, so that none need be negated."""
    terms = [_Term(source, shift, negative) for source, factor in factors.items() for shift, negative in csd(factor)]
    return [*terms, None] if _all_negative(factors.values()) else list(terms)


def _trailing_zeros(form: npt.NDArray[np.int64]) -> int:
    bits = int(np.bitwise_or.reduce(form))
    return (bits & -bits).bit_length() - 1
