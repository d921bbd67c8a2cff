"""The trade-off of a model: many designs, and those that none beats."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from loopwire import arguments
from loopwire.arguments import instance
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.data import given_data
from loopwire.design import Design
from loopwire.design_targets import DesignTargets
from loopwire.errors import ConfigError, nearest
from loopwire.ir.text import print_graph
from loopwire.layers.model import Model
from loopwire.optimise.chooser import read_targets
from loopwire.optimise.criterion import Criterion
from loopwire.optimise.model_judge import Keep, criteria_of, criteria_text
from loopwire.report.picture import Picture
from loopwire.system.progress import Progress, silent
from loopwire.system.workers import Here, workers
from loopwire.targets.registry import find_target
from loopwire.text.table import Table, data_frame
from loopwire.tradeoff.front_figure import front_figure
from loopwire.tradeoff.search import OBJECTIVES, OUTCOME, Search
from loopwire.tradeoff.space import Space, check_parts
from loopwire.tradeoff.trial import Outcome, Task, check_task


@dataclass(frozen=True)
class Point:
    """A design of the front: the number of its trial, its settings, and what it reaches."""

    trial: int
    config: CompileConfig
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """Return its trial, and what it reaches, as JSON holds it."""
        return {"trial": self.trial, **self.outcome.to_dict()}


@dataclass(frozen=True, repr=False)
class Exploration:
    """What was tried, and the designs that none beats in all objectives, by the first objective.

    Attributes:
        model: of the designs.
        criteria: what all of them keep, of each output.
        objectives: names, from `search.OBJECTIVES`.
        front: the designs.
        tried, refused: how many designs, and how many of them cannot be made.
    """

    model: Model
    criteria: tuple[Criterion, ...]
    objectives: tuple[str, ...]
    front: tuple[Point, ...]
    tried: int
    refused: int

    def design(self, place: int) -> Design:
        """Return a design of the front."""
        return compile_silently(self.model, self.front[place].config)

    def table(self) -> Table:
        """Return the front as a table."""
        head = ("#", "Latency", "Interval", "Share", "Loss", "Clock", "Reuse factors")
        rows = []
        for place, point in enumerate(self.front):
            found, config = point.outcome, point.config
            reached = (f"{found.latency_ns:.4g} ns", f"{found.interval_ns:.4g} ns", f"{found.share:.2%}")
            factors = ", ".join(f"{layer} {factor}" for layer, factor in config.layer_reuse_factor.items()) or "1"
            rows.append((str(place), *reached, f"{found.loss:.4f}", f"{config.clock_period_ns:g} ns", factors))
        return Table(f"{self!r}"[1:-1], head, tuple(rows))

    def plot(self) -> Picture:
        """Return latency against the share of the part, each design in the colour of its loss.

        Raises:
            ToolError: the extra `plots` is not installed.
        """
        return Picture.drawn(partial(front_figure, [point.outcome for point in self.front]))

    def to_dataframe(self) -> Any:
        """Return the front as a `pandas.DataFrame`.

        Raises:
            ToolError: pandas is not installed.
        """
        return data_frame([point.to_dict() for point in self.front])

    def facts(self) -> dict[str, Any]:
        """Return the front, and how it was found, as JSON holds it."""
        points = [point.to_dict() for point in self.front]
        facts = {"keep": criteria_text(self.criteria), "objectives": self.objectives, "tried": self.tried}
        return {**facts, "refused": self.refused, "front": points}

    def to_json(self) -> str:
        """Return the same as text."""
        return json.dumps(self.facts(), indent=2) + "\n"

    def __repr__(self) -> str:
        of = f"{', '.join(self.objectives)} with {criteria_text(self.criteria)}"
        return f"<Exploration of {of}: {len(self.front)} of {self.tried} designs are beaten by none>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def explore(
    model: Model,
    data: Any,
    config: CompileConfig | None = None,
    *,
    keep: Keep = "auc>=0.99",
    objectives: Sequence[str] = ("latency", "share", "loss"),
    targets: DesignTargets | Mapping[str, Any] | None = None,
    parts: Sequence[str] = (),
    trials: int | None = None,
    minutes: float | None = None,
    seed: int = 1,
    journal: str | Path | None = None,
    processes: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Try many designs of a model, and return those that none beats in all objectives.

    Varied are the fraction bits of each group of tensors, the reuse factor of each layer, copies, interleave, ports,
    the clock where `targets` has `min_clock_ns`, and the part where there are several. The search begins with the
    designs of `choose` and the types of `find_precision`.

    Args:
        model: as `loopwire.load` returns it.
        data: inputs and labels, as for `find_precision`.
        config: settings that stay.
        keep: what all designs of the front keep, as for `find_precision`; `loss` is of its worst value.
        objectives: from latency (ns), interval (ns), share (largest of the part's resources) and loss.
        targets: bounds that all designs of the front keep, or a dictionary of them, such as {"max_luts": 20000}.
        parts: FPGAs to try; none: the configuration's.
        trials: how many designs to try, those of the journal included; None: as long as `minutes`.
        minutes: when to stop, at the end of a generation.
        seed: of all random choices.
        journal: file that keeps all trials, which optuna reads too; with it a search goes on where it ended.
        processes: workers of this machine; None: this process.
        scheduler: address of a Dask scheduler instead.
        progress: called with how many trials are done, of how many (0: unknown).

    Raises:
        ConfigError: an objective, a part or a setting is unknown or impossible.
        DataError: the data do not fit the model, or cannot tell the criterion.
        OutputError: the journal cannot be written, or is of another search.
        ToolError: optuna or Dask is missing, or the scheduler cannot be used.
    """
    instance(Model, "Give what loopwire.load returns")("model", model)
    criteria = criteria_of(keep, model.outputs)
    config, targets = config or CompileConfig(), _given(targets)
    _check(objectives, trials, minutes)
    check_parts(parts)
    events = given_data("data", data, model.inputs, model.outputs)
    if not find_target(config.target).PREDICTS:
        problem = f"the cycles and the area of {config.target} are known to its tool only"
        raise ConfigError("target", problem, "Explore with target 'verilog'; HLS C++ gives the same outputs")
    file = None if journal is None else arguments.path("journal", journal)
    with workers(processes, scheduler) as found:  # they start while this process prepares
        model = compile_silently(model).model
        task = Task(model, events, criteria)
        check_task(task)
        space = Space.of(model, events, replace(config, targets=None), parts, targets.min_clock_ns)
        digest = _digest(space, task, objectives, targets, seed)
        search = Search(task, space, objectives, targets.bounds(), seed, file, digest)
        end_s = None if minutes is None else time.monotonic() + 60 * minutes
        search.run(found or Here(), trials, end_s, progress or silent)
    finished = search.finished()
    points = [Point(t.number, space.config(t.params), Outcome(**t.user_attrs[OUTCOME])) for t in search.front()]
    refused = sum(not trial.values for trial in finished)
    return Exploration(model, criteria, tuple(objectives), tuple(points), len(finished), refused)


