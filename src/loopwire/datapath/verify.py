"""What holds of every datapath, between all passes."""

from __future__ import annotations

from loopwire.datapath.datapath import Datapath
from loopwire.datapath.ops import Gather
from loopwire.datapath.signals import Signal


def verify(datapath: Datapath) -> Datapath:
    """Return the datapath, after asserting that each signal has one origin, before all that read it in a step.

    A feedback's `read` is there from the step's begin; its `following` and the output are made by the end.
    """
    made: set[Signal] = set()
    for signal in (datapath.x, *(feedback.read for feedback in datapath.feedbacks)):
        assert signal not in made, f"%{signal.name} enters twice"
        made.add(signal)
    for operation in datapath.operations:
        result = operation.result
        for operand in operation.operands:
            assert operand in made, f"%{result.name} reads %{operand.name}, which is not made yet"
        assert result not in made, f"%{result.name} is made twice"
        assert result.count > 0 and result.low <= result.high, f"%{result.name} holds nothing"
        if isinstance(operation.kind, Gather):
            (chunk,) = operation.operands
            assert result.width == chunk.width, f"%{result.name} has elements of other widths than its chunks"
        made.add(result)
    for signal in (datapath.output, *(feedback.following for feedback in datapath.feedbacks)):
        assert signal in made, f"%{signal.name} is not made"
    return datapath
