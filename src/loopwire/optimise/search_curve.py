"""The course of a search for types: its steps, and their picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loopwire.optimise.criterion import Criterion, Judgement
from loopwire.optimise.model_judge import criteria_text
from loopwire.report.svg import COLOURS, INK, box, line, picture, text
from loopwire.text.table import grouped

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 300, 80, 40, 14


@dataclass(frozen=True)
class Step:
    """A step of the search: what it changed, the criterion after it, and the cost, in estimated LUTs."""

    what: str
    judgement: Judgement
    cost: float


def search_curve(criteria: Sequence[Criterion], steps: Sequence[Step]) -> str:
    """Draw the worst measure, less its statistical error, against the cost, step by step.

    Criteria of several outputs are drawn in units of the first, as `ModelJudge` compares them.
    """
    criterion = criteria[0]
    sign = 1.0 if criterion.at_least else -1.0
    values = [criterion.bound + sign * step.judgement.safe_margin for step in steps]
    costs = [step.cost for step in steps]
    low, high = min(*values, criterion.bound), max(*values, criterion.bound)
    margin = (high - low) * 0.08 or 1e-6
    low, high = low - margin, high + margin
    most = max(costs) * 1.05

    def place(cost: float, value: float) -> tuple[float, float]:
        across, up = cost / most * (WIDTH - LEFT - 20), (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return LEFT + across, HEIGHT - BOTTOM - up

    points = [place(cost, value) for cost, value in zip(costs, values, strict=True)]
    (_, bound), end = place(0, criterion.bound), HEIGHT - BOTTOM
    parts = [
        line(LEFT, end, WIDTH - 20, end, 0.8),
        line(LEFT, TOP, LEFT, end, 0.8),
        line(LEFT, bound, WIDTH - 20, bound),
    ]
    parts += [line(*one, *other, 0.6) for one, other in pairwise(points)]
    parts += [box(x - 2.5, y - 2.5, 5, 5, COLOURS[0]) for x, y in points]
    parts.append(text(WIDTH - 20, bound - 4, criteria_text(criteria), "end", COLOURS[3]))
    for share in range(5):
        cost, value = most * share / 4, low + (high - low) * share / 4
        (x, _), (_, y) = place(cost, low), place(0, value)
        parts += [text(x, end + 14, grouped(round(cost)), "middle"), text(LEFT - 6, y + 4, f"{value:.4g}", "end")]
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 6, "estimated cost, LUTs", "middle", INK))
    return picture(WIDTH, HEIGHT, parts, "The search: worst measure against cost")
