"""Trees of shifted additions and subtractions as hardware: adders, the values they hold, and their registers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from loopwire.cmvm import bit_heap
from loopwire.cmvm.bit_heap import BitHeap, HeapSize
from loopwire.ir.fixed_point import Integers

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Interval:
    """The integers low…high."""

    low: int
    high: int

    @property
    def signed(self) -> bool:
        return self.low < 0

    @property
    def width(self) -> int:
        """Bits needed: two's complement where a value is negative, plain binary otherwise."""
        if self.signed:
            return max((~self.low).bit_length(), max(self.high, 0).bit_length()) + 1
        return max(self.high.bit_length(), 1)


@dataclass(frozen=True, slots=True)
class Term:
    """±(source << shift)."""

    source: int
    shift: int
    negative: bool

    def scaled(self, shift: int, negative: bool) -> Term:
        return Term(self.source, self.shift + shift, self.negative ^ negative)


@dataclass(frozen=True, slots=True)
class Node:
    """One adder: the sum of two or three terms, the first of them positive, or of others, whose bits are counted first.

    Sources are numbers: those below the count of inputs are inputs, the ones above are nodes in order. A single term is
    negative: the node is a negation. Of several terms the first is negative only if all are. `depth` counts the adders
    of the longest path to an input.
    """

    terms: tuple[Term, ...]
    interval: Interval
    depth: int

    @property
    def operands(self) -> tuple[int, ...]:
        """Sources that are read."""
        return tuple(term.source for term in self.terms)

    def moved(self, number: Mapping[int | None, int]) -> Node:
        """Return the same adder of sources that are numbered anew."""
        terms = tuple(Term(number[term.source], term.shift, term.negative) for term in self.terms)
        return Node(terms, self.interval, self.depth)

    @property
    def is_ternary(self) -> bool:
        """Whether it adds three terms in one carry chain, which needs one that is not negative."""
        return len(self.terms) == 3 and not self.terms[0].negative

    @property
    def is_counted(self) -> bool:
        """Whether counters bring its terms to three, or, where all are negative, these and the constant of negation."""
        return len(self.terms) > 3 or (len(self.terms) > 1 and self.terms[0].negative)

    @property
    def passed_bits(self) -> int:
        """Low bits that are one term's, added to, where no other has any."""
        lowest, *others = sorted(self.terms, key=lambda term: term.shift)
        if self.is_counted:
            return 0
        return 0 if lowest.negative else min(term.shift for term in others)

    @property
    def adder_width(self) -> int:
        """Bits of the carry chain."""
        return max(self.interval.width - self.passed_bits, 1)


@dataclass(frozen=True, slots=True)
class Output:
    """One row of the product: ``source << shift``; a `source` of None is zero."""

    source: int | None
    shift: int


