"""Random acyclic models of layers: branches, merges, states handed on, repeated vectors, several inputs and outputs."""

from __future__ import annotations

import random
import re
from math import prod
from typing import Any

from cell_models import CELLS
from conformance import Case
from loopwire.emulator.windows import check_window
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.knobs import Io
from loopwire.layers.activation import TANH, Function
from loopwire.layers.attention import AdditiveAttention, Attention
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.masking import StepMask
from loopwire.layers.matrix_product import MatrixProduct
from loopwire.layers.merge import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from loopwire.layers.model import Layer, Model, ModelBuilder, Tensor
from loopwire.layers.multi_head_attention import MultiHeadAttention, Projection
from loopwire.layers.over_steps import OverSteps
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.shape import RepeatVector, Reshape, Reversed
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.layers.steps import UpSampling, ZeroPadding
from loopwire.layers.windows import AveragePooling, Convolution, MaxPooling, Window
from loopwire.schedule.plan import check_knobs
from random_models import PARTS, Weights, random_spec, random_types

KNOBS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"copies": 2},
    {"copies": 3, "port_registers": True},
    {"stateful": True},
    {"stateful": True, "channels": 2, "id_bits": 2},
    {"stateful": True, "channels": 3, "port_registers": True, "user_bits": 1},
    {"sliding_window": True},
    {"sliding_window": True, "channels": 2, "user_bits": 3},
    {"user_bits": 2, "id_bits": 3},
    {"port_registers": True},
    {"id_bits": 1},
)
"""What a model may have beside the rest."""
NO_HARDWARE = (
    "only repeats a vector|no channel can change the steps|reads each sequence backwards|"
    "not a sequence of several steps|for each window|may leave before its label|reuse_factor, layer"
)
MERGES = (Add, Average, Maximum, Minimum, Multiply, Subtract)


def residual(name: str, w: Weights) -> Model:
    """Return a residual GRU with a second input and two outputs, one of which depends on one input alone."""
    steps, units = 3, 2
    gru = Gru("gru", w(3 * units, 2), w(3 * units, units), w(3 * units), w(3 * units), True, return_sequences=True)
    b = ModelBuilder()
    x, v = b.input("x", (steps, 2)), b.input("v", (2,))
    (h,) = b.call(gru, x)
    (y,) = b.call(Add("sum"), h, x)
    (last,) = b.call(SimpleRnn("rnn", w(2, units), w(2, 2), w(2)), y)
    (z,) = b.call(Add("joined"), last, v)
    (head,) = b.call(Dense("head", w(2, 2), w(2), Function("tanh")), z)
    return b.model(name, (last, head), "test")


def random_network(
    source: random.Random,
    name: str,
    reshapes: bool = False,
    most_layers: int = 7,
    most_units: int = 3,
    attends: bool = False,
) -> Model:
    """Return a model of some two to `most_layers` layers, whose outputs depend on all of its inputs together.

    With `reshapes`, sequences and vectors get other steps between its layers, by windows over them among others.
    With `attends`, sequences attend to others, and are multiplied by them.
    """
    return _Growth(source, reshapes, most_layers, most_units, attends).model(name)


def random_network_case(source: random.Random, name: str) -> Case:
    """Return such a model with types and knobs, as hardware can be made of it.

    One in four has numbers so narrow that the three rows of a head share DSP blocks.
    """
    while True:
        knobs = source.choice(KNOBS)
        reshapes, attends = source.random() < 0.3, source.random() < 0.25
        narrow = source.random() < 0.25
        sizes = (True, 3, 3) if narrow else (reshapes, 5, 2)
        model = random_network(source, name, *sizes, attends)
        slides = "sliding_window" in knobs
        io: Io = "stream" if slides else source.choice(("stream", "stream", "parallel"))
        case = Case(
            name,
            network=model,
            types={layer.name: random_types(source, _narrow if narrow else random_spec) for layer in model.layers},
            input_type=_narrow(source, 2, 12) if narrow else random_spec(source, 2, 12),
            part=source.choice(PARTS),
            clock_period_ns=source.choice((2.5, 5.0, 5.0, 10.0)),
            interleave=None if knobs.get("stateful") else source.choice((None, None, 1, 2)),
            multipliers=source.choice(("auto", "shift_add", "dsp")),
            io=io,
            bus_bits=None if slides or io == "parallel" else source.choice((None, None, 16, 32, 40)),
            reuse_factor=source.choice((1, 1, 2, 3)) if narrow else source.choice((1, 1, 1, 2)),
            dsp_budget=source.choice((None, None, 0, 8)),
            **knobs,
        )
        try:
            graph = case.graph()
            if case.sliding_window:
                check_window(graph)
            check_knobs(graph, case)
        except UnsupportedError as error:
            assert re.search(NO_HARDWARE, str(error)), error
            continue
        except ConfigError:  # nothing that lasts, or a reuse factor or a bus that the model cannot have
            continue
        return case


