"""Sequences of other steps: some left out, repeated, or zeros between them. And layers that do only that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Callable, OneToOne, Shape, Tensor
from loopwire.layers.roles import Role

ZEROS = -1
"""In the place of a step's number: a step of zeros."""


def steps_of(e: Emitter, x: Value, order: Sequence[int], name: str) -> Value:
    """Return the steps of `x` (T, n) whose numbers are in `order`, or zeros: (len(order), n).

    Every k-th step of those from one to another, between zeros, and each step k times, are made while the steps come;
    anything else once all are there.
    """
    steps, features = x.type.shape
    if list(order) == list(range(steps)):
        return x
    taken = [step for step in order if step != ZEROS]
    every = taken[1] - taken[0] if len(taken) > 1 else 1
    before = list(order).index(taken[0])
    behind = len(order) - before - len(taken)
    progression = range(taken[0], taken[0] + every * len(taken), every) if every > 0 else range(0)
    if list(order) == [ZEROS] * before + list(progression) + [ZEROS] * behind:
        some = _every(e, x, progression, name)
        return _delayed(e, resized(e, some, 0, len(order), name), before, name)
    times = len(order) // steps
    if list(order) == [step for step in range(steps) for _ in range(times)]:
        repeated = e.each_step(lambda e, v: e.b.concat([v] * times, f"{name}_times"), x, name=f"{name}_repeated")
        return e.b.reshape(repeated, (len(order), features), name)
    whole = e.b.reshape(x, (steps * features,), f"{name}_whole")
    pieces = []
    for shift, run in groupby(enumerate(order), lambda each: None if each[1] == ZEROS else each[1] - each[0]):
        numbers = [number for _, number in run]
        if shift is None:
            pieces.append(e.b.const(np.zeros(len(numbers) * features), x.type.element, f"{name}_zeros"))
        else:
            pieces.append(e.b.slice(whole, numbers[0] * features, (numbers[-1] + 1) * features, f"{name}_piece"))
    joined = pieces[0] if len(pieces) == 1 else e.b.concat(pieces, f"{name}_joined")
    return e.b.reshape(joined, (len(order), features), name)


def resized(e: Emitter, x: Value, start: int, count: int, name: str) -> Value:
    """Return a given number of steps of `x` (T, n), from one on, and zeros where it has no more: (count, n)."""
    steps, features = x.type.shape
    stop = min(start + count, steps)
    if (start, stop) != (0, steps):
        x = e.b.slice(x, start, stop, f"{name}_kept")
    if stop == start + count:
        return x
    zeros = e.b.const(np.zeros((start + count - stop, features)), x.type.element, f"{name}_zeros")
    return e.b.concat([x, zeros], f"{name}_padded")


def _every(e: Emitter, x: Value, numbers: range, name: str) -> Value:
    """Return the steps of these numbers; each ends a group of steps if enough steps are before the first."""
    every, features = numbers.step, x.type.shape[1]
    if every == 1:
        return resized(e, x, numbers.start, len(numbers), name)
    place = min(numbers.start, every - 1)
    whole = resized(e, x, numbers.start - place, every * len(numbers), name)
    groups = e.b.reshape(whole, (len(numbers), every * features), f"{name}_groups")
    start = place * features
    return e.each_step(lambda e, v: e.b.slice(v, start, start + features, name), groups, name=name)


def _delayed(e: Emitter, x: Value, count: int, name: str) -> Value:
    """Return `x` (T, n) a given number of steps later: zeros before it, and without its last ones."""
    if not count:
        return x
    features = x.type.shape[1]

    def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        line = e.b.concat([*states, *given], f"{name}_line")
        return (e.b.slice(line, features, line.type.size, f"{name}_next"),), (e.b.slice(line, 0, features, name),)

    before = e.b.const(np.zeros(count * features), x.type.element, f"{name}_before")
    return e.scan((before,), (x,), body, names=(f"{name}_last", name))[1]


def require_sequence(name: str, kind: str, shape: Shape) -> int:
    """Return the steps of a shape.

    Raises:
        UnsupportedError: it is not a sequence's.
    """
    if len(shape) != 2:
        problem = f"a {kind} layer got an input of shape {shape}"
        raise UnsupportedError(f"layer {name!r}", problem, "It needs a sequence, of shape (steps, features)")
    return shape[0]


