"""What is added to a product inside a loop, added inside its tree: W x + b on the way, not after all of U h is summed.

W x + b is there long before U h. As one leaf more of the tree that sums U h it takes, in most trees, no level more, and
the loop is one adder shorter.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from loopwire.cmvm.adder_tree import Interval
from loopwire.cmvm.shift_add import Addend, with_addends
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.element_ranges import ElementRanges, element_ranges
from loopwire.datapath.ops import AddSub, Join, ShiftAdd, View
from loopwire.datapath.rewrite import in_order, without_unused
from loopwire.datapath.signals import Signal, signal_like
from loopwire.ir.interval import Range


@dataclass(frozen=True)
class _Sum:
    """A sum of rows of a product, from row `start` on, and a vector of no loop, both shifted."""

    operation: Operation
    start: int
    addend: Signal
    shift: int
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
    (a, b), (a_shift, b_shift) = operation.operands, (kind.left_shift, kind.right_shift)
    made = _Sum(operation, start, b, b_shift, a_shift) if a is rows else _Sum(operation, start, a, a_shift, b_shift)
    is_outside = not datapath.dependences.get(made.addend)
    return [made] if is_outside and made.addend.count == rows.count else []


def _merged(
    datapath: Datapath, product: Operation, sums: list[_Sum], found: Mapping[Signal, ElementRanges]
) -> Datapath:
    assert isinstance(product.kind, ShiftAdd)
    addends: list[Addend | None] = [None] * product.result.count
    for made in sums:
        ends = zip(found[made.addend].low.tolist(), found[made.addend].high.tolist(), strict=True)
        for row, (low, high) in enumerate(ends, made.start):
            addends[row] = Addend(Interval(low, high), made.shift, made.product_shift)
    tree = with_addends(product.kind.tree, tuple(addends))
    name, layer, note = product.result.name, product.result.layer, product.result.note
    rows = [tree.output_interval(row) for row in range(product.result.count)]
    terms = signal_like(f"{name}_terms", len(tree.inputs), _hull(tree.inputs), 0, layer, "what the tree adds")
    total = signal_like(f"{name}_sums", len(rows), _hull(rows), 0, layer, note)
    views = {made.operation: View(made.start, made.start + made.addend.count) for made in sums}
    operations = [
        Operation(Join(), (*product.operands, *(made.addend for made in sums)), terms),
        Operation(ShiftAdd(tree, addends=sum(made.addend.count for made in sums)), (terms,), total),
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
