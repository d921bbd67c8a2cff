"""Attention of PyTorch: exported programs and both exporters' ONNX files within 1e-5 of it, and all machines alike."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import loopwire  # noqa: E402
from loopwire import CompileConfig  # noqa: E402
from loopwire.compiler import compile_silently  # noqa: E402
from loopwire.errors import UnsupportedError  # noqa: E402
from networks import prove  # noqa: E402

SIZE = 4
pytestmark = pytest.mark.filterwarnings("ignore")


class Called(nn.Module):  # type: ignore[misc]
    """A function of some modules and inputs."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        """Call it."""
        return self.function(*self.parts, *inputs)


def heads(count: int = 2, **options: Any) -> nn.Module:
    return nn.MultiheadAttention(SIZE, count, batch_first=True, **options)


def written_out(query: nn.Module, key: nn.Module, value: nn.Module, x: Any) -> Any:
    """Attention of two heads as one writes it with its function."""
    batch, steps, _ = x.shape
    parts = (project(x).view(batch, steps, 2, SIZE // 2).transpose(1, 2) for project in (query, key, value))
    y = functional.scaled_dot_product_attention(*parts, scale=0.4)
    return y.transpose(1, 2).reshape(batch, steps, SIZE)


def encoder(rnn: nn.Module, layer: nn.Module, x: Any) -> Any:
    return layer(rnn(x)[0]).mean(1)


NOT_LATER = torch.ones(5, 5, dtype=torch.bool).tril()
ADDED = torch.zeros(5, 5).masked_fill(~NOT_LATER, -torch.inf)

HALVES, UNLIKE = torch.full((4, 4), 0.5), torch.arange(48).reshape(3, 4, 4) % 5 > 0


def padded(steps: int = 5, size: int = SIZE) -> Any:
    """Sequences whose steps of zeros are at the start, inside, at the end, or everywhere."""
    x = torch.randn(4, steps, size)
    x[0, 0], x[1, 1:3], x[2, -2:], x[3] = 0, 0, 0, 0
    return x


def biased(module: nn.Module) -> nn.Module:
    """Give a module's biases, which PyTorch lets begin at 0, other numbers."""
    for name, parameter in module.named_parameters():
        if "bias" in name:
            nn.init.normal_(parameter)
    return module


def sequence(steps: int = 5, size: int = SIZE) -> Any:
    return torch.randn(3, steps, size)


MODULES: dict[str, tuple[nn.Module, tuple[Any, ...]]] = {
    "self": (Called(lambda m, x: m(x, x, x, need_weights=False)[0], heads()), (sequence(),)),
    "with weights": (Called(lambda m, x: m(x, x, x)[0], heads()), (sequence(),)),
    "heads of one feature": (Called(lambda m, x: m(x, x, x)[0], heads(SIZE)), (sequence(),)),
    "one head": (Called(lambda m, x: m(x, x, x)[0], heads(1)), (sequence(),)),
    "another sequence": (
        Called(lambda m, x, z: m(x, z, z, need_weights=False)[0], heads()),
        (sequence(), sequence(6)),
    ),
    "other sizes": (
        Called(lambda m, x, k, v: m(x, k, v)[0], heads(kdim=3, vdim=2, bias=False)),
        (sequence(), sequence(6, 3), sequence(6, 2)),
    ),
    "written out": (Called(written_out, *(nn.Linear(3, SIZE) for _ in range(3))), (sequence(5, 3),)),
    "no later steps": (
        Called(lambda m, x: functional.scaled_dot_product_attention(m(x), x, x, is_causal=True), nn.Linear(SIZE, SIZE)),
        (sequence(),),
    ),
    "constant mask": (
        Called(lambda m, x: m(x, x, x, attn_mask=~NOT_LATER, need_weights=False)[0], biased(heads())),
        (sequence(),),
    ),
    "numbers with weights": (Called(lambda m, x: m(x, x, x, attn_mask=ADDED)[0], biased(heads())), (sequence(),)),
    "padding": (
        Called(
            lambda m, x: m(x, x, x, key_padding_mask=x[..., 0] == 0, attn_mask=~NOT_LATER, need_weights=False)[0],
            biased(heads()),
        ),
        (padded(),),
    ),
    "padding with weights": (
        Called(lambda m, x: m(x, x, x, key_padding_mask=(x == 0).all(-1))[0], biased(heads(1))),
        (padded()[:3],),
    ),
    "padding in its function": (
        Called(
            lambda m, x: functional.scaled_dot_product_attention(m(x), x, x, attn_mask=(x != 0).any(-1).unsqueeze(1)),
            nn.Linear(SIZE, SIZE),
        ),
        (padded(),),
    ),
    "masked encoder": (
        Called(
            lambda m, x: m(x, src_mask=ADDED, src_key_padding_mask=~(x != 0).any(-1)),
            biased(nn.TransformerEncoderLayer(SIZE, 2, 6, batch_first=True)),
        ),
        (padded(),),
    ),
    "encoder": (
        Called(encoder, nn.GRU(3, SIZE, batch_first=True), nn.TransformerEncoderLayer(SIZE, 2, 6, batch_first=True)),
        (sequence(5, 3),),
    ),
}


