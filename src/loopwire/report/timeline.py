"""Pictures of the schedule: which layer works in which cycle, and how sequences follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from loopwire.datapath.ops import Constant, View
from loopwire.schedule.cycles import DesignTiming, run
from loopwire.schedule.engine_cycles import EngineTiming
from loopwire.timing.pipeline import Pipeline

COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#ff9da7", "#9c755f", "#bab0ac")
MOST_CYCLES = 40
MOST_SEQUENCES = 12
CELL, LABEL, ROW = 16, 190, 18
WIDTH = LABEL + MOST_CYCLES * CELL + 10


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


def occupancy_svg(pipeline: Pipeline, timing: EngineTiming) -> str:
    """Draw cycles against layers and stages at full rate: in each cell the number of the sequence at work, from 0.

    A slot of the loop has its turn every `ring` cycles, `spacing` after the one before; a step moves on by a stage a
    cycle.
    """
    cycles = min(max(3 * timing.ring, 12), MOST_CYCLES)
    rows = [(layer, stage) for layer, stages in stages_by_layer(pipeline) for stage in stages]
    parts = [_text(LABEL - 8, 12, "cycle", "end")]
    parts += [_text(LABEL + (c + 0.5) * CELL, 12, str(c), "middle") for c in range(0, cycles, 5)]
    for place, (layer, stage) in enumerate(rows):
        y = 18 + place * ROW
        first = place == 0 or rows[place - 1][0] != layer
        if first:
            parts.append(f'<line x1="0" x2="{LABEL + cycles * CELL}" y1="{y - 1}" y2="{y - 1}" stroke="#bbb"/>')
            parts.append(_text(4, y + 13, layer if len(layer) < 18 else f"{layer[:16]}…", "start"))
        parts.append(_text(LABEL - 8, y + 13, f"stage {stage}", "end"))
        for cycle in range(cycles):
            slot, rest = divmod((cycle - stage) % timing.ring, timing.spacing)
            if rest or slot >= timing.slots:
                continue
            x, colour = LABEL + cycle * CELL, COLOURS[slot % len(COLOURS)]
            parts.append(f'<rect x="{x}" y="{y}" width="{CELL - 1}" height="{ROW - 2}" fill="{colour}"/>')
            parts.append(_text(x + CELL / 2 - 0.5, y + 12, str(slot), "middle", "white"))
    return _svg(18 + len(rows) * ROW + 4, parts, "Which sequence each stage of each layer works on, cycle by cycle")


def sequences_svg(design: DesignTiming) -> str:
    """Draw the first sequences at full rate: when their beats come in, until when they are worked on, their result."""
    count = min(design.copies * max(engine.slots for engine in design.copied) + 3, MOST_SEQUENCES)
    found = run(design, count)
    last = found[-1].last_output + 1
    scale = (WIDTH - LABEL - 60) / last
    parts = []
    for number, cycles in enumerate(found):
        y = 4 + number * ROW
        colour = COLOURS[number % len(COLOURS)]
        begin, fed, first, end = (
            LABEL + scale * cycle
            for cycle in (cycles.first_input, cycles.last_input + 1, cycles.first_output, cycles.last_output + 1)
        )
        parts.append(_text(LABEL - 8, y + 12, f"sequence {number}", "end"))
        parts.append(_bar(begin, end, y + 5, 5, colour, 0.45))
        parts.append(_bar(begin, fed, y + 2, 11, colour))
        parts.append(_bar(first, max(end, first + 2), y + 2, 11, "#222"))
        parts.append(_text(end + 4, y + 12, f"{cycles.last_output - cycles.first_input} cycles", "start"))
    y = 4 + count * ROW
    parts.append(f'<line x1="{LABEL}" x2="{LABEL + scale * last:.1f}" y1="{y}" y2="{y}" stroke="#777"/>')
    step = max(10 ** (len(str(last)) - 1) // 2, 1)
    parts += [_text(LABEL + scale * c, y + 14, str(c), "middle") for c in range(0, last, step)]
    return _svg(y + 20, parts, "When each sequence comes in and when its result leaves, in cycles")


def _bar(begin: float, end: float, y: float, height: int, colour: str, opacity: float = 1.0) -> str:
    return (
        f'<rect x="{begin:.1f}" y="{y}" width="{max(end - begin, 1):.1f}" height="{height}" fill="{colour}" '
        f'fill-opacity="{opacity:g}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _svg(height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="11"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )
