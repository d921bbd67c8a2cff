"""Comparisons of each element with a constant, and choices by them or by masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.attend import hidden
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array
from loopwire.layers.model import Callable, OneToOne, Shape, Tensor
from loopwire.layers.roles import Role
from loopwire.layers.select import BIT


@dataclass(frozen=True, eq=False)
class Comparison(OneToOne):
    """y = 1 where x > bound, else 0, bound (n,); with `below`, where x < bound; with `equal`, where x is bound too."""

    name: str
    bound: Array
    below: bool = False
    equal: bool = False

    kind: ClassVar[str] = "Comparison"
    roles: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        if input_shape[-1] != self.bound.size:
            problem = f"it compares {self.bound.size} features, its input has shape {input_shape}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Compare the last axis")
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Compare each element, or each of each step."""
        return e.each_step(self._vector, x, name="y")

    def _vector(self, e: Emitter, x: Value) -> Value:
        bound = e.exact(self.bound, "bound")
        first, second = (x, bound) if self.below == self.equal else (bound, x)
        bit = e.b.greater(first, second, "is_greater")
        if not self.equal:
            return bit
        return e.b.where(bit, e.b.const(0.0, BIT, "no"), e.b.const(1.0, BIT, "yes"), "y")


@dataclass(frozen=True, eq=False)
class Choose(Callable):
    """y = a where the condition is above 0, else b: condition, a and b of one shape, (n,) or (T, n).

    `then` (n,) is a, or `otherwise` (n,) is b, where these are constants; they are no inputs then.
    """

    name: str
    then: Array | None = None
    otherwise: Array | None = None

    kind: ClassVar[str] = "Choose"
    roles: ClassVar[tuple[str, ...]] = (Role.WEIGHT, Role.RESULT)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of all inputs."""
        constants = [array for array in (self.then, self.otherwise) if array is not None]
        wanted = {x.shape for x in inputs}
        sizes = {array.shape for array in constants}
        if len(inputs) + len(constants) != 3 or len(wanted) != 1 or sizes - {inputs[0].shape[-1:]}:
            problem = f"it chooses between {', '.join(map(repr, inputs))} and {len(constants)} constants"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Give it a condition and two choices of one shape")
        return {"": inputs[0].shape}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Choose, for each step where the inputs are sequences."""

        def step(e: Emitter, condition: Value, *given: Value) -> Value:
            rest = iter(given)
            then, otherwise = (
                next(rest) if array is None else e.weights(array, Role.WEIGHT, name)
                for array, name in ((self.then, "then"), (self.otherwise, "otherwise"))
            )
            chosen = e.b.where(_met(e, condition), then, otherwise, "chosen")
            return e.cast(chosen, Role.RESULT, "y", "y = a where c, else b")

        return (e.each_step(step, *inputs, name="y"),)


@dataclass(frozen=True)
class Hide(Callable):
    """x, condition → x, far below all other numbers where the condition is above 0: of one shape, (n,) or (T, n).

    A softmax gives no share to what is hidden.
    """

    name: str

    kind: ClassVar[str] = "Hide"
    roles: ClassVar[tuple[str, ...]] = ()

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of both inputs."""
        if len(inputs) != 2 or inputs[0].shape != inputs[1].shape:
            problem = f"it got {', '.join(map(repr, inputs))}"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Give it numbers and a condition of one shape")
        return {"": inputs[0].shape}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Choose, for each step where the inputs are sequences."""
        step = lambda e, x, c: e.b.where(_met(e, c), hidden(e, x), x, "y", "far below where c, else x")  # noqa: E731
        return (e.each_step(step, *inputs, name="y"),)


def _met(e: Emitter, condition: Value) -> Value:
    """Return where a condition is above 0."""
    return condition if condition.type.element == BIT else e.b.greater(condition, e.scalar(0.0, "zero"), "is_met")