def exported(name: str, path: Path) -> Path:
    module, inputs = MODULES[name]
    open_batch = ({0: torch.export.Dim("batch", min=2)},) * len(inputs)
    torch.export.save(torch.export.export(module.eval(), inputs, dynamic_shapes=(open_batch,)), path)
    return path


def error(model: Any, name: str) -> float:
    """Return how far the float reference is from the module."""
    module, inputs = MODULES[name]
    given = {tensor.name: x.numpy() for tensor, x in zip(model.inputs, inputs, strict=True)}
    found = compile_silently(model).predict_float(given if len(given) > 1 else inputs[0].numpy())
    return float(np.abs(found - module.eval()(*inputs).detach().numpy()).max())


@pytest.mark.parametrize("name", MODULES)
def test_exported_programs_are_what_pytorch_computes(name: str, tmp_path: Path) -> None:
    assert error(loopwire.load(exported(name, tmp_path / "m.pt2")), name) < 1e-5


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", ["with weights", "heads of one feature", "another sequence", "encoder"])
def test_onnx_files_are_what_pytorch_computes(name: str, dynamo: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    module, inputs = MODULES[name]
    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), inputs, path, dynamo=dynamo, verbose=False)
    assert error(loopwire.load(path), name) < 1e-5


@pytest.mark.parametrize("name", ["with weights", "written out", "padding", "padding with weights"])
def test_hardware_of_attention(name: str, tmp_path: Path) -> None:
    settings = {"model": {"precision": "fixed<10,4,RND,SAT>"}, "clock_period_ns": 7}
    model = loopwire.load(exported(name, tmp_path / "m.pt2"))
    prove(compile_silently(model, CompileConfig.from_dict(settings)), count=10)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: functional.scaled_dot_product_attention(x, x, x, dropout_p=0.1), "it drops steps"),
        (
            lambda x: functional.scaled_dot_product_attention(x, x, x, attn_mask=HALVES),
            "it adds other numbers than 0 and -inf to scores. Give a constant mask, of truths or of 0 and -inf",
        ),
        (lambda x: x * (x == 0), r"it reads a mask of shape \(3, 4, 4\) as numbers. Give a constant mask, of truths"),
        (lambda x: (x == 0).any(-1), "it combines comparisons in another way than all"),
        (
            lambda x: functional.scaled_dot_product_attention(x, x, x, attn_mask=UNLIKE),
            r"its mask of shape \(3, 4, 4\) differs",
        ),
        (
            lambda x: torch.stack([x, x + 1], 1) @ x.unsqueeze(1),
            r"it multiplies tensors of shapes \(3, 2, 4, 4\) and \(3, 1, 4, 4\). Multiply sequences",
        ),
        (lambda x: functional.scaled_dot_product_attention(x, x, x.transpose(1, 2)), "it attends with query, key and"),
    ],
)
def test_what_is_no_attention_of_steps_is_refused(function: Callable[..., Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Called(function).eval(), (sequence(SIZE),)), path)
    with pytest.raises(UnsupportedError, match=message):
        loopwire.load(path)


def test_a_product_with_too_long_a_sequence_is_refused() -> None:
    layer = loopwire.layers.MatrixProduct("scores", transposed=True)
    with pytest.raises(UnsupportedError, match="layer 'scores': it multiplies by a sequence of 65 steps, and hardware"):
        layer(loopwire.Input((5, 3)), loopwire.Input((65, 3), "z"))
    with pytest.raises(UnsupportedError, match=r"layer 'scores': it cannot multiply \(5, 3\) and \(4, 2\)"):
        layer(loopwire.Input((5, 3)), loopwire.Input((4, 2), "z"))
