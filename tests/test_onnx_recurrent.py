"""ONNX's recurrent operators: the float reference within 1e-5 of onnxruntime, for every attribute."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import loopwire
from loopwire.errors import UnsupportedError
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from onnx_models import close, model_of, node, reference, results, saved

Array = npt.NDArray[Any]
pytestmark = pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
OUTPUTS = {"LSTM": ("Y", "Y_h", "Y_c"), "GRU": ("Y", "Y_h"), "RNN": ("Y", "Y_h")}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
BATCH = 3


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "LSTM": [
        {},
        {"clip": 0.4},
        {"input_forget": 1},
        {"peepholes": True},
        {"peepholes": True, "clip": 0.6, "input_forget": 1},
        {"peepholes": True, "clip": 0.3},
        {"bias": False},
        {"activations": ("HardSigmoid", "Relu", "Softsign"), "activation_alpha": [0.3], "activation_beta": [0.4]},
        {"activations": ("Sigmoid", "LeakyRelu", "Elu"), "activation_alpha": [0.2, 0.7]},
        {
            "activations": ("HardSigmoid", "Tanh", "Affine"),
            "activation_alpha": [0.2, 1.0],
            "activation_beta": [0.5, 0.0],
        },
        {"activations": ("Sigmoid", "Softplus", "Tanh")},
    ],
    "GRU": [
        {},
        {"linear_before_reset": 1},
        {"clip": 0.3},
        {"clip": 0.3, "linear_before_reset": 1},
        {"bias": False, "linear_before_reset": 1},
        {"activations": ("HardSigmoid", "LeakyRelu"), "activation_alpha": [0.25, 0.1], "activation_beta": [0.45]},
        {"activations": ("Sigmoid", "Softsign"), "linear_before_reset": 1},
    ],
    "RNN": [
        {},
        {"clip": 0.5},
        {"bias": False},
        {"activations": ("Relu",)},
        {"activations": ("Elu",), "activation_alpha": [0.5]},
        {"activations": ("HardSigmoid",)},
        {"activations": ("Affine",), "activation_alpha": [1.0]},
    ],
}
CASES = [
    (op, direction, number)
    for op, options in OPTIONS.items()
    for number in range(len(options))
    for place, direction in enumerate(DIRECTIONS)
    if number < 2 or number % 3 == place
]


def attributes_of(options: Mapping[str, Any], direction: str) -> dict[str, Any]:
    """Return the attributes of a node, functions and their parameters for each direction."""
    count = DIRECTIONS[direction]
    repeated = ("activations", "activation_alpha", "activation_beta")
    attributes = {key: value for key, value in options.items() if key not in ("bias", "peepholes")}
    return attributes | {key: [*options[key]] * count for key in repeated if key in options}


def weights_of(op: str, options: Mapping[str, Any], count: int, features: int, units: int) -> dict[str, Array]:
    random = np.random.default_rng(
        zlib.crc32(f"{op} {sorted({*options} - {'layout'})} {count} {features} {units}".encode())
    )
    rows = GATES[op] * units
    shapes = {"W": (count, rows, features), "R": (count, rows, units)}
    if options.get("bias", True):
        shapes["B"] = (count, 2 * rows)
    if options.get("peepholes"):
        shapes["P"] = (count, 3 * units)
    return {name: random.normal(0, 0.8, shape) for name, shape in shapes.items()}


def graph(
    op: str,
    options: Mapping[str, Any],
    direction: str,
    sizes: tuple[int, int, int],
    outputs: Sequence[str],
    *,
    operands: Mapping[int, str] | None = None,
    inputs: Mapping[str, Sequence[int | str]] | None = None,
    constants: Mapping[str, Array] | None = None,
    **more: Any,
) -> Any:
    """Return a model of one operator, x its sequence (steps, batch, features)."""
    steps, features, units = sizes
    weights = weights_of(op, options, DIRECTIONS[direction], features, units)
    given = ["x", "W", "R", "B" if "B" in weights else "", "", "", "", "P" if "P" in weights else ""]
    for index, name in (operands or {}).items():
        given[index] = name
    while not given[-1]:
        given.pop()
    made = [name if name in outputs else "" for name in OUTPUTS[op]]
    attributes = {"hidden_size": units, "direction": direction, **attributes_of(options, direction)}
    shapes = {"x": (steps, "batch", features), **(inputs or {})}
    nodes = [node(op, given, made, name="rnn", **attributes)]
    return model_of(nodes, shapes, list(outputs), {**weights, **(constants or {})}, **more)


def expected(y: Array, name: str) -> list[Array]:
    """Return an output's parts with the batch first: (steps, directions, batch, U), or without the steps."""
    turned = y.transpose(1, 2, 0, 3) if name == "Y" else y
    return list(turned)


def sequence(steps: int, features: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, 1.5, (steps, BATCH, features))


