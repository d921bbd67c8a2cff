"""Every cell of `loopwire.layers.cells`: how to make one of any size, and its paper's equations in plain numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.layers.cell import Cell
from loopwire.layers.cells.cfc import Cfc
from loopwire.layers.cells.echo_state import EchoState
from loopwire.layers.cells.fast_grnn import FastGrnn
from loopwire.layers.cells.ind_rnn import IndRnn
from loopwire.layers.cells.janet import Janet
from loopwire.layers.cells.light_gru import LightGru
from loopwire.layers.cells.lru import Lru
from loopwire.layers.cells.mgu import Mgu
from loopwire.layers.cells.min_gru import MinGru
from loopwire.layers.cells.min_lstm import MinLstm
from loopwire.layers.cells.qrnn import Qrnn
from loopwire.layers.cells.sru import Sru

Array = npt.NDArray[np.float64]
Weights = Callable[..., Array]
"""Given a shape: weights."""


def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), as the papers write it."""
    result: Array = 1.0 / (1.0 + np.exp(-a))
    return result


@dataclass(frozen=True)
class CellModel:
    """`make(w, name, features, units, **options)` makes a cell, `run(cell, x)` yields h of each step of x (T, F)."""

    make: Callable[..., Cell]
    run: Callable[[Any, Array], Iterator[Array]]


def _gated(kind: Any, gates: int, **own: Any) -> Callable[..., Cell]:
    def make(w: Weights, name: str, features: int, units: int, **options: Any) -> Cell:
        rows = gates * units
        cell: Cell = kind(name, w(rows, features), w(rows, units), w(rows), **own, **options)
        return cell

    return make


