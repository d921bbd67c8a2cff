"""ONNX files of PyTorch's two exporters: the float reference within 1e-5 of onnxruntime, and all machines alike."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import loopwire  # noqa: E402
from onnx_models import close, reference, results  # noqa: E402

FEATURES, UNITS, STEPS = 3, 4, 5


class Tagger(nn.Module):  # type: ignore[misc]
    """A recurrent layer, its last step or all of them, and a dense layer."""

    def __init__(self, cell: Callable[..., Any], last: bool = True, **options: Any) -> None:
        super().__init__()
        self.rnn = cell(FEATURES, UNITS, batch_first=True, **options)
        self.head = nn.Linear(UNITS * (2 if options.get("bidirectional") else 1), 2)
        self.last = last

    def forward(self, x: Any) -> Any:
        """Return probabilities."""
        y, _ = self.rnn(x)
        return torch.softmax(self.head(torch.relu(y[:, -1] if self.last else y)), -1)


class LastStates(nn.Module):  # type: ignore[misc]
    """Two bidirectional layers, of which the last states go on."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(FEATURES, UNITS, 2, bidirectional=True, batch_first=True)
        self.norm = nn.BatchNorm1d(2 * UNITS)
        self.head = nn.Linear(2 * UNITS, 1)

    def forward(self, x: Any) -> Any:
        """Return a number."""
        _, (h, _) = self.rnn(x)
        return torch.sigmoid(self.head(self.norm(torch.cat([h[-2], h[-1]], 1))))


class Pooled(nn.Module):  # type: ignore[misc]
    """Dense layers on each step, gated, and their mean over the steps; a residual around a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Linear(FEATURES, UNITS)
        self.rnn = nn.GRU(UNITS, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, 2, bias=False)

    def forward(self, x: Any) -> Any:
        """Return two numbers."""
        z = nn.functional.silu(self.lift(x))
        y, _ = self.rnn(z)
        a, b = (y + z).chunk(2, -1)
        return self.head(torch.cat([a * torch.sigmoid(b), b], -1).mean(1))


class FedBack(nn.Module):  # type: ignore[misc]
    """An encoder, and a decoder whose results are its next inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.LSTM(FEATURES, UNITS, batch_first=True), nn.LSTMCell(2, UNITS)
        self.head = nn.Linear(UNITS, 2)

    def forward(self, x: Any) -> Any:
        """Return the results of four steps."""
        _, (h, c) = self.encoder(x)
        h, c, y, every = h[0], c[0], torch.zeros(x.size(0), 2), []
        for _ in range(4):
            h, c = self.decoder(y, (h, c))
            y = self.head(h)
            every.append(y)
        return torch.stack(every, 1)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "LSTM": lambda: Tagger(nn.LSTM),
    "GRU, all steps": lambda: Tagger(nn.GRU, last=False),
    "GRU, two bidirectional layers": lambda: Tagger(nn.GRU, num_layers=2, bidirectional=True),
    "last states": LastStates,
    "pooled": Pooled,
    "fed back": FedBack,
}


HARD = ("GRU, two bidirectional layers", "last states", "pooled")
"""What is exported by the slower one of both too."""


def exported(module: nn.Module, path: Path, dynamo: bool) -> Path:
    """Return the file of a module, its batch open."""
    x = torch.randn(2, STEPS, FEATURES)
    axes: dict[str, Any] = {"dynamic_axes": {"x": {0: "batch"}}}
    if dynamo:
        axes = {"dynamic_shapes": {"x": {0: torch.export.Dim("batch")}}}
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            torch.onnx.export(module.eval(), (x,), path, dynamo=dynamo, input_names=["x"], verbose=False, **axes)
    finally:
        logging.disable(logging.NOTSET)
    return path


@pytest.mark.parametrize(("form", "dynamo"), [*((form, False) for form in MODULES), *((form, True) for form in HARD)])
def test_exports_equal_onnxruntime(form: str, dynamo: bool, tmp_path: Path) -> None:
    torch.manual_seed(1)
    path = exported(MODULES[form](), tmp_path / "m.onnx", dynamo)
    model = loopwire.load(path)
    assert model.format == "ONNX file"
    x = np.random.default_rng(1).normal(size=(4, STEPS, FEATURES))
    close(results(model, {"x": x}), reference(path, {"x": x}))


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
def test_layers_have_the_names_of_modules(dynamo: bool, tmp_path: Path) -> None:
    model = loopwire.load(exported(Tagger(nn.LSTM), tmp_path / "m.onnx", dynamo))
    assert [layer.name for layer in model.layers if layer.kind != "Activation"] == ["rnn", "head"]


class Packed(nn.Module):  # type: ignore[misc]
    """Packed sequences, in any order of lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(FEATURES, UNITS, 2, bidirectional=True, batch_first=True)

    def forward(self, x: Any, lengths: Any) -> Any:
        """Return the last states."""
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, h = self.rnn(packed)
        return torch.cat((h[-2], h[-1]), 1)


def test_packed_sequences_of_the_older_exporter(tmp_path: Path) -> None:
    torch.manual_seed(2)
    module, lengths = Packed().eval(), np.array([3, 5, 1])
    x = np.random.default_rng(3).normal(size=(3, STEPS, FEATURES)).astype(np.float32)
    given = torch.tensor(x), torch.tensor(lengths)
    with warnings.catch_warnings(action="ignore"):
        names = ["x", "lengths"]
        torch.onnx.export(module, given, tmp_path / "m.onnx", dynamo=False, input_names=names, verbose=False)
    with torch.no_grad():
        due = module(*given).numpy()
    model = loopwire.load(tmp_path / "m.onnx")
    close(results(model, {"x": x}, lengths), [due])
    close([due], reference(tmp_path / "m.onnx", {"x": x, "lengths": lengths}))
