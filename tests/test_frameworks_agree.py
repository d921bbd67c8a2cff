"""One network, saved from Keras, PyTorch and by ONNX, is one graph and one firmware."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from loopwire.config import CompileConfig
from loopwire.ir.text import print_graph

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
from torch_models import randomised, saved  # noqa: E402

STEPS, FEATURES, UNITS, CLASSES = 6, 3, 4, 2
KINDS = {"LSTM": 4, "GRU": 3, "RNN": 1}


class Tagger(torch.nn.Module):  # type: ignore[misc, name-defined]
    """A recurrent layer, its last state, a dense layer, a softmax."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.rnn = getattr(torch.nn, kind)(FEATURES, UNITS, batch_first=True)
        self.middle = torch.nn.Linear(UNITS, 5)
        self.head = torch.nn.Linear(5, CLASSES)

    def forward(self, x: Any) -> Any:
        """Return the classes' probabilities."""
        y, _ = self.rnn(x)
        return torch.softmax(self.head(torch.relu(self.middle(y[:, -1]))), -1)


def module_of(kind: str) -> Any:
    """Return a module; of the two biases that PyTorch adds, one is zero where Keras has one."""
    module = randomised(Tagger(kind), seed=3)
    if kind != "GRU":
        with torch.no_grad():
            module.rnn.bias_hh_l0.zero_()
    return module


def keras_model(kind: str, module: Any) -> Any:
    """Return the Keras model with a module's weights."""
    layers = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU, "RNN": keras.layers.SimpleRNN}
    x = keras.Input((STEPS, FEATURES), name="x")
    y = keras.layers.Dense(5, activation="relu", name="middle")(layers[kind](UNITS, name="rnn")(x))
    model = keras.Model(x, keras.layers.Dense(CLASSES, activation="softmax", name="head")(y), name="tagger")
    own = {name: tensor.detach().numpy() for name, tensor in module.named_parameters()}
    arrays = [own[f"rnn.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    if kind == "GRU":  # r z n in PyTorch, z r n in Keras
        arrays = [np.concatenate([np.split(a, 3)[k] for k in (1, 0, 2)]) for a in arrays]
    kernel, recurrent_kernel, bias, recurrent_bias = arrays
    biases = np.stack([bias, recurrent_bias]) if kind == "GRU" else bias
    model.get_layer("rnn").set_weights([kernel.T, recurrent_kernel.T, biases])
    for name in ("middle", "head"):
        model.get_layer(name).set_weights([own[f"{name}.weight"].T, own[f"{name}.bias"]])
    return model


def firmware(path: Path) -> tuple[str, dict[str, str]]:
    design = loopwire.compile(loopwire.load(path), CompileConfig(name="tagger"))
    return print_graph(design.graph), dict(design.firmware.files)


@pytest.mark.parametrize("kind", KINDS)
def test_one_network_is_one_firmware(kind: str, tmp_path: Path) -> None:
    module = module_of(kind)
    keras_model(kind, module).save(tmp_path / "tagger.keras")
    expected_text, expected_files = firmware(tmp_path / "tagger.keras")
    x = torch.zeros(1, STEPS, FEATURES)
    text, files = firmware(saved(module, [x], tmp_path / "tagger.pt2"))
    assert text == expected_text
    assert files == expected_files


# The newer exporter takes an RNN apart into operations on single steps.
@pytest.mark.parametrize(("kind", "dynamo"), [*((kind, False) for kind in KINDS), ("LSTM", True), ("GRU", True)])
def test_onnx_too_but_for_names(kind: str, dynamo: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    module, x = module_of(kind), torch.zeros(1, STEPS, FEATURES)
    text, _ = firmware(saved(module, [x], tmp_path / "tagger.pt2"))
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(module, (x,), tmp_path / "tagger.onnx", input_names=["x"], dynamo=dynamo, external_data=False)
    model = loopwire.load(tmp_path / "tagger.onnx")
    other = print_graph(loopwire.compile(model, CompileConfig(name="tagger")).graph)
    names = dict(zip((layer.name for layer in model.layers), ("rnn", "middle", "head"), strict=True))
    for name, ours in names.items():
        other = other.replace(name, ours)
    assert other == text
