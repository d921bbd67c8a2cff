"""Registers in a tree of adders: in which stage of a pipeline each adder is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from loopwire.cmvm.adder_tree import AdderTree, StagedTree


def adder_levels(luts: int, ternary_levels: float) -> float:
    """Return as how many adders one counts that has so many look-up tables in series before its carry chain.

    `ternary_levels` is that of an adder of three terms, which has one.
    """
    return 1.0 + luts * (ternary_levels - 1.0)


def stage(
    tree: AdderTree, start_ns: float, period_ns: float, adders_ns: Callable[[int, float], float], ternary_levels: float
) -> StagedTree:
    """Place each adder as soon as its operands are there, in the same stage as long as the period lasts.

    Args:
        tree: the adders.
        start_ns: arrival of the inputs after the clock edge of stage 0.
        period_ns: time for logic in a stage: the clock period less clock-to-output and setup times.
        adders_ns: delay of a chain of adders, its routing included, by the bits of its carry chains and the number
            of adders; one adder, and what is before it, takes no longer than the period.
        ternary_levels: as how many adders one of three terms counts, which has a look-up table before its carry chain.
    """
    assert 0 <= start_ns <= period_ns
    n = len(tree.inputs)
    places = [0] * n
    levels = [0.0] * n
    widths = [0] * n

    chain_ns = cache(adders_ns)  # few of the adders of a tree differ

    def end_ns(place: int, width: int, level: float) -> float:
        return (start_ns if place == 0 else 0.0) + (chain_ns(width, level) if level else 0.0)

    for operands, adder_width, luts in zip(tree.operands, tree.adder_widths, tree.lut_levels, strict=True):
        place, before, width = -1, 0.0, adder_width
        for operand in operands:
            if places[operand] > place:
                place, before, width = places[operand], levels[operand], max(adder_width, widths[operand])
            elif places[operand] == place:
                before = levels[operand] if levels[operand] > before else before
                width = widths[operand] if widths[operand] > width else width
        own = adder_levels(luts, ternary_levels)
        level = own + before
        if end_ns(place, width, level) > period_ns:
            place, level, width = place + 1, own, adder_width
            assert end_ns(place, width, level) <= period_ns, f"an adder of {width} bits exceeds {period_ns} ns"
        places.append(place)
        levels.append(level)
        widths.append(width)
    used = [output.source for output in tree.outputs if output.source is not None]
    latency_stages = max((places[source] for source in used), default=0)
    ends = (
        end_ns(latency_stages, widths[source], levels[source]) for source in used if places[source] == latency_stages
    )
    return StagedTree(tree, start_ns, tuple(places), latency_stages, max(ends, default=0.0))
