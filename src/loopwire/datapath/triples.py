"""Sums of neighbours three at a time, on parts where a bit of a sum of three takes one look-up table."""

from __future__ import annotations

from dataclasses import replace

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.ops import Pairs, Triples
from loopwire.datapath.rewrite import expanded
from loopwire.datapath.signals import Signal
from loopwire.devices.delay_model import DelayModel


def with_triples(datapath: Datapath, delays: DelayModel) -> Datapath:
    """Return the datapath with its trees of sums of pairs as trees of sums of three, of half as many adders."""
    if not delays.device.has_ternary_adders:
        return datapath
    producers = {op.result: op for op in datapath.operations if _adds_pairs(op)}
    inner = {
        op.operands[0]
        for op in producers.values()
        if op.operands[0] in producers and len(datapath.readers[op.operands[0]]) == 1
    }
    sums: dict[Operation, list[Operation]] = {}
    for result, operation in producers.items():
        values = operation.operands[0]
        while values in inner:
            values = producers[values].operands[0]
        sums[operation] = [] if result in inner else _levels(values, operation)
    return expanded(datapath, sums)


def _adds_pairs(operation: Operation) -> bool:
    return isinstance(operation.kind, Pairs) and not operation.kind.largest


def _levels(values: Signal, last: Operation) -> list[Operation]:
    """Return the levels from some values to the result of the last of several levels of pairs."""
    assert isinstance(last.kind, Pairs)
    groups, result = last.kind.groups, last.result
    levels: list[Operation] = []
    low, high = values.low, values.high
    while values.count > result.count:
        members = -(-values.count // groups // 3)
        low, high = min(3 * low, low), max(3 * high, high)
        name = f"{result.name}_of_{members}"
        level = replace(result, name=name, count=groups * members, low=low, high=high)
        levels.append(Operation(Triples(groups), (values,), level))
        values = level
    return [*levels[:-1], replace(levels[-1], result=result)]
