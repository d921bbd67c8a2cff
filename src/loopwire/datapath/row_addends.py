"""What is added to each row of a shared matrix product, added inside its tree of sums of three.

W x + b is there before U h. Where a level of the tree has fewer than three terms left for a row's last sum, one more
takes no level more, and there is no adder behind the tree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.ops import AddSub, Join, Round, Triples, View
from loopwire.datapath.rewrite import in_order, without_unused
from loopwire.datapath.signals import Signal
from loopwire.ir.types import Rounding


@dataclass(frozen=True)
class _Sum:
    """A sum of some of a product's rows and a vector that depends on no state, shifted left."""

    operation: Operation
    rows: View
    addend: Signal
    shift: int


def with_row_addends(datapath: Datapath) -> Datapath:
    """Return the datapath whose trees of sums of three add to their rows what depends on no state."""
    for operation in datapath.operations:
        if isinstance(operation.kind, Triples) and operation.result.count == operation.kind.groups:
            levels = _levels(datapath, operation)
            sums = _sums(datapath, operation.result)
            if sums and any(_has_room(level) for level in levels):
                datapath = _merged(datapath, levels, sums)
    return datapath


def _levels(datapath: Datapath, last: Operation) -> list[Operation]:
    """Return the levels of a tree, the last one first: each the only reader of the one before."""
    levels = [last]
    while True:
        before = datapath.producers.get(levels[-1].operands[0])
        if before is None or not isinstance(before.kind, Triples) or len(datapath.readers[before.result]) > 1:
            return levels
        levels.append(before)


def _has_room(level: Operation) -> bool:
    """Say whether a row's last sum has fewer than three terms, and no other is added to it."""
    kind, values = level.kind, level.operands
    assert isinstance(kind, Triples)
    return len(values) == 1 and not kind.added and values[0].count // kind.groups % 3 > 0


def _sums(datapath: Datapath, rows: Signal) -> list[_Sum]:
    """Return the sums of all rows of a product, in their order, each the only reader of its rows; none of only some."""
    sums: list[_Sum] = []
    for reader in datapath.readers[rows]:
        view = View(0, rows.count) if reader is None or not isinstance(reader.kind, View) else reader.kind
        read = reader.result if reader is not None and isinstance(reader.kind, View) else rows
        readers = datapath.readers.get(read, [])
        made = _sum(datapath, readers[0], read, view) if len(readers) == 1 and readers[0] is not None else None
        if made is None:
            return []
        sums.append(made)
    sums.sort(key=lambda each: each.rows.start)
    starts, stops = [each.rows.start for each in sums], [each.rows.stop for each in sums]
    return sums if [*starts, rows.count] == [0, *stops] else []


def _sum(datapath: Datapath, operation: Operation, read: Signal, rows: View) -> _Sum | None:
    """Return what an operation that reads rows of a product is, if it is a sum that the tree can make."""
    kind = operation.kind
    if not isinstance(kind, AddSub) or kind.subtract:
        return None
    terms = tuple(zip(operation.operands, (kind.left_shift, kind.right_shift), strict=True))
    (_, own_shift), (addend, shift) = terms if operation.operands[0] is read else terms[::-1]
    if own_shift or addend is read or addend.count != read.count or datapath.dependences.get(addend):
        return None
    return _Sum(operation, rows, addend, shift)


def _merged(datapath: Datapath, levels: list[Operation], sums: list[_Sum]) -> Datapath:
    """Return the datapath with sums in the last level of a tree that has room."""
    rows = levels[0].result
    made: list[Operation] = []
    addends = [_shifted(each, rows, made) for each in sums]
    low, high = min(v.low for v in addends), max(v.high for v in addends)
    (addend, *others), total = addends, sums[0].operation.result
    becomes: dict[Operation, list[Operation]] = {sums[0].operation: []}
    if others:
        addend = replace(rows, name=f"{rows.name}_addends", low=low, high=high, note="what the rows add")
        made.append(Operation(Join(), tuple(addends), addend))
        total = replace(rows, name=f"{rows.name}_and_addends", low=rows.low + low, high=rows.high + high)
        becomes = {each.operation: [Operation(each.rows, (total,), each.operation.result)] for each in sums}
    place = next(number for number, level in enumerate(levels) if _has_room(level))
    values = (*levels[place].operands, addend)
    for number in range(place, -1, -1):
        level, result = levels[number], levels[number].result
        more = replace(result, low=result.low + min(low, 0), high=result.high + max(high, 0)) if number else total
        becomes[level] = [*made, Operation(level.kind, values, more)]
        made, values = [], (more,)
    operations = [new for operation in datapath.operations for new in becomes.get(operation, [operation])]
    return without_unused(replace(datapath, operations=in_order(operations)))


def _shifted(each: _Sum, rows: Signal, made: list[Operation]) -> Signal:
    """Return an addend in the steps of the rows, which wires make of it."""
    addend, shift = each.addend, each.shift
    if not shift:
        return addend
    shifted = replace(
        addend,
        name=f"{addend.name}_in_steps",
        low=addend.low << shift,
        high=addend.high << shift,
        fraction=rows.fraction,
    )
    made.append(Operation(Round(-shift, Rounding.TRN), (addend,), shifted))
    return shifted
