"""The models that the emulators are measured on; read by the environment of Loopwire and by that of hls4ml alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
JETS = Path(__file__).parents[1] / "examples" / "jets"


@dataclass(frozen=True)
class DenseWeights:
    """kernel (n, m) as Keras keeps it, bias (m,)."""

    kernel: Array
    bias: Array
    activation: str


@dataclass(frozen=True)
class Case:
    """An LSTM on sequences (steps, features), then dense layers; or a model file instead of `lstm` and `dense`.

    `lstm` is kernel (F, 4U), recurrent kernel (U, 4U) and bias (4U,), gates i f g o, as Keras keeps them.
    `hls4ml_sequences` and `numpy_sequences` take those about half a second.
    """

    name: str
    inputs: Array
    hls4ml_sequences: int
    numpy_sequences: int
    file: Path | None = None
    lstm: Sequence[Array] = ()
    dense: Sequence[DenseWeights] = ()


def jet() -> Case:
    """The bundled LSTM(20) jet tagger, 20 steps of 6 features, and its 2 000 jets ten times over."""
    inputs = np.load(JETS / "jets_test2k.npz")["X"].astype(np.float64)
    return Case("jet LSTM(20), 20 steps", np.tile(inputs, (10, 1, 1)), 600, 1000, file=JETS / "jet_lstm20.keras")


def quickdraw() -> Case:
    """The published QuickDraw model's layers, arXiv:2207.00559, with random weights and walks as drawings.

    What an emulator takes does not depend on what a model has learnt.
    """
    rng = np.random.default_rng(0)

    def glorot(rows: int, columns: int) -> Array:
        limit = np.sqrt(6 / (rows + columns))
        return rng.uniform(-limit, limit, (rows, columns))

    inputs = np.round(rng.normal(0, 8, (1000, 100, 3)))
    inputs[..., 2] = rng.random((1000, 100)) < 0.1
    lstm = [glorot(3, 512), glorot(128, 512), np.zeros(512)]
    sizes = [(128, 256, "linear"), (256, 128, "linear"), (128, 5, "softmax")]
    dense = [DenseWeights(glorot(n, m), np.zeros(m), activation) for n, m, activation in sizes]
    return Case("QuickDraw LSTM(128), 100 steps", inputs, 8, 60, lstm=lstm, dense=dense)


CASES = {"jet": jet, "quickdraw": quickdraw}
