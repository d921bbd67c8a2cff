"""Mutated `.pt2` files: the graph's JSON, the weights' descriptions, the archive around them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from fuzz.archives import mutate_archive, on_member
from fuzz.files import FileCampaign, Files
from fuzz.loaded import check_loaded
from fuzz.mutations import Mutator, mutate_bytes, mutate_json
from loopwire.frontends.torch.packing import whole_sequences

FILE = "model.pt2"


class TorchModels(FileCampaign):
    """Each is read as `loopwire.load` reads it; what it becomes is compiled, and gives finite numbers."""

    name = "torch"

    @cached_property
    def originals(self) -> Sequence[Files]:
        """Programs that together have most operations that are read."""
        return [{FILE: content} for content in _programs()]

    def mutators(self, file: str) -> Sequence[Mutator]:
        """Structure more often than bytes."""
        inside = on_member({".json": mutate_json})
        graph = on_member({"model.json": mutate_json}, only="model.json")
        return graph, graph, graph, inside, mutate_archive, mutate_bytes

    def check(self, folder: Path) -> None:
        """Load, and where that gives a model, compile it and predict."""
        check_loaded(folder / FILE, trust=True)

    def check_apart(self, folder: Path) -> None:
        """The same, read in a process of its own."""
        check_loaded(folder / FILE, trust=False)


def _programs() -> Iterator[bytes]:
    import torch
    from torch import nn

    class Stacked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True)
            self.head = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

        def forward(self, x: Any) -> Any:
            y, (h, _) = self.rnn(x)
            return torch.softmax(self.head(torch.cat((h[-2], h[-1]), 1) + y[:, -1]), -1)

    class Looped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.GRUCell(2, 3), nn.LSTMCell(3, 2)

        def forward(self, x: Any) -> Any:
            h, both, every = x.new_zeros(x.size(0), 3), None, []
            for t in range(x.size(1)):
                h = self.first(x[:, t], h)
                both = self.second(torch.tanh(h), both)
                every.append(both[0])
            return torch.stack(every, 1)

    class Moved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.rnn, self.out = nn.BatchNorm1d(2), nn.GRU(2, 3), nn.Linear(12, 2)

        def forward(self, x: Any, h: Any) -> Any:
            y, last = self.rnn(self.norm(x.transpose(1, 2)).permute(2, 0, 1), h)
            flat = self.out(y.transpose(0, 1).contiguous().reshape(x.size(0), -1))
            a, b = (2 * flat - 1).chunk(2, -1)
            return torch.cat([a * torch.sigmoid(b), last[0].mean(-1, keepdim=True)], 1)

    class Windowed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.conv, self.norm = nn.Embedding(5, 2), nn.Conv1d(2, 3, 2, padding=1), nn.LayerNorm(3)
            self.pool, self.rnn = nn.AvgPool1d(2, ceil_mode=True), nn.GRU(3, 2, batch_first=True)

        def forward(self, tokens: Any) -> Any:
            y = self.pool(nn.functional.pad(self.conv(self.table(tokens).mT), (1, 0))).mT
            return self.rnn(self.norm(y[:, [1, 0]].clamp(-0.5, 1)))[1][0]

    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.u, self.cell = nn.Linear(2, 3), nn.Linear(3, 3), nn.LSTMCell(3, 2)

        def forward(self, x: Any) -> Any:
            h, c, every = torch.zeros(x.size(0), 3), None, []
            for t in range(x.size(1)):
                h = torch.tanh(self.w(x[:, t]) + self.u(h))
                c = self.cell(h) if c is None else self.cell(h, (torch.relu(c[0]), c[1]))
                every.append(h)
            return torch.cat((torch.stack(every, 1).flatten(1), c[0]), 1)

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(2, 2, batch_first=True, bidirectional=True)

        def forward(self, x: Any, lengths: Any) -> Any:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
            y, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
            return y[torch.arange(x.size(0)), lengths - 1]

    x = torch.zeros(2, 4, 2)
    for module, inputs in (
        (Windowed(), (torch.zeros(2, 5, dtype=torch.long),)),
        (Written(), (x,)),
        (Packed(), (x, torch.tensor([4, 2]))),
        (Stacked(), (torch.zeros(2, 4, 3),)),
        (Looped(), (x,)),
        (Moved(), (x, torch.zeros(1, 2, 3))),
    ):
        buffer = io.BytesIO()
        with warnings.catch_warnings(action="ignore"), torch.no_grad(), whole_sequences():
            torch.export.save(torch.export.export(module.eval(), inputs), buffer)
        yield buffer.getvalue()


CAMPAIGN = TorchModels()