@pytest.mark.parametrize(("op", "direction", "number"), CASES)
def test_every_attribute_equals_onnxruntime(op: str, direction: str, number: int, tmp_path: Path) -> None:
    options = OPTIONS[op][number]
    for sizes in ((4, 3, 2), (1, 2, 5)):
        path = saved(graph(op, options, direction, sizes, OUTPUTS[op]), tmp_path / "m.onnx")
        x = sequence(sizes[0], sizes[1], seed=number)
        due = reference(path, {"x": x})
        found = results(loopwire.load(path, trust=True), {"x": x.swapaxes(0, 1)})
        close(found, [part for y, name in zip(due, OUTPUTS[op], strict=True) for part in expected(y, name)])


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("outputs", [("Y",), ("Y_h",), ("Y_c",), ("Y", "Y_h"), ("Y_h", "Y_c"), ("Y", "Y_c")])
@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
def test_outputs_used_or_not(op: str, outputs: tuple[str, ...], direction: str, tmp_path: Path) -> None:
    if not set(outputs) <= set(OUTPUTS[op]):
        pytest.skip(f"{op} has no {outputs}")
    path = saved(graph(op, {}, direction, (4, 2, 3), outputs), tmp_path / "m.onnx")
    x = sequence(4, 2)
    found = results(loopwire.load(path, trust=True), {"x": x.swapaxes(0, 1)})
    due = reference(path, {"x": x})
    close(found, [part for y, name in zip(due, outputs, strict=True) for part in expected(y, name)])


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", ["constant", "zero", "input", "h alone"])
def test_initial_states(op: str, direction: str, kind: str, tmp_path: Path) -> None:
    count, units = DIRECTIONS[direction], 3
    states = ["h0", "c0"][: 2 if op == "LSTM" and kind != "h alone" else 1]
    random = np.random.default_rng(7)
    rows = {name: random.normal(0, 0.5, (count, 1, units)) * (kind != "zero") for name in states}
    operands = {5 + k: name for k, name in enumerate(states)}
    x = sequence(4, 2)
    if kind == "input":
        given = {name: np.repeat(row, BATCH, axis=1) * np.arange(1, BATCH + 1)[:, None] for name, row in rows.items()}
        shapes = dict.fromkeys(states, (count, "batch", units))
        proto = graph(op, {}, direction, (4, 2, units), OUTPUTS[op], operands=operands, inputs=shapes)
    else:
        given = {}
        constants = {name: np.repeat(row, BATCH, axis=1) for name, row in rows.items()}
        proto = graph(op, {}, direction, (4, 2, units), OUTPUTS[op], operands=operands, constants=constants)
    path = saved(proto, tmp_path / "m.onnx")
    due = reference(path, {"x": x, **given})
    model = loopwire.load(path, trust=True)
    inputs = {"x": x.swapaxes(0, 1)}
    for name, state in given.items():
        inputs |= {name: state[0]} if count == 1 else {f"{name}_{k}": part for k, part in enumerate(state)}
    if kind == "zero":
        assert all(len(call.inputs) == 1 for call in model.calls), "states of zero are no inputs"
    close(results(model, inputs), [p for y, name in zip(due, OUTPUTS[op], strict=True) for p in expected(y, name)])


