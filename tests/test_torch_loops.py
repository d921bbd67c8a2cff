"""Loops in Python, unrolled when PyTorch exports them: one recurrent layer again, with PyTorch's numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from torch_models import compare, made, sequences  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")
Forward = Callable[[Any, Any], Any]


def elman(s: Any, x: Any) -> Any:
    h, every = x.new_zeros(x.size(0), 4), []
    for t in range(x.size(1)):
        h = torch.tanh(s.w(x[:, t]) + s.u(h))
        every.append(h)
    return torch.stack(every, 1)


def last_state(s: Any, x: Any) -> Any:
    h = torch.zeros(x.size(0), 4)
    for step in x.unbind(1):
        h = torch.tanh(s.w(step) + s.u(h))
    return s.head(h)


def written_lstm(s: Any, x: Any) -> Any:
    h = c = x.new_zeros(x.size(0), 4)
    every = []
    for t in range(x.size(1)):
        i, f, g, o = s.gates(torch.cat((x[:, t], h), -1)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        every.append(h)
    return torch.stack(every, 1), c


def written_gru(s: Any, x: Any) -> Any:
    h = torch.zeros(x.size(0), 4)
    for t in reversed(range(x.size(1))):
        z = torch.sigmoid(s.z(torch.cat((x[:, t], h), 1)))
        n = torch.tanh(s.n(torch.cat((x[:, t], (1 - z) * h), 1)))
        h = (1 - z) * h + z * n
    return h


def backwards(s: Any, x: Any) -> Any:
    h, every = x.new_zeros(x.size(0), 4), []
    for t in reversed(range(x.size(1))):
        h = torch.relu(s.w(x[:, t]) + s.u(h))
        every.insert(0, h)
    return torch.stack(every, 1)


def fed_back(s: Any, x: Any) -> Any:
    """Encode, then decode step by step, each result being the next input."""
    _, (h, c) = s.encoder(x)
    h, c, y, every = h[0], c[0], x[:, -1], []
    for _ in range(4):
        h, c = s.decoder(y, (h, c))
        y = s.head(h)
        every.append(y)
    return torch.stack(every, 1)


def normalised(s: Any, x: Any) -> Any:
    h, every = None, []
    for t in range(x.size(1)):
        h = s.norm(s.cell(x[:, t], h))
        every.append(h)
    return torch.stack(every, 1)


def ending_early(s: Any, x: Any) -> Any:
    h = None
    for t in range(4):
        h = s.cell(x[:, t], h)
    return h


def every_other(s: Any, x: Any) -> Any:
    h = x.new_zeros(x.size(0), 4)
    for t in range(0, x.size(1), 2):
        h = s.cell(x[:, t], h)
    return h


def two_layers(s: Any, x: Any) -> Any:
    a = b = x.new_zeros(x.size(0), 4)
    every = []
    for t in range(x.size(1)):
        a = torch.tanh(s.w(x[:, t]) + s.u(a))
        b = torch.tanh(s.v(a) + s.r(b))
        every.append(s.head(b))
    return torch.stack(every, 1)


def one_layer_after_the_other(s: Any, x: Any) -> Any:
    steps = list(x.unbind(1))
    for w, u in ((s.w, s.u), (s.v, s.r)):
        h = x.new_zeros(x.size(0), 4)
        for t in range(len(steps)):
            h = torch.tanh(w(steps[t]) + u(h))
            steps[t] = h
    return torch.stack(steps, 1)


def conditioned(s: Any, x: Any) -> Any:
    """A context that all steps see."""
    context = s.rnn(x)[1][0]
    h, every = torch.zeros(x.size(0), 4), []
    for t in range(x.size(1)):
        h = torch.tanh(s.w(x[:, t]) + s.u(h) + s.r(context))
        every.append(h * context)
    return torch.stack(every, 1)


def head_afterwards(s: Any, x: Any) -> Any:
    h, every = x.new_zeros(x.size(0), 4), []
    for t in range(x.size(1)):
        h = torch.tanh(s.w(x[:, t]) + s.u(h))
        every.append(h)
    return torch.stack([s.head(h) for h in every], 1)


def output_before_update(s: Any, x: Any) -> Any:
    """A state that the last step makes and nothing reads."""
    h, every = x.new_zeros(x.size(0), 4), []
    for t in range(x.size(1)):
        every.append(s.head(h))
        h = torch.tanh(s.w(x[:, t]) + s.u(h))
    return torch.stack(every, 1)


def trained_start(s: Any, x: Any) -> Any:
    h, every = s.start.expand(x.size(0), -1), []
    for t in range(x.size(1)):
        h = torch.tanh(s.w(x[:, t]) + s.u(h))
        every.append(h)
    return torch.cat([h.unsqueeze(1) for h in every], 1)


def min_gru(s: Any, x: Any) -> Any:
    """Gates that do not see the state, of a convolution."""
    z, n = torch.sigmoid(s.conv(x.mT).mT), s.w(x)
    h, every = x.new_zeros(x.size(0), 4), []
    for t in range(z.size(1)):
        h = torch.lerp(h, n[:, t + 1] + s.u(h), z[:, t])
        every.append(h)
    return torch.stack(every, 1)


def fed_back_by_hand(s: Any, x: Any) -> Any:
    """A decoder of a cell of one's own, that begins with an encoder's state and zeros."""
    h, y, every = s.encoder(x)[1][0], torch.zeros(x.size(0), 3), []
    for _ in range(4):
        h = torch.tanh(s.w(y) + s.u(h))
        y = s.head(h)
        every.append(y)
    return torch.stack(every, 1)


W = {"w": nn.Linear(3, 4), "u": nn.Linear(4, 4)}
MORE = {**W, "v": nn.Linear(4, 4), "r": nn.Linear(4, 4)}
HEAD = {"head": nn.Linear(4, 2)}
LOOPS: dict[str, tuple[Forward, dict[str, Any], list[str]]] = {
    "Elman": (elman, W, ["Dense", "Loop"]),
    "last state": (last_state, {**W, **HEAD}, ["Dense", "Loop", "Dense"]),
    "LSTM": (written_lstm, {"gates": nn.Linear(7, 16)}, ["Loop"]),
    "GRU, backwards": (written_gru, {"z": nn.Linear(7, 4), "n": nn.Linear(7, 4)}, ["Reversed", "Loop"]),
    "backwards": (backwards, W, ["Dense", "Reversed", "Loop", "Reversed"]),
    "fed back": (
        fed_back,
        {"encoder": nn.LSTM(3, 4, batch_first=True), "decoder": nn.LSTMCell(3, 4), "head": nn.Linear(4, 3)},
        ["Step", "RepeatVector", "LSTM", "Loop"],
    ),
    "fed back, by hand": (
        fed_back_by_hand,
        {**W, "encoder": nn.GRU(3, 4, batch_first=True), "head": nn.Linear(4, 3)},
        [],
    ),
    "normalised": (normalised, {"cell": nn.GRUCell(3, 4), "norm": nn.LayerNorm(4)}, ["Loop"]),
    "ending early": (ending_early, {"cell": nn.GRUCell(3, 4)}, ["Selection", "Loop"]),
    "every other step": (every_other, {"cell": nn.RNNCell(3, 4)}, ["Selection", "Loop"]),
    "two layers": (two_layers, {**MORE, **HEAD}, []),
    "one layer after the other": (one_layer_after_the_other, MORE, []),
    "conditioned": (conditioned, {**MORE, "rnn": nn.GRU(3, 4, batch_first=True)}, []),
    "head afterwards": (head_afterwards, {**W, **HEAD}, ["Dense", "Loop", "Dense"]),
    "output before update": (output_before_update, {**W, **HEAD}, []),
    "trained start": (trained_start, {**W, "start": nn.Parameter(torch.zeros(1, 4))}, ["Dense", "Constant", "Loop"]),
    "minimal GRU": (min_gru, {**W, "conv": nn.Conv1d(3, 4, 2)}, []),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_become_one_layer(name: str, tmp_path: Path) -> None:
    forward, parts, kinds = LOOPS[name]
    model = compare(made(forward, **parts), [sequences(steps=6)], tmp_path / "m.pt2")
    found = [call.layer.kind for call in model.calls]
    assert "Loop" in found and (not kinds or found == kinds), found
    assert len(found) < 14
