"""Automatic types: the least fixed-point precision that keeps what the user asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from loopwire import arguments
from loopwire.arguments import instance
from loopwire.compiler import compile_silently
from loopwire.config import DEFAULT_TYPE, CompileConfig, PrecisionConfig
from loopwire.data import Batch, Data, Inputs, given_data
from loopwire.design import Design
from loopwire.errors import ConfigError, DataError, PrecisionError, nearest
from loopwire.ir.types import FixedType
from loopwire.layers.model import Model
from loopwire.optimise.cost import estimate
from loopwire.optimise.criterion import Criterion, Judgement
from loopwire.optimise.groups import LEAST_WIDTH, Group, Probe, Types, configuration, fixed
from loopwire.optimise.integer_bits import bits_from_data, bits_from_proof
from loopwire.optimise.journal import Choice, Journal
from loopwire.optimise.model_judge import Keep, ModelJudge, criteria_of, criteria_text
from loopwire.optimise.search import descend
from loopwire.optimise.search_curve import Step, search_curve
from loopwire.report.picture import Picture
from loopwire.system.workers import Here, Workers
from loopwire.text.table import Table

INTEGERS = ("data", "proof")
START_FRACTION_BITS = (12, 14)
"""Tried in turn for all groups: a search starts from what keeps the criterion with every group this fine."""
CHECK_SHARE = 0.25
"""Of the data, kept out of the search where no other data are given for the final check."""


@dataclass(frozen=True)
class Progress:
    """Where a search is: what it tries, how many choices are judged, and the cheapest safe one's cost."""

    trying: str
    judged: int
    cost: float
    baseline_cost: float


@dataclass(frozen=True, repr=False)
class Precision:
    """What a search found.

    Attributes:
        criteria: what is kept, of each output.
        types: of every group of tensors.
        searched: the criteria on the data that the search looked at.
        checked: the criteria on other data.
        steps_taken_back: the last steps of the search that were undone because the check failed; where it is not 0
            the check is no longer independent of the choice.
        cost, baseline_cost: in estimated LUTs (optimise/cost.py), of these types and of `baseline` for all.
        weight_bits, activation_bits: mean width over all weights, and over all other numbers of a step.
        judged: choices that were judged.
        steps: of the search, those taken back left out.
    """

    criteria: tuple[Criterion, ...]
    types: Types
    searched: Judgement
    checked: Judgement
    steps_taken_back: int
    cost: float
    baseline_cost: float
    weight_bits: float
    activation_bits: float
    judged: int
    steps: tuple[Step, ...]

    @property
    def config(self) -> CompileConfig:
        """The types as `loopwire.compile` takes them."""
        return configuration(self.types)

    def table(self) -> Table:
        """Return the types of all groups of tensors."""
        rows = tuple((str(group), str(type)) for group, type in self.types.items())
        return Table(f"{self!r}"[1:-1], ("Tensors", "Type"), rows)

    def plot(self) -> Picture:
        """Return the course of the search: the worst measure against the estimated cost, step by step."""
        return Picture(search_curve(self.criteria, self.steps))

    def __repr__(self) -> str:
        share = f"{self.cost / self.baseline_cost:.0%} of the LUTs of fixed<16,6>"
        found = ", ".join(map(str, self.checked.measures))
        return f"<Precision that keeps {criteria_text(self.criteria)} ({found}), with {share} by estimate>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def find_precision(
    model: Model,
    data: Any,
    keep: Keep,
    *,
    check: Any = None,
    integers: str = "data",
    seed: int = 1,
    state: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    workers: Workers | None = None,
) -> Precision:
    """Search the cheapest types that keep a criterion, or several.

    Args:
        model: as `loopwire.load` returns it.
        data: what the search looks at: ranges, and the criterion with the labels, or without any the float model's
            own classes. Inputs x, a pair (x, y), the path of a file, an open .npz file, or `Data`.
        keep: such as 'auc>=0.995', or a `Criterion` with any function; of several outputs each keeps it, or a list
            says what each keeps: ['kind:auc>=0.995', 'mass:mae<=0.01'].
        check: data for the final check; by default a quarter of `data`, kept out of the search.
        integers: integer bits that hold all values met ('data'), or all that any input can cause ('proof').
        seed: chooses the quarter.
        state: file by which a search that was stopped goes on.
        progress: called with the progress.
        workers: of `system.workers`, which judge choices side by side; None: this process. They find the same types.

    Raises:
        ConfigError: `keep` or `integers` is unknown, or an output has no criterion.
        DataError: the data do not fit the model, or are too few for the tolerance.
        OutputError: `state` cannot be written, or belongs to another search.
        PrecisionError: no types keep the criteria.
    """
    instance(Model, "Give what loopwire.load returns")("model", model)
    criteria = criteria_of(keep, model.outputs)
    if integers not in INTEGERS:
        remedy = f"{nearest(integers, INTEGERS)}Choose from {', '.join(INTEGERS)}"
        raise ConfigError("integers", f"{integers!r} is unknown", remedy)
    data = given_data("data", data, model.inputs, model.outputs)
    probe = Probe(model)
    looked_at, check = (
        _split(data, seed) if check is None else (data, given_data("check", check, model.inputs, model.outputs))
    )
    floating = compile_silently(probe.model)
    # The data of the check first: mostly the fewer ones, whose refusal names what both can tell.
    check_judge, judge = (
        ModelJudge(criteria, floating.predict_float(events.inputs), events) for events in (check, looked_at)
    )
    bits = bits_from_data(probe, data.arrays)
    if integers == "proof":
        bits = bits_from_proof(probe, bits[probe.groups[0]])
    baseline = compile_silently(probe.model, CompileConfig(model=PrecisionConfig(precision=DEFAULT_TYPE)))
    journal = Journal(
        None if state is None else arguments.path("state", state), _digest(probe, looked_at, criteria, bits)
    )
    baseline_cost = estimate(baseline.graph).total
    question = _Question(probe.model, probe.groups, bits, looked_at.inputs, judge)
    trial = _Trial(question, journal, workers or Here(), progress, baseline_cost)
    names = [str(group) for group in probe.groups]
    path = descend(trial.evaluate, _wide(trial), question.floor, trial.tell)
    back = 0
    checked = check_judge.judge(question.design(path[-1]).emulate(check.inputs))
    while not checked.holds and back + 1 < len(path):
        back += 1
        checked = check_judge.judge(question.design(path[-1 - back]).emulate(check.inputs))
    if not checked.holds:
        raise _unreachable(check_judge, checked, check.where)
    choice = path[-1 - back]
    judgement, cost = trial.evaluate([choice])[0]
    steps = _steps(trial, path[: len(path) - back], names)
    journal.remove()
    types = question.types(choice)
    weights, activations = _mean_widths(probe, types)
    return Precision(
        criteria, types, judgement, checked, back, cost, baseline_cost, weights, activations, len(journal), steps
    )


