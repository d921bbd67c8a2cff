"""Pictures of the schedule: which layer works in which cycle, and how sequences follow one another."""

from __future__ import annotations

from loopwire.datapath.ops import Constant, View
from loopwire.report.svg import COLOURS, INK, box, cut, line, picture, text
from loopwire.schedule.cycles import run
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.schedule.network_timing import NetworkTiming
from loopwire.text.table import grouped
from loopwire.timing.pipeline import Pipeline

LABEL, WIDTH, ROW, TOP = 200, 850, 18, 20
MOST_TURNS = 3
LARGEST_CYCLE, LEAST_NUMBERED = 16.0, 11.0
"""Pixels of a cycle: at most, and at least where a number is written in it."""
MOST_HEIGHT = 420
"""Of an engine's stages: where they are many, each is thinner."""
MOST_SEQUENCES = 12
FAINTEST = 0.25
"""Opacity of what is hardly ever there."""


def stages_by_layer(pipeline: Pipeline) -> list[tuple[str, tuple[int, ...]]]:
    """Return each layer with the stages in which it works, in the order of its first one."""
    stages: dict[str, set[int]] = {}
    for operation, placement in pipeline.placements.items():
        if isinstance(operation.kind, Constant | View) or placement.first_stage < 0:
            continue
        worked = stages.setdefault(operation.result.layer or "model", set())
        worked.update(range(placement.first_stage, placement.time[0] + 1))
    found = [(layer, tuple(sorted(worked))) for layer, worked in stages.items()]
    return sorted(found, key=lambda entry: entry[1])


def occupancy_svg(pipeline: Pipeline, timing: EngineTiming, busy: float = 1.0) -> str:
    """Draw cycles against layers and stages, with a sequence in every slot: a bar is what a stage works on, and its
    number the slot, from 0; where there is none the stage is idle. The fewer slots are taken at full rate, the fainter
    the bars are.

    A slot of the loop has its turn every `round_cycles`, `spacing` after the one before; its step takes a stage for as
    many cycles as the reuse factor, and moves on by a stage a cycle.

    Args:
        pipeline: of the engine.
        timing: of the engine.
        busy: share of the cycles in which a stage works at full rate.
    """
    taken = min(pipeline.datapath.sharing.cycles, timing.spacing)
    layers = stages_by_layer(pipeline)
    count = max(sum(len(stages) for _, stages in layers), 1)
    row = max(min(ROW, MOST_HEIGHT / count), 2.0)
    scale = min((WIDTH - LABEL) / (MOST_TURNS * timing.round_cycles), LARGEST_CYCLE)
    cycles = max(MOST_TURNS * timing.round_cycles, min(12, int((WIDTH - LABEL) / scale)))
    turn = f"a turn takes {grouped(timing.round_cycles)} cycles"
    heading = f"{count} stages, {turn}; at full rate each works in {busy:.0%} of them"
    opacity = FAINTEST + (1 - FAINTEST) * busy
    parts = [text(0, 12, heading)]
    y = float(TOP)
    for layer, stages in layers:
        parts += [line(0, y, LABEL + cycles * scale, y), text(4, y + 13, cut(layer, 18))]
        many = row < ROW
        if many:
            parts.append(text(LABEL - 8, y + 13, f"stages {stages[0]} to {stages[-1]}", "end"))
        for stage in stages:
            if not many:
                parts.append(text(LABEL - 8, y + 13, f"stage {stage}", "end"))
            parts += _bars(timing, stage, taken, cycles, scale, y, row, opacity)
            y += row
        y = max(y, TOP + ROW) if many else y
        y += 4 if many else 0
    parts += _axis(y, cycles, scale)
    return picture(WIDTH + 10, y + 20, parts, "Which sequence each stage of each layer works on, cycle by cycle")


def _bars(
    timing: EngineTiming, stage: int, taken: int, cycles: int, scale: float, y: float, height: float, opacity: float
) -> list[str]:
    """Return the bars of one stage."""
    parts = []
    for slot in range(timing.slots):
        for turn in range(-1, cycles // timing.round_cycles + 1):
            begin = turn * timing.round_cycles + slot * timing.spacing + stage % timing.round_cycles
            first, end = max(begin, 0), min(begin + taken, cycles)
            if first >= end:
                continue
            x, width = LABEL + first * scale, (end - first) * scale
            gap = min(1.0, width / 4)
            parts.append(box(x, y, width - gap, height - min(2.0, height / 4), COLOURS[slot % len(COLOURS)], opacity))
            if height == ROW and width >= LEAST_NUMBERED:
                parts.append(text(x + width / 2 - 0.5, y + 12, str(slot), "middle", "white"))
    return parts


def sequences_svg(timing: NetworkTiming) -> str:
    """Draw the first sequences at full rate: when their beats come in, until when they are worked on, their result."""
    slots = max((engine.slots for engine in timing.engines[: timing.copied]), default=1)
    count = min(timing.copies * slots + 3, MOST_SEQUENCES)
    found = run(timing, count)
    last = found[-1].last_output + 1
    scale = (WIDTH - LABEL - 90) / last
    parts = []
    for number, cycles in enumerate(found):
        y = 4 + number * ROW
        colour = COLOURS[number % len(COLOURS)]
        begin, fed, first, end = (
            LABEL + scale * cycle
            for cycle in (cycles.first_input, cycles.last_input + 1, cycles.first_output, cycles.last_output + 1)
        )
        parts.append(text(LABEL - 8, y + 12, f"sequence {number}", "end"))
        parts.append(box(begin, y + 5, end - begin, 5, colour, 0.45))
        parts.append(box(begin, y + 2, fed - begin, 11, colour))
        parts.append(box(first, y + 2, max(end - first, 2), 11, INK))
        parts.append(text(end + 4, y + 12, f"{grouped(cycles.last_output - cycles.first_input)} cycles"))
    y = 4 + count * ROW
    return picture(
        WIDTH + 10,
        y + 20,
        [*parts, *_axis(y, last, scale)],
        "When each sequence comes in and when its result leaves, in cycles",
    )


def _axis(y: float, cycles: int, scale: float) -> list[str]:
    """Return an axis of cycles with some ten numbers at most."""
    step = max(10 ** (len(str(cycles)) - 1) // 2, 1)
    while cycles / step > 12:
        step *= 2
    ticks = [text(LABEL + scale * c, y + 14, grouped(c), "middle") for c in range(0, cycles, step)]
    return [line(LABEL, y, LABEL + scale * cycles, y, 0.8), *ticks, text(LABEL - 40, y + 14, "cycle", "end")]
