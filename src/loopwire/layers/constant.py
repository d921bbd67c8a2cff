"""A vector that depends on nothing: the same for every sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.roles import Role


@dataclass(frozen=True, eq=False)
class Constant(Callable):
    """values (n,)."""

    name: str
    values: npt.NDArray[np.float64]

    kind: ClassVar[str] = "Constant"
    roles: ClassVar[tuple[str, ...]] = (Role.RESULT,)

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the values' shape."""
        return {"": self.values.shape}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the values."""
        return (e.weights(self.values, Role.RESULT, "values"),)
