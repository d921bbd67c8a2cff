"""PyTorch's recurrent operations: layers and directions in one call, and cells.

Gates are ordered i f g o (LSTM), as Loopwire's, and r z n (GRU), where Loopwire's are z r n.
Ref: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html, .../torch.nn.GRU.html, .../torch.nn.RNN.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from loopwire.errors import ModelFileError
from loopwire.frontends.containers import Array
from loopwire.frontends.tensors import recurrent
from loopwire.frontends.tensors.trace import Trace, Wire
from loopwire.frontends.tensors.views import Axis, Operand, View, array_of, only_wire
from loopwire.frontends.tensors.wires import joined
from loopwire.frontends.torch.arguments import AGAIN, EVALUATE, Arguments
from loopwire.layers.activation import TANH, Function
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.simple_rnn import SimpleRnn

Make = Callable[[Trace, str, Sequence[Array]], Recurrent]
"""Makes a layer of a name and its arrays: w_ih, w_hh and, with biases, b_ih, b_hh; projections come last."""


@dataclass(frozen=True)
class Kind:
    """A kind of recurrent operation: its gates, its states, and how its layer is made."""

    gates: int
    states: tuple[str, ...]
    make: Make


def _lstm(trace: Trace, name: str, arrays: Sequence[Array]) -> Recurrent:
    kernel, recurrent_kernel, bias, recurrent_bias, *projection = arrays
    return Lstm(name, kernel, recurrent_kernel, bias + recurrent_bias, projection=projection[0] if projection else None)


def _gru(trace: Trace, name: str, arrays: Sequence[Array]) -> Recurrent:
    kernel, recurrent_kernel, bias, recurrent_bias = (_update_first(array) for array in arrays)
    return Gru(name, kernel, recurrent_kernel, bias, recurrent_bias)


def _rnn(trace: Trace, name: str, arrays: Sequence[Array], function: Function = TANH) -> Recurrent:
    kernel, recurrent_kernel, bias, recurrent_bias = arrays
    return SimpleRnn(name, kernel, recurrent_kernel, bias + recurrent_bias, activation=function)


def _update_first(rows: Array) -> Array:
    """Return rows of the gates r z n in the order z r n."""
    r, z, n = np.split(rows, 3)
    return np.concatenate([z, r, n])


LSTM = Kind(4, ("h", "c"), _lstm)
GRU = Kind(3, ("h",), _gru)
RNN_TANH = Kind(1, ("h",), _rnn)
RNN_RELU = Kind(1, ("h",), partial(_rnn, function=Function("relu")))


def layers(kind: Kind, a: Arguments) -> tuple[View, ...]:
    """Read aten.lstm.input and its like: all layers and directions; return output and the stacked last states."""
    trace = a.trace
    batch_first = a.boolean("batch_first")
    given = _given_states(kind, a)
    arrays, biases = a.arrays("params"), a.boolean("has_biases")
    count, directions = a.integer("num_layers"), 1 + a.boolean("bidirectional")
    if a.boolean("train") and a.number("dropout"):
        raise trace.refused("it is in training mode, with dropout", EVALUATE)
    a.ignore("dropout")
    x = recurrent.sequence_of(trace, a.tensor("input"), *((0, 1) if batch_first else (1, 0)))
    wire = only_wire(trace, x)
    each, rest = divmod(len(arrays), max(count, 0) * directions or 1)
    if rest or count < 1 or not 2 <= each - 2 * biases <= 3:
        raise ModelFileError(trace.place.where, f"it has {len(arrays)} arrays of weights for {count} layers", AGAIN)
    last: dict[str, list[Wire]] = {state: [] for state in kind.states}
    for level in range(count):
        name = f"{trace.place.name}_l{level}" if count > 1 else trace.place.name
        outputs = []
        for direction in range(directions):
            at = level * directions + direction
            own = f"{name}_{('forward', 'backward')[direction]}" if directions > 1 else name
            layer = _layer(
                kind, trace, own, arrays[each * at : each * (at + 1)], biases, wire.shape[-1], direction == 1
            )
            states = [recurrent.state_of(trace, stacked, 0, at) for stacked in given]
            initial = _initial(trace, layer, states)
            output, ends = recurrent.recur(trace, layer, wire, initial)
            outputs.append(output)
            for state, end in ends.items():
                last[state].append(end)
        wire = joined(trace, outputs, name)
    stacked = [
        replace(
            x, parts=array_of(wires, (len(wires),)), axes=(Axis.PARTS, x.axes[0 if batch_first else -2], Axis.FEATURES)
        )
        for wires in last.values()
    ]
    return (replace(x, parts=array_of([wire], ())), *stacked)


def cell(kind: Kind, a: Arguments) -> tuple[View, ...]:
    """Read aten.lstm_cell.default and its like: one step; return the states after it."""
    trace, x, states = a.trace, a.tensor("input"), _given_states(kind, a)
    keys = ("w_ih", "w_hh", "b_ih", "b_hh")
    arrays = [array for key in keys if (array := a.optional_array(key)) is not None]
    layer = _layer(kind, trace, trace.place.name, arrays, len(arrays) == 4, x.shape[-1] if x.shape else 0)
    return tuple(recurrent.cell(trace, layer, id(layer), x, states))


def _given_states(kind: Kind, a: Arguments) -> list[Operand]:
    given: list[Operand] = a.tensors("hx") if len(kind.states) > 1 else [a.tensor("hx")]
    if len(given) != len(kind.states):
        problem = f"its argument 'hx' has {len(given)} states instead of {' and '.join(kind.states)}"
        raise ModelFileError(a.trace.place.where, problem, AGAIN)
    return given


def _initial(trace: Trace, layer: Recurrent, states: Sequence[Operand]) -> list[Wire]:
    names = [f"{layer.name}_{state}" for state in layer.states]
    sizes = [shape[0] for shape in layer.state_shapes.values()]
    return recurrent.initial_states(trace, states, names, sizes)


def _layer(
    kind: Kind,
    trace: Trace,
    name: str,
    arrays: Sequence[Array],
    biases: bool,
    features: int,
    backwards: bool = False,
) -> Recurrent:
    """Return the layer of some arrays, the same one each time that they are used, once they fit together."""
    key = ("recurrent", name, *map(id, arrays))
    if key not in trace.memory:
        made = _checked(kind, trace, name, arrays, biases, features)
        trace.memory[key] = replace(made, go_backwards=backwards), arrays
    layer: Recurrent = trace.memory[key][0]
    if layer.kernel.shape[1] != features:
        raise trace.refused(f"its input has {features} features, its weights {layer.kernel.shape[1]}", AGAIN)
    return layer


def _checked(kind: Kind, trace: Trace, name: str, arrays: Sequence[Array], biases: bool, features: int) -> Recurrent:
    kernel, recurrent_kernel, *more = arrays if len(arrays) >= 2 else (np.zeros(0), np.zeros(0))
    rows = len(kernel) if kernel.ndim else 0
    own = [*more[:2]] if biases else [np.zeros(rows), np.zeros(rows)]
    projection = more[2 if biases else 0 :]
    units = rows // kind.gates
    handed_on = projection[0].shape[:1] if projection and projection[0].ndim == 2 else (units,)
    wanted = [(rows, features), (rows, *handed_on), (rows,), (rows,), (*handed_on, units)][: 4 + len(projection)]
    met = [array.shape for array in (kernel, recurrent_kernel, *own, *projection)]
    if met != wanted or rows % kind.gates or not rows or (projection and kind is not LSTM):
        problem = f"its weights have shapes {[array.shape for array in arrays]}, its input {features} features"
        raise ModelFileError(trace.place.where, problem, AGAIN)
    return kind.make(trace, name, [kernel, recurrent_kernel, *own, *projection])
