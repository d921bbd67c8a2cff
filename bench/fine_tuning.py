"""Measures fine-tuning at uniform widths on the jet LSTM: `python bench/fine_tuning.py TRAIN.npz`.

The model and test jets are in the folder $LOOPWIRE_DATA; TRAIN.npz holds inputs X of other jets. Each row gives the
worst class's area under the ROC curve, fixed / float: rounded, and fine-tuned without labels.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import loopwire
from compile import DATA
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.training.finetune import finetune
from loopwire.training.schedule import Schedule

WIDTHS = (8, 7, 6, 5, 4)
SCHEDULE = Schedule(epochs=6, learning_rate=4e-3)
LAYERS = {
    "lstm1": {"weight": 2, "recurrent_weight": 2, "bias": 3, "gate": 1, "cell": 2, "state": 1, "result": 1},
    "dense1": {"weight": 2, "bias": 0, "result": 1},
}
"""Integer bits of each role, at every width; few numbers clip."""


def main(train: Path) -> None:
    """Print a row for each width."""
    from sklearn.metrics import roc_auc_score

    model = loopwire.load(DATA / "models" / "jet_lstm20_flat.keras")
    x = np.load(train)["X"]
    with np.load(DATA / "jets_test20k.npz") as test:
        jets, labels = test["X"], test["y"]
    real = compile_silently(model).predict_float(jets)

    def ratio(design: Design) -> float:
        scores = design.emulate(jets)
        areas = ([roc_auc_score(labels == c, each[:, c]) for c in range(5)] for each in (scores, real))
        return min(ours / theirs for ours, theirs in zip(*areas, strict=True))

    print("| bits | rounded | fine-tuned |\n|---|---|---|", flush=True)
    for width in WIDTHS:
        types = uniform_types(width)
        rounded = ratio(compile_silently(model, types))
        tuned = ratio(finetune(model, types, x, schedule=SCHEDULE).design)
        print(f"| {width} | {rounded:.4f} | {tuned:.4f} |", flush=True)


def uniform_types(width: int) -> CompileConfig:
    """Return types of one width for all weights and activations.

    The model's input keeps 10 bits, since it is no activation; sums before a function are exact.
    """

    def types(integers: Mapping[str, int]) -> dict[str, str]:
        return {role: f"fixed<{width},{integer},RND,SAT>" for role, integer in integers.items()}

    layers = {name: types(integers) for name, integers in LAYERS.items()}
    return CompileConfig.from_dict({"model": {"input": "fixed<10,6,RND,SAT>"}, "layer": layers})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
