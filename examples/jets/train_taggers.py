"""Train the recurrent jet taggers of the demonstration with Keras on the torch backend.

Each is one recurrent layer of 20 units, LSTM or GRU, returning its whole sequence, flattened into a dense
layer of five classes with a softmax; Keras' defaults elsewhere (the GRU's `reset_after` is true). Written,
without the optimiser's state, as `jet_lstm20.keras` and `jet_gru20.keras`. Prints the area under the ROC
curve (AUC) of each class against all others on the test jets.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

RECURRENT = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
UNITS = 20


def tagger(cell: str, steps: int, features: int, classes: int) -> keras.Model:
    """Return an untrained tagger of input shape (steps, features)."""
    return keras.Sequential(
        [
            keras.Input((steps, features), name="constituents"),
            RECURRENT[cell](UNITS, return_sequences=True, name=cell),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(classes, activation="softmax", name="classes"),
        ],
        name=f"jet_{cell}{UNITS}",
    )


def train(cell: str, jets: np.ndarray, labels: np.ndarray, epochs: int, seed: int) -> keras.Model:
    """Return a tagger trained with Adam, the learning rate falling to zero along half a cosine.

    `jets` is (jets, steps, features), `labels` the class of each. The last tenth of them validates only.
    """
    keras.utils.set_random_seed(seed)
    batch = 256
    model = tagger(cell, *jets.shape[1:], classes=int(labels.max()) + 1)
    steps = epochs * int(np.ceil(0.9 * len(jets) / batch))
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(jets, labels, batch_size=batch, epochs=epochs, validation_split=0.1, verbose=2)
    without_optimizer = tagger(cell, *model.input_shape[1:], classes=model.output_shape[-1])
    without_optimizer.set_weights(model.get_weights())
    return without_optimizer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--train", type=Path, default=Path("build/jets/jets_train.npz"), help="training jets")
    parser.add_argument("--test", type=Path, default=Path("build/jets/jets_test2k.npz"), help="test jets")
    parser.add_argument("--out", type=Path, default=Path("build/jets"), help="folder of the models")
    parser.add_argument("--cells", nargs="+", choices=list(RECURRENT), default=list(RECURRENT), help="taggers")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    training, test = np.load(arguments.train), np.load(arguments.test)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for cell in arguments.cells:
        model = train(cell, training["X"], training["y"], arguments.epochs, arguments.seed)
        model.save(arguments.out / f"{model.name}.keras")
        scores = model.predict(test["X"], batch_size=1000, verbose=0)
        areas = [roc_auc_score(test["y"] == place, scores[:, place]) for place in range(scores.shape[1])]
        accuracy = (scores.argmax(axis=1) == test["y"]).mean()
        listed = " ".join(f"{name} {area:.4f}" for name, area in zip(test["class_names"], areas, strict=True))
        print(
            f"{model.name}: {model.count_params()} parameters, AUC {listed}, accuracy {accuracy:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
