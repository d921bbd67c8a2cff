"""Profiles, traces and proofs of range, against plain numpy on small designs of every recurrent layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import loopwire
from keras_models import sequential
from loopwire import CompileConfig, Design
from loopwire.compiler import compile_silently
from loopwire.errors import DataError
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.types import FixedType
from loopwire.report import paired
from loopwire.report.profile import QUANTILES, TensorProfile, profile_figure
from loopwire.report.trace import TensorTrace

STEPS, FEATURES = 6, 3
X = np.random.default_rng(1).normal(0.0, 2.0, (700, STEPS, FEATURES))
LAYERS = [
    keras.layers.LSTM(4, return_sequences=True),
    keras.layers.GRU(4),
    keras.layers.GRU(4, reset_after=False, go_backwards=True),
    keras.layers.SimpleRNN(4, return_sequences=True, activation="relu"),
]


def design(layer: Any, settings: dict[str, str] | None = None) -> Design:
    model = loopwire.load(sequential((STEPS, FEATURES), [layer]))
    return loopwire.compile(model, CompileConfig.from_dict({"model": settings or {}}))


LSTM = design(keras.layers.LSTM(4, return_sequences=True, name="lstm"), {"precision": "fixed<8,2,RND,SAT>"})


def profile_of(tensor: str) -> TensorProfile:
    (row,) = (row for row in LSTM.profile(X) if row.tensor.split()[0] == tensor)
    return row


def trace_of(tensor: str) -> TensorTrace:
    (row,) = (row for row in LSTM.trace(X) if row.tensor.split()[0] == tensor)
    return row


def test_the_input() -> None:
    row = profile_of("x")
    assert (row.values, row.real.low, row.real.high) == (X.size, np.float32(X.min()), np.float32(X.max()))
    type = FixedType.parse("fixed<8,2,RND,SAT>")
    fixed = to_real(quantise(X, type), type.fraction)
    assert (row.fixed.low, row.fixed.high) == (fixed.min(), fixed.max()) == (-2.0, 2.0 - 2**-6)
    assert row.clipped == np.count_nonzero((X < -2 - 2**-6) | (X > 2.0))
    assert row.underflowed == np.count_nonzero((np.abs(X) < 2**-7) & (X != 0))
    assert row.fixed.zeros == np.count_nonzero(fixed == 0)
    assert row.real.quantiles == pytest.approx(np.quantile(np.abs(X), QUANTILES), rel=0.075)


def test_the_result_is_the_model_s() -> None:
    row = profile_of("h_next")
    real, fixed = LSTM.predict_float(X), LSTM.predict(X)
    assert row.values == real.size
    assert (row.real.low, row.real.high) == pytest.approx((real.min(), real.max()), rel=1e-6)
    assert (row.fixed.low, row.fixed.high) == (fixed.min(), fixed.max())


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LSTM.profile(X), LSTM.trace(X)
    monkeypatch.setattr(paired, "BATCH", 33)
    again = LSTM.profile(X), LSTM.trace(X)
    assert whole[0] == again[0]
    assert [row.max_error for row in whole[1]] == [row.max_error for row in again[1]]


def test_weights_are_counted_once() -> None:
    row = profile_of("U")
    assert row.is_weights and row.values == 16 * 4
    assert not profile_of("h_next").is_weights


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{layer.name}")
def test_every_recurrent_layer(layer: Any) -> None:
    made = design(layer)
    rows = made.profile(X)
    assert len(rows) == len(made.trace(X)) > 6
    real = made.predict_float(X)
    name = next(iter(made.model.layers)).name
    last = [row for row in rows if row.layer == name and row.tensor.startswith(("h_next", "y"))][-1]
    assert last.real.high >= np.float32(real.max()) and last.real.low <= np.float32(real.min())


def test_trace() -> None:
    real, fixed = LSTM.predict_float(X), LSTM.predict(X)
    row, error = trace_of("h_next"), np.abs(fixed - real)
    assert (row.max_error, row.mean_error) == pytest.approx((error.max(), error.mean()))
    assert row.correlation == pytest.approx(np.corrcoef(real.ravel(), fixed.ravel())[0, 1])
    assert row.relative_error == pytest.approx(np.sqrt(np.square(error).mean() / np.square(real).mean()))
    by_step = np.sqrt(np.square(error).mean(axis=(0, 2)) / np.square(real).mean(axis=(0, 2)))
    assert row.first_drift_step == np.flatnonzero(by_step > 0.1)[0]
    fine = design(keras.layers.LSTM(4, name="lstm"), {"precision": "fixed<20,8,RND,SAT>"}).trace(X)
    assert all(row.first_drift_step is None for row in fine)
    assert max(row.max_error for row in fine) < 0.02


def test_proofs() -> None:
    proofs = {row.tensor.split()[0]: row for row in LSTM.range_proofs()}
    assert str(proofs["i"]) == str(proofs["h_next"]) == "cannot overflow, for any input"
    assert str(proofs["x"]) == "can, if the data leave -2 to 1.98438"
    cell = proofs["c_next"]
    assert not cell.cannot_overflow
    assert str(cell).startswith("can, if it falls below -2 (bound: -") and "or rises above 1.98438 (bound: " in str(
        cell
    )


def test_a_cell_that_holds_as_many_as_there_are_steps_cannot_overflow() -> None:
    """|c| grows by less than 1 a step: 6 steps fit in 4 integer bits, not in 3."""
    for integer, expected in ((4, True), (3, False)):
        types = {"precision": "fixed<20,8,RND,SAT>", "cell": f"fixed<{integer + 10},{integer},RND,SAT>"}
        made = design(keras.layers.LSTM(4), types)
        (cell,) = (row for row in made.range_proofs() if row.tensor.startswith("c_next"))
        assert cell.cannot_overflow is expected
        assert cell.high is not None and cell.high <= STEPS


def test_what_is_proven_happens_on_no_input() -> None:
    made = design(keras.layers.GRU(4), {"precision": "fixed<14,5,RND,SAT>", "preactivation": "fixed<16,7,RND,SAT>"})
    safe = {(row.layer, row.tensor) for row in made.range_proofs() if row.cannot_overflow}
    wild = made.random_inputs(400) * 4
    assert {(row.layer, row.tensor) for row in made.clipping(np.clip(wild, -16, 16))}.isdisjoint(safe)
    assert len(safe) > 5


def test_weights_that_do_not_fit() -> None:
    made = design(keras.layers.LSTM(4), {"weight": "fixed<8,0,RND,SAT>"})
    (row,) = (row for row in made.range_proofs() if row.tensor == "W")
    kernel = made.model.layers[0].kernel  # type: ignore[attr-defined]
    assert not row.cannot_overflow and row.high == kernel.max() > 0.5


def test_figure() -> None:
    pytest.importorskip("mplhep")
    rows = LSTM.profile(X)
    with profile_figure(rows) as drawn:
        labels = [text.get_text() for text in drawn.axes[0].get_yticklabels()]
    assert labels[0] == "x" and "lstm: i (i = σ(a_i))" in labels
    assert len(labels) == sum(row.real.quantiles is not None for row in rows)


def test_float_values_beyond_double_precision_are_told() -> None:
    layers = [keras.layers.Dense(3, kernel_initializer="ones", name=f"d{k}") for k in range(9)]
    model = sequential((3,), [*layers, keras.layers.Dense(1, activation="sigmoid", name="end")])
    for layer in layers:
        layer.set_weights([weights + 3e38 for weights in layer.get_weights()])
    huge = compile_silently(loopwire.load(model))
    text = r"x: float values of layer .d7., .* are beyond double precision, or not numbers. Check the scale"
    for look in (huge.profile, huge.trace, huge.clipping):
        with pytest.raises(DataError, match=text):
            look(np.ones((2, 3)))
        with pytest.raises(DataError, match=r"x: element \(1, 2\) is nan"):
            look(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, np.nan]]))
