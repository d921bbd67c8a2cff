"""PyTorch's layers around recurrent ones: windows, normalisations, functions, parts of a sequence; against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from torch_models import compare, made, sequences  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")
Forward = Callable[[Any, Any], Any]


def signal(function: Any) -> Forward:
    """Return what applies a function of (batch, features, steps) to (batch, steps, features)."""
    return lambda s, x: function(s, x.transpose(1, 2)).transpose(1, 2)


WINDOWS: dict[str, tuple[Forward, dict[str, nn.Module]]] = {
    "convolution": (signal(lambda s, x: s.m(x)), {"m": nn.Conv1d(3, 4, 3)}),
    "same": (signal(lambda s, x: s.m(x)), {"m": nn.Conv1d(3, 4, 4, padding="same", dilation=2)}),
    "padded": (signal(lambda s, x: s.m(x)), {"m": nn.Conv1d(3, 4, 3, padding=1, stride=2)}),
    "padded by more": (signal(lambda s, x: s.m(x)), {"m": nn.Conv1d(3, 4, 2, padding=3, bias=False)}),
    "depthwise": (signal(lambda s, x: s.m(x)), {"m": nn.Conv1d(3, 6, 2, groups=3)}),
    "causal": (signal(lambda s, x: s.m(F.pad(x, (2, 0)))), {"m": nn.Conv1d(3, 4, 3)}),
    "circular": (signal(lambda s, x: s.m(x)), {"m": nn.Conv1d(3, 4, 3, padding=1, padding_mode="circular")}),
    "reflected": (signal(lambda s, x: s.m(x)), {"m": nn.Conv1d(3, 4, 3, padding=2, padding_mode="reflect")}),
    "replicated": (signal(lambda s, x: s.m(x)), {"m": nn.Conv1d(3, 4, 3, padding=2, padding_mode="replicate")}),
    "one feature": (lambda s, x: s.m(x[:, :, 0].unsqueeze(1)).mT, {"m": nn.Conv1d(1, 4, 3)}),
    "weight norm": (signal(lambda s, x: s.m(x)), {"m": nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 2))}),
    "before a GRU": (
        lambda s, x: s.rnn(torch.relu(s.m(x.mT)).mT)[1][0],
        {"m": nn.Conv1d(3, 4, 2), "rnn": nn.GRU(4, 2, batch_first=True)},
    ),
    "largest": (signal(lambda s, x: s.m(x)), {"m": nn.MaxPool1d(2)}),
    "largest, padded": (signal(lambda s, x: s.m(x)), {"m": nn.MaxPool1d(3, stride=2, padding=1)}),
    "largest, rounded up": (signal(lambda s, x: s.m(x)), {"m": nn.MaxPool1d(2, ceil_mode=True)}),
    "largest, dilated": (signal(lambda s, x: s.m(x)), {"m": nn.MaxPool1d(2, stride=1, dilation=2)}),
    "mean": (signal(lambda s, x: s.m(x)), {"m": nn.AvgPool1d(2, stride=1)}),
    "mean, padded": (signal(lambda s, x: s.m(x)), {"m": nn.AvgPool1d(3, stride=2, padding=1)}),
    "mean, padded by nothing": (
        signal(lambda s, x: s.m(x)),
        {"m": nn.AvgPool1d(3, stride=1, padding=1, count_include_pad=False)},
    ),
    "mean, rounded up": (signal(lambda s, x: s.m(x)), {"m": nn.AvgPool1d(2, ceil_mode=True)}),
    "mean, padded and rounded up": (signal(lambda s, x: s.m(x)), {"m": nn.AvgPool1d(4, 3, 2, ceil_mode=True)}),
    "pooled to some": (signal(lambda s, x: s.m(x)), {"m": nn.AdaptiveAvgPool1d(2)}),
    "largest of some": (signal(lambda s, x: s.m(x)), {"m": nn.AdaptiveMaxPool1d(3)}),
    "flattened": (
        lambda s, x: s.l(torch.relu(s.c(x.mT)).flatten(1)),
        {"c": nn.Conv1d(3, 4, 2), "l": nn.Linear(16, 2)},
    ),
    "repeated": (signal(lambda s, x: s.m(x)), {"m": nn.Upsample(scale_factor=2)}),
    "layer norm": (lambda s, x: s.m(x), {"m": nn.LayerNorm(3)}),
    "layer norm without weights": (lambda s, x: s.m(x), {"m": nn.LayerNorm(3, elementwise_affine=False, eps=1e-3)}),
    "layer norm of a state": (
        lambda s, x: s.m(s.rnn(x)[1][0]),
        {"m": nn.LayerNorm(4, bias=False), "rnn": nn.GRU(3, 4, batch_first=True)},
    ),
    "RMS norm": (lambda s, x: s.m(x), {"m": nn.RMSNorm(3, eps=1e-4)}),
    "layer norm of all": (lambda s, x: s.m(x), {"m": nn.LayerNorm((5, 3))}),
    "layer norm of all, features first": (signal(lambda s, x: s.m(x)), {"m": nn.LayerNorm((3, 5))}),
    "layer norm of steps": (lambda s, x: s.m(s.l(x).mT).mT, {"l": nn.Linear(3, 4), "m": nn.LayerNorm(5)}),
    "RMS norm of all": (lambda s, x: s.m(x), {"m": nn.RMSNorm((5, 3), eps=1e-4)}),
    "instance norm": (signal(lambda s, x: s.m(x)), {"m": nn.InstanceNorm1d(3, affine=True)}),
    "instance norm of statistics": (signal(lambda s, x: s.m(x)), {"m": nn.InstanceNorm1d(3, track_running_stats=True)}),
    "group norm over the steps": (
        signal(lambda s, x: s.m(s.c(x))),
        {"c": nn.Conv1d(3, 4, 2), "m": nn.GroupNorm(2, 4)},
    ),
    "group norm": (
        lambda s, x: s.m(s.rnn(x)[1][0]),
        {"m": nn.GroupNorm(2, 4), "rnn": nn.GRU(3, 4, batch_first=True)},
    ),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_and_normalisations(name: str, tmp_path: Path) -> None:
    forward, parts = WINDOWS[name]
    compare(made(forward, **parts), [sequences()], tmp_path / "m.pt2")


@pytest.mark.parametrize("sizes", [(1, 1, 1, 4), (2, 5, 4, 9), (6, 3, 7, 12)])
def test_sizes_of_a_convolution(sizes: tuple[int, int, int, int], tmp_path: Path) -> None:
    features, filters, size, steps = sizes
    module = made(signal(lambda s, x: s.m(x)), m=nn.Conv1d(features, filters, size))
    compare(module, [sequences(features=features, steps=steps)], tmp_path / "m.pt2")


OVER_STEPS: dict[str, tuple[Forward, dict[str, nn.Module]]] = {
    "linear": (lambda s, x: s.m(s.l(x).mT).mT, {"m": nn.Linear(5, 4)}),
    "mixed": (lambda s, x: x + s.m(s.l(x).mT).mT, {"m": nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 5))}),
    "batch norm": (lambda s, x: s.m(s.l(x)), {"m": nn.BatchNorm1d(5)}),
    "convolution over the features": (lambda s, x: s.m(s.l(x)), {"m": nn.Conv1d(5, 4, 2)}),
    "largest of features": (lambda s, x: s.m(s.l(x)), {"m": nn.MaxPool1d(2)}),
    "weights from the left": (lambda s, x: s.m.weight @ s.l(x), {"m": nn.Linear(5, 4)}),
    "slopes": (lambda s, x: s.m(4 * s.l(x)), {"m": nn.PReLU(5)}),
    "before a GRU": (
        lambda s, x: s.rnn(s.m(s.l(x).mT).mT)[1][0],
        {"m": nn.Linear(5, 4), "rnn": nn.GRU(3, 2, batch_first=True)},
    ),
    "features by features": (lambda s, x: s.l(x).mT @ x, {}),
    "one feature": (lambda s, x: s.m(s.l(x)[..., 0]), {"m": nn.Linear(5, 2)}),
}
"""What works along the steps where Loopwire's layers work along the features."""


