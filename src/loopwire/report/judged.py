"""How well one output of a model keeps in fixed point what it says in floating point."""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.report.agreement import Agreement, ClassAuc
from loopwire.report.roc import WorkingPoint


@dataclass(frozen=True)
class JudgedOutput:
    """Facts of one output. `name` is empty where there is no other; the rest is as in `Report`."""

    name: str
    agreement: Agreement
    aucs: tuple[ClassAuc, ...] = ()
    working_points: tuple[WorkingPoint, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()

    def named(self, what: str) -> str:
        """Return the title of a fact, under the output's name where there are others."""
        return f"{self.name}: {what}" if self.name else what

    def auc_rows(self) -> list[tuple[str, ...]]:
        """Return (class, float AUC, fixed AUC, fixed / float)."""
        return [
            (
                self.named(auc.name),
                *("-" if value is None else f"{value:.4f}" for value in (auc.real, auc.fixed)),
                "-" if not auc.real or auc.fixed is None else f"{auc.fixed / auc.real:.4f}",
            )
            for auc in self.aucs
        ]
