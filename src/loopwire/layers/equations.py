"""Pieces of equations that many cells share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loopwire.ir.builder import ShapeError
from loopwire.ir.graph import Value
from loopwire.layers.activation import Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.roles import Role

Array = npt.NDArray[np.float64]
GATED: tuple[str, ...] = (
    Role.WEIGHT,
    Role.RECURRENT_WEIGHT,
    Role.BIAS,
    Role.PREACTIVATION,
    Role.GATE,
    Role.STATE,
    Role.RESULT,
)
"""The roles of a cell of gates that read the state, and of one state."""


def affine(e: Emitter, kernel: Array, x: Value, bias: Array, name: str = "Wx_b", note: str = "W x + b") -> Value:
    """Add W x + b, exact: kernel (m, n) in the type of the weights, bias (m,) in that of the biases."""
    product = e.b.matvec(e.weights(kernel, Role.WEIGHT, "W"), x, "Wx")
    return e.b.add(product, e.weights(bias, Role.BIAS, "b"), name, note)


def recurrent(e: Emitter, kernel: Array, h: Value, name: str = "Uh") -> Value:
    """Add U h, exact: kernel (m, n) in the type of the recurrent weights."""
    return e.b.matvec(e.weights(kernel, Role.RECURRENT_WEIGHT, "U"), h, name)


def parts(e: Emitter, vector: Value, names: Sequence[str]) -> list[Value]:
    """Cut a vector into as many parts of one size as there are names."""
    size, rest = divmod(vector.type.size, len(names))
    if rest:
        raise ShapeError(f"{vector!r} is no {len(names)} parts of one size")
    return [e.b.slice(vector, k * size, (k + 1) * size, name) for k, name in enumerate(names)]


def gate(e: Emitter, function: Function, preactivation: Value, name: str, note: str = "") -> Value:
    """Add function(a), where `a` is given its type, if it has one, and the result that of the gates."""
    a = e.cast(preactivation, Role.PREACTIVATION, f"a_{name}")
    return activate(e, function, a, Role.GATE, name, note or f"{name} = {function.name}(a_{name})")


def state(e: Emitter, exact: Value, name: str, note: str = "", role: str = Role.STATE) -> Value:
    """Add a following state, rounded to its type."""
    return e.cast(exact, role, f"{name}_next", note)


def blend(e: Emitter, z: Value, fresh: Value, kept: Value) -> Value:
    """Add (1 - z)∘kept + z∘fresh, exact."""
    one_minus_z = e.b.sub(e.scalar(1.0, "one"), z, "one_minus_z")
    return e.b.add(e.b.mul(one_minus_z, kept, "kept"), e.b.mul(z, fresh, "fresh"), "h_exact")
