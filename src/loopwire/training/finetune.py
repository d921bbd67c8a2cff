"""Trains a model's weights on the numbers that its firmware computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.emulator.differentiable import DifferentiableGraph
from loopwire.errors import ConfigError, DataError, TrainingError
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.graph import Graph
from loopwire.layers.model import Layer, Model
from loopwire.training.links import Arrays, constants, followed, links
from loopwire.training.losses import End, Loss, Scored, loss_of, scored

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a training goes.

    Attributes:
        epochs: passes over the training events, at most.
        learning_rate: of Adam, at first; it falls to 0 along half a cosine.
        batch: events a step.
        held_out: share of the events, chosen by `seed`, that only judge.
        patience: epochs without a smaller held-out loss after which the training ends.
        seed: of all random choices.

    Raises:
        ConfigError: a value is impossible.
    """

    epochs: int = 20
    learning_rate: float = 1e-3
    batch: int = 256
    held_out: float = 0.1
    patience: int = 5
    seed: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "seed" and not value > 0:
                raise ConfigError(f"finetune, {field.name}", f"{value} is impossible", "Give more than 0")
        if self.held_out >= 0.9:
            raise ConfigError("finetune, held_out", f"{self.held_out} leaves little to train on", "Give less than 0.9")


@dataclass(frozen=True)
class Epoch:
    """The mean loss of the training events in one epoch, and of the held-out events after it."""

    training_loss: float
    held_out_loss: float


@dataclass(frozen=True)
class Tuned:
    """A model whose weights are numbers of their types, and how it came about.

    Attributes:
        model: with the trained weights; its float reference is that of these weights.
        design: compiled from it.
        loss: what was made small.
        start_loss: of the held-out events before training, weights rounded.
        history: each epoch.
        kept: the epoch whose weights are kept, from 0; -1 where no epoch was better than the start.
    """

    model: Model
    design: Design
    loss: Loss
    start_loss: float
    history: tuple[Epoch, ...]
    kept: int


def finetune(
    model: Model,
    config: CompileConfig,
    x: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    *,
    loss: Loss = Loss.DISTILLATION,
    schedule: Schedule | None = None,
    progress: Callable[[int, Epoch], None] | None = None,
) -> Tuned:
    """Train the weights of a model on exactly the numbers that its firmware computes.

    Weights stay in the ranges of their types, so no training ends in numbers that are not finite. Where no epoch is
    better than the rounded weights, these are kept.

    Args:
        model: as `loopwire.load` returns it.
        config: the types.
        x: training inputs (N, *input shape).
        labels: classes (N,) or numbers (N, *output shape) for `Loss.LABELS`.
        loss: what is made small.
        schedule: how; the default one if None.
        progress: told of each epoch.

    Raises:
        ConfigError: the configuration does not fit the model.
        DataError: the data do not fit the model, or labels are missing.
        TrainingError: no weight has a gradient.
        UnsupportedError: the graph has numbers beyond floating point, or weights that no array of the model can carry.
    """
    schedule = schedule or Schedule()
    design = compile_silently(model, config)
    arrays = arrays_of(design.model)

    def build(given: Arrays) -> Graph:
        return compile_silently(with_arrays(design.model, given), config).graph

    found = links(build, arrays)
    target = _targets(design, np.asarray(x), labels, loss)
    trainer = _Trainer(design, {link.constant for link in found}, np.asarray(x), target, loss, schedule)
    with _one_thread():
        history, kept = trainer.run(progress)
    tuned = with_arrays(design.model, followed(build, arrays, found, trainer.weights()))
    return Tuned(tuned, compile_silently(tuned, config), loss, trainer.start_loss, tuple(history), kept)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute sums in one order, so that a training repeats; small tensors are no slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def arrays_of(model: Model) -> dict[str, Reals]:
    """Return the arrays of all layers by 'layer/field'."""
    return {
        f"{layer.name}/{name}": array
        for layer in model.layers
        for name, array in vars(layer).items()
        if isinstance(array, np.ndarray)
    }


def with_arrays(model: Model, arrays: Arrays) -> Model:
    """Return the model with other arrays."""

    def changed(layer: Layer) -> Layer:
        own = {name.rpartition("/")[2]: a for name, a in arrays.items() if name.rpartition("/")[0] == layer.name}
        return replace(layer, **own) if own else layer  # type: ignore[type-var]

    layers: Mapping[str, Layer] = {layer.name: changed(layer) for layer in model.layers}
    return replace(model, calls=tuple(replace(call, layer=layers[call.layer.name]) for call in model.calls))


