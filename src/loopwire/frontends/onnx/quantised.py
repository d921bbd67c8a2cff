"""Quantisers in ONNX files: Quant and its like of QONNX, QuantizeLinear and DequantizeLinear, Brevitas' QuantLSTMCell.

What they make of constants is computed as they define it, in float32; what they make of tensors of the network are
Loopwire's quantisers.

Ref: https://github.com/fastmachinelearning/qonnx/tree/main/docs/qonnx-custom-ops, and
https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from loopwire.frontends.onnx.graph import Array, Levels, Operation, Value
from loopwire.frontends.onnx.operators import OPERATORS
from loopwire.frontends.tensors.exchange import features_last
from loopwire.frontends.tensors.recurrent import initial_states, recur, sequence_of
from loopwire.frontends.tensors.views import Axis, View, array_of, only_wire
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.activation import SIGMOID, TANH
from loopwire.layers.quantised.brevitas_lstm import BrevitasLstm
from loopwire.layers.quantised.dense import QuantisedActivation
from loopwire.layers.quantised.quantiser import Activated, Quantiser, repeats_to

QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas")
ROUNDINGS: dict[str, tuple[Rounding, Callable[[Array], Array]]] = {
    "ROUND": (Rounding.RND_CONV, np.rint),
    "HALF_EVEN": (Rounding.RND_CONV, np.rint),
    "FLOOR": (Rounding.TRN, np.floor),
    "DOWN": (Rounding.TRN_ZERO, np.trunc),
    "HALF_UP": (Rounding.RND_INF, lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x)),
    "HALF_DOWN": (Rounding.RND_ZERO, lambda x: np.copysign(np.ceil(np.abs(x) - 0.5), x)),
}
"""QONNX's modes: Loopwire's, and the same in numpy."""
WIDEST = 32
INTEGERS = {"i": (-1, 0), "u": (0, 1)}


def quant(op: Operation) -> Sequence[Value]:
    """Quant, IntQuant: (round(clip(x/s + z, lo, hi)) - z)·s, of operands x, s, z and a number of bits."""
    low, high = _levels(op, _whole(op, 3), op.attribute("signed", 1), op.attribute("narrow", 0))
    rounding, rounded = _rounding(op, op.attribute("rounding_mode", "ROUND"))
    scale, zero, x = _scale(op, 1), _whole(op, 2), op.tensor(0)
    if not isinstance(x, View):
        given = op.weights(0).astype(np.float32)
        if not repeats_to(scale.shape, given.shape or (1,)):
            raise op.damaged(f"its scales have shape {scale.shape}, what it quantises {given.shape}")
        levels = rounded(np.clip(given / scale + np.float32(zero), low, high)) - np.float32(zero)
        return [levels.astype(np.float32) * scale]
    return [_applied(op, x, _quantiser(op, scale, low, high, rounding, zero, shifted=rounding is not Rounding.TRN))]


def bipolar_quant(op: Operation) -> Sequence[Value]:
    """BipolarQuant: s where x is 0 or above, else -s."""
    scale, x = _scale(op, 1), op.tensor(0)
    if not isinstance(x, View):
        if not repeats_to(scale.shape, x.shape or (1,)):
            raise op.damaged(f"its scales have shape {scale.shape}, what it quantises {x.shape}")
        return [np.where(op.weights(0) >= 0, scale, -scale)]
    if scale.size != 1:
        raise op.refused(f"it has {scale.size} scales", "Use one scale for all features")
    factor = float(scale.reshape(-1)[0])
    sign = Quantiser.of(FixedType(1, 1, overflow=Overflow.SAT), gain=2 * factor, offset=factor)
    return [_applied(op, x, sign)]


def quantize_linear(op: Operation) -> Sequence[Value]:
    """QuantizeLinear of a tensor of the network, or of a constant: clip(half_even(x / s) + z, lo, hi)."""
    op.only("saturate", 1)
    op.attribute("precision")
    kind, bits = _integer_kind(op)
    low, high = INTEGERS[kind][0] * 2 ** (bits - 1), 2 ** (bits - (kind == "i")) - 1
    x, axis = op.tensor(0), op.attribute("axis", 1)
    op.only("block_size", 0, remedy="Quantise it per tensor or per axis")
    if not isinstance(x, View):
        scale, zeros = (_along(op, operand, axis, x.ndim) for operand in (_scale(op, 1), _zero_points(op)))
        if not all(repeats_to(each.shape, x.shape) for each in (scale, zeros)):
            raise op.damaged(f"its scales have shape {scale.shape}, its numbers {x.shape}")
        return [np.clip(np.rint(op.weights(0).astype(np.float32) / scale) + zeros, low, high)]
    zeros = np.unique(_zero_points(op))
    if zeros.size != 1:
        raise op.refused("its zero points differ", "Use one for all features")
    return [Levels(x, _along(op, _scale(op, 1), axis, len(x.shape)), int(zeros[0]), low, high)]


def dequantize_linear(op: Operation) -> Sequence[Value]:
    """DequantizeLinear: (q - z)·s, of constants, or of what QuantizeLinear made with the same s and z."""
    op.only("block_size", 0, remedy="Quantise it per tensor or per axis")
    op.attribute("output_dtype")
    levels, axis, scale, zeros = op.value(0), op.attribute("axis", 1), _scale(op, 1), _zero_points(op)
    if isinstance(levels, Levels):
        same = np.array_equal(_along(op, scale, axis, len(levels.x.shape)), levels.scale)
        if not same or (zeros != levels.zero).any():
            raise op.refused("its scale or zero point is not that of its QuantizeLinear", "Export it in QDQ form")
        quantiser = _quantiser(op, levels.scale, levels.low, levels.high, Rounding.RND_CONV, levels.zero)
        return [_applied(op, levels.x, quantiser)]
    whole = op.constant(0).astype(np.float32)
    scale, zeros = (_along(op, operand, axis, whole.ndim) for operand in (scale, zeros))
    if not all(repeats_to(each.shape, whole.shape) for each in (scale, zeros)):
        raise op.damaged(f"its scales have shape {scale.shape}, its numbers {whole.shape}")
    return [(whole - zeros.astype(np.float32)) * scale]


def clip(op: Operation) -> Sequence[Value]:
    """Clip of whole numbers: fewer levels, as of types that have no number in ONNX; of anything else as ever."""
    value = op.value(0)
    if isinstance(value, View):
        return OPERATORS["Clip"](op)
    ends = [op.constant(k).ravel() if op.has(k) else np.array([end]) for k, end in ((1, -np.inf), (2, np.inf))]
    low, high = (float(end[0]) if end.size else np.nan for end in ends)
    if isinstance(value, Levels):
        if not low <= high:
            raise op.damaged(f"it clips to {low} … {high}")
        bounds = int(max(low, value.low)), int(min(high, value.high))
        return [Levels(value.x, value.scale, value.zero, *bounds)]
    return [np.clip(op.constant(0), low, high)]


def lstm_cell(op: Operation) -> Sequence[Value]:
    """Brevitas' QuantLSTMCell over a whole sequence; its gates are i f c o, which are Loopwire's i f g o."""
    units, features = op.tensor(7).shape[0], op.tensor(3).shape[-1]
    batch_first, coupled = op.attribute("batch_first", 1) == 1, op.attribute("cifg", 0) == 1
    triples = {name: 15 + 3 * k for k, name in enumerate(TRIPLES)}
    quantisers = {name: _of_cell(op, name, first) for name, first in triples.items()}
    x = sequence_of(op.trace, op.tensor(0), *((0, 1) if batch_first else (1, 0)))
    states = [op.tensor(index) for index in (1, 2)]
    if initial_states(op.trace, states, ["h", "c"], [units, units]):
        raise op.refused("its initial states are not 0", "Start it from 0")
    layer = BrevitasLstm(
        op.name,
        np.concatenate([op.weights(index, (units, features)) for index in range(3, 7)]),
        np.concatenate([op.weights(index, (units, units)) for index in range(7, 11)]),
        np.concatenate([np.broadcast_to(op.weights(index), (units,)) for index in range(11, 15)]),
        sums={gate: quantisers[f"{name}_acc"] for gate, name in GATES.items()},
        gates={
            **{gate: _checked(op, SIGMOID, quantisers[f"{GATES[gate]}_sigmoid"]) for gate in "ifo"},
            "g": _checked(op, TANH, quantisers["cell_tanh"]),
        },
        hidden=_checked(op, TANH, quantisers["hidden_state_tanh"]),
        cell_quantiser=quantisers["cell_state"],
        output_quantiser=quantisers["output"],
        coupled=coupled,
        go_backwards=op.attribute("reverse_input", 0) == 1,
    )
    history, last = recur(op.trace, layer, only_wire(op.trace, x), [])
    axes = (Axis.BATCH, Axis.STEPS) if batch_first else (Axis.STEPS, Axis.BATCH)
    results = [View(array_of([history], ()), (*axes, Axis.FEATURES), x.batch)]
    return [*results, *(View(array_of([wire], ()), (Axis.BATCH, Axis.FEATURES), x.batch) for wire in last.values())]


GATES = {"i": "input", "f": "forget", "g": "cell", "o": "output"}
TRIPLES = (
    *("output", "cell_state", "input_acc", "forget_acc", "cell_acc", "output_acc"),
    *("input_sigmoid", "forget_sigmoid", "cell_tanh", "output_sigmoid", "hidden_state_tanh"),
)
"""Quantisers in the order of their operands: scale, zero point and bits of each."""


def _of_cell(op: Operation, name: str, first: int) -> Quantiser:
    narrow = op.attribute(f"{name}_narrow", op.attribute(f"{name}_narrow_range", 0))
    op.attribute(f"{name}_narrow_range")
    low, high = _levels(op, _whole(op, first + 2), op.attribute(f"{name}_signed", 1), narrow)
    rounding, _ = _rounding(op, op.attribute(f"{name}_rounding_mode", "ROUND"))
    zero = _whole(op, first + 1)
    return _quantiser(op, _scale(op, first), low, high, rounding, zero, shifted=rounding is not Rounding.TRN)


def _checked(op: Operation, function: Any, quantiser: Quantiser) -> Activated:
    activated = Activated(function, quantiser)
    activated.check(op.where)
    return activated


def _levels(op: Operation, bits: int, signed: int, narrow: int) -> tuple[int, int]:
    if not 1 <= bits <= WIDEST or (signed and bits == 1):
        raise op.refused(f"it has {bits} bits", f"Give it 1 to {WIDEST} bits; BipolarQuant makes signs")
    if signed:
        return -(2 ** (bits - 1)) + bool(narrow), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - bool(narrow)


def _rounding(op: Operation, mode: Any) -> tuple[Rounding, Callable[[Array], Array]]:
    if str(mode).upper() not in ROUNDINGS:
        raise op.refused(f"its rounding mode is {mode!r}", f"Supported: {', '.join(ROUNDINGS)}")
    return ROUNDINGS[str(mode).upper()]


def _whole(op: Operation, index: int) -> int:
    values = np.unique(op.weights(index))
    if values.size != 1 or not float(values[0]).is_integer() or abs(values[0]) > 2**WIDEST:
        raise op.refused(f"operand {index + 1} is {values[:4].tolist()}", "Give one whole number for all elements")
    return int(values[0])


def _scale(op: Operation, index: int) -> Array:
    scale = op.weights(index).astype(np.float32)
    if not (scale > 0).all():
        raise op.damaged("one of its scales is not above 0")
    return scale


def _integer_kind(op: Operation) -> tuple[str, int]:
    """Return the kind, 'i' or 'u', and the bits of the whole numbers that a QuantizeLinear makes."""
    if not op.has(2):
        if op.attribute("output_dtype", 0) not in (0, 2):
            raise op.refused("its output_dtype is given and no zero point", "Give it a zero point of that type")
        return "u", 8
    op.attribute("output_dtype")
    kind = op.constant(2).dtype
    if kind.kind not in INTEGERS or kind.itemsize > 2:
        raise op.refused(f"it quantises to {kind}", "Quantise to int8, uint8, int16 or uint16")
    return kind.kind, 8 * kind.itemsize


def _zero_points(op: Operation) -> Array:
    return op.constant(2).astype(np.float64) if op.has(2) else np.zeros(())


def _along(op: Operation, values: Array, axis: int, rank: int) -> Array:
    """Return numbers for an axis of a tensor of a given number of axes, as they broadcast to it."""
    if values.size == 1:
        return values.reshape(())
    if rank == 0:
        raise op.damaged("it has several scales for one number")
    (axis,) = op.axes([axis], rank)
    if values.ndim != 1:
        raise op.damaged(f"its scales or zero points have shape {values.shape}")
    return values.reshape([-1 if each == axis else 1 for each in range(rank)])


def _quantiser(
    op: Operation, scale: Array, low: int, high: int, rounding: Rounding, zero: int, *, shifted: bool = False
) -> Quantiser:
    along = [length for length in scale.shape if length > 1]
    if len(along) > 1 or (along and scale.shape[-1] != along[0]):
        raise op.refused(f"its scales have shape {scale.shape}", "Give one scale, or one for each feature")
    try:
        factors = scale.reshape(-1) if along else scale.reshape(())
        quantiser = Quantiser.of_levels(factors, low, high, rounding, zero, shifted=shifted)
    except ValueError as error:
        raise op.refused(f"its {error}", "Use powers of two for scales of each feature") from None
    quantiser.refuse_uncarried(op.where)
    return quantiser


def _applied(op: Operation, x: View, quantiser: Quantiser) -> View:
    x = features_last(op.trace, x) if quantiser.shape else x
    if not repeats_to(quantiser.shape, x.wire_shape[-1:]):
        raise op.refused(f"it has {quantiser.shape[0]} scales for {x.wire_shape[-1]} features", "Give one for each")
    layer = QuantisedActivation(op.name, input_quantiser=quantiser)
    return x.each(lambda wire: op.trace.call(layer, wire))


Operator = Callable[[Operation], Sequence[Value]]
QONNX: dict[str, Operator] = {
    "Quant": quant,
    "IntQuant": quant,
    "BipolarQuant": bipolar_quant,
    "QuantLSTMCell": lstm_cell,
}
QDQ: dict[str, Operator] = {"QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear, "Clip": clip}
