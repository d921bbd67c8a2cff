"""The types that a search found as a configuration file, with what they keep and cost as its comment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from loopwire.optimise.config_file import toml_key
from loopwire.optimise.model_judge import criteria_text
from loopwire.optimise.precision import Precision
from loopwire.system.outputs import write_file


def to_toml(precision: Precision) -> str:
    """Return the text of a file that `loopwire compile --config` takes."""
    config = precision.config
    lines = [f"# {line}" for line in summary(precision)]
    lines += ["", "[model]", *(f'{role} = "{type}"' for role, type in config.model.types.items())]
    for layer, group in config.layer.items():
        lines += ["", f"[layer.{toml_key(layer)}]", *(f'{role} = "{type}"' for role, type in group.types.items())]
    return "\n".join(lines) + "\n"


def write_toml(precision: Precision, path: Path) -> None:
    """Write that text.

    Raises:
        OutputError: the file cannot be written.
    """
    write_file(path, to_toml(precision).encode())


def summary(precision: Precision) -> list[str]:
    """Return what was kept, and what it costs, in lines."""
    share, kept = precision.cost / precision.baseline_cost, criteria_text(precision.criteria)
    lines = [
        f"Types that keep {kept}, found by `loopwire precision`; {precision.judged} choices judged.",
        f"Search: {', '.join(map(str, precision.searched.measures))}",
        f"Check:  {', '.join(map(str, precision.checked.measures))}",
        f"Estimated cost: {precision.cost:.0f} LUTs, {share:.1%} of fixed<16,6> in every tensor",
        f"Mean width: {precision.weight_bits:.1f} bits a weight, {precision.activation_bits:.1f} bits an activation",
    ]
    if precision.steps_taken_back:
        lines.append(
            f"The last {precision.steps_taken_back} steps of the search failed the check and were taken back: "
            "the check is no longer independent of the choice"
        )
    return lines


def facts(precision: Precision) -> dict[str, Any]:
    """Return what was found, as JSON holds it."""
    steps = [{"what": s.what, "cost_luts": s.cost, "judgement": asdict(s.judgement)} for s in precision.steps]
    return {
        "criterion": criteria_text(precision.criteria),
        "types": {str(group): str(type) for group, type in precision.types.items()},
        "searched": asdict(precision.searched),
        "checked": asdict(precision.checked),
        "steps_taken_back": precision.steps_taken_back,
        "cost_luts": precision.cost,
        "baseline_cost_luts": precision.baseline_cost,
        "weight_bits": precision.weight_bits,
        "activation_bits": precision.activation_bits,
        "judged": precision.judged,
        "steps": steps,
    }
