"""The float reference of PyTorch modules, live and as exported files, against PyTorch: every option, random weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from loopwire.layers.lstm import Lstm  # noqa: E402
from torch_models import SEQUENCES as N  # noqa: E402
from torch_models import check_outputs, compare, exported, made, randomised, read_both, saved, sequences  # noqa: E402

KINDS = (nn.LSTM, nn.GRU, nn.RNN)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"num_layers": 2},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True},
    {"bias": False},
    {"num_layers": 2, "dropout": 0.3},
)
Pick = Callable[[Any, Any], Any]


def joined_states(y: Any, states: Any) -> Any:
    """Return all last states side by side, as (N, layers · directions · units · states)."""
    stacked = torch.cat([*(states if isinstance(states, tuple) else [states])], -1)
    return stacked.permute(1, 0, 2).reshape(stacked.shape[1], -1)


PICKS: dict[str, Pick] = {
    "output": lambda y, states: y,
    "last state": lambda y, states: (states[0] if isinstance(states, tuple) else states)[-1],
    "all states": lambda y, states: states,
    "everything": lambda y, states: (y, states),
    "states joined": joined_states,
}


class Recurrent(nn.Module):
    """A recurrent module, and what is picked of its results."""

    def __init__(self, kind: Any, pick: Pick, **options: Any) -> None:
        super().__init__()
        self.rnn = kind(3, 4, **options)
        self.pick = pick

    def forward(self, x: Any, *states: Any) -> Any:
        """Run the module, with initial states if any are given."""
        return self.pick(*self.rnn(x, *([] if not states else states if len(states) == 1 else [states])))


def matrix() -> Iterator[Any]:
    """Yield all combinations; those that a quick run leaves out are slow."""
    combinations = itertools.product(KINDS, (True, False), OPTIONS, PICKS)
    for number, (kind, first, options, pick) in enumerate(combinations):
        marks = [] if number % 13 == 0 else [pytest.mark.slow]
        yield pytest.param(kind, first, options, pick, marks=marks, id=f"{kind.__name__}-{first}-{options}-{pick}")


@pytest.mark.parametrize(("kind", "batch_first", "options", "pick"), matrix())
def test_recurrent_modules(kind: Any, batch_first: bool, options: Any, pick: str, tmp_path: Path) -> None:
    module = randomised(Recurrent(kind, PICKS[pick], batch_first=batch_first, **options))
    compare(module, [sequences(batch_first)], tmp_path / "m.pt2")


@pytest.mark.parametrize(("batch_first", "last"), [(True, lambda y, _: y[:, -1]), (False, lambda y, _: y[-1])])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_last_step(batch_first: bool, last: Pick, bidirectional: bool, tmp_path: Path) -> None:
    module = randomised(Recurrent(nn.GRU, last, batch_first=batch_first, bidirectional=bidirectional))
    compare(module, [sequences(batch_first)], tmp_path / "m.pt2")


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("kind", KINDS)
def test_initial_states_as_inputs(kind: Any, options: Any, tmp_path: Path) -> None:
    module = randomised(Recurrent(kind, PICKS["everything"], batch_first=True, **options))
    count = 1 if not options else 4
    states = [torch.rand(count, N, 4) for _ in range(2 if kind is nn.LSTM else 1)]
    model = compare(module, [sequences(), *states], tmp_path / "m.pt2")
    assert {tensor.shape for tensor in model.inputs[1:]} == {(4,)}
    assert len(model.inputs) == 1 + count * len(states)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 7, 3), (6, 20, 8)])
def test_sizes(sizes: tuple[int, int, int], tmp_path: Path) -> None:
    features, units, steps = sizes

    def forward(self: Any, x: Any) -> Any:
        return torch.softmax(self.head(self.rnn(x)[1][0][-1]), -1)

    module = made(forward, rnn=nn.LSTM(features, units, batch_first=True), head=nn.Linear(units, 3))
    compare(module, [sequences(features=features, steps=steps)], tmp_path / "m.pt2")


def test_relu_rnn(tmp_path: Path) -> None:
    module = randomised(Recurrent(nn.RNN, PICKS["everything"], nonlinearity="relu"))
    compare(module, [sequences(False)], tmp_path / "m.pt2")


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_projections(options: Any, tmp_path: Path) -> None:
    module = randomised(Recurrent(nn.LSTM, PICKS["everything"], proj_size=2, batch_first=True, **options))
    model = compare(module, [sequences()], tmp_path / "m.pt2")
    assert all(layer.projection is not None for layer in model.layers if isinstance(layer, Lstm))


# Cells in a loop.


def in_turn(self: Any, x: Any) -> Any:
    h, both, top, every = x.new_zeros(x.size(0), 4), None, None, []
    for t in range(x.size(1)):
        h = self.gru(x[:, t], h)
        both = self.lstm(h, both)
        top = self.rnn(torch.tanh(both[0]), top)
        every.append(top)
    return torch.stack(every, 1), both[1]


def backwards(self: Any, x: Any) -> Any:
    h, every = None, []
    for t in reversed(range(x.size(1))):
        h = self.cell(x[:, t], h)
        every.insert(0, h)
    return torch.stack(every, 1)


def steps_first(self: Any, x: Any) -> Any:
    h, every = None, []
    for step in x:
        h = self.cell(step, h)
        every.append(self.head(h))
    return torch.stack(every)


def last_only(self: Any, x: Any) -> Any:
    h = None
    for step in x.unbind(1):
        h = self.cell(step, h)
    return self.head(h)


@pytest.mark.parametrize(
    ("module", "batch_first", "kinds"),
    [
        (
            made(in_turn, gru=nn.GRUCell(3, 4), lstm=nn.LSTMCell(4, 5), rnn=nn.RNNCell(5, 5)),
            True,
            ["GRU", "LSTM", "Activation", "SimpleRNN"],
        ),
        (made(backwards, cell=nn.GRUCell(3, 4)), True, ["GRU", "Reversed"]),
        (
            made(steps_first, cell=nn.RNNCell(3, 4, nonlinearity="relu"), head=nn.Linear(4, 2)),
            False,
            ["SimpleRNN", "Dense"],
        ),
        (made(last_only, cell=nn.GRUCell(3, 4, bias=False), head=nn.Linear(4, 2)), True, ["GRU", "Dense"]),
    ],
)
def test_loops_become_layers(module: Any, batch_first: bool, kinds: list[str], tmp_path: Path) -> None:
    model = compare(module, [sequences(batch_first)], tmp_path / "m.pt2")
    assert [call.layer.kind for call in model.calls] == kinds


# Around them.

LINEAR = nn.Linear(3, 4)
GRU = {"rnn": nn.GRU(3, 4, batch_first=True)}
DEEP = {"rnn": nn.GRU(3, 4, num_layers=2, batch_first=True)}
BOTH = {"rnn": nn.GRU(3, 4, bidirectional=True, batch_first=True)}


def repeated(self: Any, x: Any) -> Any:
    _, (h, _) = self.encoder(x)
    y, _ = self.decoder(h[-1].unsqueeze(1).expand(-1, 4, -1))
    return self.head(y)


def handed_over(self: Any, x: Any) -> Any:
    return self.decoder(x, self.encoder(x)[1])[0]


def gated(self: Any, x: Any) -> Any:
    a, b = self.head(x).chunk(2, -1)
    return a * torch.sigmoid(b)


TWO = {"encoder": nn.LSTM(3, 4, batch_first=True), "decoder": nn.LSTM(3, 4, batch_first=True)}
AROUND: dict[str, tuple[nn.Module, list[Any]]] = {
    "repeat": (
        made(repeated, encoder=TWO["encoder"], decoder=nn.LSTM(4, 4, batch_first=True), head=nn.Linear(4, 2)),
        [sequences()],
    ),
    "states": (made(handed_over, **TWO), [sequences()]),
    "cat": (
        made(lambda s, x, v: s.o(torch.cat([s.rnn(x)[1][-1], v], -1)), **GRU, o=nn.Linear(6, 2)),
        [sequences(), torch.rand(N, 2)],
    ),
    "both ends": (made(lambda s, x: torch.cat((s.rnn(x)[1][-2], s.rnn(x)[1][-1]), 1), **BOTH), [sequences()]),
    "residual": (made(lambda s, x: s.rnn(x)[0] + s.l(x), **GRU, l=LINEAR), [sequences()]),
    "flatten": (made(lambda s, x: s.o(s.rnn(x)[0].flatten(1)), **GRU, o=nn.Linear(20, 2)), [sequences()]),
    "reshape": (made(lambda s, x: s.o(s.rnn(x)[0].reshape(x.size(0), -1)), **GRU, o=nn.Linear(20, 2)), [sequences()]),
    "rows": (
        made(lambda s, x: s.o(s.rnn(x)[0].contiguous().view(-1, 4)).view(x.size(0), -1, 2), **GRU, o=nn.Linear(4, 2)),
        [sequences()],
    ),
    "batch norm": (
        made(
            lambda s, x: s.after(s.rnn(s.before(x.transpose(1, 2)).transpose(1, 2))[1][0]),
            before=nn.BatchNorm1d(3),
            after=nn.BatchNorm1d(4, affine=False),
            **GRU,
        ),
        [sequences()],
    ),
    "one gate": (made(lambda s, x: s.rnn(x)[0] * torch.sigmoid(s.l(x)), **GRU, l=nn.Linear(3, 1)), [sequences()]),
    "context": (made(lambda s, x: s.rnn(x)[0] * s.rnn(x)[1][0].unsqueeze(1), **GRU), [sequences()]),
    "affine": (
        made(lambda s, x: 1 - 2 * s.l(x) / 3 + s.w - x.new_ones(1), l=LINEAR, w=nn.Parameter(torch.zeros(4))),
        [sequences()],
    ),
    "matmul": (
        made(lambda s, x: torch.tanh(x @ s.w + s.b), w=nn.Parameter(torch.zeros(3, 4)), b=nn.Parameter(torch.zeros(4))),
        [sequences()],
    ),
    "addmm": (
        made(
            lambda s, x: torch.addmm(s.b, x, s.w.t().t()),
            w=nn.Parameter(torch.zeros(3, 4)),
            b=nn.Parameter(torch.zeros(4)),
        ),
        [torch.rand(N, 3)],
    ),
    "mean of features": (made(lambda s, x: s.l(x).mean(-1), l=LINEAR), [sequences()]),
    "sum of features": (made(lambda s, x: s.l(x).sum(-1, keepdim=True), l=LINEAR), [sequences()]),
    "mean of layers": (made(lambda s, x: s.rnn(x)[1].mean(0), **DEEP), [sequences()]),
    "sum of layers": (made(lambda s, x: s.rnn(x)[1].sum(0), **DEEP), [sequences()]),
    "largest of layers": (made(lambda s, x: s.rnn(x)[1].max(0)[0] + s.rnn(x)[1].amax(0), **DEEP), [sequences()]),
    "mean of steps": (made(lambda s, x: s.rnn(x)[0].mean(1) + s.rnn(x)[0].sum(1), **GRU), [sequences()]),
    "largest of steps": (made(lambda s, x: s.rnn(x)[0].max(1).values, **GRU), [sequences()]),
    "pooled steps": (
        made(
            lambda s, x: torch.cat(
                (
                    F.adaptive_max_pool1d(s.l(x).transpose(1, 2), 1).squeeze(-1),
                    F.adaptive_avg_pool1d(s.l(x).mT, 1).flatten(1),
                ),
                1,
            ),
            l=LINEAR,
        ),
        [sequences()],
    ),
    "first step": (made(lambda s, x: s.rnn(x)[0][:, 0], **BOTH), [sequences()]),
    "slices": (made(lambda s, x: s.rnn(x)[0][:, -1:, 1:3].squeeze(1), **GRU), [sequences()]),
    "chunks": (made(gated, head=nn.Linear(3, 8)), [sequences()]),
    "split": (made(lambda s, x: torch.cat(s.l(x).split(3, -1)[::-1], -1), l=LINEAR), [sequences()]),
    "no batch": (made(lambda s, x: s.o(s.rnn(x)[0]), rnn=nn.LSTM(3, 4), o=nn.Linear(4, 2)), [sequences()[0]]),
    "one number a step": (
        made(lambda s, x: s.rnn(x.unsqueeze(-1))[1][0], rnn=nn.GRU(1, 4, batch_first=True)),
        [torch.rand(N, 5)],
    ),
    "squeezed": (made(lambda s, x: s.o(s.rnn(x)[1][0]).squeeze(), **GRU, o=nn.Linear(4, 1)), [sequences()[:1]]),
    "vectors": (
        made(
            lambda s, x: s.n(x),
            n=nn.Sequential(
                nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3), nn.Softmax(1)
            ),
        ),
        [torch.rand(N, 4)],
    ),
    "trained initial state": (
        made(lambda s, x: s.rnn(x, s.h.expand(-1, x.size(0), -1))[0], **GRU, h=nn.Parameter(torch.zeros(1, 1, 4))),
        [sequences()],
    ),
    "stacked steps": (
        made(
            lambda s, x: s.rnn(torch.stack([s.l(x[:, t]) for t in range(5)], 1))[1],
            rnn=nn.GRU(4, 4, batch_first=True),
            l=LINEAR,
        ),
        [sequences()],
    ),
    "flip": (made(lambda s, x: s.rnn(x.flip(1))[0], **GRU), [sequences()]),
    "in place": (made(lambda s, x: F.relu(s.l(x), inplace=True), l=LINEAR), [sequences()]),
    "extremes": (
        made(
            lambda s, x: torch.maximum(s.l(x), torch.minimum(x @ s.w, -s.l(x))),
            l=LINEAR,
            w=nn.Parameter(torch.zeros(3, 4)),
        ),
        [sequences()],
    ),
    "clones": (
        made(lambda s, x: s.l(x.clone().detach().to(torch.float32).contiguous()).movedim(1, 0), l=LINEAR),
        [sequences()],
    ),
}


@pytest.mark.parametrize("name", AROUND)
def test_around_recurrent_layers(name: str, tmp_path: Path) -> None:
    compare(*AROUND[name], tmp_path / "m.pt2")


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "prelu": nn.PReLU(),
    "elu": lambda x: F.elu(x, 0.7),
    "selu": F.selu,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": F.softplus,
    "softplus_beta": lambda x: F.softplus(x, beta=2.5, threshold=15),
    "rrelu": lambda x: F.rrelu(x, 0.1, 0.5),
    "softsign": F.softsign,
    "softsign module": nn.Softsign(),
    "hardsigmoid": F.hardsigmoid,
    "clamp": lambda x: x.clamp(0, 2),
    "clamp from": lambda x: x.clamp(min=0),
    "softmax": lambda x: x.softmax(-1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str, tmp_path: Path) -> None:
    function = ACTIVATIONS[name]
    parts = {"f": function} if isinstance(function, nn.Module) else {}
    module = made(lambda s, x: (s.f if parts else function)(4 * s.l(x)), l=LINEAR, **parts)
    compare(module, [sequences()], tmp_path / "m.pt2")


def test_shapes_may_be_open(tmp_path: Path) -> None:
    """The batch; a file says so, and gives what the one of a fixed batch gives."""
    module = made(lambda s, x: s.o(s.rnn(x)[0].reshape(x.size(0), -1)), **GRU, o=nn.Linear(20, 2))
    fixed = read_both(module, [sequences()], tmp_path / "fixed.pt2")
    shapes = ({0: torch.export.Dim("batch")},)
    open_batch = read_both(module, [sequences()], tmp_path / "open.pt2", dynamic_shapes=(shapes,))
    check_outputs(open_batch, module, [sequences()])
    assert fixed.layer_kinds() == open_batch.layer_kinds()


def test_live_programs_are_read_as_files_are() -> None:
    import loopwire

    module = made(lambda s, x: s.l(x), l=LINEAR)
    program = exported(module, [sequences()])
    assert loopwire.load(program).format == "live PyTorch module"
    check_outputs(loopwire.load(program), module, [sequences()])


def test_what_loading_finds(tmp_path: Path) -> None:
    import loopwire

    module = made(lambda s, x: s.l(x), l=LINEAR)
    model = loopwire.load(saved(module, [sequences()], tmp_path / "tagger.pt2"))
    assert (model.format, model.name, model.layers[0].name) == ("PyTorch exported program", "tagger", "l")


@pytest.mark.parametrize("function", [torch.softmax, torch.log_softmax])
def test_softmax_over_steps(function: Any, tmp_path: Path) -> None:
    module = made(lambda s, x: function(s.l(s.rnn(x)[0]), 1), **GRU, l=nn.Linear(4, 2))
    compare(module, [sequences()], tmp_path / "m.pt2")
