"""QKeras's quantisers, from their names and arguments: of weights as numbers, of data as Loopwire's quantisers.

Ref: https://github.com/google/qkeras/blob/master/qkeras/quantizers.py, version 0.9.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from loopwire.frontends.keras.layer import SavedLayer, Weights
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.activation import LINEAR, Function
from loopwire.layers.quantised.quantiser import Activated, Quantiser

LONGEST_TEXT = 200
MOST_BITS = 32
POSITIONAL = ("bits", "integer")
"""The arguments that a text such as `quantized_relu(6,2)` may give without names."""
TRAINING_ONLY = ("use_stochastic_rounding", "qnoise_factor", "var_name", "use_ste", "use_variables", "scale_axis")
SCALE_ROUNDS = 5
EPSILON = 1e-7


@dataclass
class Arguments:
    """A quantiser's class and the arguments not read yet."""

    name: str
    given: dict[str, Any]


def arguments_of(option: Any) -> Arguments | None:
    """Return what an option says: {"class_name": …, "config": {…}}, or a text such as 'quantized_bits(8, 2, alpha=1)'.

    Nothing of a text is evaluated. None where it is neither.
    """
    match option:
        case {"class_name": str() as name, "config": dict() as config}:
            return Arguments(name, dict(config))
        case str() if len(option) <= LONGEST_TEXT:
            return _parsed(option)
        case _:
            return None


def _parsed(text: str) -> Arguments | None:
    try:
        tree = ast.parse(text, mode="eval").body
        if isinstance(tree, ast.Name):
            return Arguments(tree.id, {})
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or len(tree.args) > len(POSITIONAL):
            return None
        given = {name: ast.literal_eval(value) for name, value in zip(POSITIONAL, tree.args, strict=False)}
        given |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Arguments(tree.func.id, given)


class _Reader:
    """Reads the arguments of one quantiser, each of which must be used, change nothing or be refused."""

    def __init__(self, saved: SavedLayer, key: str, arguments: Arguments) -> None:
        self._saved, self._key = saved, key
        self.name = arguments.name
        self._left = {name: value for name, value in arguments.given.items() if name not in TRAINING_ONLY}

    def number(self, name: str, default: float) -> float:
        value = self._left.pop(name, None)
        value = default if value is None else value
        if not isinstance(value, bool | int | float) or not np.isfinite(value) or abs(value) > 2**MOST_BITS:
            self.refuse(f"{name}={value!r}", "Give a number")
        return float(value)

    def whole(self, name: str, default: int, least: int) -> int:
        value = self.number(name, default)
        if not value.is_integer() or not least <= value <= MOST_BITS:
            self.refuse(f"{name}={value:g}", f"Give a whole number from {least} to {MOST_BITS}")
        return int(value)

    def boolean(self, name: str, default: bool) -> bool:
        return bool(self.number(name, default))

    def alpha(self) -> float | str:
        value = self._left.pop("alpha", None)
        if value is None:
            return 1.0
        if isinstance(value, str):
            return value
        if not isinstance(value, int | float) or not np.isfinite(value) or value <= 0:
            self.refuse(f"alpha={value!r}", "Give a number above 0, or 'auto_po2'")
        return float(value)

    def only(self, name: str, *allowed: Any) -> None:
        value = self._left.pop(name, allowed[0])
        if value not in allowed:
            self.refuse(f"{name}={value!r}", f"Supported is {allowed[0]!r}")

    def finish(self) -> None:
        for name, value in self._left.items():
            if value is not None:
                self.refuse(f"{name}={value!r}", "Loopwire does not know this argument")

    def refuse(self, what: str, remedy: str) -> NoReturn:
        self._saved.refuse(self._key, f"{self.name}({what})", remedy)


def data_quantiser(saved: SavedLayer, key: str, arguments: Arguments) -> Activated:
    """Return the quantiser of what flows through a layer, with the function that it applies first.

    Raises:
        UnsupportedError: it is not carried, or an argument is not.
    """
    read = _Reader(saved, key, arguments)
    function = LINEAR
    match read.name:
        case "quantized_bits":
            quantiser = _bits(read)
        case "quantized_relu":
            bits, integer = read.whole("bits", 8, 1), read.whole("integer", 0, -MOST_BITS)
            read.only("use_sigmoid", 0, False)
            read.only("negative_slope", 0.0)
            read.only("relu_upper_bound", None)
            read.only("is_quantized_clip", True, False)
            quantiser = Quantiser.of(_type(bits, integer, signed=False))
        case "quantized_tanh":
            bits, symmetric = read.whole("bits", 8, 2), read.boolean("symmetric", False)
            function = Function("tanh") if read.boolean("use_real_tanh", False) else LINEAR
            quantiser = Quantiser.of(_type(bits, 1, symmetric=symmetric))
        case "quantized_sigmoid":
            bits = read.whole("bits", 8, 2)
            read.only("symmetric", False, 0)
            if read.boolean("use_real_sigmoid", False):
                function, quantiser = Function("sigmoid"), Quantiser.of(_type(bits, 0, signed=False))
            else:
                quantiser = Quantiser.of(_type(bits, 1), gain=0.5, offset=0.5)
        case "binary":
            quantiser = _sign(read, read.boolean("use_01", False))
        case _:
            names = "quantized_bits, quantized_relu, quantized_tanh, quantized_sigmoid and binary"
            saved.refuse(key, read.name, f"Supported: {names}")
    read.finish()
    return Activated(function, quantiser)


