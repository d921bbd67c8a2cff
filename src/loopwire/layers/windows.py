"""Layers that look at windows of steps: convolutions and poolings.

Steps come in groups of as many as a window begins later than the one before. Each group ends one window; the steps
before it are kept in a delay line. So a window costs no step of its own; what is padded behind the sequence does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.activation import LINEAR, Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array, affine, parts
from loopwire.layers.merge import MEAN_GUARD_BITS
from loopwire.layers.model import MAX_STEPS, OneToOne, Shape
from loopwire.layers.roles import Role, own_role
from loopwire.layers.select import BIT
from loopwire.layers.steps import ZEROS, require_sequence, resized, steps_of

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
    """What layers over windows are: `looked_at` makes a vector of the steps of one window, one behind another."""

    name: str
    window: Window

    kind: ClassVar[str]
    apart: ClassVar[bool] = False
    """Whether it looks at windows in a scan of its own, so that a reuse factor can share its products."""

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
        padded = steps + sum(self.window.pads(steps))
        if padded > MAX_STEPS:
            problem = f"it pads its input of {steps} steps to {padded}"
            raise UnsupportedError(f"layer {self.name!r}", problem, f"Pad to at most {MAX_STEPS}")
        return (count, self.features(input_shape[1]))

    def features(self, given: int) -> int:
        """Return the elements of a result's step."""
        return given

    def emit(self, e: Emitter, x: Value) -> Value:
        """Look at each window."""
        return over_windows(e, x, self.window, self.looked_at, apart=self.apart)

    @abstractmethod
    def looked_at(self, e: Emitter, window: Value) -> Value:
        """Return the vector of one window."""


def over_windows(
    e: Emitter,
    x: Value,
    window: Window,
    looked_at: Callable[[Emitter, Value], Value],
    *,
    repeats: bool = False,
    apart: bool = False,
) -> Value:
    """Return what `looked_at` makes of each window of `x`.

    The first window ends at step `place` of group `skipped`, and so does each later one in its group.

    Args:
        e: of the layer.
        x: (T, n).
        window: where windows are.
        looked_at: makes a vector of a window's steps, one behind another.
        repeats: padded steps are like the nearest that is none; else they are zeros.
        apart: windows are made in a scan, and looked at in another.
    """
    steps, features = x.type.shape
    count, (left, right) = window.count(steps), window.pads(steps)
    if count == 1:  # no other begins a stride later
        window = replace(window, stride=min(window.stride, left + steps + right))
    if left >= window.span:
        more = left - window.span + 1
        x = steps_of(e, x, [*[ZEROS] * more, *range(steps)], "padded")
        window = replace(window, padding=(left - more, right))
        return over_windows(e, x, window, looked_at, repeats=repeats, apart=apart)
    skipped, place = divmod(window.span - 1 - left, window.stride)
    history = max(window.span - 1 - place, 0)
    first = history + place - window.span + 1
    # A window of steps of one group is there without a scan.
    apart = apart and history > 0
    groups = skipped + count
    given = [resized(e, x, 0, groups * window.stride, "x")]
    if window.stride > 1:
        given[0] = e.b.reshape(given[0], (groups, window.stride * features), "groups")
    if repeats and (left or right):
        is_first, is_step = np.arange(groups) == 0, np.arange(groups * window.stride) < steps
        flags = np.column_stack([is_first, is_step.reshape(groups, -1)])
        given.append(e.b.const(flags, BIT, "first_and_steps"))

    def body(e: Emitter, states: Sequence[Value], given: Sequence[Value]) -> BodyResult:
        known = [*states, given[0]] if len(given) == 1 else _repeated(e, states, *given, begins=left > 0)
        line = known[0] if len(known) == 1 else e.b.concat(known, "line", "the steps before, and those that come")
        seen = _taps(e, line, first, window, features)
        y = seen if apart else looked_at(e, seen)
        if not states:
            return (), (y,)
        return (e.b.slice(line, line.type.size - states[0].type.size, line.type.size, "before_next"),), (y,)

    before = [e.b.const(np.zeros(history * features), x.type.element, "before")] if history else []
    name = "y_every" if skipped else "y"
    names = [*["before_last"] * len(before), "windows" if apart else name]
    every = e.scan(before, given, body, names=names)[-1]
    if apart:
        every = e.each_step(looked_at, every, name=name)
    return resized(e, every, skipped, count, "y")


