"""Trees whose rows are sums of many terms at once, instead of sums of pairs level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from loopwire.cmvm import bit_heap
from loopwire.cmvm.adder_tree import AdderTree, Output, Term, counted_bits
from loopwire.cmvm.builder import Builder
from loopwire.cmvm.shift_add import KEPT_TREES
from loopwire.cmvm.staging import adder_levels

ROUNDING = 1e-9
"""By how much times in floating point may differ."""
MOST_TERMS = 3
"""What one adder adds."""
Merged = list[list[Term]]
"""The terms of a row, and what is left of them behind one level of sums of three, two levels, and on."""


@lru_cache(maxsize=KEPT_TREES)
def summed_at_once(tree: AdderTree, kept_depth: int) -> AdderTree:
    """Return a tree that adds to each of its rows, at once, what is left behind `kept_depth` adders."""
    builder = Builder(list(tree.inputs))
    rows = _rows(tree, kept_depth, builder, lambda terms: [terms])
    return _tree(tree, builder, {row: merged[0] for row, merged in rows.items()})


class _Kept(Iterable[AdderTree]):
    """Trees that are made when first asked for."""

    def __init__(self, source: Iterator[AdderTree]) -> None:
        self._source = source
        self._made: list[AdderTree] = []

    def __iter__(self) -> Iterator[AdderTree]:
        yield from self._made
        for tree in self._source:
            self._made.append(tree)
            yield tree


@lru_cache(maxsize=KEPT_TREES)
def summed_by_threes(tree: AdderTree, kept_depth: int, ternary_levels: float) -> Iterable[AdderTree]:
    """Return trees that add what is left behind `kept_depth` adders three by three, and at once what is left of that.

    A sum of three takes half the look-up tables of counters, and up to three times as long: the quickest tree comes
    first. In each, a row has as many levels of sums of three as make it no later than the latest row.

    Args:
        tree: of adders of pairs.
        kept_depth: of its sums that stay.
        ternary_levels: as how many adders one of three terms counts.
    """
    return _Kept(_summed_by_threes(tree, kept_depth, ternary_levels))


def _summed_by_threes(tree: AdderTree, kept_depth: int, ternary_levels: float) -> Iterator[AdderTree]:
    merging = _merging(tree, kept_depth, ternary_levels)
    least = max(map(min, merging.times.values()), default=0.0)
    limits = sorted({time for times in merging.times.values() for time in times if time >= least})
    for limit in (limit for k, limit in enumerate(limits) if k == 0 or limit > limits[k - 1] + ROUNDING):
        in_time = (
            (row, max(level for level, time in enumerate(times) if time <= limit + ROUNDING))
            for row, times in merging.times.items()
        )
        yield _tree(tree, merging.builder, {row: merging.rows[row][level] for row, level in in_time})


@dataclass(frozen=True)
class _Merging:
    """Each row's terms by levels of sums of three, and when the sum is there, in adders, if what is left is counted."""

    builder: Builder
    rows: dict[int, Merged]
    times: dict[int, list[float]]


def _merging(tree: AdderTree, kept_depth: int, ternary_levels: float) -> _Merging:
    builder = Builder(list(tree.inputs))

    def merged(terms: list[Term]) -> Merged:
        levels = [terms]
        while sum(not _is_constant(builder, term) for term in levels[-1]) > MOST_TERMS:
            levels.append(_by_threes(builder, levels[-1]))
        return levels

    rows = _rows(tree, kept_depth, builder, merged)
    arrivals = [0.0] * len(tree.inputs)
    for node in builder.nodes:
        arrivals.append(max(arrivals[o] for o in node.operands) + adder_levels(node.is_ternary, ternary_levels))

    def time(row: int, terms: Sequence[Term]) -> float:
        begin = max(arrivals[term.source] for term in terms)
        if len(terms) <= MOST_TERMS and not all(term.negative for term in terms):
            return begin + (adder_levels(len(terms) == MOST_TERMS, ternary_levels) if len(terms) > 1 else 0.0)
        bits = (counted_bits(term, builder.interval(term.source)) for term in terms)
        levels = bit_heap.heap_size(bits, tree.output_interval(row).width).levels
        return begin + adder_levels(levels, ternary_levels)

    return _Merging(builder, rows, {row: [time(row, terms) for terms in levels] for row, levels in rows.items()})


def _rows(
    tree: AdderTree, kept_depth: int, builder: Builder, merged: Callable[[list[Term]], Merged]
) -> dict[int, Merged]:
    """Put the sums that stay into the builder; return what is left to add of each row but those of zero."""
    n = len(tree.inputs)
    number: dict[int | None, int] = {source: source for source in range(n)}
    rows = {}
    for group in tree.groups or [range(len(tree.outputs))]:
        builder.begin_group()
        for k in tree.needed(group):
            if tree.nodes[k].depth <= kept_depth:
                number[n + k] = builder.append(tree.nodes[k].moved(number))
        for row in group:
            source = tree.outputs[row].source
            if source is not None:
                found = tree.terms(source, lambda source: tree.source_depth(source) <= kept_depth)
                rows[row] = merged([replace(term, source=number[term.source]) for term in found])
    return rows


def _by_threes(builder: Builder, terms: Sequence[Term]) -> list[Term]:
    """Add three by three those of about the same weight, whose sums are narrowest; constants last."""
    ordered = sorted(terms, key=lambda term: (_is_constant(builder, term), term.shift))
    whole = sum(not _is_constant(builder, term) for term in ordered) // 3 * 3
    sums = (builder.add_in_one(ordered[k : k + 3], keep_sign=False) for k in range(0, whole, 3))
    return [*(term for term in sums if term), *ordered[whole:]]


def _is_constant(builder: Builder, term: Term) -> bool:
    interval = builder.interval(term.source)
    return interval.low == interval.high


def _tree(tree: AdderTree, builder: Builder, rows: dict[int, list[Term]]) -> AdderTree:
    """Return the tree whose rows are the sums of such terms."""
    outputs = []
    for row, output in enumerate(tree.outputs):
        match rows.get(row):
            case None:
                outputs.append(output)
            case [Term(negative=False) as term]:
                outputs.append(Output(term.source, term.shift + output.shift))
            case terms:
                outputs.append(Output(builder.add_at_once(terms), output.shift))
    return builder.tree(outputs, tree.groups)
