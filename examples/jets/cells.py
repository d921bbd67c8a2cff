"""Train recurrent cells whose loops are short on the jets: each a torch module here and a layer of Loopwire there.

Every network has about 4 000 parameters and ends as the LSTM of the demonstration: Flatten → Dense(5, softmax).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from examples.events import Events, read_events
from loopwire.layers.activation import TANH, Function
from loopwire.layers.cells.fast_grnn import FastGrnn
from loopwire.layers.cells.ind_rnn import IndRnn
from loopwire.layers.cells.light_gru import LightGru
from loopwire.layers.cells.lru import Lru
from loopwire.layers.cells.min_gru import MinGru
from loopwire.layers.cells.qrnn import Qrnn
from loopwire.layers.cells.sru import Sru
from loopwire.layers.dense import Dense
from loopwire.layers.model import Layer, Model, chain
from loopwire.layers.shape import Flatten

STEPS, FEATURES = 20, 6
CLASSES = ("g", "q", "w", "z", "t")
RELU, SOFTMAX = Function("relu"), Function("softmax")


def numpy_of(parameter: Tensor) -> npt.NDArray[np.float64]:
    """Return trained numbers."""
    return parameter.detach().cpu().double().numpy()


def uniform(*shape: int) -> nn.Parameter:
    """Return weights as PyTorch starts recurrent layers, by their number of columns."""
    bound = 1.0 / shape[-1] ** 0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def scanned(a: Tensor, b: Tensor) -> Tensor:
    """Return h_t = a_t∘h_{t-1} + b_t of every step of (N, T, U), in log T rounds.

    Ref: Blelloch 1990, "Prefix sums and their applications", section 1.4.
    """
    step = 1
    while step < a.shape[1]:
        b = torch.cat([b[:, :step], b[:, step:] + a[:, step:] * b[:, :-step]], 1)
        a = torch.cat([a[:, :step], a[:, step:] * a[:, :-step]], 1)
        step *= 2
    return b


class Part(nn.Module):
    """Takes (N, T, F), hands on (N, T, U); `layer` is the same as a layer of Loopwire."""

    def layer(self, name: str) -> Layer:
        """Return the layer, with the weights of now."""
        raise NotImplementedError


class EachStep(Part):
    """relu(W x + b) on each step."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, units)

    def forward(self, x: Tensor) -> Tensor:
        """Return the results."""
        return torch.relu(self.linear(x))

    def layer(self, name: str) -> Layer:
        """Return the layer."""
        return Dense(name, numpy_of(self.linear.weight), numpy_of(self.linear.bias), RELU)


