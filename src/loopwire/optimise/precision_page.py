"""The page of a search for types: its course, what each step saved, the bits of every tensor, the types."""

from __future__ import annotations

from markupsafe import Markup

from loopwire.compiler import compile_silently
from loopwire.layers.model import Model
from loopwire.optimise.model_judge import criteria_text
from loopwire.optimise.precision import Precision
from loopwire.optimise.precision_file import summary
from loopwire.optimise.search_curve import search_curve
from loopwire.report.bits_picture import bits_picture
from loopwire.report.html import rendered
from loopwire.text.table import grouped


def precision_page(found: Precision, model: Model) -> str:
    """Return the page as HTML that needs nothing else."""
    design = compile_silently(model, found.config)
    cards = [
        (f"{found.cost / found.baseline_cost:.0%}", "of the LUTs of fixed<16,6> in every tensor, by estimate"),
        (str(found.checked.worst), "worst measure, on data kept out of the search"),
        (f"{found.weight_bits:.1f} bits", "a weight, the mean"),
        (f"{found.activation_bits:.1f} bits", "any other number, the mean"),
    ]
    rows = []
    before = found.steps[0].cost
    for step in found.steps:
        measure = str(step.judgement.worst)
        rows.append((step.what, grouped(round(before - step.cost)), grouped(round(step.cost)), measure))
        before = step.cost
    return rendered(
        "precision.html.j2",
        model=model.name,
        criterion=criteria_text(found.criteria),
        cards=cards,
        summary=summary(found),
        curve=Markup(search_curve(found.criteria, found.steps)),
        steps=rows,
        bits=Markup(bits_picture(design.range_proofs())),
        types=found.table(),
    )
