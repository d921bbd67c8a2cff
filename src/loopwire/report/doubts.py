"""What the data show to be lost on the way to fixed point: in sentences, beside the tables with the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.ir.types import FixedType
from loopwire.report.judged import JudgedOutput
from loopwire.report.profile import TensorProfile

AUC_LOSS = 0.01
LEAST_TOP1 = 0.95
UNDERFLOW_SHARE = 0.5
"""Of the values of a tensor that are not 0: where more of them become 0, its type's steps are too large."""
SHOWN = 5
"""Tensors that are named."""


def doubts(judged: Sequence[JudgedOutput], profile: Sequence[TensorProfile]) -> tuple[str, ...]:
    """Return a sentence for each loss that no user would want: of AUC, of agreement, and by types too coarse."""
    found = [doubt for output in judged for doubt in output_doubts(output)]
    coarse = [row for row in profile if _share_lost(row) > UNDERFLOW_SHARE]
    if coarse:
        names = [f"{row.layer}: {row.tensor}" if row.layer else row.tensor for row in coarse]
        found.append(too_coarse(names, coarse[0].type))
    return tuple(found)


def output_doubts(output: JudgedOutput) -> list[str]:
    """Return the sentences about one output's AUC and agreement."""
    found = [
        output.named(
            f"The AUC of class {auc.name} falls from {auc.real:.4f} in float to {auc.fixed:.4f} in fixed point"
        )
        for auc in output.aucs
        if auc.real is not None and auc.fixed is not None and auc.fixed < auc.real - AUC_LOSS
    ]
    top1 = output.agreement.top1
    if top1 is not None and top1 < LEAST_TOP1:
        found.append(output.named(f"Float and fixed point give the same class for only {top1:.1%} of the sequences"))
    return found


def too_coarse(names: Sequence[str], first: FixedType) -> str:
    """Return a sentence about tensors whose values mostly become 0, with the type of the first."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    of, whose = ("one tensor's type", "its") if len(names) == 1 else (f"{len(names)} tensors' types", "their")
    return (
        f"The steps of {of} are larger than most of {whose} values, which become 0: "
        f"{', '.join(names[:SHOWN])}{more}; {first} counts in steps of {first.step:g}"
    )


def _share_lost(row: TensorProfile) -> float:
    """Return the share of a tensor's values other than 0 that are below half a step."""
    values = row.values - row.real.zeros
    return row.underflowed / values if values else 0.0
