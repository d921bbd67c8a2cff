"""ONNX's recurrent operators: LSTM, GRU, RNN.

Ref: https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html, onnx__RNN.html. Weights lie as W (directions,
G·U, F), R (directions, G·U, U) and B (directions, 2·G·U: of W, then of R), the gates in the order i o f c, z r h. The
clip acts on what the functions of gates are given, not on the cell that h is made of, as in onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from loopwire.frontends.onnx.graph import Flat, Lengths, Levels, Operation, Order, Value
from loopwire.frontends.tensors import slicing
from loopwire.frontends.tensors.masks import Mask
from loopwire.frontends.tensors.recurrent import initial_states, recur, sequence_of
from loopwire.frontends.tensors.trace import Wire
from loopwire.frontends.tensors.views import Axis, Operand, View, array_of, only_wire
from loopwire.layers.activation import Function
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.simple_rnn import SimpleRnn

Weights = npt.NDArray[np.float64]
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
"""Whether each direction reads backwards."""
LENGTHS_REMEDY = "Give an input of the model as sequence_lens, or leave it out"


@dataclass(frozen=True)
class Kind:
    """An operator: its gates, the functions of each direction by default, and the initial states' operands."""

    gates: int
    functions: tuple[str, ...]
    states: tuple[int, ...]
    make: Callable[..., Recurrent]


class Common(TypedDict):
    """What all layers have."""

    clip: float | None
    go_backwards: bool


def recurrent(op: Operation) -> Sequence[Value]:
    """Return Y, Y_h and, of an LSTM, Y_c."""
    kind = KINDS[op.node.op]
    ways = DIRECTIONS.get(op.attribute("direction", "forward"))
    if ways is None:
        raise op.damaged(f"its direction is {op.node.attributes['direction']!r}")
    units = op.attribute("hidden_size", op.tensor(2).shape[-1] if op.tensor(2).shape else 0)
    batch_first = op.attribute("layout", 0) == 1
    op.attribute("output_sequence")  # of opset 6 and before, where it says which outputs there are
    sequence = sequence_of(op.trace, op.tensor(0), *((0, 1) if batch_first else (1, 0)))
    x = only_wire(op.trace, sequence)
    _check_lengths(op, steps=x.shape[0])
    layers = list(_layers(op, kind, ways, units, features=x.shape[1]))
    initial = [_each_direction(op, index, len(ways), batch_first) for index in kind.states]
    histories, states = [], []
    for k, layer in enumerate(layers):
        names = [f"{layer.name}_{state}_initial" for state in layer.states]
        given = initial_states(op.trace, [operand[k] for operand in initial], names, [units] * len(names))
        history, last = recur(op.trace, layer, x, given)
        histories.append(history)
        states.append(list(last.values()))
    batch = _batch(op)
    sequence_axes = (Axis.BATCH, Axis.STEPS, Axis.PARTS) if batch_first else (Axis.STEPS, Axis.PARTS, Axis.BATCH)
    state_axes = (Axis.BATCH, Axis.PARTS) if batch_first else (Axis.PARTS, Axis.BATCH)

    def stacked(wires: Sequence[Wire], axes: Sequence[Axis]) -> View:
        return View(array_of(wires, (len(wires),)), (*axes, Axis.FEATURES), batch)

    return [stacked(histories, sequence_axes), *(stacked(wires, state_axes) for wires in zip(*states, strict=True))]


def _batch(op: Operation) -> int:
    return op.view(0).batch


def _check_lengths(op: Operation, steps: int) -> None:
    """Refuse lengths that are computed, or that cut constant ones short.

    Lengths that are an input of the model are those that sequences are given to Loopwire with.
    """
    if not op.has(4):
        return
    match op.value(4):
        case Lengths(name=name):
            op.trace.memory.setdefault("lengths", set()).add(name)
        case View() | Levels() | Order() | Flat() | Mask():
            raise op.refused("its sequence_lens are computed from the model's inputs", LENGTHS_REMEDY)
        case lengths:
            if (lengths != steps).any():
                problem = f"its sequence_lens are constant, {lengths.ravel()[:8].tolist()}, of {steps} steps"
                raise op.refused(problem, LENGTHS_REMEDY)


def _each_direction(op: Operation, index: int, count: int, batch_first: bool) -> list[Operand | None]:
    """Return the initial state of each direction, of an operand (directions, batch, U) or, batch first, the first two
    the other way round."""
    if not op.has(index):
        return [None] * count
    state, axis = op.tensor(index), 1 if batch_first else 0
    if len(state.shape) != 3 or state.shape[axis] != count:
        raise op.damaged(f"operand {index + 1} has shape {state.shape}, and it has {count} directions")
    return [slicing.select(op.trace, state, axis, k) for k in range(count)]


def _layers(op: Operation, kind: Kind, ways: Sequence[bool], units: int, features: int) -> Iterator[Recurrent]:
    """Yield the layer of each direction."""
    count, rows = len(ways), kind.gates * units
    kernels = op.weights(1, (count, rows, features))
    recurrent_kernels = op.weights(2, (count, rows, units))
    biases = op.weights(3, (count, 2 * rows)) if op.has(3) else np.zeros((count, 2 * rows))
    functions = list(_functions(op, kind, count))
    clip = op.attribute("clip", 0.0) or None
    if clip is not None and clip < 0:
        raise op.damaged(f"its clip is {clip}")
    options = _options(op, count, units)
    for k, backwards in enumerate(ways):
        name = op.name if count == 1 else f"{op.name}_{('forward', 'backward')[k]}"
        common = Common(clip=clip, go_backwards=backwards)
        own = {key: value[k] if isinstance(value, np.ndarray) else value for key, value in options.items()}
        parts = kernels[k], recurrent_kernels[k], biases[k, :rows], biases[k, rows:]
        yield kind.make(name, *parts, functions[k], units, **own, **common)


