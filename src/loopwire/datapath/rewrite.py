"""What several passes on datapaths do with operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loopwire.datapath.datapath import Datapath, Operation


def replaced(datapath: Datapath, operations: Mapping[Operation, Operation]) -> Datapath:
    """Return the datapath with some operations in place of others; as it is where there are none."""
    return expanded(datapath, {old: [new] for old, new in operations.items()})


def expanded(datapath: Datapath, operations: Mapping[Operation, Sequence[Operation]]) -> Datapath:
    """Return the datapath with any number of operations in place of some; as it is where there are none."""
    if not operations:
        return datapath
    return replace(datapath, operations=tuple(new for op in datapath.operations for new in operations.get(op, [op])))


def without_unread_feedbacks(datapath: Datapath) -> Datapath:
    """Return the datapath without the feedbacks of states that no step reads: the last step's is what is handed on."""
    read = {datapath.output, *(feedback.following for feedback in datapath.feedbacks)}
    read |= {operand for operation in datapath.operations for operand in operation.operands}
    return replace(datapath, feedbacks=tuple(feedback for feedback in datapath.feedbacks if feedback.read in read))


def without_unused(datapath: Datapath) -> Datapath:
    """Return the datapath without operations whose results nothing reads."""
    live = {datapath.output, *(feedback.following for feedback in datapath.feedbacks)}
    kept = []
    for operation in reversed(datapath.operations):
        if operation.result in live:
            live.update(operation.operands)
            kept.append(operation)
    return replace(datapath, operations=tuple(reversed(kept)))


def in_order(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Return the operations, each after those whose results it reads."""
    producers = {operation.result: operation for operation in operations}
    ordered: dict[Operation, None] = {}

    def place(operation: Operation) -> None:
        for operand in operation.operands:
            if operand in producers and producers[operand] not in ordered:
                place(producers[operand])
        ordered[operation] = None

    for operation in operations:
        place(operation)
    return tuple(ordered)
