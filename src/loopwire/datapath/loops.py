"""The loops of a datapath: the states that need each other, and the operations that each of them goes round."""

from __future__ import annotations

from loopwire.datapath.ops import Constant, Datapath, Operation, Ring

Group = tuple[Ring, ...]
"""Rings that need each other: one loop."""


def ring_groups(datapath: Datapath) -> list[Group]:
    """Return the rings in groups that need each other, a group after all that it needs."""
    rings, depends = datapath.rings, datapath.dependences
    needs = {ring: set(depends.get(ring.following, frozenset())) | {ring} for ring in rings}
    for middle in rings:
        for ring in rings:
            if middle in needs[ring]:
                needs[ring] |= needs[middle]
    groups: list[Group] = []
    for ring in sorted(rings, key=lambda ring: len(needs[ring])):
        group = tuple(other for other in rings if other in needs[ring] and ring in needs[other])
        if group not in groups:
            groups.append(group)
    return groups


def leading_to(datapath: Datapath, group: Group) -> list[Operation]:
    """Return the operations that a group's following states depend on, the last one first."""
    needed = {ring.following for ring in group}
    found = []
    for operation in reversed(datapath.operations):
        if operation.result in needed and not isinstance(operation.kind, Constant):
            needed.update(operation.operands)
            found.append(operation)
    return found


def looped(datapath: Datapath) -> dict[Operation, Group]:
    """Return the operations on a way from a group's states to its following ones, each with the group."""
    return {
        operation: group
        for group in ring_groups(datapath)
        for operation in leading_to(datapath, group)
        if not datapath.dependences[operation.result].isdisjoint(group)
    }
