"""The judgement of a model: what is kept of each of its outputs, and all of it as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from loopwire.arguments import instance
from loopwire.data import Data, Port
from loopwire.errors import ConfigError, nearest
from loopwire.optimise.criterion import EXAMPLE, Criterion, Judge, Judgement, Labels, Measure, Reals, reached

Keep = str | Criterion | Sequence[str | Criterion]
"""What is kept: a criterion of every output, or several, of outputs that they name."""


def criteria_of(keep: Keep, outputs: Sequence[Port]) -> tuple[Criterion, ...]:
    """Return what is kept of each output of a model: criteria that name it, else those that name none.

    Raises:
        ConfigError: a criterion cannot be read, or is of no output; or an output has none.
    """
    check = instance((str, Criterion), EXAMPLE)
    given = [check("keep", one) for one in (keep if isinstance(keep, list | tuple) else [keep])]
    criteria = [Criterion.parse(one) if isinstance(one, str) else one for one in given]
    names = [output.name for output in outputs]
    for criterion in criteria:
        if criterion.output is not None and criterion.output not in names:
            remedy = f"{nearest(criterion.output, names)}It has {', '.join(map(repr, names))}"
            raise ConfigError(f"keep {str(criterion)!r}", f"the model has no output {criterion.output!r}", remedy)
    found = []
    for name in names:
        of_it = [criterion for criterion in criteria if criterion.output == name]
        of_it = of_it or [criterion for criterion in criteria if criterion.output is None]
        if not of_it:
            remedy = f"Add one, such as '{name}:auc>=0.995' or '{name}:mae<=0.01'"
            raise ConfigError("keep", f"the output {name!r} has no criterion", remedy)
        found += [replace(criterion, output=name if len(names) > 1 else None) for criterion in of_it]
    return tuple(found)


def usual_criteria(outputs: Sequence[Port], data: Data) -> tuple[Criterion, ...]:
    """Return what is kept where nothing is asked for: areas under the curves where there are labels, else classes.

    Raises:
        ConfigError: an output is one number without labels, of which nobody can tell how near it must stay.
    """
    found = []
    for output in outputs:
        of = "" if len(outputs) == 1 else f"{output.name}:"
        is_labelled = data.labels_of(output.name) is not None
        if not is_labelled and output.shape[-1] == 1:
            problem = f"the output {output.name!r} is one number and has no labels, so that it has no classes to keep"
            raise ConfigError("keep", problem, f"Say how near to the float model it must stay: '{of}mae<=0.01'")
        found.append(Criterion.parse(f"{of}{'auc>=0.995' if is_labelled else 'top1>=0.99'}"))
    return tuple(found)


def criteria_text(criteria: Iterable[Criterion]) -> str:
    """Return the text of what is kept, such as 'kind:auc>=0.995 and mass:mae<=0.01'."""
    return " and ".join(map(str, criteria))


class ModelJudge:
    """Judges the outputs of a model by several criteria as one.

    Margins and scores are in units of the first criterion: a loss that takes all that one criterion allows is as large
    as one that takes all that the first allows.
    """

    def __init__(self, criteria: Sequence[Criterion], real: Any, data: Data) -> None:
        """Look at the events.

        Args:
            criteria: of each output.
            real: the float outputs (N, …); several by their names.
            data: the events, with labels where they are known.

        Raises:
            DataError: there are too few events for a tolerance.
        """
        self.criteria = tuple(criteria)
        self._judges = [_judge(criterion, real, data) for criterion in criteria]

    def judge(self, fixed: Any) -> Judgement:
        """Judge outputs of the shapes of the float ones.

        Raises:
            DataError: the user's metric gives no finite number.
        """
        unit = self.criteria[0].allowed_loss
        found = [
            (judge.judge(_of(fixed, criterion)), unit / criterion.allowed_loss)
            for criterion, judge in zip(self.criteria, self._judges, strict=True)
        ]
        measures = tuple(
            _named(measure, criterion)
            for criterion, (judgement, _) in zip(self.criteria, found, strict=True)
            for measure in judgement.measures
        )
        margins = [scale * judgement.margin for judgement, scale in found]
        least = margins.index(min(margins))
        return Judgement(
            measures,
            margins[least],
            min(scale * judgement.safe_margin for judgement, scale in found),
            sum(scale * judgement.score for judgement, scale in found) / len(found),
            _named(found[least][0].worst, self.criteria[least]),
        )

    def reached(self, best: Judgement) -> str:
        """Return what to keep instead of criteria that the best outputs found do not keep: what these do."""
        measures = iter(best.measures)
        instead = [
            reached(criterion, [next(measures) for _ in range(judge.count)])
            for criterion, judge in zip(self.criteria, self._judges, strict=True)
        ]
        known = {criterion.name for criterion in self.criteria if criterion.metric is None}
        these = ", which these types do" if known else ""
        other = ", or another metric, such as 'top1>=0.95' or 'mae<=0.01'" if known & {"auc", "mean_auc"} else ""
        return f"Instead, {' and '.join(instead)}{these}{other}"


def _judge(criterion: Criterion, real: Any, data: Data) -> Judge:
    name = criterion.output or ""
    given = data.labels_of(name)
    labels: Labels | None = None if given is None else given.classes
    where = f"{data.where}, output {name!r}" if name else data.where
    return Judge(criterion, _of(real, criterion), labels, None if given is None else given.names, where)


def _of(outputs: Any, criterion: Criterion) -> Reals:
    """Return the output that a criterion is of."""
    values: Reals = outputs if criterion.output is None else outputs[criterion.output]
    return values


def _named(measure: Measure, criterion: Criterion) -> Measure:
    return measure if criterion.output is None else replace(measure, name=f"{criterion.output}: {measure.name}")
