"""The same network from Keras, from PyTorch, and from ONNX files of three kinds: the same graph, the same firmware."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from torch import nn  # noqa: E402

import loopwire  # noqa: E402
from loopwire.ir.text import print_graph  # noqa: E402
from loopwire.layers.model import Model  # noqa: E402
from onnx_models import model_of, node, saved  # noqa: E402

Array = npt.NDArray[Any]
STEPS, FEATURES, UNITS, CLASSES = 5, 3, 4, 2
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras", "ignore::loopwire.errors.LoopwireWarning")


def keras_model(kind: str, both: bool) -> Any:
    """Return LSTM or GRU of the last step, or of both directions' last states, and a softmax."""
    keras.backend.clear_session(free_memory=False)
    cell = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU}[kind](UNITS, name="rnn")
    recurrent = keras.layers.Bidirectional(cell, name="rnn") if both else cell
    head = keras.layers.Dense(CLASSES, activation="softmax", name="head")
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), recurrent, head], name="tagger")
    random = np.random.default_rng(4)
    model.set_weights([random.normal(0, 0.6, array.shape) for array in model.get_weights()])
    return model


class Tagger(nn.Module):  # type: ignore[misc]
    """The network in PyTorch."""

    def __init__(self, kind: str, both: bool) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(FEATURES, UNITS, batch_first=True, bidirectional=both)
        self.head = nn.Linear(UNITS * (1 + both), CLASSES)

    def forward(self, x: Any) -> Any:
        """Return probabilities."""
        _, state = self.rnn(x)
        h = state[0] if isinstance(state, tuple) else state
        return torch.softmax(self.head(torch.cat([*h], -1)), -1)


GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}
"""Where PyTorch's gates are in Keras's order: i f g o of i f c o, r z n of z r h."""
ONNX_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2)}
"""And ONNX's: i o f c, z r h."""


def in_order(array: Array, order: Sequence[int]) -> Array:
    """Return gates along the first axis in another order."""
    parts = np.split(array, len(order))
    return np.concatenate([parts[k] for k in order])


def directions(weights: Sequence[Array], kind: str) -> list[tuple[Array, Array, Array, Array]]:
    """Return kernel, recurrent kernel and both biases of each direction, gates first, in Keras's order."""
    found = []
    for k in range(0, len(weights) - 2, 3):
        kernel, recurrent, bias = weights[k : k + 3]
        two = bias if kind == "GRU" else np.stack([bias, np.zeros_like(bias)])
        found.append((kernel.T, recurrent.T, two[0], two[1]))
    return found


def torch_module(kind: str, both: bool, weights: Sequence[Array]) -> Any:
    module = Tagger(kind, both)
    state: dict[str, Array] = {"head.weight": weights[-2].T, "head.bias": weights[-1]}
    for end, arrays in zip(("", "_reverse"), directions(weights, kind), strict=False):
        for name, array in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), arrays, strict=True):
            state[f"rnn.{name}_l0{end}"] = in_order(array, GATES[kind])
    module.load_state_dict({name: torch.tensor(np.asarray(array, np.float32)) for name, array in state.items()})
    return module.eval()


def written_by_hand(kind: str, both: bool, weights: Sequence[Array], path: Path) -> Path:
    parts = [[in_order(a, ONNX_GATES[kind]) for a in arrays] for arrays in directions(weights, kind)]
    w, r, b_w, b_r = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    constants = {"W": w, "R": r, "B": np.concatenate([b_w, b_r], 1), "k": weights[-2], "b": weights[-1]}
    options: dict[str, Any] = {"linear_before_reset": 1} if kind == "GRU" else {}
    way = "bidirectional" if both else "forward"
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node(kind, ["xt", "W", "R", "B"], ["", "h"], hidden_size=UNITS, direction=way, name="rnn", **options),
        node("Transpose", ["h"], ["ht"], perm=[1, 0, 2], name="rnn"),
        node("Flatten", ["ht"], ["flat"], name="rnn"),
        node("Gemm", ["flat", "k", "b"], ["logits"], name="head"),
        node("Softmax", ["logits"], ["y"], axis=-1, name="softmax"),
    ]
    return saved(model_of(nodes, {"x": ("batch", STEPS, FEATURES)}, ["y"], constants), path)


def exported(module: Any, path: Path, dynamo: bool) -> Path:
    axes: dict[str, Any] = {"dynamic_axes": {"x": {0: "batch"}}}
    if dynamo:
        axes = {"dynamic_shapes": {"x": {0: torch.export.Dim("batch")}}}
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            x = torch.randn(2, STEPS, FEATURES)
            torch.onnx.export(module, (x,), path, dynamo=dynamo, input_names=["x"], verbose=False, **axes)
    finally:
        logging.disable(logging.NOTSET)
    return path


def named_like(model: Model, like: Model) -> Model:
    """Return a model with the names of another, layer by layer and input by input."""
    assert [layer.kind for layer in model.layers] == [layer.kind for layer in like.layers]
    names = {layer.name: other.name for layer, other in zip(model.layers, like.layers, strict=True)}
    layers = {layer.name: replace(layer, name=names[layer.name]) for layer in model.layers}  # type: ignore[type-var]
    inputs = {x: replace(x, name=other.name) for x, other in zip(model.inputs, like.inputs, strict=True)}
    calls = tuple(
        replace(call, layer=layers[call.layer.name], inputs=tuple(inputs.get(x, x) for x in call.inputs))
        for call in model.calls
    )
    return replace(model, name=like.name, inputs=tuple(inputs.values()), calls=calls)


@pytest.mark.parametrize("both", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("kind", GATES)
def test_the_same_network_gives_the_same_firmware(kind: str, both: bool, tmp_path: Path) -> None:
    original = keras_model(kind, both)
    weights = [np.asarray(array) for array in original.get_weights()]
    module = torch_module(kind, both, weights)
    ways: dict[str, Callable[[], Model]] = {
        "PyTorch": lambda: loopwire.load(module, example_inputs=(torch.randn(2, STEPS, FEATURES),)),
        "ONNX by hand": lambda: loopwire.load(written_by_hand(kind, both, weights, tmp_path / "hand.onnx")),
        "ONNX of TorchScript": lambda: loopwire.load(exported(module, tmp_path / "script.onnx", dynamo=False)),
    }
    if kind == "LSTM" and both:  # the slowest of all
        ways["ONNX of torch.export"] = lambda: loopwire.load(exported(module, tmp_path / "export.onnx", dynamo=True))
    first = loopwire.load(original)
    due = loopwire.compile(first)
    for way, load in ways.items():
        design = loopwire.compile(named_like(load(), first))
        assert print_graph(design.graph) == print_graph(due.graph), way
        assert design.firmware.files == due.firmware.files, way
