"""Trains a small tagger: `python bench/smallest_tagger.py lstm|gru|flavour TRAIN.npz OUT`.

The models and test events are in the folder $LOOPWIRE_DATA; TRAIN.npz holds other events: jets as
`examples/jets/generate.py` makes them, or inputs X of the flavour tagger. Weights of few signed digits imitate the
float model, with the types of a recipe. The test events are looked at once, at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

import loopwire
from compile import DATA
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.training.finetune import finetune
from loopwire.training.schedule import Schedule
from loopwire.training.tuned_file import tuned_file

TYPES = Path(__file__).with_name("types")
PLACE = slice(1, 3)
"""The features that say where in the jet a constituent is."""
APART = 0.1
"""Distance in these of two constituents that are not of one prong."""
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """How a tagger becomes small.

    Attributes:
        model: its file, without the suffix.
        types: settings, in the folder `types`.
        schedule: of its training.
        inputs_of: reads TRAIN.npz.
        test: events that judge, inputs X and classes y.
    """

    model: str
    types: str
    schedule: Schedule
    inputs_of: Callable[[Path], Reals]
    test: str


def main(recipe: Recipe, train: Path, out: Path) -> None:
    """Train, write the project and the model's file beside it, and print its figures."""
    source = DATA / "models" / f"{recipe.model}.keras"
    whole = compile_silently(loopwire.load(source))
    tuned = finetune(
        whole.model,
        CompileConfig.from_toml(TYPES / recipe.types),
        recipe.inputs_of(train),
        schedule=recipe.schedule,
        progress=lambda *of: print(*of, flush=True),
    )
    report = tuned.design.report()
    print(report.estimated, report.predicted)
    with np.load(DATA / recipe.test) as test:
        tuned.design.write(out, test["X"][:1000])
        out.with_suffix(".keras").write_bytes(tuned_file(source, tuned))
        print("AUC over that of the float model, by class:", ratios(tuned.design, whole, test["X"], test["y"]))


def inputs_of(train: Path) -> Reals:
    """Return the inputs of a file."""
    with np.load(train) as events:
        return np.asarray(events["X"], np.float64)


def jets_of(train: Path) -> Reals:
    """Return jets (2 N, T, F) as the models know them: those of a file, and their mirror images.

    In the generator's coordinates the jet's axis is at (0, 0). In those of the models, the hardest constituent is, and
    the next one that is more than 0.1 away lies on the negative second axis. The other axis may be reflected: nature
    makes such a jet as often.
    """
    with np.load(train) as jets, np.load(DATA / "jets_test20k.npz") as known:
        padded = (jets["X"] == 0).all(axis=-1)
        features = jets["X"] * jets["sd"] + jets["mu"]
        mean, deviation = known["mu"], known["sd"]
    places = features[..., PLACE] @ (1, 1j)
    places -= places[:, :1]
    far = np.where(padded, 0, abs(places)) > APART
    second = places[np.arange(len(places)), far.argmax(axis=1)]
    angles = np.where(far.any(axis=1), np.angle(second), np.random.default_rng(1).uniform(0, 2 * np.pi, len(places)))
    places *= np.exp(-1j * (angles + np.pi / 2))[:, np.newaxis]
    both = [
        np.concatenate([features[..., :1], np.stack([side * places.real, places.imag], -1), features[..., 3:]], -1)
        for side in (1, -1)
    ]
    return np.concatenate([np.where(padded[..., np.newaxis], 0, (each - mean) / deviation) for each in both])


def ratios(design: Design, whole: Design, x: Reals, labels: npt.NDArray[np.int64]) -> list[float]:
    """Return the areas under the ROC curves by those of the whole float model."""
    from sklearn.metrics import roc_auc_score

    scores, real = design.emulate(x), whole.predict_float(x)
    classes = range(real.shape[1])
    return [float(roc_auc_score(labels == c, scores[:, c]) / roc_auc_score(labels == c, real[:, c])) for c in classes]


SCHEDULE = Schedule(epochs=18, batch=1024, learning_rate=3e-3, held_out=0.05, patience=18)
RECIPES = {
    "lstm": Recipe(
        "jet_lstm20_flat", "jet_lstm_small.toml", replace(SCHEDULE, epochs=14, digits=0.48), jets_of, "jets_test20k.npz"
    ),
    "gru": Recipe("jet_gru20_flat", "jet_gru_small.toml", replace(SCHEDULE, digits=0.75), jets_of, "jets_test20k.npz"),
    "flavour": Recipe(
        "flav_gru120",
        "flavour_gru_small.toml",
        replace(SCHEDULE, epochs=10, batch=256, digits=3.0),
        inputs_of,
        "flavour_test21k.npz",
    ),
}

if __name__ == "__main__":
    main(RECIPES[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))
