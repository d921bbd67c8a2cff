"""Sums of three terms in one carry chain: where each look-up table has six inputs, a bit of one takes one, as of a sum
of two.

A sum that is read once, by another sum, is dissolved into it; what results are sums of many terms, and of sums that are
read several times. Each is rebuilt of as few adders as its time allows.

Ref: J. M. Simkins and B. D. Philofsky, US patent 7 274 211 (the ternary adder in a slice of six-input look-up tables).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from loopwire.cmvm.adder_tree import AdderTree, Output, Term
from loopwire.cmvm.builder import Builder

Arrival = tuple[int, float]
"""A stage of a pipeline, and how many adders long after its beginning."""
ROUNDING = 1e-9
"""By how much times in floating point may differ."""


@dataclass(frozen=True)
class Clock:
    """What decides in which stage an adder is, in units of the time of an adder of two terms.

    Attributes:
        start: when the inputs are there, in stage 0.
        period: of a stage.
        ternary: an adder of three terms.
    """

    start: float
    period: float
    ternary: float

    def adder(self, terms: int) -> float:
        """Return the time of an adder."""
        return self.ternary if terms == 3 else 1.0

    def after(self, arrival: Arrival, terms: int) -> Arrival:
        """Return when a sum of terms that are there by `arrival` is there."""
        stage, begin = arrival
        end = begin + self.adder(terms)
        return (stage, end) if end <= self.period + ROUNDING else (stage + 1, self.adder(terms))

    def before(self, arrival: Arrival) -> Arrival:
        """Return when two terms have to be there for their sum to be there by `arrival`."""
        stage, end = arrival
        return (stage, end - 1) if end >= 1 - ROUNDING else (stage - 1, self.period - 1)


@lru_cache(maxsize=8)
def with_ternary_adders(tree: AdderTree, clock: Clock, spare: float = 0.0) -> AdderTree:
    """Return a tree for the same product with fewer adders, some of them of three terms.

    No output is there later than the latest one of the tree given, whose adders are of two, and `spare` after it.
    """
    return _Rebuilding(tree, clock, spare).tree()


class _Rebuilding:
    def __init__(self, tree: AdderTree, clock: Clock, spare: float) -> None:
        self._old = tree
        self._clock = clock
        self._inputs = len(tree.inputs)
        self._builder = Builder(list(tree.inputs))
        self._arrivals: list[Arrival] = [(0, clock.start)] * self._inputs
        """When each source of the new tree is there."""
        read = Counter(source for node in tree.nodes for source in node.operands)
        given = Counter(output.source for output in tree.outputs)
        self._inside = {source for source, readers in read.items() if readers == 1 and not given[source]}
        """Sources that are read once, by a sum."""
        self._limits = self._latest(spare)

    def _latest(self, spare: float) -> list[Arrival]:
        """Return when each source of the old tree has to be there at the latest."""
        clock, arrivals = self._clock, list(self._arrivals)
        for node in self._old.nodes:
            arrivals.append(clock.after(max(arrivals[operand] for operand in node.operands), len(node.terms)))
        stage, end = max(arrivals)
        latest = [(stage, min(end + spare, max(end, clock.period)))] * len(arrivals)
        for source in range(len(latest) - 1, self._inputs - 1, -1):
            for operand in self._old.nodes[source - self._inputs].operands:
                latest[operand] = min(latest[operand], clock.before(latest[source]))
        return latest

    def tree(self) -> AdderTree:
        old, builder = self._old, self._builder
        moved = {source: Term(source, 0, False) for source in range(self._inputs)}
        for group in old.groups or [range(len(old.outputs))]:
            builder.begin_group()
            for k in old.needed(group):
                source = self._inputs + k
                if source not in self._inside:
                    leaves = old.terms(source, moved.__contains__)
                    terms = [moved[term.source].scaled(term.shift, term.negative) for term in leaves]
                    moved[source] = self._sum(terms, self._limits[source])
        outputs = []
        for output in old.outputs:
            if output.source is None:
                outputs.append(output)
            else:
                term = moved[output.source].scaled(output.shift, False)
                outputs.append(Output(term.source, term.shift))
        return builder.tree(outputs, old.groups)

    def _sum(self, terms: Sequence[Term], limit: Arrival) -> Term:
        """Return the sum of terms, there within the limit where adders of two terms make that possible."""
        if all(term.negative for term in terms):
            first, *others = sorted(terms, key=lambda term: self._arrivals[term.source])
            terms = [self._made(self._builder.add(None, first, keep_sign=True)), *others]
        if len(terms) == 1:
            return terms[0]
        if self._time(terms, 3) <= limit:
            return self._merged(terms, 3)
        sooner = self._clock.before(limit)
        halves = self._halves(terms)
        if len(terms) == 2 or any(self._time(half, 2) > sooner for half in halves):
            return self._merged(terms, 2)
        a, b = (self._sum_of_either_sign(half, sooner) for half in halves)
        return self._made(self._builder.add(a, b, keep_sign=True))

    def _sum_of_either_sign(self, terms: Sequence[Term], limit: Arrival) -> Term:
        """Return a sum that may be a negative term."""
        if all(term.negative for term in terms):
            return self._sum([term.scaled(0, True) for term in terms], limit).scaled(0, True)
        return self._sum(terms, limit)

    def _merged(self, terms: Sequence[Term], most: int) -> Term:
        """Add terms, the earliest first, `most` at once; where their number is even, three at a time, a pair first."""
        ties = count()
        heap = [(self._arrivals[term.source], term.shift, next(ties), term) for term in terms]
        heapq.heapify(heap)
        while len(heap) > 1:
            taken = [heapq.heappop(heap)[-1] for _ in range(_taken(len(heap), most))]
            total = self._made(self._builder.add_in_one(taken, keep_sign=True))
            heapq.heappush(heap, (self._arrivals[total.source], total.shift, next(ties), total))
        return heap[0][-1]

    def _made(self, term: Term | None) -> Term:
        """Return a term whose node, if it is a new one, has its arrival known."""
        assert term, "terms of a sum that is needed do not cancel"
        for source in range(len(self._arrivals), self._inputs + len(self._builder.nodes)):
            node = self._builder.nodes[source - self._inputs]
            before = max(self._arrivals[operand] for operand in node.operands)
            self._arrivals.append(self._clock.after(before, len(node.terms)))
        return term

    def _time(self, terms: Sequence[Term], most: int) -> Arrival:
        """Return when the sum that `_merged` makes is there."""
        heap = [self._arrivals[term.source] for term in terms]
        heapq.heapify(heap)
        while len(heap) > 1:
            taken = [heapq.heappop(heap) for _ in range(_taken(len(heap), most))]
            heapq.heappush(heap, self._clock.after(taken[-1], len(taken)))
        return heap[0]

    def _halves(self, terms: Sequence[Term]) -> tuple[list[Term], list[Term]]:
        """Return the terms in two parts that take about as long: late ones count as the many that arrive before."""
        arrivals = [self._arrivals[term.source] for term in terms]
        first = min(arrivals)[0]
        halves: tuple[list[Term], list[Term]] = [], []
        weights = [0.0, 0.0]
        for (stage, begin), _, term in sorted(zip(arrivals, count(), terms, strict=False), reverse=True):
            lighter = weights.index(min(weights))
            halves[lighter].append(term)
            weights[lighter] += 2 ** ((stage - first) * int(self._clock.period) + begin)
        return halves


def _taken(terms: int, most: int) -> int:
    return 2 if most == 2 or terms % 2 == 0 else 3
