"""The bits that accompany each step down an engine's pipeline, and in which stages something reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Feedback
from loopwire.datapath.ops import Kind
from loopwire.datapath.sharing import Sharing
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.timing.pipeline import Pipeline


def bits_of(timing: EngineTiming, sharing: Sharing) -> dict[str, int]:
    """Return the bits of every control of an engine; 0 where it has but one value."""

    def bits(count: int) -> int:
        return (count - 1).bit_length()

    widths = dict.fromkeys(("step_valid", "step_clears", "step_first", "step_fresh", "step_last"), 1)
    widths |= {"step_index": bits(timing.steps), "slot": bits(timing.slots), "ticket": bits(timing.tickets)}
    if not sharing.is_parallel:
        widths |= {"word": bits(sharing.cycles), "chunk": bits(sharing.chunks), "pass_index": bits(sharing.passes)}
    return widths


def first_control(feedback: Feedback) -> str:
    """Return the control of a step that starts from a feedback's initial state."""
    return "step_fresh" if feedback.carried else "step_first"


def of_operation(kind: Kind) -> tuple[str, ...]:
    """Return what an operation reads in its stage."""
    match kind:
        case dp.StepRom():
            return ("step_index",)
        case dp.Hold():
            return ("step_valid", "word")
        case dp.Chunk():
            return ("chunk",)
        case dp.Tile():
            return ("word",)
        case dp.WordRom():
            return (("word",) if kind.cycles == 1 else ("chunk",)) + (("step_index",) if kind.by_step else ())
        case dp.Columns() | dp.Accumulate():
            return ("pass_index",)
        case dp.Gather():
            return ("step_valid", "chunk", "pass_index")
        case dp.Wire() | dp.Multiplication() | dp.Logic():
            return ()
        case _:
            assert_never(kind)


def of_feedback(feedback: Feedback, pipeline: Pipeline) -> list[tuple[str, int]]:
    """Return what a state's way round the loop reads, with the stages."""
    end = pipeline.write[feedback]
    if not pipeline.datapath.in_memories:
        return [("step_clears", end), ("step_valid", pipeline.cuts[feedback].stage)]
    entry = pipeline.entry[feedback]
    needed = [(first_control(feedback), entry), ("slot", entry), ("step_valid", end), ("slot", end)]
    if pipeline.datapath.sharing.is_parallel:
        return needed
    needed.append(("chunk", end))
    return [*needed, ("pass_index", end) if feedback.gathered else ("chunk", entry)]


def single(slots: int, sharing: Sharing) -> set[str]:
    """Return the controls that nothing reads, since there is a single slot, or a single chunk."""
    found = {"slot"} if slots == 1 else set()
    return found | {"chunk"} if sharing.chunks == 1 else found


def of_pipeline(pipeline: Pipeline, timing: EngineTiming) -> dict[str, set[int]]:
    """Return the stages in which each control is read, the collector's in the last one among them."""
    depth, sharing = pipeline.depth, pipeline.datapath.sharing
    needed = {control: {depth} for control in ("step_valid", "step_last", "ticket")}
    if timing.per_step:
        needed["step_index"] = {depth}
    if not sharing.is_parallel:
        needed["word"] = {depth}
    unread = single(timing.slots, sharing)
    for control, stage in _read(pipeline):
        if control not in unread:
            needed.setdefault(control, set()).add(stage)
    return needed


def _read(pipeline: Pipeline) -> Iterable[tuple[str, int]]:
    for operation, placement in pipeline.placements.items():
        for control in of_operation(operation.kind):
            yield control, placement.first_stage
    for feedback in pipeline.datapath.feedbacks:
        yield from of_feedback(feedback, pipeline)