@dataclass(frozen=True)
class Selection(OneToOne):
    """(T, n) → (len(order), n): the steps of these numbers, in this order; `ZEROS` is a step of zeros."""

    name: str
    order: tuple[int, ...]

    kind: ClassVar[str] = "Selection"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with these steps."""
        steps = require_sequence(self.name, self.kind, input_shape)
        if not self.order or not all(step == ZEROS or 0 <= step < steps for step in self.order):
            problem = f"it takes steps {list(self.order)[:8]} of an input of shape {input_shape}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Select existing steps")
        return (len(self.order), input_shape[1])

    def emit(self, e: Emitter, x: Value) -> Value:
        """Take the steps."""
        return steps_of(e, x, self.order, "y")


@dataclass(frozen=True)
class JoinedSteps(Callable):
    """(T₁, n), (T₂, n), … → (T₁ + T₂ + …, n): sequences one after another, each as if it had all its steps."""

    name: str

    kind: ClassVar[str] = "JoinedSteps"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the result."""
        if len(inputs) < 2 or any(len(x.shape) != 2 for x in inputs) or len({x.shape[1] for x in inputs}) > 1:
            problem = f"{self.kind} cannot join {', '.join(map(repr, inputs))}"
            raise UnsupportedError(
                f"layer {self.name!r}", problem, "Give it sequences with the same number of features"
            )
        return {"": (sum(x.shape[0] for x in inputs), inputs[0].shape[1])}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Join the elements of all, of one type."""
        wholes = [e.b.reshape(x, (x.type.size,), "whole") for x in inputs]
        pieces = [e.cast(whole, Role.RESULT, "part") for whole in wholes]
        steps = sum(x.type.shape[0] for x in inputs)
        return (e.b.reshape(e.b.concat(pieces, "joined"), (steps, inputs[0].type.shape[1]), "y"),)


@dataclass(frozen=True)
class ZeroPadding(OneToOne):
    """(T, n) → (left + T + right, n): steps of zeros before and behind."""

    name: str
    left: int
    right: int

    kind: ClassVar[str] = "ZeroPadding1D"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with the steps added."""
        return (self.left + require_sequence(self.name, self.kind, input_shape) + self.right, input_shape[1])

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the steps."""
        return steps_of(e, x, [ZEROS] * self.left + [*range(x.type.shape[0])] + [ZEROS] * self.right, "y")


@dataclass(frozen=True)
class Cropping(OneToOne):
    """(T, n) → (T - left - right, n): without the first and the last steps."""

    name: str
    left: int
    right: int

    kind: ClassVar[str] = "Cropping1D"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with the steps that are left."""
        steps = require_sequence(self.name, self.kind, input_shape)
        if self.left + self.right >= steps:
            problem = f"it takes {self.left} and {self.right} steps off a sequence of {steps}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Leave at least one step")
        return (steps - self.left - self.right, input_shape[1])

    def emit(self, e: Emitter, x: Value) -> Value:
        """Take the steps that are left."""
        return steps_of(e, x, range(self.left, x.type.shape[0] - self.right), "y")


@dataclass(frozen=True)
class UpSampling(OneToOne):
    """(T, n) → (size·T, n): each step so many times."""

    name: str
    size: int

    kind: ClassVar[str] = "UpSampling1D"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with all steps."""
        return (self.size * require_sequence(self.name, self.kind, input_shape), input_shape[1])

    def emit(self, e: Emitter, x: Value) -> Value:
        """Repeat the steps."""
        return steps_of(e, x, [step for step in range(x.type.shape[0]) for _ in range(self.size)], "y")


@dataclass(frozen=True)
class Transpose(OneToOne):
    """(T, n) → (n, T): each feature becomes a step."""

    name: str

    kind: ClassVar[str] = "Permute"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape turned round."""
        require_sequence(self.name, self.kind, input_shape)
        return input_shape[::-1]

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the transpose of the whole sequence."""
        return transposed(e, x)


def transposed(e: Emitter, x: Value) -> Value:
    """Return the transpose (n, T) of a sequence (T, n)."""
    steps, features = x.type.shape
    whole = e.b.reshape(x, (steps * features,), "whole")
    return e.b.reshape(e.b.transpose(whole, steps, "turned"), (features, steps), "y")
