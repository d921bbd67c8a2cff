"""What recurrent layers with quantisers are: the types of their states are those that a step makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, TensorType
from loopwire.layers.cell import Cell
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Shape, Tensor
from loopwire.layers.quantised.quantised import Quantised
from loopwire.layers.quantised.quantiser import Quantiser
from loopwire.layers.roles import LayerTypes, Role

STEPS_FOLLOWED = 4
"""Within which the types of states repeat, where quantisers bound them."""


@dataclass(frozen=True, eq=False)
class QuantisedCell(Quantised, Cell):
    """A recurrent layer of U units on F features; rows of the matrices are its G gates, U rows each.

    kernel (GU, F) and recurrent_kernel (GU, U) are quantised already. `state_quantiser` is what a step does first to
    each state.
    """

    kernel: npt.NDArray[np.float64]
    recurrent_kernel: npt.NDArray[np.float64]
    input_quantiser: Quantiser | None = field(default=None, kw_only=True)
    state_quantiser: Quantiser | None = field(default=None, kw_only=True)

    multiplies: ClassVar[bool] = True

    @property
    def units(self) -> int:
        """U."""
        return int(self.recurrent_kernel.shape[1])

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shapes as any cell does; its states begin at 0."""
        if len(inputs) > 1 + self.masked:
            problem = "its initial states are given, whose types nothing says"
            raise UnsupportedError(f"layer {self.name!r}", problem, "Start it from 0")
        return super().results(inputs)

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the scan over the steps."""
        x = inputs[0]
        types = self._state_types(TensorType(x.type.shape[1:], x.type.element))
        handed_on = next(iter(self.states.values())).role
        return super().call(Emitter(e.b, LayerTypes({**types, Role.RESULT: types[handed_on]})), inputs)

    def quantised_state(self, e: Emitter, state: Value, name: str) -> Value:
        """Add what is done to a state first."""
        return state if self.state_quantiser is None else self.state_quantiser.emit(e, state, name, f"Q({name[0]})")

    def _state_types(self, x: TensorType) -> dict[str, FixedType]:
        """Return the types of the states by their roles, found by writing steps until they repeat.

        Raises:
            UnsupportedError: they grow from step to step.
        """
        types = {state.role: FixedType(1, 1) for state in self.states.values()}
        for _ in range(STEPS_FOLLOWED):
            b = Builder()
            before = [b.input(name, TensorType((s.size,), types[s.role])) for name, s in self.states.items()]
            after = self.step(Emitter(b, LayerTypes(types)), before, b.input("x", x))
            following = {s.role: value.type.element for s, value in zip(self.states.values(), after, strict=True)}
            if following == types:
                return types
            types = following
        problem = "no quantiser bounds its state, which takes more bits with each step"
        raise UnsupportedError(f"layer {self.name!r}", problem, "Train it with a quantiser of its state")
