"""Train the recurrent jet taggers of the demonstration with Keras.

Three networks, with Keras' defaults where nothing is said (the GRU's `reset_after` is true):

    lstm20      LSTM(20), its whole sequence → Flatten → Dense(5, softmax)           4 165 parameters
    gru16       GRU(16) → Dense(64, relu) → Dense(32, relu) → Dense(5, softmax)      4 485 parameters
    lstm20_64   LSTM(20) → Dense(64, relu) → Dense(5, softmax)                       3 829 parameters

Ref: the first two: E. E. Khoda et al., "Ultra-low latency recurrent neural network inference on FPGAs for physics
applications with hls4ml", arXiv:2207.00559, and the talk of 2021 before it; the last: the paper's top tagger.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.events import Events, read_events
from examples.training import command, keras

CLASSES = ("g", "q", "w", "z", "t")
STEPS, FEATURES = 20, 6
ODD = (1,)
"""Places of etarot: a mirror in the plane of the jet and its hardest subjet turns its sign, and changes no class."""


def lstm20() -> keras.Model:
    """Return the talk's LSTM tagger, untrained."""
    return _network(
        "jet_lstm20",
        keras.layers.LSTM(20, return_sequences=True, name="lstm"),
        keras.layers.Flatten(name="flatten"),
    )


def gru16() -> keras.Model:
    """Return the talk's GRU tagger, untrained."""
    return _network(
        "jet_gru16",
        keras.layers.GRU(16, name="gru"),
        keras.layers.Dense(64, activation="relu", name="dense_1"),
        keras.layers.Dense(32, activation="relu", name="dense_2"),
    )


def lstm20_64() -> keras.Model:
    """Return the paper's LSTM tagger, untrained."""
    return _network(
        "jet_lstm20_64",
        keras.layers.LSTM(20, name="lstm"),
        keras.layers.Dense(64, activation="relu", name="dense"),
    )


def _network(name: str, *layers: keras.layers.Layer) -> keras.Model:
    constituents = keras.Input((STEPS, FEATURES), name="constituents")
    classes = keras.layers.Dense(len(CLASSES), activation="softmax", name="classes")
    return keras.Sequential([constituents, *layers, classes], name=name)


NETWORKS = {"lstm20": lstm20, "gru16": gru16, "lstm20_64": lstm20_64}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, default=Path("build/jets/jets_train.npz"), help="training jets")
    parser.add_argument("--test", type=Path, default=Path("build/jets/jets_test2k.npz"), help="test jets")


def _read(chosen: argparse.Namespace) -> tuple[Events, Events]:
    return read_events(chosen.train, CLASSES), read_events(chosen.test, CLASSES)


if __name__ == "__main__":
    assert __doc__
    command(__doc__, NETWORKS, _read, _options, epochs=30, learning_rate=4e-3, out=Path("build/jets"), odd=ODD)