def _steps(trial: _Trial, path: Sequence[Choice], names: Sequence[str]) -> tuple[Step, ...]:
    """Return what each choice of a path changed, kept and cost."""
    steps = []
    before: Choice | None = None
    for choice in path:
        judgement, cost = trial.evaluate([choice])[0]
        changes = (
            [] if before is None else [p for p, pair in enumerate(zip(before, choice, strict=True)) if len({*pair}) > 1]
        )
        if before is None:
            what = f"{max(choice)} fraction bits in every tensor"
        elif len(changes) == 1:
            what = f"{names[changes[0]]}: {before[changes[0]]} to {choice[changes[0]]} fraction bits"
        else:
            what = f"all that {len(changes)} groups of tensors can do without, each alone"
        steps.append(Step(what, judgement, cost))
        before = choice
    return tuple(steps)


@dataclass(frozen=True, eq=False)
class _Question:
    """What is asked of each choice of fraction bits."""

    model: Model
    groups: Sequence[Group]
    integer_bits: Mapping[Group, int]
    x: Inputs
    judge: ModelJudge
    kept: dict[tuple[FixedType, ...], Batch] = field(default_factory=dict)

    @property
    def floor(self) -> Choice:
        """The fewest fraction bits of each group."""
        return tuple(max(LEAST_WIDTH - self.integer_bits[group], 0) for group in self.groups)

    def types(self, choice: Choice) -> Types:
        pairs = zip(self.groups, choice, strict=True)
        return {g: fixed(self.integer_bits[g] + fraction, self.integer_bits[g]) for g, fraction in pairs}

    def design(self, choice: Choice) -> Design:
        return compile_silently(self.model, configuration(self.types(choice)))

    def inputs(self, design: Design) -> Batch:
        """Return the inputs in steps of their types in the design, kept until other types are asked for."""
        types = tuple(value.type.element for value in design.graph.inputs)
        if types not in self.kept:
            self.kept.clear()
            self.kept[types] = design.input_integers(self.x, None)[0]
        return self.kept[types]


