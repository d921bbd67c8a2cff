"""One training: epochs over the events with Adam, and the epoch whose weights are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwire.compiler import compile_silently
from loopwire.data import Inputs
from loopwire.design import Design
from loopwire.emulator.differentiable import DifferentiableGraph
from loopwire.errors import DataError, TrainingError
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.graph import Graph, Value
from loopwire.training.activation_widths import ActivationWidths
from loopwire.training.digits import Digits
from loopwire.training.links import constants
from loopwire.training.losses import Loss, OutputLoss, scored
from loopwire.training.pruning import Pruning
from loopwire.training.schedule import Schedule
from loopwire.training.widths import Widths, by_step

Reals = npt.NDArray[np.float64]
Labels = npt.ArrayLike | Mapping[str, npt.ArrayLike]
"""Of the only output, or of each by its name."""

GRID_RATE = 10
"""Learning rate of grids, whose unit is a bit, by that of weights."""
DIVERGED = 2.0
"""A training diverged where no epoch was better than the start, and the held-out loss of the last is this many times
that of the start."""
LEAST_DIVERGED = 0.1
"""Held-out loss, in nats or in variances of the outputs, below which no training counts as diverged."""


@dataclass(frozen=True)
class Epoch:
    """The mean loss of the training events in one epoch, and of the held-out events after it."""

    training_loss: float
    held_out_loss: float


class Trainer:
    """One training: the machine, its weights, and the events.

    Attributes:
        config: with the types of the machine.
        start_loss: of the held-out events before training.
    """

    def __init__(
        self,
        design: Design,
        trained: set[str],
        x: Inputs,
        aim: Labels | None,
        loss: Loss,
        schedule: Schedule,
    ) -> None:
        graph = design.graph
        scores = [scored(graph, output) for output in graph.outputs]
        self._design, self.config = design, design.config
        self._machine = _machine(graph, sorted(trained))
        if not self._machine.weights:
            raise TrainingError("finetune", "the model has no weights to train", "Give a model with weights")
        self._widths = None
        if schedule.bit_price:
            left_out = by_step(graph)
            self._widths = Widths({value: w for value, w in self._machine.weights.items() if value not in left_out})
        self._activations = None
        if schedule.narrow:
            self._activations = ActivationWidths(design.model, graph, [score.value for score in scores])
            self._machine.fractions = self._activations.of(graph)
        integers = design.input_integers(x, None)[0]
        count = len(integers)
        order = np.random.default_rng(schedule.seed).permutation(count)
        held_out = max(int(schedule.held_out * count), 1)
        if held_out >= count:
            raise DataError("data", f"{count} events are too few to train on", "Give hundreds or more")
        self._split, self._count = count - held_out, count
        self._x = tuple(
            torch.from_numpy(to_real(array[order], value.type.element.fraction)).to(self._machine.dtype)
            for value, array in zip(graph.inputs, integers.arrays, strict=True)
        )
        names = [tensor.name for tensor in design.model.outputs]
        given = _by_output(names, aim)
        self._parts = tuple(
            OutputLoss(score, loss, given[name], count, order) for name, score in zip(names, scores, strict=True)
        )
        self._schedule = schedule
        self._digits: Digits | None = None
        self.start_loss = self._held_out_loss()

    def weights(self) -> dict[str, Reals]:
        """Return the weights as numbers of their types."""
        return {
            value.name: to_real(quantise(w.detach().numpy(), value.type.element), value.type.element.fraction)
            for value, w in self._on_grids().items()
        }

    def run(self, progress: Callable[[int, Epoch], None] | None) -> tuple[list[Epoch], int]:
        """Train; return all epochs, and the one whose weights are kept."""
        schedule, weights = self._schedule, list(self._machine.weights.values())
        groups: list[dict[str, Any]] = [{"params": weights}]
        narrowed = [each for each in (self._widths, self._activations) if each is not None]
        if bits := [fractions for each in narrowed for fractions in each.fractions.values()]:
            groups.append({"params": bits, "lr": GRID_RATE * schedule.learning_rate})
            weights = [*weights, *bits]
        adam = torch.optim.Adam(groups, schedule.learning_rate)
        steps = schedule.epochs * -(-self._split // schedule.batch)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        pruning = Pruning(self._machine.weights, schedule.pruned, -(-steps // 2))
        cheaper: list[Pruning | Digits] = [pruning]
        if schedule.digits is not None:
            self._digits = Digits(self._machine.weights, by_step(self._machine.graph), schedule.digits, steps)
            cheaper.append(self._digits)
        shuffle = torch.Generator().manual_seed(schedule.seed)
        least, best, kept = self.start_loss, [w.detach().clone() for w in weights], -1
        if not all(each.is_complete for each in cheaper):
            least = float("inf")
        history: list[Epoch] = []
        for epoch in range(schedule.epochs):
            total = 0.0
            for rows in torch.randperm(self._split, generator=shuffle).split(schedule.batch):
                adam.zero_grad()
                value = self._loss_of(rows)
                value.backward()
                self._refuse_no_gradient(history, is_first=rate.last_epoch == 0)
                adam.step()
                rate.step()
                pruning.step_()
                self._machine.clamp_()
                if self._digits is not None:
                    reals_of = self._machine.weights.items()
                    self._digits.step_({value: adam.state[reals]["exp_avg_sq"] for value, reals in reals_of})
                for each in narrowed:
                    each.clamp_()
                total += float(value.detach()) * len(rows)
            self._follow_types()
            history.append(Epoch(total / self._split, self._held_out_loss()))
            if progress is not None:
                progress(epoch, history[-1])
            if not all(each.is_complete for each in cheaper):
                continue
            if history[-1].held_out_loss < least:
                least, best, kept = history[-1].held_out_loss, [w.detach().clone() for w in weights], epoch
            elif epoch - max(kept, 0) >= schedule.patience:
                break
        if kept < 0:
            self._refuse_divergence(history)
        with torch.no_grad():
            for w, state in zip(weights, best, strict=True):
                w.copy_(state)
        self._follow_types()
        return history, kept

    def _follow_types(self) -> None:
        """Bring the machine to the types that are trained, with the weights as they are."""
        if self._activations is None:
            return
        config = self._activations.configured(self.config)
        if config == self.config:
            return
        graph = compile_silently(self._design.model, config).graph
        weights = {value.name: reals for value, reals in self._machine.weights.items()}
        self.config, self._machine = config, _machine(graph, weights)
        self._machine.weights.update({value: weights[value.name] for value in self._machine.weights})
        self._machine.fractions = self._activations.of(graph)

    def _on_grids(self) -> Mapping[Value, Tensor]:
        """Return the weights as they are evaluated."""
        weights = self._machine.weights
        if self._digits is not None:
            return self._digits.numbers(weights)
        return self._machine.rounded(weights if self._widths is None else self._widths.on_grids(weights))

    def _loss_of(self, rows: Tensor) -> Tensor:
        weights = self._on_grids()
        scores = self._machine(*(x[rows] for x in self._x), weights=weights)
        parts = (part(each.double(), rows) for part, each in zip(self._parts, scores, strict=True))
        loss, price = sum(parts, torch.zeros((), dtype=torch.float64)), self._schedule.bit_price
        if self._widths is not None:
            loss = loss + price * self._widths.mean_bits(weights)
        if self._activations is not None:
            loss = loss + price * self._activations.mean_bits()
        return loss

    def _held_out_loss(self) -> float:
        with torch.no_grad():
            return float(self._loss_of(torch.arange(self._split, self._count)))

    def _refuse_no_gradient(self, history: Sequence[Epoch], is_first: bool) -> None:
        if any(w.grad is not None and w.grad.any() for w in self._machine.weights.values()):
            return
        if not is_first:
            raise self._diverged(f"no weight has a gradient any more in epoch {len(history) + 1}")
        raise TrainingError(
            "finetune",
            "no weight has a gradient: on these events every number that depends on one saturates",
            "Give types with more integer bits: `loopwire precision` finds them, the report shows what clips",
        )

    def _refuse_divergence(self, history: Sequence[Epoch]) -> None:
        last = history[-1].held_out_loss
        if not last <= max(DIVERGED * self.start_loss, LEAST_DIVERGED):
            before = f"{self.start_loss:.4g} before training"
            raise self._diverged(f"the held-out loss is {last:.4g} after {len(history)} epochs, {before}")

    def _diverged(self, sign: str) -> TrainingError:
        remedy = f"Give a learning_rate below {self._schedule.learning_rate:g}"
        return TrainingError("finetune", f"the training diverged: {sign}", remedy)


def _machine(graph: Graph, trained: Iterable[str]) -> DifferentiableGraph:
    """Return a machine that gives what losses are computed of; `trained` are names of constants."""
    every = constants(graph)
    scores = tuple(scored(graph, output).value for output in graph.outputs)
    return DifferentiableGraph(Graph(graph.inputs, graph.nodes, scores), [every[name] for name in trained])


def _by_output(names: Sequence[str], given: Labels | None) -> Mapping[str, npt.ArrayLike]:
    """Return what is given for each output.

    Raises:
        DataError: an output has none.
    """
    if given is None:
        raise DataError("data", "there are no labels, and the loss needs them", "Give labels, or choose distillation")
    if not isinstance(given, Mapping):
        given = {names[0]: given}
    if missing := [name for name in names if name not in given]:
        raise DataError(
            "labels", f"output {missing[0]!r} has none", f"Give labels of each output by its name: {', '.join(names)}"
        )
    return given
