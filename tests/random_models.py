"""Random chains of layers with random sizes, types and knobs, all of which firmware can carry."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance import Case
from loopwire.frontends import keras_activations
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.knobs import Io
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer
from loopwire.layers.roles import LayerTypes, Role
from loopwire.layers.shape import Flatten, Reshape
from loopwire.layers.simple_rnn import SimpleRnn

SOFTMAX = keras_activations.FUNCTIONS["softmax"]
FUNCTIONS = tuple(
    dict.fromkeys(
        (
            *(function for function in keras_activations.FUNCTIONS.values() if function != SOFTMAX),
            *keras_activations.HARD_SIGMOID.values(),
            *(Function("gelu_tanh"), Function("elu", slope=0.3), Function("leaky_relu", slope=-0.5)),
            Function("relu", slope=0.25, maximum=1.5),
        )
    )
)
"""Every activation of one number that a model file can name, some with other parameters."""
PARTS = ("xcku115", "xcvu13p", "xc7a100t", "LFE5U-85F")


class Weights:
    """Random arrays; their scale is drawn once, so that some models saturate."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._scale = self._rng.choice([0.5, 1.0, 3.0])

    def __call__(self, *shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return an array, some of whose elements are 0."""
        return self._rng.uniform(-self._scale, self._scale, shape) * (self._rng.random(shape) < 0.9)


def random_case(source: random.Random, name: str) -> Case:
    """Return a model with types and knobs; draws little from `source`, so that hypothesis may stand behind it."""
    weights = Weights(source.getrandbits(30))
    sequence = source.random() < 0.85
    shape: tuple[int, ...] = (source.randint(1, 6), source.randint(1, 3)) if sequence else (source.randint(1, 4),)
    input_shape, layers = shape, []

    def add(make: Callable[[str, int], Layer]) -> None:
        nonlocal shape
        layers.append(make(f"layer_{len(layers) + 1}", shape[-1]))
        shape = layers[-1].output_shape(shape)

    if sequence:
        for _ in range(source.choice((0, 0, 1, 1, 2))):
            add(
                _recurrent(source, weights, return_sequences=True) if source.random() < 0.6 else _dense(source, weights)
            )
        ending = source.choice(("state", "state", "state", "sequence", "flatten"))
        if ending == "state":
            add(_recurrent(source, weights, return_sequences=False))
        elif ending == "sequence":
            add(_dense(source, weights))
        else:
            size = shape[0] * shape[1]
            add(lambda name, _: Flatten(name) if source.random() < 0.7 else Reshape(name, (size,)))
            units = source.randint(1, 3)
            add(lambda name, _: Dense(name, weights(units, size), weights(units), _function(source)))
    for _ in range(source.choice((0, 1, 1, 2)) if layers else source.randint(1, 3)):
        add(_dense(source, weights))
    io: Io = source.choice(("stream", "stream", "parallel"))
    return Case(
        name,
        input_shape,
        layers,
        {layer.name: _types(source) for layer in layers},
        _spec(source, 2, 12),
        source.choice(PARTS),
        source.choice((2.5, 5.0, 5.0, 10.0)),
        interleave=source.choice((None, None, 1, 2, 3)),
        multipliers=source.choice(("auto", "shift_add", "dsp")),
        copies=source.choice((1, 1, 2, 3)),
        io=io,
        bus_bits=source.choice((None, 8, 16, 32, 40)) if io == "stream" else None,
    )


def _function(source: random.Random) -> Function:
    return source.choice(FUNCTIONS)


def _recurrent(source: random.Random, w: Weights, return_sequences: bool) -> Callable[[str, int], Layer]:
    units, kind = source.randint(1, 3), source.choice((Lstm, Lstm, Gru, Gru, SimpleRnn))
    options: dict[str, Any] = {"return_sequences": return_sequences, "go_backwards": source.random() < 0.4}
    if source.random() < 0.5:
        options["activation"] = _function(source)
    if kind is not SimpleRnn and source.random() < 0.5:
        options["recurrent_activation"] = _function(source)

    def make(name: str, features: int) -> Layer:
        if kind is SimpleRnn:
            return SimpleRnn(name, w(units, features), w(units, units), w(units), **options)
        if kind is Lstm:
            return Lstm(name, w(4 * units, features), w(4 * units, units), w(4 * units), **options)
        after = source.random() < 0.5
        recurrent_bias = w(3 * units) * after
        kernels = w(3 * units, features), w(3 * units, units)
        return Gru(name, *kernels, w(3 * units), recurrent_bias, after, **options)

    return make


def _dense(source: random.Random, w: Weights) -> Callable[[str, int], Layer]:
    units, kind = source.randint(1, 4), source.choice(("dense", "dense", "softmax", "activation", "normalization"))
    bias = float(source.random() < 0.8)
    match kind:
        case "dense":
            function = _function(source)
            return lambda name, n: Dense(name, w(units, n), w(units) * bias, function)
        case "softmax":
            return lambda name, n: Dense(name, w(units, n), w(units) * bias, SOFTMAX)
        case "activation":
            function = _function(source)
            return lambda name, n: Activation(name, function)
        case _:
            return lambda name, n: BatchNormalization(name, w(n), w(n))


def _spec(source: random.Random, least: int, most: int) -> str:
    width = source.randint(least, most)
    kind = source.choice(("fixed", "fixed", "fixed", "ufixed"))
    modes = f"{source.choice(list(Rounding))},{source.choice(list(Overflow))}"
    return f"{kind}<{width},{source.randint(-1, min(width, 5))},{modes}>"


def _types(source: random.Random) -> LayerTypes:
    def draw(role: Role) -> FixedType:
        return FixedType.parse(_spec(source, *((2, 8) if "weight" in role or role is Role.BIAS else (2, 11))))

    chosen = {role: draw(role) for role in Role if role is not Role.PREACTIVATION}
    if source.random() < 0.5:
        chosen[Role.PREACTIVATION] = draw(Role.PREACTIVATION)
    size = source.choice((None, None, None, 16))
    return LayerTypes(chosen, source.choice((1.0, 2.0)), size)
