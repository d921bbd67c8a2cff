"""PyTorch modules at default types: definition, fast emulator, SystemVerilog and HLS C++ agree in every bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

import loopwire  # noqa: E402
from loopwire.config import CompileConfig  # noqa: E402
from loopwire.emulator.evaluate import evaluate_integers  # noqa: E402
from torch_models import randomised, saved  # noqa: E402

STEPS, SEQUENCES = 4, 12


class Stacked(nn.Module):
    """Two layers, both ways, and a head on the last states."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(2, 2, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

    def forward(self, x: Any) -> Any:
        """Return probabilities."""
        _, (h, _) = self.rnn(x)
        return torch.softmax(self.head(torch.cat((h[-2], h[-1]), 1)), -1)


class Looped(nn.Module):
    """Two cells in a loop, with a layer between them, and every result."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.between, self.second = nn.GRUCell(2, 3), nn.Linear(3, 2), nn.RNNCell(2, 2)

    def forward(self, x: Any) -> Any:
        """Return the second cell's results."""
        h, top, every = None, None, []
        for t in range(x.size(1)):
            h = self.first(x[:, t], h)
            top = self.second(torch.tanh(self.between(h)), top)
            every.append(top)
        return torch.stack(every, 1)


class Projected(nn.Module):
    """A projection, normalised, and a dense layer on the whole sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.norm, self.out = nn.LSTM(2, 3, proj_size=2), nn.BatchNorm1d(2), nn.Linear(2 * STEPS, 2)

    def forward(self, x: Any) -> Any:
        """Return numbers."""
        y = self.norm(self.rnn(x)[0].permute(1, 2, 0))
        return self.out(y.transpose(1, 2).reshape(y.size(0), -1))


class Encoded(nn.Module):
    """An encoder whose states begin a decoder, residuals, and a pooling over steps."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.GRU(2, 2, batch_first=True), nn.GRU(2, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        """Return the mean over the steps."""
        y, h = self.encoder(x)
        return (self.decoder(x, h)[0] + y).mean(1)


class Convolved(nn.Module):
    """Windows in front, padded otherwise than Keras does, a normalisation between, and a pooling behind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv1d(2, 3, 3, padding=2, stride=2), nn.MaxPool1d(2, stride=1, padding=1)
        self.norm, self.rnn = nn.LayerNorm(3), nn.GRU(3, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        """Return the mean of the GRU's results in windows."""
        y = self.norm(self.pool(torch.relu(self.conv(x.mT))).mT)
        return F.avg_pool1d(self.rnn(y)[0].mT, 2, 1, 1).mT


class Rearranged(nn.Module):
    """Steps taken, joined and added to constants of each; gated features, clamped."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.rnn = nn.Linear(2, 4), nn.GRU(2, 2, batch_first=True)
        self.places = nn.Parameter(torch.zeros(STEPS, 2))

    def forward(self, x: Any) -> Any:
        """Return the last state."""
        y = F.glu(self.head(torch.cat((torch.ones(x.size(0), 1, 2), x[:, :-1]), 1) + self.places))
        return self.rnn(torch.cat((y[:, 1:], x[:, ::2].clamp(-0.5, 0.75)), 1))[1][0]


class Written(nn.Module):
    """An LSTM written out in a loop, whose steps PyTorch unrolls."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Linear(4, 8)

    def forward(self, x: Any) -> Any:
        """Return all h and the last c."""
        h = c = x.new_zeros(x.size(0), 2)
        every = []
        for t in range(x.size(1)):
            i, f, g, o = self.gates(torch.cat((x[:, t], h), -1)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            every.append(h)
        return torch.stack(every, 1), c


class FedBack(nn.Module):
    """A decoder whose results are its next inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.GRU(2, 3, batch_first=True), nn.GRUCell(2, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        """Return the results of four steps."""
        h, y, every = self.encoder(x)[1][0], x[:, -1], []
        for _ in range(4):
            h = self.decoder(y, h)
            y = self.head(h)
            every.append(y)
        return torch.stack(every, 1)


class Rooted(nn.Module):
    """Lengths, logarithms, powers and choices of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, x: Any) -> Any:
        """Return numbers of each step."""
        y = self.head(x)
        size = torch.log1p(y.norm(dim=-1, keepdim=True))
        return torch.where(y > 0.125, y * (1 + y * y) ** -0.5, size.masked_fill(size <= 0.25, 0.5))


class Mixed(nn.Module):
    """Layers along the steps, normalised over all of them, and heads of one feature."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.norm = nn.Linear(STEPS, STEPS), nn.LayerNorm((STEPS, 2))
        self.heads = nn.MultiheadAttention(2, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        """Return a sequence."""
        y = self.norm(x + self.mix(x.mT).mT)
        return self.heads(y, y, y)[0]


@pytest.mark.parametrize(
    ("module", "batch_first"),
    [
        (Rooted, True),
        pytest.param(Mixed, True, marks=pytest.mark.slow),
        (Stacked, True),
        (Written, True),
        (FedBack, True),
        (Looped, True),
        (Projected, False),
        (Encoded, True),
        (Convolved, True),
        (Rearranged, True),
    ],
)
def test_all_machines_agree(module: Any, batch_first: bool, tmp_path: Path) -> None:
    shape = (1, STEPS, 2) if batch_first else (STEPS, 1, 2)
    model = loopwire.load(saved(randomised(module()), [torch.zeros(shape)], tmp_path / "m.pt2"))
    x = np.random.default_rng(4).uniform(-1, 1, (SEQUENCES, STEPS, 2))
    for target in ("verilog", "vitis_hls"):
        # What makes other steps of all that it was given, a stream of HLS could not end.
        full = module in (Convolved, Rearranged, Mixed) and target == "vitis_hls"
        design = loopwire.compile(model, CompileConfig(target=target, io="parallel" if full else "stream"))
        integers, _ = design.input_integers(x, None)
        defined = evaluate_integers(design.graph, integers.arrays, None)
        for found, due in zip(design.output_integers(x, None).arrays, defined, strict=True):
            np.testing.assert_array_equal(found, due)
        loopwire.verify(design, x, SEQUENCES)