@dataclass(frozen=True)
class AdderTree:
    """Adders in topological order that compute matrix @ x for every integer x within `inputs`.

    `groups` are the rows that share adders with one another; without any, all may.
    """

    inputs: tuple[Interval, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    groups: tuple[tuple[int, ...], ...] = ()

    @property
    def depth(self) -> int:
        """Adders on the longest path from an input to an output."""
        return max((self.source_depth(o.source) for o in self.outputs if o.source is not None), default=0)

    @cached_property
    def adder_widths(self) -> tuple[int, ...]:
        """Bits of each node's carry chain."""
        return tuple(node.adder_width for node in self.nodes)

    @cached_property
    def widest_adders(self) -> Mapping[int, int]:
        """Bits of the longest carry chain of the adders that have so many look-up tables in front."""
        widest: dict[int, int] = {}
        for levels, width in zip(self.lut_levels, self.adder_widths, strict=True):
            widest[levels] = max(widest.get(levels, 0), width)
        return widest

    @cached_property
    def operands(self) -> tuple[tuple[int, ...], ...]:
        """The sources that each node reads."""
        return tuple(node.operands for node in self.nodes)

    @cached_property
    def adder_bits(self) -> int:
        """Bits of all carry chains, about the LUTs of the tree, and the LUTs of the counters."""
        chains = zip(self.adder_widths, self.heap_sizes, strict=True)
        return sum(heap.luts if heap else width for width, heap in chains)

    @cached_property
    def heaps(self) -> tuple[BitHeap | None, ...]:
        """How the bits of each node are counted; None where they are not."""
        return self._of_counted(bit_heap.bit_heap)

    @cached_property
    def heap_sizes(self) -> tuple[HeapSize | None, ...]:
        """What the `heaps` take."""
        return self._of_counted(bit_heap.heap_size)

    @cached_property
    def lut_levels(self) -> tuple[int, ...]:
        """The look-up tables in series before the carry chain of each node, but the chain's own."""
        nodes = zip(self.nodes, self.heap_sizes, strict=True)
        return tuple(heap.levels if heap else int(node.is_ternary) for node, heap in nodes)

    @property
    def has_sums_of_three(self) -> bool:
        """Whether a carry chain of it adds three rows."""
        return any(node.is_ternary for node in self.nodes) or any(heap and heap.is_ternary for heap in self.heaps)

    def _of_counted(self, made: Callable[[Iterable[bit_heap.Term], int], Made]) -> tuple[Made | None, ...]:
        """Return what is made of the terms of each node whose bits are counted, and of its width; None of others."""
        found: list[Made | None] = []
        for node, width in zip(self.nodes, self.widths[len(self.inputs) :], strict=True):
            counted = node.terms if node.is_counted and width else ()
            terms = [counted_bits(term, self.interval(term.source)) for term in counted]
            found.append(made(terms, width) if terms else None)
        return tuple(found)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Bits that each source is held in: those of its interval, or fewer where every user drops the upper ones."""
        n = len(self.inputs)
        needed = [0] * (n + len(self.nodes))
        for row, output in enumerate(self.outputs):
            if output.source is not None:
                needed[output.source] = self.output_interval(row).width
        for source in range(len(needed) - 1, -1, -1):
            needed[source] = min(needed[source], self.interval(source).width)
            if source >= n:
                for term in self.nodes[source - n].terms:
                    needed[term.source] = max(needed[term.source], needed[source] - term.shift)
        return tuple(needed)

    def terms(self, total: int, is_term: Callable[[int], bool]) -> list[Term]:
        """Return what a source is the sum of, each node replaced by its operands but for sources that are terms."""
        found, pending = list[Term](), [Term(total, 0, False)]
        while pending:
            term = pending.pop()
            if is_term(term.source):
                found.append(term)
            else:
                parts = self.nodes[term.source - len(self.inputs)].terms
                pending += [part.scaled(term.shift, term.negative) for part in parts]
        return found

    def needed(self, rows: Iterable[int]) -> list[int]:
        """Return the nodes, in order, that some rows are made of."""
        n = len(self.inputs)
        live = {self.outputs[row].source for row in rows}
        for k in range(len(self.nodes) - 1, -1, -1):
            if n + k in live:
                live.update(self.nodes[k].operands)
        return [k for k in range(len(self.nodes)) if n + k in live]

    def part(self, rows: Sequence[int]) -> AdderTree:
        """Return the tree of some rows, of the same inputs."""
        n = len(self.inputs)
        kept = self.needed(rows)
        number: dict[int | None, int] = {source: k for k, source in enumerate([*range(n), *(n + k for k in kept)])}
        return AdderTree(
            self.inputs,
            tuple(self.nodes[k].moved(number) for k in kept),
            tuple(replace(self.outputs[row], source=number.get(self.outputs[row].source)) for row in rows),
        )

    def interval(self, source: int) -> Interval:
        """Return the values that a source takes."""
        n = len(self.inputs)
        return self.inputs[source] if source < n else self.nodes[source - n].interval

    def source_depth(self, source: int) -> int:
        """Return the adders on the longest path from an input to a source."""
        n = len(self.inputs)
        return 0 if source < n else self.nodes[source - n].depth

    def output_interval(self, row: int) -> Interval:
        """Return the values that an output takes."""
        output = self.outputs[row]
        if output.source is None:
            return Interval(0, 0)
        interval = self.interval(output.source)
        return Interval(interval.low << output.shift, interval.high << output.shift)


def counted_bits(term: Term, interval: Interval) -> bit_heap.Term:
    """Return a term as what its bits are counted of, by the values of its source."""
    constant = interval.low if interval.low == interval.high else None
    return bit_heap.Term(term.source, term.shift, term.negative, interval.width, interval.signed, constant)


def evaluate(tree: AdderTree, x: Integers) -> Integers:
    """Compute the product adder by adder: integers [..., n] within the tree's inputs → integers [..., m].

    int64 stays exact where every value fits 63 bits; give an object array for wider ones.
    """
    values = list(np.moveaxis(np.asarray(x), -1, 0))
    assert len(values) == len(tree.inputs), f"{len(values)} values for {len(tree.inputs)} inputs"
    zero = np.zeros(np.shape(x)[:-1], np.asarray(x).dtype)
    for node in tree.nodes:
        total = zero
        for term in node.terms:
            value = values[term.source] << term.shift
            total = total - value if term.negative else total + value
        values.append(total)
    rows = [zero if output.source is None else values[output.source] << output.shift for output in tree.outputs]
    return np.stack(rows, axis=-1)


@dataclass(frozen=True)
class StagedTree:
    """An adder tree cut into pipeline stages by registers; stage 0 sees the inputs, `start_ns` after its clock edge.

    `stages` gives, for each source, the stage that computes it. A source used in a later stage goes through one
    register a stage. The outputs leave together from stage `latency_stages`, `end_ns` after its clock edge.
    """

    tree: AdderTree
    start_ns: float
    stages: tuple[int, ...]
    latency_stages: int
    end_ns: float

    @cached_property
    def last_stages(self) -> tuple[int, ...]:
        """The last stage that uses each source."""
        last = list(self.stages)
        for stage, node in zip(self.stages[len(self.tree.inputs) :], self.tree.nodes, strict=True):
            for operand in node.operands:
                last[operand] = max(last[operand], stage)
        for output in self.tree.outputs:
            if output.source is not None:
                last[output.source] = self.latency_stages
        return tuple(last)

    def part(self, rows: Sequence[int]) -> StagedTree:
        """Return the tree of some rows, of the same inputs and as many stages."""
        n = len(self.tree.inputs)
        stages = (*self.stages[:n], *(self.stages[n + k] for k in self.tree.needed(rows)))
        return replace(self, tree=self.tree.part(rows), stages=stages)

    @property
    def register_bits(self) -> int:
        """Flip-flops of all stages together; each group of rows has registers of its own."""
        if self.tree.groups:
            return sum(self.part(rows).register_bits for rows in self.tree.groups)
        stages = zip(self.stages, self.last_stages, strict=True)
        return sum((last - first) * width for (first, last), width in zip(stages, self.tree.widths, strict=True))