def test_states_of_another_layer(tmp_path: Path) -> None:
    """An encoder's last states start a decoder, which repeats its input."""
    random = np.random.default_rng(3)
    units, features = 3, 2
    weights = {
        f"{name}{k}": random.normal(0, 0.7, shape)
        for k in (0, 1)
        for name, shape in (("W", (1, 4 * units, features)), ("R", (1, 4 * units, units)), ("B", (1, 8 * units)))
    }
    nodes = [
        node("LSTM", ["x", "W0", "R0", "B0"], ["", "h", "c"], hidden_size=units, name="encoder"),
        node("LSTM", ["z", "W1", "R1", "B1", "", "h", "c"], ["Y"], hidden_size=units, name="decoder"),
        node("Squeeze", ["Y", "one"], ["y"]),
    ]
    inputs = {"x": (4, "batch", features), "z": (5, "batch", features)}
    path = saved(model_of(nodes, inputs, ["y"], {**weights, "one": np.array([1])}), tmp_path / "m.onnx")
    x, z = sequence(4, features), sequence(5, features, 1)
    model = loopwire.load(path, trust=True)
    assert [layer.name for layer in model.layers] == ["encoder", "decoder"]
    (due,) = reference(path, {"x": x, "z": z})
    close(results(model, {"x": x.swapaxes(0, 1), "z": z.swapaxes(0, 1)}), [due.swapaxes(0, 1)])


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_batch_first(op: str, direction: str, tmp_path: Path) -> None:
    """layout=1, which onnxruntime does not have: the same numbers, every tensor turned."""
    steps, features, units = sizes = (4, 2, 3)
    count = DIRECTIONS[direction]
    operands, shapes = {5: "h0"}, {"h0": (count, "batch", units)}
    path = saved(graph(op, {}, direction, sizes, OUTPUTS[op], operands=operands, inputs=shapes), tmp_path / "a.onnx")
    x, h0 = sequence(steps, features), np.random.default_rng(1).normal(size=(count, BATCH, units))
    due = reference(path, {"x": x, "h0": h0})
    proto = graph(op, {"layout": 1}, direction, sizes, OUTPUTS[op], operands=operands, inputs=shapes)
    for value, shape in zip(proto.graph.input, (("batch", steps, features), ("batch", count, units)), strict=True):
        del value.type.tensor_type.shape.dim[:]
        for length in shape:
            dimension = value.type.tensor_type.shape.dim.add()
            setattr(dimension, "dim_param" if isinstance(length, str) else "dim_value", length)
    model = loopwire.load(saved(proto, tmp_path / "b.onnx"), trust=True)
    states = {"h0": h0[0]} if count == 1 else {f"h0_{k}": part for k, part in enumerate(h0)}
    close(
        results(model, {"x": x.swapaxes(0, 1), **states}),
        [part for y, name in zip(due, OUTPUTS[op], strict=True) for part in expected(y, name)],
    )


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_lengths(op: str, direction: str, tmp_path: Path) -> None:
    more: dict[str, Any] = {"operands": {4: "lengths"}, "inputs": {"lengths": ("batch",)}}
    proto = graph(op, {}, direction, (5, 2, 3), OUTPUTS[op], whole_numbers=["lengths"], **more)
    path = saved(proto, tmp_path / "m.onnx")
    x, lengths = sequence(5, 2), np.array([2, 5, 1], np.int32)
    due = reference(path, {"x": x, "lengths": lengths})
    model = loopwire.load(path, trust=True)
    assert [tensor.name for tensor in model.inputs] == ["x"]
    found = results(model, {"x": x.swapaxes(0, 1)}, lengths)
    close(found, [part for y, name in zip(due, OUTPUTS[op], strict=True) for part in expected(y, name)])


def test_constant_lengths_of_all_steps_say_nothing(tmp_path: Path) -> None:
    def path(*lengths: int) -> Path:
        constants = {"lengths": np.array(lengths, np.int32)}
        proto = graph("GRU", {}, "forward", (5, 2, 3), ("Y",), operands={4: "lengths"}, constants=constants)
        return saved(proto, tmp_path / "m.onnx")

    assert len(loopwire.load(path(5, 5), trust=True).calls) == 1
    with pytest.raises(UnsupportedError, match=r"node 'rnn' \(GRU\): its sequence_lens are constant, \[5, 4\], of 5"):
        loopwire.load(path(5, 4), trust=True)


@pytest.mark.parametrize("opset", [7, 8, 10, 12, 13, 14, 17, *range(21, 29)])
@pytest.mark.parametrize("op", GATES)
def test_every_opset(op: str, opset: int, tmp_path: Path) -> None:
    path = saved(graph(op, {}, "bidirectional", (3, 2, 2), OUTPUTS[op], opset=opset), tmp_path / "m.onnx")
    x = sequence(3, 2)
    due = reference(path, {"x": x})
    found = results(loopwire.load(path, trust=True), {"x": x.swapaxes(0, 1)})
    close(found, [part for y, name in zip(due, OUTPUTS[op], strict=True) for part in expected(y, name)])


@pytest.mark.parametrize(
    ("op", "options", "problem"),
    [
        (
            "RNN",
            {"activations": ("ScaledTanh",)},
            "its activation 'scaledtanh' is not supported. Supported: Affine,",
        ),
        ("GRU", {"activations": ("ThresholdedRelu", "Tanh")}, "its activation 'thresholdedrelu' is not supported"),
        (
            "RNN",
            {"activations": ("Affine",), "activation_alpha": [2.0]},
            "its activation 'affine' with alpha 2.0 and beta 0.0 is not supported. Use Affine with alpha 1",
        ),
    ],
)
def test_functions_that_are_refused(op: str, options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    path = saved(graph(op, options, "forward", (3, 2, 2), ("Y",)), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError) as error:
        loopwire.load(path, trust=True)
    assert f"node 'rnn' ({op}): {problem}" in str(error.value)


def test_a_recurrent_node_keeps_its_names(tmp_path: Path) -> None:
    def layers(direction: str) -> list[Any]:
        return list(loopwire.load(saved(graph("LSTM", {}, direction, (3, 2, 2), ("Y",)), tmp_path / "m.onnx")).layers)

    (one,) = layers("forward")
    assert isinstance(one, Lstm) and one.name == "rnn" and not isinstance(one, Gru)
    assert [layer.name for layer in layers("bidirectional")] == ["rnn_forward", "rnn_backward", "rnn_backward_reversed"]
