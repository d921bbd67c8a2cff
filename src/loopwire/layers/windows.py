"""Layers that look at windows of steps: convolutions and poolings.

A window ends at the step that comes; those before it are kept in a delay line, so that one step is looked at a step.
Windows whose last step comes before the sequence's end cost no step of their own; what is padded behind it does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.activation import LINEAR, Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, affine
from loopwire.layers.merge import MEAN_GUARD_BITS
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.roles import Role, own_role
from loopwire.layers.steps import ZEROS, require_sequence, steps_of

PADDINGS = ("valid", "same", "causal")
DEPTHWISE = own_role("depthwise")
"""What the first part of a separable convolution hands to its second."""


@dataclass(frozen=True)
class Window:
    """`size` steps, each `dilation` after the one before; the next window begins `stride` steps later.

    `padding` is Keras's: "valid" (none), "same" (ceil(T / stride) windows) or "causal" (before the first step only); or
    the steps before and behind.
    """

    size: int
    stride: int = 1
    dilation: int = 1
    padding: str | tuple[int, int] = "valid"

    @property
    def span(self) -> int:
        """Steps from a window's first to its last, both counted."""
        return (self.size - 1) * self.dilation + 1

    def count(self, steps: int) -> int:
        """Return how many windows a sequence has; 0 or less: it is shorter than one."""
        if self.padding in ("same", "causal"):
            return -(-steps // self.stride)
        return (steps + sum(self.pads(steps)) - self.span) // self.stride + 1

    def pads(self, steps: int) -> tuple[int, int]:
        """Return the steps that are padded before and behind."""
        if isinstance(self.padding, tuple):
            return self.padding
        if self.padding == "valid":
            return 0, 0
        if self.padding == "causal":
            return self.span - 1, 0
        total = max((self.count(steps) - 1) * self.stride + self.span - steps, 0)
        return total // 2, total - total // 2


@dataclass(frozen=True)
class Windowed(OneToOne):
    """What layers over windows are: `looked_at` makes a vector of the vectors of one window."""

    name: str
    window: Window

    kind: ClassVar[str]

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with a step a window."""
        steps = require_sequence(self.name, self.kind, input_shape)
        count = self.window.count(steps)
        if count < 1:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"its window of {self.window.span} steps is longer than its input of {steps}",
                "Give longer sequences, a smaller window, or padding='same'",
            )
        return (count, self.features(input_shape[1]))

    def features(self, given: int) -> int:
        """Return the elements of a result's step."""
        return given

    def emit(self, e: Emitter, x: Value) -> Value:
        """Look at each window."""
        left, right = self.window.pads(x.type.shape[0])
        if right:
            x = steps_of(e, x, [*range(x.type.shape[0]), *[ZEROS] * right], "padded")
        return over_windows(e, x, self.window, left, self.looked_at)

    @abstractmethod
    def looked_at(self, e: Emitter, steps: Sequence[Value]) -> Value:
        """Return the vector of one window, given its steps."""


def over_windows(
    e: Emitter, x: Value, window: Window, left: int, looked_at: Callable[[Emitter, Sequence[Value]], Value]
) -> Value:
    """Return what `looked_at` makes of each window of `x`, before which there are `left` steps of zeros."""
    steps, features = x.type.shape
    count = (steps + left - window.span) // window.stride + 1
    if left == 0 and window.stride == window.span == window.size and steps == count * window.size:
        groups = e.b.reshape(x, (count, window.size * features), "windows")
        return e.each_step(lambda e, v: looked_at(e, _cut(e, v, window, features)), groups, name="y")
    if window.span == 1:
        every = e.each_step(lambda e, v: looked_at(e, [v]), x, name="y_every")
    else:

        def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
            line = e.b.concat([*states, *given], "line", "the steps before, and the one that comes")
            y = looked_at(e, _cut(e, line, window, features))
            return (e.b.slice(line, features, line.type.size, "before_next"),), (y,)

        before = e.b.const(np.zeros((window.span - 1) * features), x.type.element, "before")
        _, every = e.scan((before,), (x,), body, names=("before_last", "y_every"))
    ends = range(window.span - 1 - left, steps, window.stride)
    return steps_of(e, every, ends[:count], "y")


def _cut(e: Emitter, line: Value, window: Window, features: int) -> list[Value]:
    starts = [k * window.dilation * features for k in range(window.size)]
    return [e.b.slice(line, start, start + features, "tap") for start in starts]


@dataclass(frozen=True, eq=False)
class Convolution(Windowed):
    """y = φ(W window + b): kernel (m, k, F / groups), bias (m,).

    With `groups` g the first m / g results look at the first F / g features only, and so on; g = F is a depthwise one.
    """

    kernel: Array
    bias: Array
    groups: int = 1
    activation: Function = LINEAR

    kind: ClassVar[str] = "Conv1D"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.BIAS, Role.PREACTIVATION, Role.RESULT)

    def features(self, given: int) -> int:
        """Return m."""
        rows, columns = len(self.bias), self.kernel.shape[2]
        if given != columns * self.groups:
            problem = f"its kernel takes {columns * self.groups} features, its input has {given}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Check the layer before it")
        return rows

    def looked_at(self, e: Emitter, steps: Sequence[Value]) -> Value:
        """Add product, bias and activation."""
        seen = steps[0] if len(steps) == 1 else e.b.concat(steps, "window")
        total = affine(e, matrix_of(self.kernel, self.groups), seen, self.bias, "a", "a = W window + b")
        total = e.cast(total, Role.PREACTIVATION, "a_cast")
        return activate(e, self.activation, total, Role.RESULT, "y", f"y = {self.activation.name}(a)")


