"""Quantisers in ONNX files: QONNX's and Brevitas' by their equations in numpy, QDQ as onnx defines it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import loopwire
from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.onnx.quantised import TRIPLES
from onnx_models import Array, model_of, node, reference, saved

DOMAIN = "qonnx.custom_op.general"
OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
ROUND = {
    "ROUND": np.rint,
    "FLOOR": np.floor,
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def _quant(
    x: Array, scale: Any, zero: float, bits: int, signed: int = 1, narrow: int = 0, mode: str = "ROUND"
) -> Array:
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    return (ROUND[mode](np.clip(x / scale + zero, low, high)) - zero) * scale


class _Graph:
    """Nodes and constants, put together one after another."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, np.float32) if not isinstance(value, np.ndarray) else value
        return name

    def add(self, op: str, *inputs: Any, **attributes: Any) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        self.nodes.append(node(op, names, [f"t{len(self.nodes)}"], **attributes))
        return f"t{len(self.nodes) - 1}"

    def quant(
        self, x: Any, scale: Any, zero: float, bits: int, signed: int = 1, narrow: int = 0, mode: str = "ROUND"
    ) -> str:
        how = {"signed": signed, "narrow": narrow, "rounding_mode": mode, "domain": DOMAIN}
        return self.add("Quant", x, scale, zero, float(bits), **how)

    def save(self, path: Path, shape: list[Any], output: str, **more: Any) -> Path:
        model = model_of(self.nodes, {"x": shape}, [output], self.constants, opset_imports=OPSETS, **more)
        return saved(model, path)


def _equal(path: Path, x: Array, y: Array, hardware: bool = False) -> None:
    design = loopwire.compile(loopwire.load(path))
    assert np.array_equal(design.predict_float(x), y)
    assert np.array_equal(design.predict(x), y)
    if hardware:
        assert np.array_equal(design.simulate(x[:20]).outputs, y[:20])


def _numbers(*shape: int, seed: int = 1) -> Array:
    return (np.random.default_rng(seed).integers(-700, 700, shape) / 64).astype(np.float32)


@pytest.mark.parametrize("mode", ROUND)
@pytest.mark.parametrize(
    ("signed", "narrow", "zero"), [(1, 0, 0), (1, 1, 0), (0, 0, 0), (0, 1, 0), (0, 0, 5), (1, 1, -3)]
)
def test_quant(tmp_path: Path, mode: str, signed: int, narrow: int, zero: int) -> None:
    graph = _Graph()
    how = {"signed": signed, "narrow": narrow, "mode": mode}
    y = graph.quant(graph.quant("x", 0.0625, 0, 9), 0.25, zero, 5, **how)
    x = _numbers(300, 3)  # many of them halfway between two results
    _equal(graph.save(tmp_path / "m.onnx", [None, 3], y), x, _quant(_quant(x, 0.0625, 0, 9), 0.25, zero, 5, **how))


def test_scales_for_each_feature_and_weights(tmp_path: Path) -> None:
    graph, rng = _Graph(), np.random.default_rng(2)
    kernel, bias = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    scales = np.array([0.5, 0.25, 0.125, 0.25], np.float32)
    weights = graph.quant(kernel, scales, 0, 4, narrow=1)
    total = graph.add("MatMul", graph.quant("x", 0.125, 0, 8), weights)
    total = graph.add("Add", total, graph.quant(bias, 2.0**-6, 0, 12))
    y = graph.quant(graph.add("Relu", total), scales, 0, 6, signed=0)
    signs = graph.add("BipolarQuant", y, 0.5, domain=DOMAIN)
    both = graph.add("Add", y, signs)
    x = _numbers(200, 3)
    a = _quant(x, 0.125, 0, 8) @ _quant(kernel, scales, 0, 4, narrow=1) + _quant(bias, 2.0**-6, 0, 12)
    a = _quant(np.maximum(a, 0), scales, 0, 6, signed=0)
    _equal(graph.save(tmp_path / "m.onnx", [None, 3], both), x, a + np.where(a >= 0, 0.5, -0.5))


@pytest.mark.parametrize("name", ["Tanh", "Sigmoid"])
def test_a_function_takes_the_quantiser_behind_it(tmp_path: Path, name: str) -> None:
    graph = _Graph()
    y = graph.quant(graph.add(name, graph.quant("x", 2.0**-9, 0, 14)), 2.0**-7, 0, 8)
    x = np.random.default_rng(3).normal(size=(500, 3)).astype(np.float32) * 3
    a = _quant(x, 2.0**-9, 0, 14)
    real = np.tanh(a) if name == "Tanh" else 1 / (1 + np.exp(-a))
    _equal(graph.save(tmp_path / "m.onnx", [None, 3], y), x, _quant(real, 2.0**-7, 0, 8))


