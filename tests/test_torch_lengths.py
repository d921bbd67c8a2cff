"""Packed sequences of PyTorch, which become lengths; and inputs of whole numbers that rows are looked up by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

import loopwire  # noqa: E402
from loopwire.errors import UnsupportedError  # noqa: E402
from loopwire.frontends.torch.packing import whole_sequences  # noqa: E402
from torch_models import TOLERANCE, compare, made, randomised  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")
STEPS, FEATURES, UNITS = 6, 3, 4
LENGTHS = (6, 2, 4, 1)


class Packed(nn.Module):
    """A recurrent module on packed sequences, and what is picked of its results."""

    def __init__(self, kind: Any, pick: Any, batch_first: bool = True, is_sorted: bool = False, **options: Any) -> None:
        super().__init__()
        self.rnn = kind(FEATURES, UNITS, batch_first=batch_first, **options)
        self.pick, self.batch_first, self.is_sorted = pick, batch_first, is_sorted

    def forward(self, x: Any, lengths: Any) -> Any:
        """Pack, run, and pad again."""
        packed = pack_padded_sequence(x, lengths, self.batch_first, enforce_sorted=self.is_sorted)
        output, states = self.rnn(packed)
        y, _ = pad_packed_sequence(output, self.batch_first)
        return self.pick(y, states, lengths)


def last_output(y: Any, states: Any, lengths: Any) -> Any:
    return y[torch.arange(y.size(0)), lengths - 1]


def gathered_output(y: Any, states: Any, lengths: Any) -> Any:
    return y.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, y.size(2))).squeeze(1)


def joined(y: Any, states: Any, lengths: Any) -> Any:
    h = states[0] if isinstance(states, tuple) else states
    return torch.cat((h[-2], h[-1]), -1)


CASES: dict[str, Any] = {
    "all steps": lambda: Packed(nn.GRU, lambda y, states, lengths: y),
    "last state": lambda: Packed(nn.LSTM, lambda y, states, lengths: states[0][-1]),
    "both states": lambda: Packed(nn.LSTM, lambda y, states, lengths: torch.cat((states[0][-1], states[1][-1]), -1)),
    "last output": lambda: Packed(nn.GRU, last_output),
    "gathered output": lambda: Packed(nn.RNN, gathered_output),
    "both directions": lambda: Packed(nn.LSTM, lambda y, states, lengths: y, bidirectional=True),
    "states of both directions": lambda: Packed(nn.LSTM, joined, bidirectional=True, num_layers=2),
    "steps first": lambda: Packed(nn.GRU, lambda y, states, lengths: states[-1], batch_first=False),
}


@pytest.mark.parametrize("name", CASES)
def test_packed_sequences_become_lengths(name: str, tmp_path: Path) -> None:
    module = randomised(CASES[name]())
    lengths = torch.tensor(LENGTHS)
    x = torch.rand(len(LENGTHS), STEPS, FEATURES) - 0.5
    given = x if module.batch_first else x.transpose(0, 1)
    with torch.no_grad():
        due = module(given, lengths).numpy()
    with whole_sequences():
        program = torch.export.export(module, (given, lengths))
    torch.export.save(program, tmp_path / "m.pt2")
    live = loopwire.load(module, example_inputs=(given, lengths))
    for model in (live, loopwire.load(tmp_path / "m.pt2")):
        assert [tensor.shape for tensor in model.inputs] == [(STEPS, FEATURES)]
        found = loopwire.compile(model).predict_float(x.numpy(), np.array(LENGTHS))
        np.testing.assert_allclose(found, due, rtol=TOLERANCE, atol=TOLERANCE)


def test_packing_is_as_before_afterwards() -> None:
    x, lengths = torch.rand(2, 3, 1), torch.tensor([3, 1])
    before = pack_padded_sequence(x, lengths, True).batch_sizes
    with pytest.raises(RuntimeError), whole_sequences():
        assert pack_padded_sequence(x, lengths, True).data.shape == x.shape
        raise RuntimeError
    assert torch.equal(pack_padded_sequence(x, lengths, True).batch_sizes, before)


@pytest.mark.parametrize(
    ("pick", "problem"),
    [
        (lambda y, s, lengths: y[torch.arange(y.size(0)), lengths - 2], r"it selects a step other than the last one"),
        (lambda y, s, lengths: y[lengths - 1], r"it selects steps of sequences by their lengths. Lengths are read by"),
        (
            lambda y, s, lengths: y[:, :4][lengths - 1, lengths - 1],
            r"it selects steps of sequences by their lengths. Lengths are read by",
        ),
        (
            lambda y, s, lengths: lengths[torch.arange(y.size(0))] * y.sum((1, 2)),
            r"'lengths', which are lengths of sequences",
        ),
        (
            lambda y, s, lengths: y.sum(1) / lengths.unsqueeze(1),
            r"it reads 'lengths', which are lengths of sequences. Lengths are",
        ),
        (lambda y, s, lengths: (y, lengths), r"it gives 'lengths', lengths of sequences, back. Leave that output out"),
    ],
)
def test_other_uses_of_lengths_are_refused(pick: Any, problem: str) -> None:
    module = randomised(Packed(nn.GRU, pick))
    x, lengths = torch.rand(len(LENGTHS), STEPS, FEATURES), torch.tensor(LENGTHS)
    with pytest.raises(UnsupportedError, match=problem):
        loopwire.load(module, example_inputs=(x, lengths))


def test_other_padding_is_refused() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(FEATURES, UNITS, batch_first=True)

        def forward(self, x: Any, lengths: Any) -> Any:
            return pad_packed_sequence(self.rnn(pack_padded_sequence(x, lengths, True))[0], True, -1.0)[0]

    with pytest.raises(UnsupportedError, match=r"sequences padded with -1.0: firmware gives zeros beyond"):
        loopwire.load(Padded().eval(), example_inputs=(torch.rand(2, 5, FEATURES), torch.tensor([5, 3])))


EMBEDDED: dict[str, tuple[Any, dict[str, Any]]] = {
    "tokens": (lambda s, x: s.rnn(s.table(x))[1][0], {"rnn": nn.GRU(4, 3, batch_first=True)}),
    "steps first": (lambda s, x: s.rnn(s.table(x.t()))[0], {"rnn": nn.GRU(4, 3)}),
    "in a loop": (
        lambda s, x: [h := None, [h := s.cell(s.table(x[:, t]), h) for t in range(x.size(1))]][-1][-1],
        {"cell": nn.GRUCell(4, 3)},
    ),
    "cast": (lambda s, x: s.table(x.to(torch.int64)).sum(1), {}),
}


@pytest.mark.parametrize("name", EMBEDDED)
def test_embeddings(name: str, tmp_path: Path) -> None:
    forward, parts = EMBEDDED[name]
    tokens = torch.randint(0, 7, (3, 5), generator=torch.Generator().manual_seed(1))
    model = compare(made(forward, table=nn.Embedding(7, 4, padding_idx=0), **parts), [tokens], tmp_path / "m.pt2")
    assert model.layers[0].kind == "Embedding"


def test_what_the_network_computes_is_no_index() -> None:
    module = made(lambda s, x: s.table((4 * torch.relu(x)).long()), table=nn.Embedding(7, 4))
    with pytest.raises(UnsupportedError, match=r"it converts a result of the network to whole numbers. Keep real"):
        loopwire.load(module, example_inputs=(torch.rand(3, 5),))