@dataclass(frozen=True, eq=False)
class SeparableConvolution(Windowed):
    """A depthwise convolution, kernel (F·d, k, 1), then a matrix `pointwise` (m, F·d), bias (m,) and φ."""

    kernel: Array
    pointwise: Array
    bias: Array
    activation: Function = LINEAR

    kind: ClassVar[str] = "SeparableConv1D"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.BIAS, DEPTHWISE, Role.PREACTIVATION, Role.RESULT)

    def features(self, given: int) -> int:
        """Return m."""
        return len(self.bias)

    def looked_at(self, e: Emitter, steps: Sequence[Value]) -> Value:
        """Add both products, bias and activation."""
        seen = steps[0] if len(steps) == 1 else e.b.concat(steps, "window")
        kernel = e.weights(matrix_of(self.kernel, steps[0].type.size), Role.WEIGHT, "V")
        apart = e.cast(e.b.matvec(kernel, seen, "Vw"), DEPTHWISE, "d", "d = V window")
        total = affine(e, self.pointwise, apart, self.bias, "a", "a = W d + b")
        total = e.cast(total, Role.PREACTIVATION, "a_cast")
        return activate(e, self.activation, total, Role.RESULT, "y", f"y = {self.activation.name}(a)")


def matrix_of(kernel: Array, groups: int) -> Array:
    """Return the matrix (m, k·F) of a kernel (m, k, F / groups), with zeros where a result does not look."""
    rows, size, columns = kernel.shape
    matrix = np.zeros((rows, size, columns * groups))
    for group in range(groups):
        own = slice(group * rows // groups, (group + 1) * rows // groups)
        matrix[own, :, group * columns : (group + 1) * columns] = kernel[own]
    return matrix.reshape(rows, -1)


@dataclass(frozen=True)
class MaxPooling(Windowed):
    """y = the largest of each feature in a window. Padded steps count for nothing."""

    kind: ClassVar[str] = "MaxPooling1D"
    roles: ClassVar[tuple[str, ...]] = ()

    def emit(self, e: Emitter, x: Value) -> Value:
        """Repeat the first and the last step in the place of what is padded: each window has one of them anyway."""
        steps = x.type.shape[0]
        left, right = self.window.pads(steps)
        x = steps_of(e, x, [*[0] * left, *range(steps), *[steps - 1] * right], "padded")
        return over_windows(e, x, self.window, 0, self.looked_at)

    def looked_at(self, e: Emitter, steps: Sequence[Value]) -> Value:
        """Add the larger elements."""
        return reduce(lambda a, b: e.b.max(a, b, "larger"), steps)


@dataclass(frozen=True)
class AveragePooling(Windowed):
    """y = the mean of each feature in a window, over the steps that are not padded."""

    kind: ClassVar[str] = "AveragePooling1D"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the sums, then their shares."""
        steps = x.type.shape[0]
        left, right = self.window.pads(steps)
        sums = super().emit(e, x)
        begins = np.arange(sums.type.shape[0]) * self.window.stride - left
        counts = np.minimum(begins + self.window.size, steps) - np.maximum(begins, 0)
        if not left and not right:
            return e.each_step(lambda e, v: mean(e, v, share_of(e, counts[0])), sums, name="y")
        shares = share_of(e, counts)
        return e.each_step(mean, sums, shares, name="y")

    def looked_at(self, e: Emitter, steps: Sequence[Value]) -> Value:
        """Add the sum, exact."""
        return reduce(lambda a, b: e.b.add(a, b, "sum"), steps)


def share_of(e: Emitter, counts: Array | int) -> Value:
    """Return 1/n of numbers n, precise enough for a mean of so many."""
    most = int(np.max(counts))
    fraction = max(e.type_of(Role.RESULT).fraction, 0) + 2 * most.bit_length() + MEAN_GUARD_BITS
    return e.b.const(1 / np.asarray(counts), FixedType(fraction + 1, 1, signed=False), "share")


def mean(e: Emitter, total: Value, share: Value) -> Value:
    """Return a sum times its share, in the type of the result."""
    return e.cast(e.b.mul(total, share, "mean"), Role.RESULT, "y", "y = sum / n")
