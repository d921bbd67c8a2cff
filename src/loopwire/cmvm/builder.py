"""Adders found one after another, equal ones once, and sums rebuilt from shallower terms.

Ref: M. C. Golumbic, "Combinatorial merging", IEEE Trans. Comput. C-25 (1976) 1164-1167 (sums of least depth).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import numpy.typing as npt

from loopwire.cmvm.adder_tree import AdderTree, Interval, Node, Output, Term
from loopwire.cmvm.signed_digits import csd, csd_digits


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


class Builder:
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

    def add(self, a: Term | None, b: Term | None, keep_sign: bool = False) -> Term | None:
        """Return a term that equals a + b; with `keep_sign`, a negative one only if both a and b are."""
        if a is None or b is None:
            term = a or b
            return self._negation(term) if term and term.negative and keep_sign else term
        return self.add_in_one((a, b), keep_sign)

    def add_in_one(self, terms: Sequence[Term], keep_sign: bool) -> Term | None:
        """Return a term that equals the sum of two or three, in one adder; with `keep_sign` as `add`; None is zero."""
        low, negated = min(term.shift for term in terms), all(term.negative for term in terms)
        ordered = sorted(terms, key=lambda term: term.negative)
        added = tuple(Term(t.source, t.shift - low, t.negative != negated) for t in ordered)
        form = self._form(added)
        if not form.any():
            return None
        depth = 1 + max(self._depth(term.source) for term in added)
        even = _trailing_zeros(form)
        for negative in (False,) if keep_sign else (False, True):
            source = self.sources.get((-form >> even if negative else form >> even).tobytes())
            if source is not None and self._depth(source) <= depth:
                return Term(source, even + low, negated ^ negative)
        return Term(self._append(Node(added, self._interval(form), depth), form), low, negated)

    def add_at_once(self, terms: Iterable[Term]) -> int:
        """Return the source that is the sum of any number of terms: of more than three, counted bit by bit."""
        ordered = tuple(sorted(terms, key=lambda term: term.negative))
        form = self._form(ordered)
        depth = 1 + max(self._depth(term.source) for term in ordered)
        return self._append(Node(ordered, self._interval(form), depth), form)

    def interval(self, source: int) -> Interval:
        """Return the values that a source takes."""
        return self.inputs[source] if source < len(self.inputs) else self.nodes[source - len(self.inputs)].interval

    def append(self, node: Node) -> int:
        """Take a node as it is; return its number as a source."""
        return self._append(node, self._form(node.terms))

    def add_within(self, term: Term | None, addend: Term, max_depth: int) -> Term:
        """Return a term that equals term + addend: in the last adder, or in one before where that would be too deep."""
        total = self._added_inside(term, addend, max_depth) or self.add(term, addend)
        assert total and not total.negative
        return total

    def _added_inside(self, term: Term | None, addend: Term, max_depth: int) -> Term | None:
        if term is None or self._depth(term.source) < max_depth:
            return self.add(term, addend)
        if term.source < len(self.inputs):
            return None
        node = self.nodes[term.source - len(self.inputs)]
        parts = [part.scaled(term.shift, term.negative) for part in reversed(node.terms)]
        parts.sort(key=lambda part: (self._depth(part.source), self.users[part.source]))
        for inner, outer in (parts, parts[::-1]) if len(parts) == 2 else ((parts[0], None),):
            added = self._added_inside(inner, addend, max_depth - 1)
            if added:
                return self.add(added, outer)
        return None

    def output(self, row: Term | None, max_depth: int | None) -> Output:
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
        for term in node.terms:
            before = changes.get(term.source, factors.get(term.source, 0))
            changes[term.source] = before + ((-factor if term.negative else factor) << term.shift)
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
        return _Weight(digits, sum(factor != 0 and not all_negative((factor,)) for factor in factors.values()))

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

    def _negation(self, term: Term) -> Term:
        form = -self.forms[term.source]
        node = Node((Term(term.source, 0, True),), self._interval(form), 1 + self._depth(term.source))
        return Term(self._append(node, form), term.shift, False)

    def _form(self, terms: Iterable[Term]) -> npt.NDArray[np.int64]:
        """Return the factors of the inputs in a sum."""
        total = np.zeros(len(self.inputs), np.int64)
        for term in terms:
            form = self.forms[term.source] << term.shift
            total = total - form if term.negative else total + form
        return total

    def _append(self, node: Node, form: npt.NDArray[np.int64]) -> int:
        self.nodes.append(node)
        self.forms.append(form)
        self.users.update(node.operands)
        self.sources[form.tobytes()] = len(self.forms) - 1
        return len(self.forms) - 1

    def _depth(self, source: int) -> int:
        return 0 if source < len(self.inputs) else self.nodes[source - len(self.inputs)].depth

    def _interval(self, form: npt.NDArray[np.int64]) -> Interval:
        low = high = 0
        (places,) = form.nonzero()
        for place, weight in zip(places.tolist(), form[places].tolist(), strict=True):
            x = self.inputs[place]
            low += weight * (x.low if weight > 0 else x.high)
            high += weight * (x.high if weight > 0 else x.low)
        return Interval(low, high)


def _changed(factors: dict[int, int], changes: dict[int, int]) -> dict[int, int]:
    """Return a sum with some of its factors changed, those of 0 left out."""
    return {source: factor for source, factor in {**factors, **changes}.items() if factor}


def _terms(factors: dict[int, int]) -> list[Term | None]:
    """Return the signed digits of a sum, and a zero if all are negative, so that none need be negated."""
    terms = [Term(source, shift, negative) for source, factor in factors.items() for shift, negative in csd(factor)]
    return [*terms, None] if all_negative(factors.values()) else list(terms)


def _trailing_zeros(form: npt.NDArray[np.int64]) -> int:
    bits = int(np.bitwise_or.reduce(form))
    return (bits & -bits).bit_length() - 1


def all_negative(values: Iterable[int]) -> bool:
    """Say whether no canonic signed digit of the values is positive."""
    # Of a positive value no digit is negative if its binary digits are its canonic ones: no two 1s side by side.
    return all(value < 0 and not -value & -value >> 1 for value in values)
