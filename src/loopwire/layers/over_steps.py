"""A softmax, or another function of a vector, over all steps of a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.activation import Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.roles import Role
from loopwire.layers.steps import require_sequence

MOST_ELEMENTS = 256
"""Of a sequence, all of which are there at once."""


@dataclass(frozen=True)
class OverSteps(OneToOne):
    """(T, n) → (T, n): the function of each feature's T steps; with `features` too, of all elements.

    All T steps count, in a short sequence too.
    """

    name: str
    function: Function
    features: bool = False

    kind: ClassVar[str] = "Softmax"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        _require_few(self.name, self.kind, self.function.name, input_shape)
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the function of each feature."""
        steps, features = x.type.shape
        whole = e.b.reshape(x, (steps * features,), "whole")
        note = f"y = {self.function.name}(x)"
        if self.features or features == 1:
            y = activate(e, self.function, whole, Role.RESULT, "y_whole", note)
        else:
            turned = e.b.transpose(whole, steps, "x_by_feature")
            each = [e.b.slice(turned, k * steps, (k + 1) * steps, "x_feature") for k in range(features)]
            made = [activate(e, self.function, feature, Role.RESULT, "y_feature", note) for feature in each]
            y = e.b.transpose(e.b.concat(made, "y_by_feature"), features, "y_whole")
        return e.b.reshape(y, (steps, features), "y")


def _require_few(name: str, kind: str, what: str, shape: Shape) -> None:
    """Refuse what is no sequence, or one of too many elements."""
    if require_sequence(name, kind, shape) * shape[1] > MOST_ELEMENTS:
        problem = f"its {what} runs over the steps of an input of shape {shape}"
        remedy = f"At most {MOST_ELEMENTS} elements are kept for that: give it fewer steps or features"
        raise UnsupportedError(f"layer {name!r}", problem, remedy)
