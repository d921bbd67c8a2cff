"""Train the recurrent networks that name drawings with Keras.

Two networks:

    lstm128     LSTM(128), its whole sequence → LSTM(64) → Dense(5, softmax)                       117 317 parameters
    gru128      GRU(128) → Dense(256, relu) → Dense(128, relu) → Dense(5, softmax)                 117 637 parameters

A drawing of 40 points is followed by 60 padded steps, over which a network that begins with Keras' own biases forgets
it: its first biases are those of networks that remember for as many steps as there are (arXiv:1804.11188).

Ref: the QuickDraw task of arXiv:2207.00559, section 3, and the talk of 2021 before it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from examples.events import Events
from examples.quickdraw.drawings import CLASSES, STEPS, read_folder, varied
from examples.training import command, keras

SEED = 1
FEW = 4000
"""Where there are fewer drawings to train on, each is varied."""
BATCH = 32


def lstm128() -> keras.Model:
    """Return the network of two LSTMs, untrained."""
    return _network(
        "quickdraw_lstm128",
        keras.layers.LSTM(128, return_sequences=True, name="lstm_1"),
        keras.layers.LSTM(64, name="lstm_2"),
    )


def gru128() -> keras.Model:
    """Return the network of one GRU, untrained."""
    return _network(
        "quickdraw_gru128",
        keras.layers.GRU(128, name="gru"),
        keras.layers.Dense(256, activation="relu", name="dense_1"),
        keras.layers.Dense(128, activation="relu", name="dense_2"),
    )


def _network(name: str, *layers: keras.layers.Layer) -> keras.Model:
    strokes = keras.Input((STEPS, 3), name="strokes")
    classes = keras.layers.Dense(len(CLASSES), activation="softmax", name="classes")
    model = keras.Sequential([strokes, *layers, classes], name=name)
    random = np.random.default_rng(SEED)
    for layer in layers:
        if isinstance(layer, keras.layers.LSTM | keras.layers.GRU):
            _remember(layer, random)
    return model


def _remember(layer: keras.layers.LSTM | keras.layers.GRU, random: np.random.Generator) -> None:
    """Begin with biases by which units remember for 1 to 99 steps, on the average.

    Ref: C. Tallec and Y. Ollivier, "Can recurrent neural networks warp time?", arXiv:1804.11188, section 3.
    """
    *arrays, bias = layer.get_weights()
    keeps = np.log(random.uniform(1, STEPS - 1, layer.units))
    if isinstance(layer, keras.layers.LSTM):
        bias[: layer.units], bias[layer.units : 2 * layer.units] = -keeps, keeps  # gates i, f
    else:
        bias[0, : layer.units] = keeps  # gate z
    layer.set_weights([*arrays, bias])


NETWORKS = {"lstm128": lstm128, "gru128": gru128}


def divided(events: Events, held_out: float, seed: int) -> tuple[Events, Events]:
    """Return drawings to train on and others to test on, `held_out` of each class and one at least."""
    order = np.random.default_rng(seed).permutation(len(events.inputs))
    tests = np.zeros(len(order), bool)
    for label in range(len(events.class_names)):
        places = np.flatnonzero(events.labels[order] == label)
        tests[places[: max(int(held_out * len(places)), 1)]] = True
    return events.part(order[~tests]), events.part(order[tests])


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of the drawings, a file a class")
    parser.add_argument("--per-class", type=int, default=10_000, help="drawings of each class that are read")
    parser.add_argument("--held-out", type=float, default=0.2, help="share of the drawings that only test")


def _read(chosen: argparse.Namespace) -> tuple[Events, Events]:
    training, test = divided(read_folder(chosen.data, chosen.per_class), chosen.held_out, chosen.seed)
    if len(training.inputs) < FEW:
        copies = FEW // len(training.inputs) + 1
        training = varied(training, copies, np.random.default_rng(chosen.seed))
    return training, test


if __name__ == "__main__":
    assert __doc__
    command(
        __doc__,
        NETWORKS,
        _read,
        _options,
        epochs=8,
        learning_rate=2e-3,
        out=Path("build/quickdraw"),
        batch=BATCH,
    )
