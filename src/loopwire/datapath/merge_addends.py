"""What is added to a product inside a loop, added inside its tree: W x + b on the way, not after all of U h is summed.

W x + b is there long before U h. As one leaf more of the tree that sums U h it takes, in most trees, no level more, and
the loop is one adder shorter. Where bits are counted, b takes nothing as a leaf of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from loopwire.cmvm.adder_tree import Interval
from loopwire.cmvm.shift_add import Addend, with_addends
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.element_ranges import ElementRanges, element_ranges
from loopwire.datapath.ops import AddSub, Constant, Join, ShiftAdd, View
from loopwire.datapath.rewrite import in_order, without_unused
from loopwire.datapath.signals import Signal, signal_like
from loopwire.ir.interval import Range


@dataclass(frozen=True)
class _Sum:
    """A sum of rows of a product, from row `start` on, and vectors of no loop with their shifts."""

    operation: Operation
    start: int
    addends: tuple[tuple[Signal, int], ...]
    product_shift: int


def merge_addends(datapath: Datapath) -> Datapath:
    """Return the datapath in which the trees of loops add to their rows what comes from outside."""
    found = element_ranges(datapath, lambda operation: False)
    for product in datapath.operations:
        if isinstance(product.kind, ShiftAdd) and datapath.dependences[product.result]:
            sums = _sums(datapath, product)
            if sums:
                datapath = _merged(datapath, product, sums, found)
    return datapath


def _sums(datapath: Datapath, product: Operation) -> list[_Sum]:
    """Return the sums that a tree can make: those that alone read some of its rows, or all."""
    parts = []
    for reader in datapath.readers[product.result]:
        if reader is None:
            return []
        view = reader.kind
        parts.append(
            (view.start, view.stop, reader.result)
            if isinstance(view, View)
            else (0, product.result.count, product.result)
        )
    parts.sort(key=lambda part: part[:2])
    if any(stop > start for (_, stop, _), (start, _, _) in itertools.pairwise(parts)):
        return []
    sums = []
    for start, _, rows in parts:
        first, *others = datapath.readers[rows]
        if first is not None and not others:
            sums += _sum(datapath, first, rows, start)
    return sums


def _sum(datapath: Datapath, operation: Operation, rows: Signal, start: int) -> list[_Sum]:
    """Return what an operation that reads rows of a product is, if it is a sum that the tree can make."""
    kind = operation.kind
    if not isinstance(kind, AddSub) or kind.subtract:
        return []
    product, addend = _shifted(operation) if operation.operands[0] is rows else reversed(_shifted(operation))
    is_outside = not datapath.dependences.get(addend[0])
    if not is_outside or addend[0].count != rows.count:
        return []
    return [_Sum(operation, start, _parts(datapath, *addend), product[1])]


def _parts(datapath: Datapath, addend: Signal, shift: int) -> tuple[tuple[Signal, int], ...]:
    """Return what an addend is the sum of, if one of it is constant, and else itself, with their shifts."""
    producers = datapath.producers
    made = producers.get(addend)
    if made is None or not isinstance(made.kind, AddSub) or made.kind.subtract or len(datapath.readers[addend]) > 1:
        return ((addend, shift),)
    is_constant = [isinstance(producers[v].kind, Constant) for v in made.operands if v in producers]
    if not any(is_constant) or any(v.count != addend.count for v in made.operands):
        return ((addend, shift),)
    return tuple((part, own + shift) for part, own in _shifted(made))


def _shifted(operation: Operation) -> tuple[tuple[Signal, int], tuple[Signal, int]]:
    """Return the operands of a sum with their shifts."""
    assert isinstance(operation.kind, AddSub)
    a, b = operation.operands
    return (a, operation.kind.left_shift), (b, operation.kind.right_shift)


def _merged(
    datapath: Datapath, product: Operation, sums: list[_Sum], found: Mapping[Signal, ElementRanges]
) -> Datapath:
    assert isinstance(product.kind, ShiftAdd)
    tree, terms = product.kind.tree, list(product.operands)
    for number in range(max(len(made.addends) for made in sums)):
        addends: list[Addend | None] = [None] * product.result.count
        for made in (made for made in sums if number < len(made.addends)):
            addend, shift = made.addends[number]
            ends = zip(found[addend].low.tolist(), found[addend].high.tolist(), strict=True)
            for row, (low, high) in enumerate(ends, made.start):
                addends[row] = Addend(Interval(low, high), shift, 0 if number else made.product_shift)
            terms.append(addend)
        tree = with_addends(tree, tuple(addends))
    name, layer, note = product.result.name, product.result.layer, product.result.note
    rows = [tree.output_interval(row) for row in range(product.result.count)]
    joined = signal_like(f"{name}_terms", len(tree.inputs), _hull(tree.inputs), 0, layer, "what the tree adds")
    total = signal_like(f"{name}_sums", len(rows), _hull(rows), 0, layer, note)
    views = {made.operation: View(made.start, made.start + made.addends[0][0].count) for made in sums}
    operations = [
        Operation(Join(), tuple(terms), joined),
        Operation(ShiftAdd(tree, addends=sum(term.count for term in terms[1:])), (joined,), total),
    ]
    for operation in datapath.operations:
        if operation in views:
            operation = Operation(views[operation], (total,), operation.result)
        elif product.result in operation.operands:
            operation = replace(operation, operands=(total,))
        operations.append(operation)
    return without_unused(replace(datapath, operations=in_order(operations)))


def _hull(intervals: Sequence[Interval]) -> Range:
    return Range(min(interval.low for interval in intervals), max(interval.high for interval in intervals))
