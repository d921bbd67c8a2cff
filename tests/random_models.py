"""Random chains of layers with random sizes, types and knobs, all of which firmware can carry."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cell_models import CELLS
from conformance import Case
from loopwire.emulator.windows import check_window
from loopwire.errors import ConfigError, LoopwireError, UnsupportedError
from loopwire.frontends.keras import activations as keras_activations
from loopwire.ir.graph import Graph
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.knobs import Io
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling, GlobalSum
from loopwire.layers.glu import Glu
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer, Tensor
from loopwire.layers.normalization import LayerNormalization, root_mean_square, unit
from loopwire.layers.prelu import PRelu
from loopwire.layers.roles import LayerTypes, Role, known_roles
from loopwire.layers.shape import Flatten, Reshape
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.layers.windows import Convolution, SeparableConvolution, Window
from loopwire.targets.verilog import Firmware

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


@dataclass(frozen=True)
class Sizes:
    """The largest sizes of random models: steps, features and units, and layers before and after the one that ends a
    sequence; and the copies and sequences in the loop that they are drawn from."""

    steps: int = 6
    features: int = 3
    units: int = 3
    more_layers: int = 2
    copies: tuple[int, ...] = (1, 1, 2, 3)
    interleave: tuple[int | None, ...] = (None, None, 1, 2, 3)


class Weights:
    """Random arrays; their scale is drawn once, so that some models saturate."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._scale = self._rng.choice([0.5, 1.0, 3.0])

    def __call__(self, *shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return an array, some of whose elements are 0."""
        return self._rng.uniform(-self._scale, self._scale, shape) * (self._rng.random(shape) < 0.9)


SIZES = Sizes()


def random_case(source: random.Random, name: str, sizes: Sizes = SIZES) -> Case:
    """Return a model with types and knobs; draws little from `source`, so that hypothesis may stand behind it.

    The types of one model in four are odd: of 1 to 3 bits, with a point that lies outside them as often as not.
    """
    weights = Weights(source.getrandbits(30))
    sequence = source.random() < 0.85
    features = source.randint(1, sizes.features)
    shape: tuple[int, ...] = (source.randint(1, sizes.steps), features) if sequence else (features,)
    spec = _odd_spec if source.random() < 0.25 else random_spec
    input_shape, layers = shape, []

    def add(make: Callable[[str, int], Layer]) -> None:
        nonlocal shape
        layers.append(make(f"layer_{len(layers) + 1}", shape[-1]))
        shape = layers[-1].results((Tensor("x", shape),))[""]

    if sequence:
        for _ in range(min(source.choice((0, 0, 1, 1, 2)), sizes.more_layers)):
            if source.random() < 0.6:
                add(_recurrent(source, weights, sizes.units, return_sequences=True))
            else:
                add(
                    _dense(source, weights, sizes.units)
                    if source.random() < 0.6
                    else _causal(source, weights, sizes.units)
                )
        ending = source.choice(("state", "state", "state", "sequence", "flatten", "pooling"))
        if ending == "state":
            add(_recurrent(source, weights, sizes.units, return_sequences=False))
        elif ending == "sequence":
            add(_dense(source, weights, sizes.units))
        elif ending == "pooling":
            pooling = source.choice((GlobalMaxPooling, GlobalAveragePooling, GlobalSum))
            add(lambda name, _: pooling(name))
        else:
            size = shape[0] * shape[1]
            add(lambda name, _: Flatten(name) if source.random() < 0.7 else Reshape(name, (size,)))
            units = source.randint(1, sizes.units)
            add(lambda name, _: Dense(name, weights(units, size), weights(units), _function(source)))
    for _ in range(min(source.choice((0, 1, 1, 2)), sizes.more_layers) if layers else source.randint(1, 3)):
        add(_dense(source, weights, sizes.units))
    io: Io = source.choice(("stream", "stream", "parallel"))
    return Case(
        name,
        input_shape,
        layers,
        {layer.name: random_types(source, spec) for layer in layers},
        spec(source, 2, 12),
        source.choice(PARTS),
        source.choice((2.5, 5.0, 5.0, 10.0)),
        interleave=source.choice(sizes.interleave),
        multipliers=source.choice(("auto", "shift_add", "dsp")),
        copies=source.choice(sizes.copies),
        io=io,
        bus_bits=source.choice((None, 8, 16, 32, 40)) if io == "stream" else None,
    )


def buildable(case: Case) -> Case:
    """Return the case with a clock slow enough for its operations, and knobs that fit its loop and its sequences."""
    return built(case)[0]


def built(case: Case) -> tuple[Case, Graph, Firmware]:
    """Return the same, with its graph and its hardware."""
    while True:
        graph = case.graph()
        try:
            return case, graph, case.firmware(graph)
        except (ConfigError, UnsupportedError) as error:
            if "reuse factor" in error.problem or error.where.startswith("reuse_factor"):
                case = replace(case, reuse_factor=1)
            elif isinstance(error, UnsupportedError):
                raise
            elif error.where == "interleave":
                case = replace(case, interleave=None)
            elif error.where == "copies":
                case = replace(case, copies=1)
            elif error.where == "bus_bits":
                case = replace(case, bus_bits=None)
            elif error.where == "dsp_budget":
                case = replace(case, dsp_budget=_least(case.dsp_budget, error))
            else:
                assert error.where.startswith("clock period"), error
                case = replace(case, clock_period_ns=2 * case.clock_period_ns)


def _least(budget: int | None, error: LoopwireError) -> int:
    """Return the budget that an error names, with which there is hardware."""
    found = re.match(r"Give (\d+) or more", error.remedy)
    assert found and budget is not None and int(found[1]) > budget, error
    return int(found[1])


def sometimes_lasting(source: random.Random, case: Case) -> Case:
    """Return the case, or one time in three the same with states that last, or a sliding window, where it can be."""
    kept, channels = source.choice(("states", "window", None, None, None, None)), source.choice((1, 2, 3, 7))
    if kept is None:
        return case
    if kept == "states":
        changed = replace(case, stateful=True, channels=channels, interleave=None, copies=1)
    else:
        changed = replace(case, sliding_window=True, channels=channels, io="stream", bus_bits=None)
    try:
        graph = changed.graph()
        if changed.sliding_window:
            check_window(graph)
    except (ConfigError, UnsupportedError):
        return case
    return changed


def _function(source: random.Random) -> Function:
    return source.choice(FUNCTIONS)


def _recurrent(
    source: random.Random, w: Weights, most_units: int, return_sequences: bool
) -> Callable[[str, int], Layer]:
    units, kind = source.randint(1, most_units), source.choice((Lstm, Lstm, Gru, Gru, SimpleRnn))
    options: dict[str, Any] = {"return_sequences": return_sequences, "go_backwards": source.random() < 0.4}
    if source.random() < 0.35:
        cell = CELLS[source.choice(list(CELLS))]
        return lambda name, features: cell.make(w, name, features, units, **options)
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


def _dense(source: random.Random, w: Weights, most_units: int) -> Callable[[str, int], Layer]:
    units, kind = (
        source.randint(1, most_units + 1),
        source.choice(("dense", "dense", "softmax", "activation", "scaling", "normalization", "slopes", "gate")),
    )
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
        case "scaling":
            return lambda name, n: BatchNormalization(name, w(n), w(n))
        case "normalization":
            return _normalization(source, w)
        case "slopes":
            return lambda name, n: PRelu(name, w(n))
        case _:
            return lambda name, n: Activation(name, Function("relu", offset=0.5)) if n % 2 else Glu(name)


def _normalization(source: random.Random, w: Weights) -> Callable[[str, int], Layer]:
    """Return a normalisation of each kind: of all features, of halves of an even number, without mean, to length 1."""
    kind, epsilon = source.choice(("layer", "groups", "mean square", "unit")), source.choice((0.5, 0.1, 1e-3))

    def make(name: str, features: int) -> Layer:
        match kind:
            case "unit":
                return unit(name, features)
            case "mean square":
                return root_mean_square(name, w(features), epsilon)
            case _:
                groups = 2 if kind == "groups" and features % 2 == 0 else 1
                return LayerNormalization(name, w(features), w(features), epsilon, groups)

    return make


def _causal(source: random.Random, w: Weights, most_units: int) -> Callable[[str, int], Layer]:
    """Return a convolution that gives a step for each step that comes."""
    size, dilation, units = source.randint(1, 3), source.randint(1, 2), source.randint(1, most_units)
    window, function = Window(size, dilation=dilation, padding="causal"), _function(source)
    if source.random() < 0.3:
        kernels = lambda n: (w(n, size, 1), w(units, n))  # noqa: E731
        return lambda name, n: SeparableConvolution(name, window, *kernels(n), w(units), function)
    return lambda name, n: Convolution(name, window, w(units, size, n), w(units), activation=function)


def random_spec(source: random.Random, least: int, most: int) -> str:
    """Return a type of so many bits."""
    width = source.randint(least, most)
    kind = source.choice(("fixed", "fixed", "fixed", "ufixed"))
    modes = f"{source.choice(list(Rounding))},{source.choice(list(Overflow))}"
    return f"{kind}<{width},{source.randint(-1, min(width, 5))},{modes}>"


def _odd_spec(source: random.Random, least: int, most: int) -> str:
    """Return a type of so few bits that all its numbers are met, or one whose point lies outside of its bits."""
    width = source.choice((1, 1, 2, 2, 3, source.randint(least, min(most, 6))))
    modes = f"{source.choice(list(Rounding))},{source.choice(list(Overflow))}"
    return f"{source.choice(('fixed', 'ufixed'))}<{width},{source.randint(-3, width + 3)},{modes}>"


def random_types(source: random.Random, spec: Callable[[random.Random, int, int], str] = random_spec) -> LayerTypes:
    """Return types of all tensors of a layer."""

    def draw(role: str) -> FixedType:
        return FixedType.parse(spec(source, *((2, 8) if "weight" in role or role is Role.BIAS else (2, 11))))

    chosen = {role: draw(role) for role in known_roles() if role != Role.PREACTIVATION}
    if source.random() < 0.5:
        chosen[Role.PREACTIVATION] = draw(Role.PREACTIVATION)
    size = source.choice((None, None, None, 16))
    return LayerTypes(chosen, source.choice((1.0, 2.0)), size)