def _taps(e: Emitter, line: Value, first: int, window: Window, features: int) -> Value:
    """Return the steps that a window looks at, from `first` on."""
    if window.dilation == 1:
        start, stop = first * features, (first + window.size) * features
        return line if (start, stop) == (0, line.type.size) else e.b.slice(line, start, stop, "window")
    starts = [(first + k * window.dilation) * features for k in range(window.size)]
    taps = [e.b.slice(line, start, start + features, "tap") for start in starts]
    return taps[0] if len(taps) == 1 else e.b.concat(taps, "window")


def _repeated(e: Emitter, before: Sequence[Value], group: Value, flags: Value, *, begins: bool) -> list[Value]:
    """Return the steps before and a group's, where those that are none of the sequence are like the nearest that is.

    Of the flags the first says whether the group is the first, the others which of its steps are the sequence's. Steps
    before the sequence are looked at where one `begins` with them.
    """
    is_first, *are_steps = (e.b.reshape(e.b.slice(flags, k, k + 1), (), "flag") for k in range(flags.type.size))
    features = group.type.size // len(are_steps)
    steps = parts(e, group, ["step"] * len(are_steps))

    def chosen(flag: Value, a: Value, b: Value) -> Value:
        return e.b.cast(e.b.where(flag, a, b, "nearest"), group.type.element, "nearest")

    line = list(before)
    if before and begins:
        line = [chosen(is_first, e.b.concat([steps[0]] * (before[0].type.size // features), "repeated"), before[0])]
    for step, is_one in zip(steps, are_steps, strict=True):
        last = e.b.slice(line[-1], line[-1].type.size - features, line[-1].type.size, "step") if line else step
        line.append(chosen(is_one, step, last))
    return line


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
    apart: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.BIAS, Role.PREACTIVATION, Role.RESULT)

    def features(self, given: int) -> int:
        """Return m."""
        rows, columns = len(self.bias), self.kernel.shape[2]
        if given != columns * self.groups:
            problem = f"its kernel takes {columns * self.groups} features, its input has {given}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Check the layer before it")
        return rows

    def looked_at(self, e: Emitter, window: Value) -> Value:
        """Add product, bias and activation."""
        total = affine(e, matrix_of(self.kernel, self.groups), window, self.bias, "a", "a = W window + b")
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
    apart: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.BIAS, DEPTHWISE, Role.PREACTIVATION, Role.RESULT)

    def features(self, given: int) -> int:
        """Return m."""
        return len(self.bias)

    def looked_at(self, e: Emitter, window: Value) -> Value:
        """Add both products, bias and activation."""
        features = window.type.size // self.window.size
        kernel = e.weights(matrix_of(self.kernel, features), Role.WEIGHT, "V")
        depthwise = e.cast(e.b.matvec(kernel, window, "Vw"), DEPTHWISE, "d", "d = V window")
        total = affine(e, self.pointwise, depthwise, self.bias, "a", "a = W d + b")
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
        """Let padded steps be like the nearest: each window has one that is not padded."""
        return over_windows(e, x, self.window, self.looked_at, repeats=True)

    def looked_at(self, e: Emitter, window: Value) -> Value:
        """Add the larger elements."""
        return reduce(lambda a, b: e.b.max(a, b, "larger"), parts(e, window, ["step"] * self.window.size))


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

    def looked_at(self, e: Emitter, window: Value) -> Value:
        """Add the sum, exact."""
        return reduce(lambda a, b: e.b.add(a, b, "sum"), parts(e, window, ["step"] * self.window.size))


def share_of(e: Emitter, counts: Array | int) -> Value:
    """Return 1/n of numbers n, precise enough for a mean of so many."""
    most = int(np.max(counts))
    fraction = max(e.type_of(Role.RESULT).fraction, 0) + 2 * most.bit_length() + MEAN_GUARD_BITS
    return e.b.const(1 / np.asarray(counts), FixedType(fraction + 1, 1, signed=False), "share")


def mean(e: Emitter, total: Value, share: Value) -> Value:
    """Return a sum times its share, in the type of the result."""
    return e.cast(e.b.mul(total, share, "mean"), Role.RESULT, "y", "y = sum / n")
