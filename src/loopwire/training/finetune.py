"""Trains a model's weights on the numbers that its firmware computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from loopwire.arguments import instance
from loopwire.compiler import compile_silently, configuration
from loopwire.config import CompileConfig
from loopwire.data import Inputs
from loopwire.design import Design
from loopwire.errors import ConfigError, DataError, UnsupportedError
from loopwire.ir.graph import Graph
from loopwire.layers.model import Layer, Model
from loopwire.layers.quantised.quantised import Quantised
from loopwire.text.table import Table
from loopwire.training.links import Arrays, followed, links
from loopwire.training.losses import Loss
from loopwire.training.schedule import Schedule
from loopwire.training.trainer import Epoch, Labels, Trainer

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Tuned:
    """A model whose weights are numbers of their types, and how it came about.

    Attributes:
        model: with the trained weights; its float reference is that of these weights.
        design: compiled from it; `design.config` has the types, with `narrow` those that were trained.
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

    @property
    def kept_loss(self) -> float:
        """Of the held-out events, with the weights that are kept."""
        return self.start_loss if self.kept < 0 else self.history[self.kept].held_out_loss

    def table(self) -> Table:
        """Return both losses of each epoch."""
        epochs = enumerate(self.history, start=1)
        rows = [(str(place), f"{epoch.training_loss:.5f}", f"{epoch.held_out_loss:.5f}") for place, epoch in epochs]
        rows.insert(0, ("0, weights rounded", "", f"{self.start_loss:.5f}"))
        return Table(f"{self!r}"[1:-1], ("Epoch", "Loss in training", "Loss of held-out events"), tuple(rows))

    def __repr__(self) -> str:
        losses = f"loss of held-out events {self.start_loss:.5f} to {self.kept_loss:.5f}"
        return f"<Tuned model {self.model.name!r}: {losses}, epoch {self.kept + 1} of {len(self.history)}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def finetune(
    model: Model,
    config: CompileConfig | Mapping[str, Any] | str | Path,
    x: Inputs,
    labels: Labels | None = None,
    *,
    loss: Loss | str = Loss.DISTILLATION,
    schedule: Schedule | Mapping[str, Any] | None = None,
    teacher: Model | Sequence[Model] | None = None,
    progress: Callable[[int, Epoch], None] | None = None,
) -> Tuned:
    """Train the weights of a model on exactly the numbers that its firmware computes.

    Weights stay in the ranges of their types, so no training ends in numbers that are not finite. Where no epoch is
    better than the rounded weights, these are kept, but with pruning or a budget of digits the best epoch in which all
    of it is done.

    Args:
        model: as `loopwire.load` returns it.
        config: the types, as `loopwire.compile` takes them, such as `found.config` of a precision search.
        x: training inputs, (N,) and the input's shape, several by their names or in order.
        labels: classes (N,), or numbers of the output's shape for each input, for `Loss.LABELS`; those of several
            outputs by their names.
        loss: what is made small, 'distillation' or 'labels'; of several outputs, the sum.
        schedule: how, such as `{"epochs": 5}`; the default one if None.
        teacher: whose float outputs a distillation imitates, such as those of a model with more units; of several, the
            mean of their outputs, which is often nearer to the truth than each; those of the model itself if none.
        progress: called after each epoch with its number, from 0, and its losses.

    Raises:
        ConfigError: the configuration does not fit the model, its states last from sequence to sequence, or a setting
            or an argument is not what it should be.
        DataError: the data do not fit the model, or labels are missing.
        ToolError: PyTorch is not installed.
        TrainingError: no weight has a gradient, or the training diverged.
        UnsupportedError: the graph has numbers beyond floating point, or weights that no array of the model can carry,
            or a layer was trained with quantisers.
    """
    loaded = instance(Model, "Give what loopwire.load returns")
    loaded("model", model)
    given = () if teacher is None else teacher if isinstance(teacher, list | tuple) else (teacher,)
    teachers: list[Model] = [loaded("teacher", each) for each in given]
    if loss not in list(Loss):
        raise ConfigError("loss", f"{loss!r} is unknown", f"Choose from {', '.join(Loss)}")
    aim, chosen = Loss(loss), Schedule.of(schedule)
    design = compile_silently(model, configuration(config))
    quantised = next((layer.name for layer in model.layers if isinstance(layer, Quantised)), None)
    if quantised is not None:
        raise UnsupportedError(
            f"finetune, layer {quantised!r}",
            "it was trained with quantisers, and its file keeps the numbers before them",
            "Continue its training in its own framework, or fine-tune the model from before it was quantised",
        )
    if design.config.remembers:
        raise ConfigError(
            "finetune",
            "each sequence is trained by itself, and the design is stateful or has a sliding window",
            "Train without these settings, and compile the tuned model with them",
        )
    arrays = arrays_of(design.model)

    def build(given: Arrays) -> Graph:
        return compile_silently(with_arrays(design.model, given), design.config).graph

    found = links(build, arrays)
    if aim is Loss.DISTILLATION:
        labels = _taught([compile_silently(each) for each in teachers] or [design], design, x)
    trainer = Trainer(design, {link.constant for link in found}, x, labels, aim, chosen)
    with _one_thread():
        history, kept = trainer.run(progress)
    tuned = with_arrays(design.model, followed(build, arrays, found, trainer.weights()))
    return Tuned(tuned, compile_silently(tuned, trainer.config), aim, trainer.start_loss, tuple(history), kept)


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


def _taught(teachers: Sequence[Design], design: Design, x: Inputs) -> Labels:
    """Return the mean of the float outputs of some teachers; of several outputs, that of each by its name.

    Raises:
        DataError: a teacher's are not shaped or, if several, named as the design's.
    """
    own = _shapes(design)
    for teacher in teachers:
        if (shapes := _shapes(teacher)) != own:
            problem = f"its outputs have shapes {shapes}, those of the model {own}"
            raise DataError("teacher", problem, "Give a model with the same outputs")
    outputs = [teacher.predict_float(x) for teacher in teachers]
    if isinstance(outputs[0], Mapping):
        return {name: np.mean([each[name] for each in outputs], axis=0) for name in outputs[0]}
    mean: Reals = np.mean(outputs, axis=0)
    return mean


def _shapes(design: Design) -> list[tuple[int, ...]] | dict[str, tuple[int, ...]]:
    """Return the shapes of the outputs; of several, by their names, by which they are compared."""
    outputs = design.model.outputs
    return {tensor.name: tensor.shape for tensor in outputs} if len(outputs) > 1 else [outputs[0].shape]
