"""A softmax, another function of a vector, or a normalisation over all steps of a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.activation import Function, activate
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array
from loopwire.layers.model import OneToOne, Shape
from loopwire.layers.normalization import LayerNormalization
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


@dataclass(frozen=True, eq=False)
class NormalizationOverSteps(OneToOne):
    """(T, n) → (T, n): `groups` of features, each normalised over all steps as one vector.

    scale γ (T, n), offset β (T, n), epsilon ε. All T steps count, in a short sequence too. Without `centred` the mean
    counts as 0.

    Ref: Wu & He 2018, arXiv:1803.08494, eq. 1-7.
    """

    name: str
    scale: Array
    offset: Array
    epsilon: float
    groups: int = 1
    centred: bool = True

    kind: ClassVar[str] = "NormalizationOverSteps"
    roles: ClassVar[tuple[str, ...]] = LayerNormalization.roles

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape."""
        _require_few(self.name, self.kind, "normalisation", input_shape)
        if {self.scale.shape, self.offset.shape} != {input_shape} or input_shape[1] % self.groups:
            given = f"scale {self.scale.shape}, offset {self.offset.shape}"
            problem = f"it has {given} and {self.groups} groups, its input has {input_shape}"
            remedy = "Give both arrays the input's shape, and groups of as many features each"
            raise UnsupportedError(f"layer {self.name!r}", problem, remedy)
        return input_shape

    def emit(self, e: Emitter, x: Value) -> Value:
        """Normalise the elements of each group, which lie one behind another once the sequence is by feature."""
        steps, features = x.type.shape
        whole = e.b.reshape(x, (steps * features,), "whole")
        by_feature = e.b.transpose(whole, steps, "x_by_feature")
        scale, offset = (np.ravel(each.T) for each in (self.scale, self.offset))
        layer = LayerNormalization(self.name, scale, offset, self.epsilon, self.groups, self.centred)
        normal = layer.emit(e, by_feature)
        return e.b.reshape(e.b.transpose(normal, features, "y_whole"), (steps, features), "y")


def _require_few(name: str, kind: str, what: str, shape: Shape) -> None:
    """Refuse what is no sequence, or one of too many elements."""
    if require_sequence(name, kind, shape) * shape[1] > MOST_ELEMENTS:
        problem = f"its {what} runs over the steps of an input of shape {shape}"
        remedy = f"At most {MOST_ELEMENTS} elements are kept for that: give it fewer steps or features"
        raise UnsupportedError(f"layer {name!r}", problem, remedy)
