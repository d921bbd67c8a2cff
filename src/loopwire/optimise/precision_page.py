"""The page of a search for types: its course, what each step saved, the bits of every tensor, the types."""

from __future__ import annotations

from itertools import pairwise

from markupsafe import Markup

from loopwire.compiler import compile_silently
from loopwire.layers.model import Model
from loopwire.optimise.criterion import Criterion, Judgement, Measure
from loopwire.optimise.precision import Precision
from loopwire.optimise.precision_file import summary
from loopwire.report.bits_picture import bits_picture
from loopwire.report.html import rendered
from loopwire.report.svg import COLOURS, INK, box, line, picture, text
from loopwire.text.table import grouped

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 300, 80, 40, 14


def precision_page(found: Precision, model: Model) -> str:
    """Return the page as HTML that needs nothing else."""
    design = compile_silently(model, found.config)
    cards = [
        (f"{found.cost / found.baseline_cost:.0%}", "of the LUTs of fixed<16,6> in every tensor, by estimate"),
        (str(worst(found.criterion, found.checked)), "worst measure, on data kept out of the search"),
        (f"{found.weight_bits:.1f} bits", "a weight, the mean"),
        (f"{found.activation_bits:.1f} bits", "any other number, the mean"),
    ]
    rows = []
    before = found.steps[0].cost
    for step in found.steps:
        measure = str(worst(found.criterion, step.judgement))
        rows.append((step.what, grouped(round(before - step.cost)), grouped(round(step.cost)), measure))
        before = step.cost
    return rendered(
        "precision.html.j2",
        model=model.name,
        criterion=str(found.criterion),
        cards=cards,
        summary=summary(found),
        curve=Markup(search_curve(found)),
        steps=rows,
        bits=Markup(bits_picture(design.range_proofs())),
        types=found.table(),
    )


def worst(criterion: Criterion, judgement: Judgement) -> Measure:
    """Return the measure that is nearest to the bound, or farthest beyond it."""
    return (min if criterion.at_least else max)(judgement.measures, key=lambda measure: measure.value)


def search_curve(found: Precision) -> str:
    """Draw the worst measure, less its statistical error, against the cost, step by step."""
    sign = 1.0 if found.criterion.at_least else -1.0
    values = [found.criterion.bound + sign * step.judgement.safe_margin for step in found.steps]
    costs = [step.cost for step in found.steps]
    low, high = min(*values, found.criterion.bound), max(*values, found.criterion.bound)
    margin = (high - low) * 0.08 or 1e-6
    low, high = low - margin, high + margin
    most = max(costs) * 1.05

    def place(cost: float, value: float) -> tuple[float, float]:
        across, up = cost / most * (WIDTH - LEFT - 20), (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return LEFT + across, HEIGHT - BOTTOM - up

    points = [place(cost, value) for cost, value in zip(costs, values, strict=True)]
    (_, bound), end = place(0, found.criterion.bound), HEIGHT - BOTTOM
    parts = [
        line(LEFT, end, WIDTH - 20, end, 0.8),
        line(LEFT, TOP, LEFT, end, 0.8),
        line(LEFT, bound, WIDTH - 20, bound),
    ]
    parts += [line(*one, *other, 0.6) for one, other in pairwise(points)]
    parts += [box(x - 2.5, y - 2.5, 5, 5, COLOURS[0]) for x, y in points]
    parts.append(text(WIDTH - 20, bound - 4, str(found.criterion), "end", COLOURS[3]))
    for share in range(5):
        cost, value = most * share / 4, low + (high - low) * share / 4
        (x, _), (_, y) = place(cost, low), place(0, value)
        parts += [text(x, end + 14, grouped(round(cost)), "middle"), text(LEFT - 6, y + 4, f"{value:.4g}", "end")]
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 6, "estimated cost, LUTs", "middle", INK))
    return picture(WIDTH, HEIGHT, parts, "The search: worst measure against cost")