def _targets(design: Design, x: npt.NDArray[Any], labels: npt.ArrayLike | None, loss: Loss) -> npt.NDArray[Any]:
    if loss is Loss.DISTILLATION:
        float_outputs: Reals = design.predict_float(x)
        return float_outputs
    if labels is None:
        raise DataError("data", "there are no labels, and the loss needs them", "Give labels, or choose distillation")
    return np.asarray(labels, np.float64)


class _Trainer:
    """One training: the machine, its weights, and the events."""

    def __init__(
        self,
        design: Design,
        trained: set[str],
        x: npt.NDArray[Any],
        target: npt.NDArray[Any],
        loss: Loss,
        schedule: Schedule,
    ) -> None:
        graph = design.graph
        score: Scored = scored(graph)
        seen = Graph(graph.inputs, graph.nodes, (score.value,))
        every = constants(graph)
        self._machine = DifferentiableGraph(seen, [every[name] for name in sorted(trained)])
        if not self._machine.weights:
            raise TrainingError("finetune", "the model has no weights to train", "Give a model with weights")
        element = graph.inputs[0].type.element
        inputs = to_real(quantise(x.reshape(len(x), *graph.inputs[0].type.shape), element), element.fraction)
        order = np.random.default_rng(schedule.seed).permutation(len(x))
        held_out = max(int(schedule.held_out * len(x)), 1)
        if held_out >= len(x):
            raise DataError("data", f"{len(x)} events are too few to train on", "Give hundreds or more")
        self._x = torch.from_numpy(inputs[order]).to(self._machine.dtype)
        labels = loss is Loss.LABELS and score.end is not End.NUMBERS
        self._target = torch.from_numpy(target[order].astype(np.int64 if labels else np.float64))
        self._split = len(x) - held_out
        if len(target) != len(x) or not np.isfinite(target).all():
            raise DataError(
                "labels", f"they are not a finite number for each of the {len(x)} events", "Check the labels"
            )
        spread = 1.0 if score.end is not End.NUMBERS else max(float(target.std()), 1e-9)
        self._loss = loss_of(score.end, loss, spread)
        self._schedule = schedule
        self.start_loss = self._held_out_loss()

    def weights(self) -> dict[str, Reals]:
        """Return the weights as numbers of their types."""
        return {
            value.name: to_real(quantise(w.detach().numpy(), value.type.element), value.type.element.fraction)
            for value, w in self._machine.weights.items()
        }

    def run(self, progress: Callable[[int, Epoch], None] | None) -> tuple[list[Epoch], int]:
        """Train; return all epochs, and the one whose weights are kept."""
        schedule, weights = self._schedule, list(self._machine.weights.values())
        adam = torch.optim.Adam(weights, schedule.learning_rate)
        steps = -(-self._split // schedule.batch)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, schedule.epochs * steps)
        shuffle = torch.Generator().manual_seed(schedule.seed)
        least, best, kept = self.start_loss, [w.detach().clone() for w in weights], -1
        history: list[Epoch] = []
        for epoch in range(schedule.epochs):
            total = 0.0
            for rows in torch.randperm(self._split, generator=shuffle).split(schedule.batch):
                adam.zero_grad()
                value = self._loss(self._scores(rows), self._target[rows])
                value.backward()
                self._refuse_no_gradient()
                adam.step()
                rate.step()
                self._machine.clamp_()
                total += float(value.detach()) * len(rows)
            history.append(Epoch(total / self._split, self._held_out_loss()))
            if progress is not None:
                progress(epoch, history[-1])
            if history[-1].held_out_loss < least:
                least, best, kept = history[-1].held_out_loss, [w.detach().clone() for w in weights], epoch
            elif epoch - max(kept, 0) >= schedule.patience:
                break
        with torch.no_grad():
            for w, state in zip(weights, best, strict=True):
                w.copy_(state)
        return history, kept

    def _scores(self, rows: Tensor) -> Tensor:
        (scores,) = self._machine(self._x[rows])
        return scores.double()

    def _held_out_loss(self) -> float:
        with torch.no_grad():
            rows = torch.arange(self._split, len(self._x))
            return float(self._loss(self._scores(rows), self._target[rows]))

    def _refuse_no_gradient(self) -> None:
        if not any(w.grad is not None and w.grad.any() for w in self._machine.weights.values()):
            raise TrainingError(
                "finetune",
                "no weight has a gradient: on these events every number that depends on one saturates",
                "Give types with more integer bits: `loopwire precision` finds them, the report shows what clips",
            )