def test_a_scale_that_is_no_power_of_two_is_right_within_a_step(tmp_path: Path) -> None:
    graph = _Graph()
    y = graph.quant(graph.quant("x", 0.03, 0, 8), 0.11, 0, 6)
    x = np.random.default_rng(4).normal(size=(500, 3)).astype(np.float32)
    due = _quant(_quant(x.astype(np.float64), 0.03, 0, 8), 0.11, 0, 6)
    design = loopwire.compile(loopwire.load(graph.save(tmp_path / "m.onnx", [None, 3], y)))
    for found in (design.predict(x), design.predict_float(x)):
        steps = np.rint(found / 0.11) - np.rint(due / 0.11)
        assert np.abs(steps).max() <= 1 and np.mean(steps != 0) < 0.01
        assert np.abs(found - np.rint(found / 0.11) * 0.11).max() < 1e-5


@pytest.mark.parametrize("zero", [0, 3])
@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16])
def test_quantize_and_dequantize_as_onnx_defines_them(tmp_path: Path, kind: Any, zero: int) -> None:
    graph, rng = _Graph(), np.random.default_rng(6)
    point = np.array(zero, kind)
    levels = graph.add("QuantizeLinear", "x", 0.0625, point)
    x = graph.add("DequantizeLinear", levels, 0.0625, point)
    scales = np.array([0.25, 0.125, 0.5, 0.25], np.float32)
    weights = rng.integers(-9, 9, (3, 4)).astype(np.int8)
    weights_read = graph.add("DequantizeLinear", weights, scales, np.zeros(4, np.int8), axis=1)
    bias = graph.add(
        "DequantizeLinear", rng.integers(-90, 90, 4).astype(np.int32), scales / 16, np.zeros(4, np.int32), axis=0
    )
    total = graph.add("Add", graph.add("MatMul", x, weights_read), bias)
    levels = graph.add("QuantizeLinear", total, 0.5, point)
    y = graph.add("DequantizeLinear", levels, 0.5, point)
    model = model_of(graph.nodes, {"x": [None, 3]}, [y], graph.constants)
    path = saved(model, tmp_path / "m.onnx")
    given = _numbers(200, 3)
    _equal(path, given, ReferenceEvaluator(model).run(None, {"x": given})[0])


def test_a_clip_between_them_takes_levels_away(tmp_path: Path) -> None:
    graph, point = _Graph(), np.array(0, np.int8)
    levels = graph.add("QuantizeLinear", "x", 0.0625, point)
    levels = graph.add("Clip", levels, np.array(-7, np.int8), np.array(7, np.int8))
    y = graph.add("DequantizeLinear", levels, 0.0625, point)
    path = saved(model_of(graph.nodes, {"x": [None, 3]}, [y], graph.constants), tmp_path / "m.onnx")
    given = _numbers(200, 3) / 8
    _equal(path, given, reference(path, {"x": given})[0])