def _narrow(source: random.Random, least: int, most: int) -> str:
    return random_spec(source, 5, 5)


class _Growth:
    def __init__(self, source: random.Random, reshapes: bool, most_layers: int, most_units: int, attends: bool) -> None:
        self._random = source
        self._reshapes, self._attends = reshapes, attends
        self._most_layers, self._most_units = most_layers, most_units
        self._weights = Weights(source.getrandbits(30))
        self._steps = source.randint(2, 5)
        self._builder = ModelBuilder()
        self._count = 0
        self._unused: list[Tensor] = []
        self._all: list[Tensor] = []

    def model(self, name: str) -> Model:
        for index in range(self._random.choice((1, 1, 2, 3))):
            sequence = index == 0 or self._random.random() < 0.4
            shape = (self._steps, self._random.randint(1, 3)) if sequence else (self._random.randint(1, 3),)
            self._add(self._builder.input(f"in_{index}", shape))
        for _ in range(self._random.randint(2, self._most_layers)):
            self._grow(self._pick(self._all))
        sequences = [t for t in self._unused if len(t.shape) == 2]
        if self._reshapes and sequences and self._random.random() < 0.7:
            (flat,) = self._call(Reshape(self._name(), (prod(sequences[-1].shape),)), sequences[-1])
            self._call(self._dense(flat, self._most_units), flat)
        outputs = [t for t in self._unused if not self._is_input(t)]
        rest = [tensor for tensor in self._unused if self._is_input(tensor)]
        outputs += [self._call(self._dense(tensor), tensor)[0] for tensor in rest]
        return self._builder.model(name, outputs[-3:] if self._all_used(outputs[-3:]) else outputs, "test")

    def _all_used(self, outputs: list[Tensor]) -> bool:
        """Say whether every input leads to one of some outputs."""
        makers = {y: call for call in self._builder.model("m", outputs, "test").calls for y in call.outputs}
        seen, waiting = set(outputs), list(outputs)
        while waiting:
            call = makers.get(waiting.pop())
            for x in call.inputs if call is not None else ():
                if x not in seen:
                    seen.add(x)
                    waiting.append(x)
        return all(tensor in seen for tensor in self._all if self._is_input(tensor))

    def _is_input(self, tensor: Tensor) -> bool:
        return tensor.name.startswith("in_")

    def _pick(self, tensors: list[Tensor]) -> Tensor:
        return self._random.choice(tensors[-4:] if self._random.random() < 0.7 else tensors)

    def _add(self, *tensors: Tensor) -> None:
        self._all += tensors
        self._unused += tensors

    def _name(self) -> str:
        self._count += 1
        return f"layer_{self._count}"

    def _call(self, layer: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self._builder.call(layer, *inputs)
        self._unused = [tensor for tensor in self._unused if tensor not in inputs]
        self._add(*outputs)
        return outputs

    def _grow(self, x: Tensor) -> None:
        if self._reshapes and len(x.shape) == 2 and self._random.random() < 0.3:
            self._call(self._windowed(x), x)
            return
        if self._reshapes and self._random.random() < 0.4:
            size = prod(x.shape)
            steps = self._random.choice([n for n in range(1, min(size, 12) + 1) if size % n == 0])
            self._call(Reshape(self._name(), (steps, size // steps) if steps > 1 else (size,)), x)
            return
        if self._attends and len(x.shape) == 2 and self._random.random() < 0.4:
            self._attend(x)
            return
        like = [t for t in self._all if t.shape == x.shape and t is not x]
        joinable = [t for t in self._all if t.shape[:-1] == x.shape[:-1] and t is not x]
        kind = self._random.random()
        if like and kind < 0.2:
            self._call(self._random.choice(MERGES)(self._name()), x, self._random.choice(like))
        elif joinable and kind < 0.35:
            self._call(Concatenate(self._name()), x, self._random.choice(joinable))
        elif len(x.shape) == 2:
            if kind < 0.75:
                self._recurrent(x)
            elif kind < 0.85:
                self._call(Reversed(self._name()), x)
            else:
                self._call(self._dense(x), x)
        elif kind < 0.6:
            (sequence,) = self._call(RepeatVector(self._name(), self._steps), x)
            self._recurrent(sequence)
        else:
            self._call(self._dense(x), x)

    def _attend(self, query: Tensor) -> None:
        """Let a sequence attend to another, or to itself, or multiply it by one of sizes that fit."""
        w, name, size = self._weights, self._name(), query.shape[1]
        sequences = [t for t in self._all if len(t.shape) == 2]
        value = self._random.choice(sequences)
        keys = [t for t in sequences if t.shape == (value.shape[0], size)]
        factors = [(t, turned) for t in sequences for turned in (False, True) if t.shape[turned] == size]
        kinds = ["heads", *(("dot", "additive") if keys else ()), *(("product",) if factors else ())]
        kind = self._random.choice(kinds)
        if kind == "product":
            factor, turned = self._random.choice(factors)
            self._call(MatrixProduct(name, turned), query, factor)
        elif kind == "heads":
            heads, of_key, of_value = (self._random.randint(1, 2) for _ in range(3))
            sizes = [(heads * of_key, size), (heads * of_key, value.shape[1]), (heads * of_value, value.shape[1])]
            sizes.append((self._random.randint(1, 3), heads * of_value))
            parts = [Projection(w(*shape), w(shape[0])) for shape in sizes]
            self._call(MultiHeadAttention(name, heads, *parts), query, value, value)
        else:
            scale, key = self._random.choice((1.0, 0.4)), self._random.choice(keys)
            layer = AdditiveAttention(name, scale, weights=w(size)) if kind == "additive" else Attention(name, scale)
            self._call(layer, query, value, key)

    def _recurrent(self, x: Tensor) -> None:
        w, units, name = self._weights, self._random.randint(1, self._most_units), self._name()
        options: dict[str, Any] = {
            "return_sequences": self._random.random() < 0.6,
            "go_backwards": self._random.random() < 0.3,
            "return_state": self._random.random() < 0.3,
        }
        features, layer = x.shape[-1], self._random.choice((Lstm, Gru, SimpleRnn))
        masks = [self._mask(x)] if self._random.random() < 0.3 else []
        options |= {"masked": bool(masks), "zero_masked": self._random.random() < 0.5}
        if self._random.random() < 0.3:
            cell = CELLS[self._random.choice(list(CELLS))]
            self._call(cell.make(w, name, features, units, **options), x, *masks)
            return
        made: Recurrent
        if layer is Gru:
            kernels = w(3 * units, features), w(3 * units, units), w(3 * units), w(3 * units)
            made = Gru(name, *kernels, True, **options)
        else:
            gates = 4 if layer is Lstm else 1
            made = layer(name, w(gates * units, features), w(gates * units, units), w(gates * units), **options)
        vectors = [t for t in self._all if t.shape == (units,)]
        states = [self._random.choice(vectors) for _ in made.states] if vectors and self._random.random() < 0.5 else []
        self._call(made, x, *states, *masks)

    def _mask(self, x: Tensor) -> Tensor:
        """Return a mask for the steps of a sequence: where another of as many steps, or it, is no small number."""
        alike = [t for t in self._all if len(t.shape) == 2 and t.shape[0] == x.shape[0]]
        layer = StepMask(self._name(), self._random.choice((0.0, -0.25, 0.5)))
        return self._builder.call(layer, self._random.choice(alike))[0]

    def _windowed(self, x: Tensor) -> Layer:
        """Return a layer of other steps, or over all of them."""
        (steps, features), w = x.shape, self._weights
        size, units = self._random.randint(1, min(steps, 3)), self._random.randint(1, self._most_units)
        padding = self._random.choice(("valid", "same"))
        window = Window(size, self._random.randint(1, 2), padding=padding)
        match self._random.randrange(6):
            case 0:
                return Convolution(self._name(), window, w(units, size, features), w(units), activation=TANH)
            case 1:
                return MaxPooling(self._name(), window)
            case 2:
                return AveragePooling(self._name(), window)
            case 3:
                return UpSampling(self._name(), 2)
            case 4:
                return ZeroPadding(self._name(), self._random.randint(0, 1), 1)
            case _:
                return OverSteps(self._name(), Function("softmax"), self._random.random() < 0.3)

    def _dense(self, x: Tensor, least_units: int = 1) -> Dense:
        units = self._random.randint(least_units, self._most_units)
        function = Function(self._random.choice(("linear", "relu", "tanh", "softmax")))
        return Dense(self._name(), self._weights(units, x.shape[-1]), self._weights(units), function)
