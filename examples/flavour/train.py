"""Train the recurrent flavour taggers with Keras: b, c or light from the tracks of a jet.

Two networks:

    lstm120     LSTM(120) → Dense(50, relu) → Dense(10, relu) → Dense(3, softmax)
    gru120      GRU(120) → Dense(50, relu) → Dense(10, relu) → Dense(3, softmax)

Ref: the flavour tagging task of arXiv:2207.00559, section 3.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.events import Events, read_events
from examples.training import command, keras

CLASSES = ("b", "c", "l")
STEPS, FEATURES = 15, 6
ODD = (3, 5)
"""Places of slog_z0 and slog_sz0: a mirror across the beam turns their signs, and changes no class."""


def lstm120() -> keras.Model:
    """Return the LSTM tagger, untrained."""
    return _network("flavour_lstm120", keras.layers.LSTM(120, name="lstm"))


def gru120() -> keras.Model:
    """Return the GRU tagger, untrained."""
    return _network("flavour_gru120", keras.layers.GRU(120, name="gru"))


def _network(name: str, recurrent: keras.layers.Layer) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((STEPS, FEATURES), name="tracks"),
            recurrent,
            keras.layers.Dense(50, activation="relu", name="dense_1"),
            keras.layers.Dense(10, activation="relu", name="dense_2"),
            keras.layers.Dense(len(CLASSES), activation="softmax", name="classes"),
        ],
        name=name,
    )


NETWORKS = {"lstm120": lstm120, "gru120": gru120}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, default=Path("build/flavour/flavour_train.npz"), help="training jets")
    parser.add_argument("--test", type=Path, default=Path("build/flavour/flavour_test.npz"), help="test jets")


def _read(chosen: argparse.Namespace) -> tuple[Events, Events]:
    return read_events(chosen.train, CLASSES), read_events(chosen.test, CLASSES)


if __name__ == "__main__":
    assert __doc__
    command(__doc__, NETWORKS, _read, _options, epochs=15, learning_rate=2e-3, out=Path("build/flavour"), odd=ODD)
