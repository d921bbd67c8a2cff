"""Trains a small jet tagger for xcvu13p: `python bench/smallest_tagger.py lstm|gru TRAIN.npz OUT`.

The models and test jets are in the folder $LOOPWIRE_DATA; TRAIN.npz holds inputs X of other jets. Of the LSTM the units
go whose loss changes the outputs least; what is left imitates the whole model, with the types of a recipe. The test
jets are looked at once, at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

import loopwire
from compile import DATA
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer, Model, chain
from loopwire.training.finetune import Schedule, finetune

TYPES = Path(__file__).with_name("types")
LOOKED_AT = 1500
"""Jets by which units are chosen."""
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """How a tagger becomes small.

    Attributes:
        model: its file, without the suffix.
        types: settings, in the folder `types`.
        units_left: of its LSTM; None: all.
        schedule: of its training.
    """

    model: str
    types: str
    units_left: int | None
    schedule: Schedule


RECIPES = {
    "lstm": Recipe(
        "jet_lstm20_flat",
        "jet_lstm_small.toml",
        18,
        Schedule(epochs=6, batch=512, learning_rate=3e-3, pruned={"lstm1.recurrent_weight": 0.6, "lstm1.weight": 0.34}),
    ),
    "gru": Recipe(
        "jet_gru20_flat",
        "jet_gru_small.toml",
        None,
        Schedule(
            epochs=16,
            batch=1024,
            learning_rate=3e-3,
            held_out=0.05,
            patience=16,
            pruned={"gru1.recurrent_weight": 0.5, "gru1.weight": 0.17},
        ),
    ),
}


def main(recipe: Recipe, train: Path, out: Path) -> None:
    """Train, write the project, and print its figures."""
    whole = compile_silently(loopwire.load(DATA / "models" / f"{recipe.model}.keras"))
    x = np.load(train)["X"]
    config = CompileConfig.from_toml(TYPES / recipe.types)
    small = whole.model if recipe.units_left is None else without_least_units(whole, x[:LOOKED_AT], recipe.units_left)
    tuned = finetune(
        small, config, x, schedule=recipe.schedule, teacher=whole.model, progress=lambda *of: print(*of, flush=True)
    )
    with np.load(DATA / "jets_test20k.npz") as test:
        print("AUC over that of the float model, by class:", ratios(tuned.design, whole, test["X"], test["y"]))
        report = tuned.design.report()
        print(report.estimated, report.predicted)
        tuned.design.write(out, test["X"][:1000])


def ratios(design: Design, whole: Design, x: Reals, labels: npt.NDArray[np.int64]) -> list[float]:
    """Return the areas under the ROC curves by those of the whole float model."""
    from sklearn.metrics import roc_auc_score

    scores, real = design.emulate(x), whole.predict_float(x)
    classes = range(real.shape[1])
    return [float(roc_auc_score(labels == c, scores[:, c]) / roc_auc_score(labels == c, real[:, c])) for c in classes]


def without_least_units(whole: Design, x: Reals, units_left: int) -> Model:
    """Return the model without the units that matter least, chosen one after another."""
    real = whole.predict_float(x)
    (units,) = {layer.units for layer in whole.model.layers if isinstance(layer, Lstm)}
    left = list(range(units))

    def divergence(model: Model) -> float:
        scores = compile_silently(model).predict_float(x)
        return float((real * np.log(np.maximum(real, 1e-9) / np.maximum(scores, 1e-9))).sum())

    while len(left) > units_left:
        fewer = [[unit for unit in left if unit != gone] for gone in left]
        left = min(fewer, key=lambda units: divergence(with_units(whole.model, units)))
    return with_units(whole.model, left)


def with_units(model: Model, units: Sequence[int]) -> Model:
    """Return a model of one LSTM and a Dense behind all of its steps with some of the units."""
    (of_all,) = {layer.units for layer in model.layers if isinstance(layer, Lstm)}

    def chosen(layer: Layer) -> Layer:
        if isinstance(layer, Lstm):
            rows = [gate * of_all + unit for gate in range(4) for unit in units]
            recurrent = layer.recurrent_kernel[rows][:, units]
            return replace(layer, kernel=layer.kernel[rows], recurrent_kernel=recurrent, bias=layer.bias[rows])
        if isinstance(layer, Dense):
            steps = layer.kernel.shape[1] // of_all
            return replace(layer, kernel=layer.kernel[:, [t * of_all + unit for t in range(steps) for unit in units]])
        return layer

    return chain(model.name, model.inputs[0].shape, [chosen(layer) for layer in model.layers], model.source)


if __name__ == "__main__":
    main(RECIPES[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))
