"""The sum of delays round a loop, which is what no place of its registers shortens."""

from __future__ import annotations

from math import inf

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.timing.operation_delays import OperationTimes


def loop_ns(datapath: Datapath, times: OperationTimes) -> float:
    """Return the longest time from a state to the following one, without registers and without long wires.

    Over what a clock period leaves of a stage, it is a bound of the loop latency (C. E. Leiserson, J. B. Saxe,
    "Retiming synchronous circuitry", Algorithmica 6, 1991).
    """
    return max((_longest_ns(datapath, feedback, times) for feedback in datapath.feedbacks), default=0.0)


def _longest_ns(datapath: Datapath, feedback: Feedback, times: OperationTimes) -> float:
    times_ns = {feedback.read: 0.0}
    for operation in datapath.operations:
        given = [times_ns[operand] for operand in operation.operands if operand in times_ns]
        if given:
            times_ns[operation.result] = max(given) + _delay_ns(operation, times)
    return times_ns.get(feedback.following, 0.0)


def _delay_ns(operation: Operation, times: OperationTimes) -> float:
    if isinstance(operation.kind, dp.ShiftAdd):
        return times.staged(operation, 0.0, inf).end_ns
    return times.whole_ns(operation)
