"""The loops of a datapath: the states that need each other, and the operations that each of them goes round."""

from __future__ import annotations

from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.ops import Constant

Group = tuple[Feedback, ...]
"""Rings that need each other: one loop."""


def feedback_groups(datapath: Datapath) -> list[Group]:
    """Return the feedbacks in groups that need each other, a group after all that it needs."""
    feedbacks, depends = datapath.feedbacks, datapath.dependences
    needs = {feedback: set(depends.get(feedback.following, frozenset())) | {feedback} for feedback in feedbacks}
    for middle in feedbacks:
        for feedback in feedbacks:
            if middle in needs[feedback]:
                needs[feedback] |= needs[middle]
    groups: list[Group] = []
    for feedback in sorted(feedbacks, key=lambda feedback: len(needs[feedback])):
        group = tuple(other for other in feedbacks if other in needs[feedback] and feedback in needs[other])
        if group not in groups:
            groups.append(group)
    return groups


def leading_to(datapath: Datapath, group: Group) -> list[Operation]:
    """Return the operations that a group's following states depend on, the last one first."""
    needed = {feedback.following for feedback in group}
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
        for group in feedback_groups(datapath)
        for operation in leading_to(datapath, group)
        if not datapath.dependences[operation.result].isdisjoint(group)
    }
