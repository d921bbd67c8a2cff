"""The levels of a tree that brings groups of elements to one each: sums, or the larger, of neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loopwire.datapath.datapath import Operation
from loopwire.datapath.ops import Pairs
from loopwire.datapath.signals import Signal

Namer = Callable[[int, int], str]
"""Given a level, from 1 on, and the elements that it leaves of a group: the name of its result."""


def levels_of_pairs(values: Signal, groups: int, largest: bool, like: Signal, name: Namer) -> list[Operation]:
    """Return the levels, whose results are of the kind of `like`; none where each group has one element."""
    levels: list[Operation] = []
    low, high = values.low, values.high
    while values.count > groups:
        members = -(-values.count // groups // 2)
        if not largest:
            low, high = min(2 * low, low), max(2 * high, high)
        level = replace(like, name=name(len(levels) + 1, members), count=groups * members, low=low, high=high)
        levels.append(Operation(Pairs(groups, largest), (values,), level))
        values = level
    return levels


def reduction(values: Signal, groups: int, largest: bool, result: Signal) -> list[Operation]:
    """Return the levels that end in `result`; each group has several elements."""
    levels = levels_of_pairs(values, groups, largest, result, lambda level, _: f"{result.name}_{level}")
    return [*levels[:-1], replace(levels[-1], result=result)]