def _options(op: Operation, count: int, units: int) -> dict[str, Any]:
    """Return what one operator alone has; an array has a row a direction."""
    match op.node.op:
        case "LSTM":
            peepholes = op.weights(7, (count, 3 * units)) if op.has(7) else None
            return {"peepholes": peepholes, "coupled": bool(op.attribute("input_forget", 0))}
        case "GRU":
            return {"reset_after": bool(op.attribute("linear_before_reset", 0))}
        case _:
            return {}


def _functions(op: Operation, kind: Kind, count: int) -> Iterator[list[Function]]:
    """Yield the functions of each direction's gates. Alphas and betas are of those functions alone that have one."""
    names = [str(name).lower() for name in op.attribute("activations", list(kind.functions) * count)]
    if len(names) != len(kind.functions) * count:
        raise op.damaged(f"it has {len(names)} activations where {len(kind.functions) * count} belong")
    alphas, betas = (list(op.attribute(f"activation_{key}", [])) for key in ("alpha", "beta"))
    functions = []
    for name in names:
        parameters = FUNCTIONS.get(name)
        if parameters is None:
            known = ", ".join(sorted(name.capitalize() for name in FUNCTIONS))
            raise op.refused(f"its activation {name!r} is not supported", f"Supported: {known}")
        alpha_default, beta_default, make = parameters
        alpha = alphas.pop(0) if alpha_default is not None and alphas else alpha_default
        beta = betas.pop(0) if beta_default is not None and betas else beta_default
        functions.append(make(alpha, beta))
        if functions[-1] is None:
            problem = f"its activation {name!r} with alpha {alpha} and beta {beta} is not supported"
            raise op.refused(problem, "Use Affine with alpha 1 and beta 0")
    per_direction = len(kind.functions)
    for k in range(count):
        yield functions[k * per_direction : (k + 1) * per_direction]


FUNCTIONS: dict[str, tuple[float | None, float | None, Callable[[Any, Any], Any]]] = {
    "sigmoid": (None, None, lambda alpha, beta: Function("sigmoid")),
    "tanh": (None, None, lambda alpha, beta: Function("tanh")),
    "relu": (None, None, lambda alpha, beta: Function("relu")),
    "softsign": (None, None, lambda alpha, beta: Function("softsign")),
    "softplus": (None, None, lambda alpha, beta: Function("softplus")),
    "leakyrelu": (0.01, None, lambda alpha, beta: Function("leaky_relu", slope=alpha)),
    "elu": (1.0, None, lambda alpha, beta: Function("elu", slope=alpha)),
    "hardsigmoid": (0.2, 0.5, lambda alpha, beta: Function("hard_sigmoid", slope=alpha, offset=beta)),
    "affine": (0.0, 0.0, lambda alpha, beta: Function("linear") if (alpha, beta) == (1, 0) else None),
}
"""By name in small letters: alpha and beta by default, as in onnxruntime, where there is one; and the function."""


def _lstm(
    name: str,
    kernel: Weights,
    recurrent_kernel: Weights,
    bias: Weights,
    recurrent_bias: Weights,
    functions: Sequence[Function],
    units: int,
    peepholes: Weights | None,
    coupled: bool,
    **common: Any,
) -> Lstm:
    gate, cell, output = functions
    order = "iofg"  # of ONNX's, of which Loopwire's is i f g o, without f where it is coupled to i

    def ordered(array: Weights, gates: str) -> Weights:
        return np.concatenate([array[order.index(g) * units :][:units] for g in gates])

    gates = "igo" if coupled else "ifgo"
    if peepholes is not None:
        peepholes = ordered(peepholes, "io" if coupled else "ifo").reshape(-1, units)
    return Lstm(
        name,
        ordered(kernel, gates),
        ordered(recurrent_kernel, gates),
        ordered(bias + recurrent_bias, gates),
        activation=cell,
        recurrent_activation=gate,
        output_activation=None if output == cell else output,
        coupled=coupled,
        peepholes=peepholes,
        **common,
    )


def _gru(
    name: str,
    kernel: Weights,
    recurrent_kernel: Weights,
    bias: Weights,
    recurrent_bias: Weights,
    functions: Sequence[Function],
    units: int,
    reset_after: bool,
    **common: Any,
) -> Gru:
    gate, cell = functions
    if not reset_after:
        bias, recurrent_bias = bias + recurrent_bias, np.zeros_like(recurrent_bias)
    return Gru(
        name,
        kernel,
        recurrent_kernel,
        bias,
        recurrent_bias,
        reset_after,
        activation=cell,
        recurrent_activation=gate,
        **common,
    )


def _rnn(
    name: str,
    kernel: Weights,
    recurrent_kernel: Weights,
    bias: Weights,
    recurrent_bias: Weights,
    functions: Sequence[Function],
    units: int,
    **common: Any,
) -> SimpleRnn:
    return SimpleRnn(name, kernel, recurrent_kernel, bias + recurrent_bias, activation=functions[0], **common)


KINDS = {
    "LSTM": Kind(4, ("sigmoid", "tanh", "tanh"), (5, 6), _lstm),
    "GRU": Kind(3, ("sigmoid", "tanh"), (5,), _gru),
    "RNN": Kind(1, ("tanh",), (5,), _rnn),
}
