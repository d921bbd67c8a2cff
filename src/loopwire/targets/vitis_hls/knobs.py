"""What a user chooses of the hardware's shape, and what follows for loops and directives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Io = Literal["parallel", "stream"]


@dataclass(frozen=True)
class Knobs:
    """Choices, checked by `firmware.generate`.

    Attributes:
        io: arrays of whole sequences, or streams of steps, at the design's ports.
        reuse_factor: passes in which products are made; 1: all at once.
        interleave: sequences that go through every loop together.
        unrolled: each step has hardware of its own, instead of one cell for all steps.
    """

    io: Io
    reuse_factor: int
    interleave: int
    unrolled: bool

    @property
    def short_sequences(self) -> bool:
        """Whether a sequence may end early."""
        return self.io == "stream"

    @property
    def in_passes(self) -> bool:
        """Whether products are loops of several passes, rather than all unrolled."""
        return self.reuse_factor > 1 and not self.unrolled

    @property
    def lanes_in_statements(self) -> bool:
        """Whether each statement has a loop over the sequences of its own, rather than the step as a whole."""
        return self.in_passes and self.interleave > 1


@dataclass(frozen=True)
class Passes:
    """How a product of `rows` × `columns` is cut: `groups` of rows times `blocks` of columns, a pass each."""

    rows: int
    columns: int
    groups: int
    blocks: int

    @classmethod
    def of(cls, rows: int, columns: int, reuse_factor: int) -> Passes:
        """Return the cut into at most `reuse_factor` passes."""
        group_rows = -(-rows // max(min(reuse_factor // columns, rows), 1))
        block_columns = -(-columns // min(reuse_factor, columns))
        return cls(rows, columns, -(-rows // group_rows), -(-columns // block_columns))

    @property
    def group_rows(self) -> int:
        """Rows of a pass."""
        return -(-self.rows // self.groups)

    @property
    def block_columns(self) -> int:
        """Columns of a pass."""
        return -(-self.columns // self.blocks)