def _answer(question: _Question, choice: Choice) -> tuple[Judgement, float]:
    """Judge a choice, and estimate its cost: what runs on a worker."""
    design = question.design(choice)
    judgement = question.judge.judge(design.emulate_integers(question.inputs(design)))
    return judgement, estimate(design.graph).total


class _Trial:
    """Judgements and costs of choices, each found once."""

    def __init__(
        self,
        question: _Question,
        journal: Journal,
        workers: Workers,
        progress: Callable[[Progress], None] | None,
        baseline_cost: float,
    ) -> None:
        self.question = question
        self._journal, self._workers, self._progress = journal, workers, progress
        self._at = Progress("", 0, baseline_cost, baseline_cost)

    def tell(self, trying: str, choice: Choice) -> None:
        """Tell what is tried now, and the best choice so far."""
        known = self._journal.get(choice)
        self._at = replace(self._at, trying=trying, cost=self._at.cost if known is None else known[1])
        self._tell()

    def evaluate(self, choices: Sequence[Choice]) -> list[tuple[Judgement, float]]:
        unknown = [choice for choice in dict.fromkeys(choices) if self._journal.get(choice) is None]
        for place, answer in self._workers.run(_answer, self.question, unknown):
            self._journal.add(unknown[place], *answer)
            self._tell()
        return [self._journal[choice] for choice in choices]

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(replace(self._at, judged=len(self._journal)))


def _wide(trial: _Trial) -> Choice:
    """Return a choice from which a search can start."""
    judgement = None
    for fraction in START_FRACTION_BITS:
        choice = tuple(max(fraction, least) for least in trial.question.floor)
        trial.tell(f"{fraction} fraction bits everywhere", choice)
        ((judgement, _),) = trial.evaluate([choice])
        if judgement.is_safe:
            return choice
    assert judgement is not None
    raise _unreachable(trial.question.judge, judgement, f"{START_FRACTION_BITS[-1]} fraction bits in every tensor")


def _unreachable(judge: ModelJudge, best: Judgement, where: str) -> PrecisionError:
    found = ", ".join(map(str, best.measures))
    problem = f"nothing reaches it; the best found, on {where}, is {found}"
    return PrecisionError(f"keep {criteria_text(judge.criteria)!r}", problem, judge.reached(best))


def _split(data: Data, seed: int) -> tuple[Data, Data]:
    """Return the events for the search, and those for the check."""
    rows = np.random.default_rng(seed).permutation(len(data.inputs))
    kept_out = int(len(rows) * CHECK_SHARE)
    if kept_out == 0:
        raise DataError(data.where, f"{len(rows)} events leave none for the final check", "Give 4 or more")
    check, search = np.sort(rows[:kept_out]), np.sort(rows[kept_out:])
    return (
        data.part(search, f"{data.where}, {len(search)} events for the search"),
        data.part(check, f"{data.where}, {len(check)} events kept out for the check"),
    )


def _digest(probe: Probe, events: Data, criteria: Sequence[Criterion], bits: Mapping[Group, int]) -> str:
    """Return what decides the course of a search."""
    integer_bits = [(str(group), bits[group]) for group in probe.groups]
    digest = hashlib.sha256(repr((criteria_text(criteria), integer_bits)).encode())
    for value, op, _ in probe.typed():
        digest.update(repr(value).encode())
        reals = getattr(op, "reals", None)
        digest.update(b"" if reals is None else np.ascontiguousarray(reals).tobytes())
    digest.update(events.digest())
    return digest.hexdigest()


def _mean_widths(probe: Probe, types: Types) -> tuple[float, float]:
    """Return the mean width of weights, and of all other numbers."""
    elements = probe.elements()

    def mean(groups: list[Group]) -> float:
        count = sum(elements[group] for group in groups)
        return sum(elements[group] * types[group].width for group in groups) / count if count else 0.0

    return (
        mean([group for group in types if group.is_weights]),
        mean([group for group in types if not group.is_weights]),
    )
