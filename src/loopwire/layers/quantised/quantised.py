"""What layers and models are that bring their own quantisers."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import ClassVar

from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Model, Tensor
from loopwire.layers.quantised.quantiser import Quantiser, input_type
from loopwire.layers.shape import Flatten, Reshape


class Quantised:
    """A layer whose types are its own; `input_quantiser` is the first thing done to each vector of its input."""

    input_quantiser: Quantiser | None

    roles: ClassVar[tuple[str, ...]] = ()
    multiplies: ClassVar[bool]
    """Whether it has products of a matrix, which a reuse factor divides."""

    def quantised_input(self, e: Emitter, x: Value) -> Value:
        """Add what is done to a vector of the input."""
        return x if self.input_quantiser is None else self.input_quantiser.emit(e, x, "x_q", "Q(x)")


def quantised_input_type(model: Model) -> FixedType | None:
    """Return the type of a model's inputs that its layers quantise first, exactly; None where there is no such type."""
    types = {_type_of(model, tensor) for tensor in model.inputs}
    return types.pop() if len(types) == 1 else None


def _type_of(model: Model, tensor: Tensor) -> FixedType | None:
    found = list(_first_quantisers(model, tensor))
    given = [each for each in found if each is not None]
    if not given or len(given) < len(found):
        return None
    sizes = [prod(each.shape) for each in given]
    return input_type(given, max(sizes)) if len(set(sizes)) == 1 else None


def _first_quantisers(model: Model, tensor: Tensor) -> Iterator[Quantiser | None]:
    """Yield the quantiser of each layer that takes a tensor, its shape aside; None of one that has none."""
    for call in model.calls:
        if tensor in call.inputs:
            if isinstance(call.layer, Flatten | Reshape):
                yield from _first_quantisers(model, call.outputs[0])
            else:
                yield call.layer.input_quantiser if isinstance(call.layer, Quantised) else None