@pytest.mark.parametrize("coupled", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_lstm_of_brevitas(tmp_path: Path, coupled: int, reverse: int) -> None:
    graph, rng, units, features = _Graph(), np.random.default_rng(7), 3, 4
    w, u = (rng.integers(-60, 60, (4, units, n)) / 64 for n in (features, units))
    b = rng.integers(-60, 60, (4, units)) / 256
    scales = dict.fromkeys(TRIPLES, 2.0**-7) | {"input_acc": 2.0**-5, "cell_acc": 2.0**-4, "cell_state": 2.0**-6}
    scales |= {name: 2.0**-8 for name in TRIPLES if name.endswith("sigmoid")}
    attributes: dict[str, Any] = {"batch_first": 1, "reverse_input": reverse, "cifg": coupled}
    for name in TRIPLES:
        is_gate = name.endswith("sigmoid")
        narrow = f"{name}_narrow_range" if name == "output_sigmoid" else f"{name}_narrow"
        attributes |= {f"{name}_signed": int(not is_gate), narrow: 0, f"{name}_rounding_mode": "ROUND"}
    zeros = np.zeros((1, units), np.float32)
    triples = [each for name in TRIPLES for each in (scales[name], 0.0, 8.0)]
    inputs = [graph.quant("x", 2.0**-6, 0, 8), zeros, zeros, *w, *u, *b, *triples]
    y = graph.add("QuantLSTMCell", *inputs, domain=DOMAIN, **attributes)
    path = graph.save(tmp_path / "m.onnx", [None, 5, features], y)

    def q(name: str, value: Array) -> Array:
        return _quant(value, scales[name], 0, 8, signed=int(not name.endswith("sigmoid")))

    def gate(k: int, name: str, x: Array, h: Array) -> Array:
        a = q(f"{name}_acc", x @ w[k].T + h @ u[k].T + b[k])
        return q("cell_tanh", np.tanh(a)) if name == "cell" else q(f"{name}_sigmoid", 1 / (1 + np.exp(-a)))

    x = _numbers(60, 5, features) / 4
    h, c, results = np.zeros((60, units)), np.zeros((60, units)), []
    given = _quant(x, 2.0**-6, 0, 8)
    for step in given.transpose(1, 0, 2)[:: -1 if reverse else 1]:
        i, f, g, o = (gate(k, name, step, h) for k, name in enumerate(("input", "forget", "cell", "output")))
        f = q("input_sigmoid", np.ones(units)) - i if coupled else f
        c = q("cell_state", q("cell_state", f * c) + q("cell_state", i * g))
        h = q("output", o * q("hidden_state_tanh", np.tanh(c)))
        results.append(h)
    _equal(path, x, np.stack(results[:: -1 if reverse else 1], 1), hardware=not reverse and not coupled)


def test_what_is_refused(tmp_path: Path) -> None:
    def said(graph: _Graph, output: str) -> str:
        with pytest.raises(UnsupportedError) as error:
            loopwire.load(graph.save(tmp_path / "m.onnx", [None, 3], output))
        return str(error.value)

    graph = _Graph()
    assert "its rounding mode is 'CEIL'" in said(graph, graph.quant("x", 0.5, 0, 8, mode="CEIL"))
    graph = _Graph()
    assert "it has 99 bits" in said(graph, graph.quant("x", 0.5, 0, 99))
    graph = _Graph()
    assert "operand 3 is [0.5]" in said(graph, graph.quant("x", 0.5, 0.5, 8))
    graph = _Graph()
    uneven = np.array([0.3, 0.2, 0.1], np.float32)
    assert "scales differ, and are no powers of two" in said(graph, graph.quant("x", uneven, 0, 8))
    graph = _Graph()
    assert "a quantiser has 67 fraction bits, more than hardware carries" in said(
        graph, graph.quant("x", 2.0**-67, 0, 8)
    )
    graph = _Graph()
    four = np.full(4, 0.5, np.float32)
    assert "it has 4 scales for 3 features" in said(graph, graph.quant("x", four, 0, 8))
    graph = _Graph()
    levels = graph.add("QuantizeLinear", "x", 0.5, np.array(0, np.int8))
    assert "DequantizeLinear alone may" in said(graph, graph.add("Relu", levels))


def test_narrow_integers_are_read(tmp_path: Path) -> None:
    graph = _Graph()
    x = graph.quant("x", 0.0625, 0, 9)
    weights = np.array([[1, -2], [7, -8], [0, 3]])
    tensor = helper.make_tensor("w", 22, weights.shape, weights.ravel().tolist())
    graph.nodes.append(node("DequantizeLinear", ["w", graph.constant(0.25)], ["wd"]))
    y = graph.add("MatMul", x, "wd")
    opsets = [helper.make_opsetid("", 21), OPSETS[1]]
    model = model_of(graph.nodes, {"x": [None, 3]}, [y], graph.constants, opset_imports=opsets)
    model.graph.initializer.append(tensor)
    given = _numbers(50, 3)
    _equal(saved(model, tmp_path / "m.onnx"), given, _quant(given, 0.0625, 0, 9) @ (weights * 0.25))
    assert numpy_helper.to_array(tensor).tolist() == weights.tolist()


def test_scales_that_do_not_fit_constants_are_refused(tmp_path: Path) -> None:
    four, kernel = np.full(4, 0.5, np.float32), np.ones((3, 2), np.float32)
    for op, operands in (("Quant", (kernel, four, 0.0, 4.0)), ("BipolarQuant", (kernel, four))):
        graph = _Graph()
        how = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"} if op == "Quant" else {}
        y = graph.add("MatMul", "x", graph.add(op, *operands, domain=DOMAIN, **how))
        with pytest.raises(ModelFileError, match=r"its scales have shape \(4,\)"):
            loopwire.load(graph.save(tmp_path / "m.onnx", [None, 3], y))