def _given(targets: DesignTargets | Mapping[str, Any] | None) -> DesignTargets:
    if isinstance(targets, DesignTargets):
        return targets
    if targets is None:
        return DesignTargets(max_share=1.0)
    return read_targets("explore", targets)


def _check(objectives: Sequence[str], trials: int | None, minutes: float | None) -> None:
    for name in objectives:
        if name not in OBJECTIVES:
            remedy = f"{nearest(name, OBJECTIVES)}Choose from {', '.join(OBJECTIVES)}"
            raise ConfigError("objectives", f"{name!r} is unknown", remedy)
    if len(set(objectives)) < max(len(objectives), 2):
        raise ConfigError("objectives", f"{', '.join(objectives)} are not a trade-off", "Give two or more, each once")
    if trials is None and minutes is None:
        raise ConfigError(
            "explore", "neither trials nor minutes are set", "Give a number of trials, a number of minutes, or both"
        )
    for where, value in (("trials", trials), ("minutes", minutes)):
        if value is not None and value <= 0:
            raise ConfigError(where, f"{value:g} is out of range", "Give a number above 0")


def _digest(space: Space, task: Task, objectives: Sequence[str], targets: DesignTargets, seed: int) -> str:
    """Return what decides the course of a search."""
    digest = hashlib.sha256(repr((space, criteria_text(task.criteria), tuple(objectives), targets, seed)).encode())
    digest.update(print_graph(compile_silently(task.model).graph).encode())
    digest.update(task.events.digest())
    return digest.hexdigest()
