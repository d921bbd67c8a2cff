"""What cells are whose one matrix multiplies the input: no gate reads more of a state than its own element."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loopwire.ir.builder import ShapeError
from loopwire.layers.cell import Cell, State
from loopwire.layers.equations import Array
from loopwire.layers.roles import Role

UNGATED: tuple[str, ...] = (Role.WEIGHT, Role.BIAS, Role.PREACTIVATION, Role.GATE, Role.STATE, Role.RESULT)
"""The roles of such a cell of one state."""


@dataclass(frozen=True, eq=False)
class InputCell(Cell):
    """kernel (m, n), and bias of `blocks` U numbers. One that `keeps_cell` hands on an h which no step reads."""

    kernel: Array
    bias: Array

    blocks: ClassVar[int]
    keeps_cell: ClassVar[bool] = False
    roles: ClassVar[tuple[str, ...]] = UNGATED

    @property
    def units(self) -> int:
        """U."""
        units, rest = divmod(len(self.bias), self.blocks)
        if rest:
            raise ShapeError(f"the bias is no {self.blocks} parts of one size")
        return units

    @property
    def states(self) -> Mapping[str, State]:
        """h, and c if it is kept."""
        return {**super().states, **({"c": State(Role.CELL, self.units)} if self.keeps_cell else {})}