class Scanned(Part):
    """A cell: `before` is computed for all steps at once, `step` is what its loop holds."""

    def __init__(self, features: int, units: int, gates: int, recurrent_rows: int = 0) -> None:
        super().__init__()
        self.units = units
        self.linear = nn.Linear(features, gates * units)
        if recurrent_rows:
            self.recurrent = uniform(recurrent_rows * units, units)

    def forward(self, x: Tensor) -> Tensor:
        """Return h of every step."""
        h = x.new_zeros(len(x), self.units)
        states = []
        for before in self.linear(x).unbind(1):
            h = self.step(before.split(self.units, 1), h)
            states.append(h)
        return torch.stack(states, 1)

    def step(self, before: tuple[Tensor, ...], h: Tensor) -> Tensor:
        """Return the state after a step."""
        raise NotImplementedError

    def weights(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Return kernel, recurrent kernel if there is one, and bias."""
        recurrent = (numpy_of(self.recurrent),) if hasattr(self, "recurrent") else ()
        return (numpy_of(self.linear.weight), *recurrent, numpy_of(self.linear.bias))


class MinGruPart(Scanned):
    """A minimal GRU, whose candidate is a tanh."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__(features, units, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return h of every step."""
        z, n = self.linear(x).split(self.units, 2)
        z = torch.sigmoid(z)
        return scanned(1 - z, z * torch.tanh(n))

    def layer(self, name: str) -> Layer:
        """Return the layer."""
        return MinGru(name, *self.weights(), activation=TANH, return_sequences=True)


class IndRnnPart(Scanned):
    """An independently recurrent network."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__(features, units, 1)
        self.own = nn.Parameter(torch.empty(units).uniform_(0.2, 1.0))

    def step(self, before: tuple[Tensor, ...], h: Tensor) -> Tensor:
        """Return relu(W x + u∘h + b)."""
        return torch.relu(before[0] + self.own * h)

    def layer(self, name: str) -> Layer:
        """Return the layer."""
        kernel, bias = self.weights()
        return IndRnn(name, kernel, numpy_of(self.own), bias, return_sequences=True)


class LightGruPart(Scanned):
    """A light GRU."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__(features, units, 2, 2)

    def step(self, before: tuple[Tensor, ...], h: Tensor) -> Tensor:
        """Return z∘h + (1 - z)∘n."""
        u_z, u_n = (h @ self.recurrent.T).split(self.units, 1)
        z = torch.sigmoid(before[0] + u_z)
        return z * h + (1 - z) * torch.relu(before[1] + u_n)

    def layer(self, name: str) -> Layer:
        """Return the layer."""
        return LightGru(name, *self.weights(), return_sequences=True)


class FastGrnnPart(Scanned):
    """A FastGRNN, whose ζ and ν are 1 and 0."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__(features, units, 1, 1)
        self.more = nn.Parameter(torch.cat([torch.ones(units), torch.zeros(units)]))

    def step(self, before: tuple[Tensor, ...], h: Tensor) -> Tensor:
        """Return (1 - z)∘n + z∘h."""
        p = before[0] + h @ self.recurrent.T
        b_z, b_n = self.more.split(self.units)
        z = torch.sigmoid(p + b_z)
        return (1 - z) * torch.tanh(p + b_n) + z * h

    def layer(self, name: str) -> Layer:
        """Return the layer."""
        kernel, recurrent, bias = self.weights()
        return FastGrnn(name, kernel, recurrent, np.tile(bias, 2) + numpy_of(self.more), return_sequences=True)


class SruPart(Scanned):
    """A simple recurrent unit of the first version, whose gates read no state."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__(features, units, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Return h of every step."""
        fresh, f, r, highway = nn.functional.linear(x, self.linear.weight).split(self.units, 2)
        b_f, b_r = self.linear.bias[: 2 * self.units].split(self.units)
        f, r = torch.sigmoid(f + b_f), torch.sigmoid(r + b_r)
        return r * scanned(f, (1 - f) * fresh) + (1 - r) * highway

    def layer(self, name: str) -> Layer:
        """Return the layer."""
        kernel, bias = self.weights()
        return Sru(name, kernel, bias[: 2 * self.units], return_sequences=True)


class QrnnPart(Part):
    """A quasi-recurrent network that sees two steps."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.features, self.units = features, units
        self.linear = nn.Linear(2 * features, 3 * units)

    def forward(self, x: Tensor) -> Tensor:
        """Return h of every step."""
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        z, f, o = self.linear(torch.cat([before, x], 2)).split(self.units, 2)
        z, f, o = torch.tanh(z), torch.sigmoid(f), torch.sigmoid(o)
        return o * scanned(f, (1 - f) * z)

    def layer(self, name: str) -> Layer:
        """Return the layer."""
        kernel, bias = numpy_of(self.linear.weight), numpy_of(self.linear.bias)
        return Qrnn(name, kernel, bias, self.features, return_sequences=True)


class LruPart(Part):
    """A linear recurrent unit with a complex diagonal inside the unit circle."""

    def __init__(self, features: int, units: int, size: int) -> None:
        super().__init__()
        radius, turn = torch.empty(size).uniform_(0.5, 0.99), torch.empty(size).uniform_(0, 3.14)
        self.decay = nn.Parameter(torch.log(-torch.log(radius)))
        self.turn = nn.Parameter(turn)
        self.inward, self.outward = uniform(2 * size, features), uniform(units, 2 * size)
        self.direct = uniform(units, features)

    def diagonal(self) -> tuple[Tensor, Tensor]:
        """Return the real and the imaginary parts of λ."""
        radius = torch.exp(-torch.exp(self.decay))
        return radius * torch.cos(self.turn), radius * torch.sin(self.turn)

    def forward(self, x: Tensor) -> Tensor:
        """Return y of every step."""
        diagonal = torch.complex(*self.diagonal())
        fresh = torch.complex(*(x @ self.inward.T).split(len(diagonal), 2))
        h = scanned(diagonal.expand_as(fresh), fresh)
        return torch.cat([h.real, h.imag], 2) @ self.outward.T + x @ self.direct.T

    def layer(self, name: str) -> Layer:
        """Return the layer."""
        a, b = (numpy_of(part) for part in self.diagonal())
        in_re, in_im = np.split(numpy_of(self.inward), 2)
        out_re, out_im = np.split(numpy_of(self.outward), 2, axis=1)
        direct = numpy_of(self.direct)
        return Lru(name, a + 1j * b, in_re + 1j * in_im, out_re - 1j * out_im, direct, return_sequences=True)


NETWORKS: dict[str, Callable[[], list[Part]]] = {
    "min_gru_3": lambda: [MinGruPart(6, 20), MinGruPart(20, 20), MinGruPart(20, 20)],
    "relu_min_gru_2": lambda: [EachStep(6, 24), MinGruPart(24, 20), MinGruPart(20, 20)],
    "min_gru": lambda: [MinGruPart(6, 32)],
    "sru_2": lambda: [SruPart(6, 16), SruPart(16, 16)],
    "qrnn": lambda: [QrnnPart(6, 24)],
    "lru": lambda: [EachStep(6, 16), LruPart(16, 20, 16), EachStep(20, 20)],
    "ind_rnn_2": lambda: [IndRnnPart(6, 24), IndRnnPart(24, 24)],
    "light_gru": lambda: [LightGruPart(6, 20)],
    "fast_grnn": lambda: [FastGrnnPart(6, 24)],
}
"""The parts of each network, by its name."""


class Tagger(nn.Module):
    """Parts one after another, then Flatten → Dense(5)."""

    def __init__(self, parts: list[Part]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        with torch.no_grad():
            width = self.sequence(torch.zeros(1, STEPS, FEATURES)).shape[2]
        self.classes = nn.Linear(STEPS * width, len(CLASSES))

    def sequence(self, x: Tensor) -> Tensor:
        """Return what the last part hands on."""
        for part in self.parts:
            x = part(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return the classes' scores before softmax."""
        return self.classes(self.sequence(x).flatten(1))

    def model(self, name: str) -> Model:
        """Return Loopwire's model, with the weights of now."""
        layers = [
            part.layer(f"{type(part).__name__.removesuffix('Part').lower()}_{k}")
            for k, part in enumerate(self.parts, 1)
        ]
        head = Dense("classes", numpy_of(self.classes.weight), numpy_of(self.classes.bias), SOFTMAX)
        return chain(name, (STEPS, FEATURES), [*layers, Flatten("flatten"), head], __file__)


def train(tagger: Tagger, events: Events, epochs: int, learning_rate: float, batch: int = 256) -> None:
    """Train with Adam, the learning rate falling to zero along half a cosine."""
    x, y = torch.tensor(events.inputs, dtype=torch.float32), torch.tensor(events.labels, dtype=torch.long)
    optimiser = torch.optim.Adam(tagger.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * -(-len(x) // batch))
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(batch):
            loss = nn.functional.cross_entropy(tagger(x[chosen]), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
            optimiser.step()
            schedule.step()


def areas(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> list[float]:
    """Return the area under the ROC curve of each class against all others."""
    return [float(roc_auc_score(labels == place, scores[:, place])) for place in range(len(CLASSES))]


def main() -> None:
    """Train the chosen networks; write their weights, and print their areas on the test jets."""
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--train", type=Path, default=Path("build/jets/jets_train.npz"), help="training jets")
    parser.add_argument("--test", type=Path, default=Path("examples/jets/jets_test2k.npz"), help="test jets")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), help="what to train")
    parser.add_argument("--out", type=Path, default=Path("build/jets/cells"), help="folder of the weights")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    training, test = read_events(chosen.train, CLASSES), read_events(chosen.test, CLASSES)
    chosen.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in chosen.networks:
        torch.manual_seed(chosen.seed)
        tagger = Tagger(NETWORKS[name]())
        start_s = time.perf_counter()
        train(tagger, training, chosen.epochs, chosen.learning_rate)
        torch.save(tagger.state_dict(), chosen.out / f"{name}.pt")
        with torch.no_grad():
            scores = numpy_of(tagger(torch.tensor(test.inputs, dtype=torch.float32)).softmax(1))
        count = sum(parameter.numel() for parameter in tagger.parameters())
        listed = " ".join(
            f"{label} {area:.4f}" for label, area in zip(CLASSES, areas(scores, test.labels), strict=True)
        )
        print(f"{name}: {count} parameters, AUC {listed}, {time.perf_counter() - start_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
