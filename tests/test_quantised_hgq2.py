"""Layers of HGQ2: files of our own writing compute what HGQ2's equations say, bit for bit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from loopwire.config import CompileConfig
from loopwire.errors import ConfigError, LoopwireError, UnsupportedError
from quantised_files import Array, SavedLayer, Trained, trained, uniform, write_hgq2, write_hgq2_merge

WEIGHT = {"is_weight": True}
OPTIONS: dict[str, Any] = {"activation": "linear", "use_bias": True, "enable_iq": True, "enable_oq": False}


def _numbers(*shape: int, seed: int = 1) -> Array:
    """Return numbers with 7 fraction bits, many of them halfway between two results, some far out."""
    return np.random.default_rng(seed).integers(-1500, 1500, shape) / 128


def _latents(*shape: int, seed: int = 2) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _equal(path: Path, x: Array, y: Array, hardware: bool = False, **settings: Any) -> None:
    """Check that the emulator and the float reference compute `y`, and, if asked, the SystemVerilog."""
    design = loopwire.compile(loopwire.load(path), CompileConfig.from_dict({"model": settings}))
    assert np.array_equal(design.predict_float(x), y)
    assert np.array_equal(design.predict(x), y)
    if hardware:
        assert np.array_equal(design.simulate(x[:20]).outputs, y[:20])


def _dense(features: int, units: int, **options: Any) -> SavedLayer:
    quantisers = {
        "iq": trained((1, features), 3, overflow="WRAP"),
        "kq": trained((features, units), 4, kind="kbi", overflow="SAT_SYM", options=WEIGHT),
        "bq": trained((units,), 5, kind="kbi", overflow="WRAP"),
    }
    arrays = [_latents(features, units), _latents(units)]
    return SavedLayer("QDense", "hidden", {**OPTIONS, "units": units, **options}, arrays, quantisers)


def _dense_result(layer: SavedLayer, x: Array) -> Array:
    (kernel, bias), q = layer.arrays, layer.quantisers
    return q["iq"].of(x) @ q["kq"].of(kernel) + q["bq"].of(bias)


@pytest.mark.parametrize(
    ("kind", "rounding", "overflow"),
    list(itertools.product(("kif", "kbi"), ("RND", "RND_CONV", "TRN"), ("WRAP", "SAT", "SAT_SYM"))),
)
def test_every_mode_of_a_quantiser_for_each_element(tmp_path: Path, kind: str, rounding: str, overflow: str) -> None:
    layer = _dense(5, 3)
    modes = {"kind": kind, "rounding": rounding, "overflow": overflow}
    layer.quantisers = {
        "iq": trained((1, 5), 6, **modes),
        "kq": trained((5, 3), 7, **modes, options=WEIGHT),
        "bq": trained((3,), 8, **modes),
    }
    x = _numbers(200, 5)
    y = _dense_result(layer, x)
    _equal(write_hgq2(tmp_path / "m.keras", (5,), layer), x, y, input="fixed<16,6>")


def test_the_input_has_the_type_that_its_quantisers_ask_for(tmp_path: Path) -> None:
    layer = _dense(5, 3)
    x = np.random.default_rng(0).normal(size=(200, 5)) * 3
    _equal(write_hgq2(tmp_path / "m.keras", (5,), layer), x, _dense_result(layer, x))


def test_types_without_bits_make_zeros(tmp_path: Path) -> None:
    layer = _dense(4, 3)
    ones = np.ones((1, 4), int)
    layer.quantisers = {
        **layer.quantisers,
        "iq": Trained(0 * ones, np.array([[2, -3, 1, -9]]), np.array([[3, 3, -1, 4]])),
    }
    x = _numbers(100, 4)
    y = _dense_result(layer, x)
    assert not layer.quantisers["iq"].of(x)[:, 1:].any()
    _equal(write_hgq2(tmp_path / "m.keras", (4,), layer), x, y, input="fixed<16,6>")


def test_relu_behind_a_flatten_and_results_quantised(tmp_path: Path) -> None:
    layer = _dense(6, 3, activation="relu", enable_oq=True)
    layer.quantisers = {**layer.quantisers, "oq": trained((1, 3), 9)}
    x = _numbers(100, 2, 3)
    y = layer.quantisers["oq"].of(np.maximum(_dense_result(layer, x.reshape(100, 6)), 0))
    path = write_hgq2(tmp_path / "m.keras", (2, 3), SavedLayer("Flatten", "flat", {}), layer)
    _equal(path, x, y, input="fixed<16,6>")


def test_an_einsum_over_the_last_axis_is_dense(tmp_path: Path) -> None:
    layer = _dense(3, 4)
    layer.class_name = "QEinsumDense"
    del layer.options["units"], layer.options["use_bias"]
    layer.options |= {"equation": "abc,cd->abd", "output_shape": [2, 4], "bias_axes": "d"}
    x = _numbers(50, 2, 3)
    path = write_hgq2(tmp_path / "m.keras", (2, 3), layer)
    _equal(path, x, _dense_result(layer, x), input="fixed<16,6>")


def test_a_function_is_rounded_exactly(tmp_path: Path) -> None:
    quantisers = {
        "iq": uniform(1, 3, 12),
        "oq": Trained(np.array([[1, 1, 0]]), np.array([[0, 1, 0]]), np.array([[7, 3, 5]])),
    }
    options = {"activation": "tanh", "enable_iq": True, "enable_oq": True}
    layer = SavedLayer("QUnaryFunctionLUT", "lut", options, (), quantisers)
    x = np.random.default_rng(3).integers(-(2**14), 2**14, (2000, 3)) / 2**12
    _equal(write_hgq2(tmp_path / "m.keras", (3,), layer), x, quantisers["oq"].of(np.tanh(x)))


HARD_TANH = {"overflow": "SAT", "class_name": "HardTanhConfig"}
HARD_SIGMOID = {"overflow": "SAT", "class_name": "HardSigmoidConfig", "options": {"affine": [0.25, 0.5]}}


def _recurrent(
    features: int, units: int, gates: int, biases: tuple[int, ...]
) -> tuple[list[Array], dict[str, Trained]]:
    rows = gates * units
    arrays = [_latents(features, rows), _latents(units, rows, seed=7), _latents(*biases, seed=8)]
    weights = {"kind": "kbi", "overflow": "SAT_SYM", "options": WEIGHT}
    return arrays, {
        "iq": trained((1, features), 11, overflow="WRAP"),
        "kq": trained((features, rows), 12, **weights),
        "rkq": trained((units, rows), 13, **weights),
        "bq": trained(biases, 14, kind="kbi", overflow="WRAP"),
    }


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("functions", [("linear", "linear"), ("tanh", "sigmoid")])
def test_gru(tmp_path: Path, reset_after: bool, functions: tuple[str, str]) -> None:
    units, features = 3, 4
    arrays, q = _recurrent(features, units, 3, (2, 9) if reset_after else (9,))
    q["sq"] = trained((1, units), 15, overflow="WRAP")
    q["rhq"] = trained((1, units), 16, overflow="WRAP")
    if functions[0] == "linear":
        q["paq"] = Trained(np.ones((1, 3)), np.zeros((1, 3)), np.array([[4, 5, 6]]), **HARD_TANH)
        q["praq"] = Trained(np.ones((1, 6)), np.ones((1, 6)), np.array([[4, 5, 6, 4, 3, 4]]), **HARD_SIGMOID)
    else:
        q["paq"] = uniform(1, 0, 7)
        q["praq"] = uniform(0, 0, 8)
    options = {"units": units, "activation": functions[0], "recurrent_activation": functions[1]}
    options |= {"reset_after": reset_after, "return_sequences": True, "enable_iq": True, "enable_oq": False}
    x = _numbers(60, 5, features)
    path = write_hgq2(tmp_path / "m.keras", (5, features), SavedLayer("QGRU", "gru", options, arrays, q))
    real = {"linear": lambda a: a, "tanh": np.tanh, "sigmoid": lambda a: 1 / (1 + np.exp(-a))}
    phi, sigma = (real[name] for name in functions)
    w, u, b = q["kq"].of(arrays[0]), q["rkq"].of(arrays[1]), q["bq"].of(arrays[2])
    b, d = b if reset_after else (b, np.zeros(9))
    h, results = np.zeros((60, units)), []
    for t in range(5):
        s, xw = q["sq"].of(h), q["iq"].of(x[:, t]) @ w + b
        z, r = np.split(q["praq"].of(sigma(xw[:, :6] + s @ u[:, :6] + d[:6])), 2, axis=1)
        after, before = r * q["rhq"].of(s @ u[:, 6:] + d[6:]), q["rhq"].of(r * s) @ u[:, 6:]
        reset = after if reset_after else before
        h = z * s + (1 - z) * q["paq"].of(phi(xw[:, 6:] + reset))
        results.append(h)
    _equal(path, x, np.stack(results, 1), reset_after and "tanh" in functions, input="fixed<16,6>")


@pytest.mark.parametrize("has_state_quantiser", [False, True])
def test_simple_rnn(tmp_path: Path, has_state_quantiser: bool) -> None:
    units, features = 3, 4
    arrays, q = _recurrent(features, units, 1, (units,))
    q["paq"] = trained((1, units), 17)
    if has_state_quantiser:
        q["sq"] = trained((1, units), 18)
    options = {"units": units, "activation": "relu", "enable_iq": True, "enable_oq": False, "oq_conf": None}
    if not has_state_quantiser:
        options["sq_conf"] = None
    x = _numbers(60, 5, features)
    path = write_hgq2(tmp_path / "m.keras", (5, features), SavedLayer("QSimpleRNN", "rnn", options, arrays, q))
    w, u, b = q["kq"].of(arrays[0]), q["rkq"].of(arrays[1]), q["bq"].of(arrays[2])
    h = np.zeros((60, units))
    for t in range(5):
        s = q["sq"].of(h) if has_state_quantiser else h
        h = np.maximum(q["paq"].of(q["iq"].of(x[:, t]) @ w + b + s @ u), 0)
    _equal(path, x, h, has_state_quantiser, input="fixed<16,6>")


def test_hardware_computes_the_same_bits(tmp_path: Path) -> None:
    layer = _dense(3, 2)
    path = write_hgq2(tmp_path / "m.keras", (2, 3), layer)  # types of each feature, on each step
    design = loopwire.compile(loopwire.load(path))
    x = _numbers(20, 2, 3)
    assert np.array_equal(design.simulate(x).outputs, _dense_result(layer, x))


def _refusal(tmp_path: Path, layer: SavedLayer, settings: dict[str, Any]) -> LoopwireError:
    path = write_hgq2(tmp_path / "m.keras", (2, 3), layer)
    with pytest.raises(LoopwireError) as error:
        loopwire.compile(loopwire.load(path), CompileConfig.from_dict(settings))
    return error.value


def test_what_is_refused(tmp_path: Path) -> None:
    def with_(**quantisers: Trained) -> SavedLayer:
        layer = _dense(3, 2)
        layer.quantisers = {**layer.quantisers, **quantisers}
        return layer

    def said(saved: SavedLayer, **settings: Any) -> str:
        error = _refusal(tmp_path, saved, settings)
        assert isinstance(error, UnsupportedError | ConfigError)
        return str(error)

    assert "a quantiser has 99 fraction bits, more than hardware carries" in said(with_(iq=uniform(1, 2, 99)))
    assert "its quantiser iq has different types in each step" in said(with_(iq=trained((1, 2, 3), 1)))
    assert "its quantiser iq is float RND SAT" in said(with_(iq=uniform(1, 2, 3, kind="float")))
    assert "nothing quantises the results of tanh" in said(_dense(3, 2, activation="tanh"))
    without = _dense(3, 2)
    without.quantisers = {"iq": without.quantisers["iq"]}
    assert "kq_conf=None is not supported" in said(without)
    mapped = with_(iq=uniform(1, 2, 3, options={"bw_mapper": {}}))
    assert "bw_mapper={} is not supported" in said(mapped)
    settings = {"layer": {"hidden": {"weight": "fixed<8,2>"}}}
    assert "Its types are trained, and the model file's: leave them out" in said(_dense(3, 2), **settings)
    assert "'precision' has no effect" in said(_dense(3, 2), model={"precision": "fixed<8,2>"})


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    def said(**quantisers: Trained) -> str:
        layer = _dense(3, 2)
        layer.quantisers = {**layer.quantisers, **quantisers}
        return str(_refusal(tmp_path, layer, {}))

    assert "types of shape (5, 2) for weights of (3, 2)" in said(kq=trained((5, 2), 1, options=WEIGHT))
    assert "iq has 7 types where 3 belong" in said(iq=trained((1, 7), 1))
    uneven = trained((1, 3), 1)
    uneven.f = uneven.f[:, :2]
    assert "the arrays of its quantiser iq do not fit one another" in said(iq=uneven)
    signs = trained((1, 3), 1)
    signs.k = signs.k + 7
    assert "the arrays of its quantiser iq do not fit one another" in said(iq=signs)


def test_states_share_hardware_whatever_the_types_of_their_elements(tmp_path: Path) -> None:
    arrays, q = _recurrent(4, 3, 3, (9,))
    q |= {"paq": uniform(1, 0, 5), "praq": uniform(1, 1, 4, **HARD_SIGMOID), "rhq": uniform(1, 1, 4)}
    options = {"units": 3, "activation": "linear", "recurrent_activation": "linear", "reset_after": False}

    def design(state: Trained) -> loopwire.Design:
        layer = SavedLayer("QGRU", "gru", options, arrays, {**q, "sq": state})
        path = write_hgq2(tmp_path / "m.keras", (5, 4), layer)
        return loopwire.compile(loopwire.load(path), CompileConfig.from_dict({"reuse_factor": 3}))

    each = Trained(np.ones((1, 3)), np.array([[0, 1, 0]]), np.array([[3, 4, 5]]))
    x = _numbers(20, 5, 4)
    for state in (each, uniform(1, 0, 4)):
        shared = design(state)
        assert np.array_equal(shared.simulate(x).outputs, shared.predict(x))


@pytest.mark.parametrize(("scaled", "centred"), [(True, True), (False, False)])
def test_a_normalisation_between_quantisers(tmp_path: Path, scaled: bool, centred: bool) -> None:
    quantisers = {"iq": trained((1, 1, 4), 3, overflow="WRAP"), "oq": uniform(1, 3, 2, rounding="RND_CONV")}
    quantisers |= {"kq": trained((4,), 4, kind="kbi", overflow="SAT_SYM", options=WEIGHT)}
    quantisers |= {"bq": trained((4,), 5, kind="kbi", overflow="WRAP")}
    options = {"axis": -1, "epsilon": 1e-3, "scale": scaled, "center": centred, "enable_oq": True, "enable_iq": True}
    trainable = [_latents(4, seed=seed) for seed, has in ((6, scaled), (7, centred)) if has]
    mean, variance = _latents(4, seed=8), np.abs(_latents(4, seed=9)) + np.float32(0.1)
    layer = SavedLayer("QBatchNormalization", "bn", options, [*trainable, mean, variance], quantisers)
    gamma = trainable[0] if scaled else np.float32(1)
    beta = trainable[-1] if centred else np.float32(1)
    scale = gamma / np.sqrt(variance + np.float32(1e-3))
    offset = quantisers["bq"].of(beta - mean * scale)
    x = _numbers(40, 3, 4)
    y = quantisers["oq"].of(quantisers["iq"].of(x) * quantisers["kq"].of(scale) + offset)
    _equal(write_hgq2(tmp_path / "m.keras", (3, 4), layer), x, y, hardware=scaled)


def test_a_quantiser_alone(tmp_path: Path) -> None:
    quantiser = trained((1, 5), 3, overflow="WRAP")
    layer = SavedLayer("Quantizer", "qz", {}, (), {"quantizer": quantiser})
    x = _numbers(40, 5)
    _equal(write_hgq2(tmp_path / "m.keras", (5,), layer), x, quantiser.of(x))


@pytest.mark.parametrize(
    ("class_name", "merged"),
    [
        ("QAdd", lambda a, b: a + b),
        ("QSubtract", lambda a, b: a - b),
        ("QMultiply", lambda a, b: a * b),
        ("QMaximum", np.maximum),
        ("QMinimum", np.minimum),
        ("QAveragePow2", lambda a, b: (a + b) / 2),
    ],
)
def test_merged_inputs_have_quantisers_of_their_own(tmp_path: Path, class_name: str, merged: Any) -> None:
    quantisers = {"iq_0": trained((1, 1, 4), 3, overflow="SAT"), "iq_1": trained((1, 1, 4), 4, overflow="WRAP")}
    layer = SavedLayer(class_name, "m", {"enable_iq": True, "enable_oq": False}, (), quantisers)
    path = write_hgq2_merge(tmp_path / "m.keras", [(3, 4), (3, 4)], layer)
    x = {"x0": _numbers(40, 3, 4), "x1": _numbers(40, 3, 4, seed=2)}
    y = merged(quantisers["iq_0"].of(x["x0"]), quantisers["iq_1"].of(x["x1"]))
    design = loopwire.compile(loopwire.load(path), CompileConfig.from_dict({"model": {"input": "fixed<13,5>"}}))
    assert np.array_equal(design.predict_float(x), y)
    assert np.array_equal(design.predict(x), y)
    if class_name == "QMultiply":
        assert np.array_equal(design.simulate({name: each[:20] for name, each in x.items()}).outputs, y[:20])


def test_a_merge_says_which_quantisers_it_lacks(tmp_path: Path) -> None:
    layer = SavedLayer("QAdd", "m", {"enable_iq": True}, (), {"iq_0": trained((1, 4), 3)})
    path = write_hgq2_merge(tmp_path / "m.keras", [(4,), (4,)], layer)
    with pytest.raises(LoopwireError, match="its iq_confs are no list of quantisers for 2 inputs"):
        loopwire.load(path)
