"""One design, judged: its cycles, its area and what its numbers keep. What runs on a worker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from loopwire.area.engine_area import areas
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.data import Data
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.layers.model import Model
from loopwire.optimise.criterion import Criterion
from loopwire.optimise.model_judge import ModelJudge
from loopwire.report.area import estimated_use
from loopwire.schedule.plan import plan


@dataclass(frozen=True, eq=False)
class Task:
    """What all trials share: the model, the events to judge by, and what is judged."""

    model: Model
    events: Data
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class Outcome:
    """What a design reaches.

    Attributes:
        latency_cycles, latency_ns: the least, of a lone full sequence.
        interval_cycles, interval_ns: from sequence to sequence at full rate.
        share: the largest of any resource of the part, by estimate.
        resources: how many of each, by estimate.
        loss: 1 less the criterion's worst value; of a difference, the value. Of several criteria the worst loss, in
            units of the first (`ModelJudge`).
        margin: how far it is inside the criterion's bound, in the same units; negative outside.
    """

    latency_cycles: int
    latency_ns: float
    interval_cycles: float
    interval_ns: float
    share: float
    resources: dict[str, int]
    loss: float
    margin: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Refused:
    """A design that cannot be made, and why."""

    why: str


def evaluate(task: Task, config: CompileConfig) -> Outcome | Refused:
    """Plan, estimate and emulate a design; none of its text is written."""
    try:
        design = compile_silently(task.model, config)
        found = plan(design.graph, design.device, config.clock_period_ns, design.config)
        used = estimated_use(areas(found, design.device), design.device)
        latency_cycles, interval_cycles = found.latency_cycles, found.steady.initiation_interval_cycles
    except (ConfigError, UnsupportedError) as error:
        return Refused(str(error))
    judgement = _judge(task).judge(design.emulate(task.events.inputs))
    bound, at_least = task.criteria[0].bound, task.criteria[0].at_least
    return Outcome(
        latency_cycles=latency_cycles,
        latency_ns=latency_cycles * config.clock_period_ns,
        interval_cycles=interval_cycles,
        interval_ns=interval_cycles * config.clock_period_ns,
        share=max((use.used / (use.available or 1e-9) for use in used), default=0.0),
        resources={use.name: use.used for use in used},
        loss=1.0 - (judgement.margin + bound) if at_least else bound - judgement.margin,
        margin=judgement.margin,
    )


@lru_cache(maxsize=2)
def _judge(task: Task) -> ModelJudge:
    """Return the judge of a task, whose events are evaluated in floating point once on each worker."""
    real = compile_silently(task.model).predict_float(task.events.inputs)
    return ModelJudge(task.criteria, real, task.events)


def check_task(task: Task) -> None:
    """Refuse events that cannot tell what is asked.

    Raises:
        DataError: they cannot.
    """
    _judge(task)
