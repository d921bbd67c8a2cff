"""In which stages shared hardware counts the words of a step.

What accompanies a step goes with each of its words from stage to stage, in registers. While a vector is gathered, about
as long as a step takes, no stage reads it: there another sequencer counts the words again.
"""

from __future__ import annotations

from itertools import pairwise

from loopwire.timing.pipeline import Pipeline

LEAST_GAP = 8
"""Stages without a reader from which on a sequencer takes fewer registers than what carries the same."""


def served_stages(pipeline: Pipeline) -> tuple[range, ...]:
    """Return the stages that each sequencer serves, from its own to the last one that reads what it counts.

    Each starts when the one before it counts as many words as there are stages between them, so these are fewer than
    the words of a step. Where nothing is shared, all stages together.
    """
    sharing = pipeline.datapath.sharing
    if sharing.is_parallel:
        return (range(pipeline.depth + 1),)
    placements = pipeline.placements.values()
    read = {0, pipeline.depth, *pipeline.entry.values()}
    read.update(stage for placement in placements for stage in (placement.first_stage, placement.time[0]))
    served, first = [], 0
    for before, after in pairwise(sorted(stage for stage in read if stage >= 0)):
        stage = min(after - 1, first + sharing.cycles - 1)
        if after - before > LEAST_GAP and stage > before:
            served.append(range(first, before + 1))
            first = stage
    return (*served, range(first, pipeline.depth + 1))