def _min_gru(cell: MinGru, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    for x_t in x:
        a_z, a_n = np.split(cell.kernel @ x_t + cell.bias, 2)
        h = (1 - sigmoid(a_z)) * h + sigmoid(a_z) * a_n
        yield h


def _min_lstm(cell: MinLstm, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    for x_t in x:
        a_f, a_i, n = np.split(cell.kernel @ x_t + cell.bias, 3)
        f, i = sigmoid(a_f), sigmoid(a_i)
        h = f / (f + i) * h + i / (f + i) * n
        yield h


def _ind_rnn(cell: IndRnn, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    for x_t in x:
        h = np.maximum(cell.kernel @ x_t + cell.recurrent_weights * h + cell.bias, 0.0)
        yield h


def _mgu(cell: Mgu, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    (w_f, w_n), (u_f, u_n), (b_f, b_n) = (np.split(m, 2) for m in (cell.kernel, cell.recurrent_kernel, cell.bias))
    for x_t in x:
        f = sigmoid(w_f @ x_t + u_f @ h + b_f)
        h = (1 - f) * h + f * np.tanh(w_n @ x_t + u_n @ (f * h) + b_n)
        yield h


def _janet(cell: Janet, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    for x_t in x:
        s, a_n = np.split(cell.kernel @ x_t + cell.recurrent_kernel @ h + cell.bias, 2)
        h = sigmoid(s) * h + (1 - sigmoid(s - cell.beta)) * np.tanh(a_n)
        yield h


def _light_gru(cell: LightGru, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    for x_t in x:
        a_z, a_n = np.split(cell.kernel @ x_t + cell.recurrent_kernel @ h + cell.bias, 2)
        z = sigmoid(a_z)
        h = z * h + (1 - z) * np.maximum(a_n, 0.0)
        yield h


def _fast_grnn(cell: FastGrnn, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    b_z, b_n = np.split(cell.bias, 2)
    for x_t in x:
        p = cell.kernel @ x_t + cell.recurrent_kernel @ h
        z = sigmoid(p + b_z)
        h = (cell.zeta * (1 - z) + cell.nu) * np.tanh(p + b_n) + z * h
        yield h


def _sru(cell: Sru, x: Array) -> Iterator[Array]:
    units = cell.units
    c = np.zeros(units)
    v = np.zeros(2 * units) if cell.recurrent_weights is None else cell.recurrent_weights
    for x_t in x:
        fresh, a_f, a_r, *rest = np.split(cell.kernel @ x_t, len(cell.kernel) // units)
        f = sigmoid(a_f + v[:units] * c + cell.bias[:units])
        r = sigmoid(a_r + v[units:] * c + cell.bias[units:])
        c = f * c + (1 - f) * fresh
        yield r * c + (1 - r) * (rest[0] if rest else cell.scale * x_t)


def _qrnn(cell: Qrnn, x: Array) -> Iterator[Array]:
    c = np.zeros(cell.units)
    width = cell.kernel.shape[1] // cell.features
    padded = np.concatenate([np.zeros((width - 1, cell.features)), x])
    for t in range(len(x)):
        a_z, a_f, a_o = np.split(cell.kernel @ padded[t : t + width].reshape(-1) + cell.bias, 3)
        c = sigmoid(a_f) * c + (1 - sigmoid(a_f)) * np.tanh(a_z)
        yield sigmoid(a_o) * c


def _lru(cell: Lru, x: Array) -> Iterator[Array]:
    h = np.zeros(len(cell.diagonal), complex)
    for x_t in x:
        h = cell.diagonal * h + cell.input_kernel @ x_t
        yield (cell.output_kernel @ h).real + cell.direct @ x_t


def _echo_state(cell: EchoState, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    for x_t in x:
        h = (1 - cell.leak) * h + cell.leak * np.tanh(cell.kernel @ x_t + cell.recurrent_kernel @ h + cell.bias)
        yield h


def _cfc(cell: Cfc, x: Array) -> Iterator[Array]:
    h = np.zeros(cell.units)
    for x_t in x:
        z = np.tanh(cell.kernel @ x_t + cell.recurrent_kernel @ h + cell.bias)
        a_g, a_k, a_t = np.split(cell.head_kernel @ z + cell.head_bias, 3)
        h = np.tanh(a_g) * (1 - sigmoid(a_t)) + sigmoid(a_t) * np.tanh(a_k)
        yield h


def _make_lru(w: Weights, name: str, features: int, units: int, real: bool = False, **options: Any) -> Lru:
    size = units + 1
    diagonal = 0.9 * np.tanh(w(size)) * (1.0 if real else np.exp(1j * w(size)))
    turned = 0.0 if real else 1j
    kernel, read = w(size, features) + turned * w(size, features), w(units, size) + turned * w(units, size)
    return Lru(name, diagonal, kernel, read, w(units, features), **options)


def _make_cfc(w: Weights, name: str, features: int, units: int, **options: Any) -> Cfc:
    inside = units + 1
    heads = w(3 * units, inside), w(3 * units)
    return Cfc(name, w(inside, features), w(inside, units), w(inside), *heads, **options)


CELLS: dict[str, CellModel] = {
    "min_gru": CellModel(lambda w, n, f, u, **o: MinGru(n, w(2 * u, f), w(2 * u), **o), _min_gru),
    "min_lstm": CellModel(lambda w, n, f, u, **o: MinLstm(n, w(3 * u, f), w(3 * u), **o), _min_lstm),
    "ind_rnn": CellModel(lambda w, n, f, u, **o: IndRnn(n, w(u, f), 0.5 * w(u), w(u), **o), _ind_rnn),
    "mgu": CellModel(_gated(Mgu, 2), _mgu),
    "janet": CellModel(_gated(Janet, 2), _janet),
    "janet_beta_0": CellModel(_gated(Janet, 2, beta=0.0), _janet),
    "light_gru": CellModel(_gated(LightGru, 2), _light_gru),
    "fast_grnn": CellModel(
        lambda w, n, f, u, **o: FastGrnn(n, w(u, f), w(u, u), w(2 * u), zeta=0.75, nu=0.125, **o), _fast_grnn
    ),
    "sru": CellModel(lambda w, n, f, u, **o: Sru(n, w(4 * u, f), w(2 * u), recurrent_weights=w(2 * u), **o), _sru),
    "sru_first": CellModel(lambda w, n, f, u, **o: Sru(n, w(3 * f, f), w(2 * f), scale=1.5, **o), _sru),
    "qrnn": CellModel(lambda w, n, f, u, **o: Qrnn(n, w(3 * u, 2 * f), w(3 * u), f, **o), _qrnn),
    "qrnn_narrow": CellModel(lambda w, n, f, u, **o: Qrnn(n, w(3 * u, f), w(3 * u), f, **o), _qrnn),
    "lru": CellModel(_make_lru, _lru),
    "lru_real": CellModel(lambda w, n, f, u, **o: _make_lru(w, n, f, u, real=True, **o), _lru),
    "echo_state": CellModel(_gated(EchoState, 1), _echo_state),
    "echo_state_leaky": CellModel(_gated(EchoState, 1, leak=0.25), _echo_state),
    "cfc": CellModel(_make_cfc, _cfc),
}
