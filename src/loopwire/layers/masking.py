"""Masks: one bit a step, (T, 1), that says whether a step counts; and what follows from one.

A layer that reads a mask takes it behind its other inputs, where its option `masked` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Callable, OneToOne, Shape, Tensor
from loopwire.layers.steps import require_sequence


@dataclass(frozen=True)
class StepMask(OneToOne):
    """(T, n) → (T, 1): 1 where any feature differs from `value`, both in the type of the features.

    Of an input of `truths` they are 0 and 1: a bit, if nothing else reads it.
    """

    name: str
    value: float
    truths: bool = False

    kind: ClassVar[str] = "StepMask"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return one bit a step."""
        return (require_sequence(self.name, self.kind, input_shape), 1)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Compare every feature."""
        return e.each_step(self._differs, x, name="mask")

    def _differs(self, e: Emitter, x: Value) -> Value:
        value = e.b.const(np.float64(self.value), x.type.element, "value")
        above, below = e.b.greater(x, value, "is_above"), e.b.greater(value, x, "is_below")
        return e.b.reshape(e.b.reduce_max(e.b.max(above, below, "differs"), "any_differs"), (1,), "mask")


@dataclass(frozen=True)
class JointMask(Callable):
    """(T, 1), (T, 1), … → (T, 1): 1 where any of these masks is, or where `every` one is."""

    name: str
    every: bool = False

    kind: ClassVar[str] = "JointMask"
    roles: ClassVar[tuple[str, ...]] = ()

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the masks."""
        for mask in inputs:
            require_mask(self.name, mask, inputs[0])
        return {"": inputs[0].shape}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Take the larger bit, or the smaller one."""
        return (e.each_step(self._joint, *inputs, name="mask"),)

    def _joint(self, e: Emitter, *masks: Value) -> Value:
        join = e.b.min if self.every else e.b.max
        return reduce(lambda a, b: join(a, b, "joint"), masks)


@dataclass(frozen=True)
class Masking(Callable):
    """(T, n), mask (T, 1) → (T, n): 0 in the steps that do not count."""

    name: str

    kind: ClassVar[str] = "Masking"
    roles: ClassVar[tuple[str, ...]] = ()

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the sequence."""
        x, mask = inputs
        require_mask(self.name, mask, x)
        return {"": x.shape}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Choose between each step and zeros."""
        x, mask = inputs
        return (e.each_step(lambda e, v, m: masked(e, m, v, e.scalar(0.0, "zero"), "y"), x, mask, name="y"),)


def require_mask(name: str, mask: Tensor, x: Tensor) -> None:
    """Require a mask for the steps of a sequence.

    Raises:
        UnsupportedError: it is none.
    """
    if len(x.shape) < 2 or mask.shape != (x.shape[0], 1):
        problem = f"its mask is {mask!r} for an input of shape {x.shape}"
        raise UnsupportedError(f"layer {name!r}", problem, "Give it one bit for each step: shape (steps, 1)")


def masked(e: Emitter, mask: Value, then: Value, otherwise: Value, name: str, note: str = "") -> Value:
    """Return `then` in a step that counts, else `otherwise`, in the type of `then`; mask (1,) or ()."""
    bit = e.b.reshape(mask, (), "counts") if mask.type.shape else mask
    chosen = e.b.where(bit, then, otherwise, f"{name}_chosen", note)
    return e.b.cast(chosen, then.type.element, name, role=then.role)