@pytest.mark.parametrize("name", OVER_STEPS)
def test_steps_in_place_of_features(name: str, tmp_path: Path) -> None:
    forward, parts = OVER_STEPS[name]
    compare(made(forward, l=nn.Linear(3, 3), **parts), [sequences()], tmp_path / "m.pt2")


FUNCTIONS: dict[str, Forward] = {
    "hardswish": lambda s, x: F.hardswish(x),
    "hardtanh": lambda s, x: F.hardtanh(x),
    "hardtanh of bounds": lambda s, x: F.hardtanh(x, -0.5, 1.25),
    "mish": lambda s, x: F.mish(x),
    "celu": lambda s, x: F.celu(x, 1.5),
    "log sigmoid": lambda s, x: F.logsigmoid(x),
    "tanhshrink": lambda s, x: F.tanhshrink(x),
    "softshrink": lambda s, x: F.softshrink(x, 0.25),
    "hardshrink": lambda s, x: F.hardshrink(x, 0.75),
    "threshold": lambda s, x: F.threshold(x, 0.25, -1.5),
    "softmax over the steps": lambda s, x: x.softmax(1),
    "attention": lambda s, x: (x[..., :1].softmax(1) * x).sum(1),
    "log softmax": lambda s, x: F.log_softmax(x, -1),
    "log softmax over the steps": lambda s, x: F.log_softmax(x, 1),
    "softmax side by side": lambda s, x: torch.stack((x, 1 - x), 1).softmax(1).flatten(1),
    "softmin": lambda s, x: F.softmin(x, -1),
    "exp": lambda s, x: torch.exp(x),
    "glu": lambda s, x: F.glu(torch.cat((x, -2 * x), -1), -1),
    "clamp": lambda s, x: x.clamp(-1.5, 2),
    "clamp above": lambda s, x: x.clamp(max=1),
    "clip below": lambda s, x: torch.clip(x, min=0.5),
    "at least": lambda s, x: torch.maximum(x, torch.tensor([0.5, -0.5, 0.0])),
    "at most": lambda s, x: torch.minimum(x, torch.tensor(0.5)),
    "powers": lambda s, x: x.square() + x**3 - x.pow(1),
    "lerp": lambda s, x: torch.lerp(x, -x.square(), 0.25),
    "addcmul": lambda s, x: torch.addcmul(x, x, x, value=0.5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, tmp_path: Path) -> None:
    module = made(lambda s, x: FUNCTIONS[name](s, 4 * s.l(x)), l=nn.Linear(3, 3))
    compare(module, [sequences()], tmp_path / "m.pt2")


def test_slopes_of_features(tmp_path: Path) -> None:
    compare(made(lambda s, x: s.m((4 * x).mT).mT, m=nn.PReLU(3)), [sequences()], tmp_path / "m.pt2")


PLACES: dict[str, Forward] = {
    "steps from one on": lambda s, x: x[:, 2:],
    "steps but the last": lambda s, x: x[:, :-1],
    "last steps": lambda s, x: x[:, -3:],
    "every other step": lambda s, x: x[:, 1::2],
    "listed steps": lambda s, x: x[:, [0, 3, -1]],
    "masked steps": lambda s, x: x[:, torch.tensor([True, False, True, True, False])],
    "listed features": lambda s, x: x[..., [2, 0]],
    "one listed step": lambda s, x: x[:, [-1]],
    "index_select": lambda s, x: x.index_select(1, torch.tensor([4, 2])),
    "a step from the end": lambda s, x: x[:, -2],
    "a step of a part": lambda s, x: x[:, 1:][:, -2],
    "narrow": lambda s, x: x.narrow(1, 1, 3),
    "steps joined": lambda s, x: torch.cat((x[:, 2:], x[:, :2]), 1),
    "shifted": lambda s, x: F.pad(x, (0, 0, 1, 0))[:, :-1],
    "cut": lambda s, x: F.pad(x, (0, 0, -1, -2)),
    "rolled": lambda s, x: torch.roll(x, 2, 1),
    "repeated": lambda s, x: x.repeat(1, 2, 1),
    "repeated features": lambda s, x: x.repeat(1, 1, 2),
    "each repeated": lambda s, x: x.repeat_interleave(2, 1),
    "smallest of steps": lambda s, x: x.amin(1) + x.min(1)[0],
    "largest of features": lambda s, x: x.amax(-1) + x.max(-1)[0],
    "smallest of features": lambda s, x: x.amin(-1, keepdim=True),
    "a constant step in front": lambda s, x: torch.cat((torch.ones(x.size(0), 1, 3), x[:, :-1]), 1),
    "constant features": lambda s, x: torch.cat((x, torch.tensor([0.5, -1.0]).expand(x.size(0), 5, 2)), -1),
    "constants beside a state": lambda s, x: torch.cat((x[:, -1], torch.full((x.size(0), 2), 0.25)), -1),
    "added step by step": lambda s, x: x + torch.linspace(-1, 1, 15).view(5, 3),
    "weighed step by step": lambda s, x: torch.linspace(-1, 1, 5)[:, None] * x,
    "mean of all": lambda s, x: x.mean((1, 2)),
    "sum of all": lambda s, x: x.sum((1, 2)),
    "differences": lambda s, x: x[:, 1:] - x[:, :-1],
    "first and last": lambda s, x: torch.cat((x[:, 0], x[:, -1]), -1),
    "axes swapped": lambda s, x: x.swapaxes(1, 2).swapdims(2, 1),
    "squeezed": lambda s, x: x.unsqueeze(1).squeeze(1).unsqueeze(-1).squeeze(-1),
}


@pytest.mark.parametrize("name", PLACES)
def test_parts_of_sequences(name: str, tmp_path: Path) -> None:
    module = made(lambda s, x: PLACES[name](s, s.l(x)), l=nn.Linear(3, 3))
    compare(module, [sequences()], tmp_path / "m.pt2")