def quantised_weights(saved: SavedLayer, key: str, option: Any, latent: Weights) -> Weights:
    """Return a trained tensor as the framework computes with it.

    Raises:
        UnsupportedError: its quantiser is not carried, or there is none.
    """
    arguments = arguments_of(option)
    if arguments is None:
        saved.refuse(key, option, "Train it with one of QKeras's quantisers, its arguments by name")
    read = _Reader(saved, key, arguments)
    match read.name:
        case "quantized_bits" if arguments.given.get("alpha") == "auto_po2":
            bits = read.whole("bits", 8, 2)
            read.only("keep_negative", True, 1)
            for name in ("integer", "symmetric", "alpha"):
                read.number(name, 0) if name != "alpha" else read.alpha()
            result = _auto_po2(latent, 2 ** (bits - 1) - 1)
        case "quantized_bits":
            result = _bits(read).quantised(latent)
        case "binary":
            result = _sign(read, read.boolean("use_01", False)).quantised(latent)
        case "quantized_po2":
            result = _po2(read, latent)
        case _:
            saved.refuse(key, read.name, "Supported: quantized_bits, quantized_po2 and binary")
    read.finish()
    return result


def _type(bits: int, integer: int, *, signed: bool = True, symmetric: bool = False) -> FixedType:
    overflow = Overflow.SAT_SYM if symmetric else Overflow.SAT
    return FixedType(bits, integer, signed, Rounding.RND_CONV, overflow)


def _bits(read: _Reader) -> Quantiser:
    bits, integer = read.whole("bits", 8, 1), read.whole("integer", 0, -MOST_BITS)
    signed, symmetric = read.boolean("keep_negative", True), read.boolean("symmetric", False)
    if signed and bits == 1:
        return _sign(read, use_01=False)
    alpha = read.alpha()
    if isinstance(alpha, str):
        read.refuse(f"alpha={alpha!r}", "Train it with alpha='auto_po2' for weights, or with a number")
    return Quantiser.of(_type(bits, integer + signed, signed=signed, symmetric=symmetric), gain=alpha)


def _sign(read: _Reader, use_01: bool) -> Quantiser:
    """Return what makes alpha of numbers from 0 on, and -alpha, or 0, of those below: the floor, within -1…0."""
    alpha = read.alpha()
    if isinstance(alpha, str):
        read.refuse(f"alpha={alpha!r}", "Train it with a number as its alpha")
    gain = alpha if use_01 else 2 * alpha
    return Quantiser.of(FixedType(1, 1, overflow=Overflow.SAT), gain=gain, offset=alpha)


def _auto_po2(latent: Weights, levels: int) -> Weights:
    """Return weights in whole multiples, up to `levels`, of a power of two for each column, fitted to them."""
    axes = tuple(range(latent.ndim - 1))
    scale = _power_of_two(np.abs(latent).max(axis=axes, keepdims=True) / levels)
    for _ in range(SCALE_ROUNDS):
        whole = np.sign(latent) * np.minimum(np.floor(np.abs(latent) / scale + 0.5), levels)
        fitted = (latent * whole).mean(axis=axes, keepdims=True)
        scale = _power_of_two(fitted / ((whole * whole).mean(axis=axes, keepdims=True) + EPSILON))
    return whole * scale


def _power_of_two(scale: Weights) -> Weights:
    return np.exp2(np.rint(np.log2(np.maximum(scale, 0.0) + EPSILON)))


def _po2(read: _Reader, latent: Weights) -> Weights:
    """Return the nearest powers of two, with their signs; 0 is positive."""
    bits, largest = read.whole("bits", 8, 2), read.number("max_value", 0.0)
    read.only("quadratic_approximation", False)
    read.only("log2_rounding", "rnd")
    exponent_bits = bits - 1 - (largest == 0 or largest > 1)
    exponents = np.rint(np.log2(np.abs(latent) + np.finfo(np.float32).tiny))
    exponents = np.clip(exponents, -(2.0**exponent_bits), 2.0**exponent_bits - 1)
    if largest:
        exponents = np.minimum(exponents, np.rint(np.log2(largest)))
    return np.where(latent < 0, -1.0, 1.0) * np.exp2(exponents)
