"""Kinds of operations on vectors of integers, each small enough to be placed between two registers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwire.cmvm.adder_tree import AdderTree
from loopwire.ir.fixed_point import Integers
from loopwire.ir.tables import TableForm
from loopwire.ir.types import FixedType, Rounding

LUT_ROM_WORDS = 32
"""Words up to which a ROM with a register is made of look-up tables."""


class Wire:
    """A kind of operation that makes nothing: its elements are known, or are those of its operands."""


class Timed:
    """A kind that reads control bits of its step."""


class Multiplication:
    """A kind that multiplies."""


class Logic:
    """Another kind, whose result follows from its operands alone."""


@dataclass(frozen=True, eq=False)
class Constant(Wire):
    """() → integers, written into the firmware's text."""

    integers: Integers


@dataclass(frozen=True, eq=False)
class StepRom(Timed):
    """() → row t of `rows` (T, count) in the t-th step of a sequence."""

    rows: Integers


@dataclass(frozen=True)
class Hold(Timed):
    """(a) → a as it was when its step came, kept until the next step's; a register."""


@dataclass(frozen=True, eq=False)
class WordRom(Timed):
    """() → row t of `rows` (…, count), read with a register: the same row for `cycles` cycles of a step, then the next.

    With `by_step`, each step of a sequence has rows of its own, one step's after another's.
    """

    rows: Integers
    cycles: int
    by_step: bool

    @property
    def in_block_ram(self) -> bool:
        """Whether it is in block RAM. A six-input LUT holds two bits of fewer words."""
        return len(self.rows) > LUT_ROM_WORDS


@dataclass(frozen=True)
class Columns(Timed):
    """(x of n) → the `count` elements of x whose turn it is: from pass · count on; zeros beyond the last."""

    count: int


@dataclass(frozen=True)
class Chunk(Timed):
    """(a, an element a unit) → the elements of the chunk's units; zeros beyond the last."""


@dataclass(frozen=True)
class Tile(Timed):
    """(matrix of `rows` rows, row by row) → what is multiplied in a cycle: rows of the chunk, `columns` of the pass.

    Of a matrix of several blocks of units, the chunk's rows of each, one block's after another's; zeros beyond the
    last row and column.
    """

    rows: int
    columns: int


@dataclass(frozen=True)
class Accumulate(Timed):
    """(a) → `added` and the sum of a << shift over the passes of a chunk, in a register.

    (a, first) → that sum and first << first_shift, without `added`.
    """

    added: int = 0
    shift: int = 0
    first_shift: int = 0


@dataclass(frozen=True)
class Gather(Timed):
    """(chunk) → all chunks of a step, one after another, in registers, without what pads the last one."""


@dataclass(frozen=True)
class Unpack(Wire):
    """(bits) → the elements of a vector whose bits begin at `start`, element 0 lowest."""

    start: int


@dataclass(frozen=True)
class Pack(Wire):
    """(a, b, …) → the bits of all vectors, those of the first lowest."""


@dataclass(frozen=True)
class Select(Logic):
    """(choice, a, b) → b where choice is 1, else a, element by element; a single element is repeated."""


@dataclass(frozen=True)
class Compare(Logic):
    """(a, b) → 1 where a << left_shift is more than b << right_shift, else 0; a single element is repeated."""

    left_shift: int
    right_shift: int


@dataclass(frozen=True, eq=False)
class IndexedRom(Logic):
    """(index) → row `index` of `rows` (n, count); zeros beyond the last."""

    rows: Integers


@dataclass(frozen=True)
class View(Wire):
    """(a) → elements start…stop-1."""

    start: int
    stop: int


@dataclass(frozen=True)
class Join(Wire):
    """(a, b, …) → the elements of all, one after another."""


@dataclass(frozen=True)
class Transpose(Wire):
    """(a of rows · n elements) → the elements of its transpose, both in row-major order."""

    rows: int


@dataclass(frozen=True)
class PackRows(Wire):
    """(a of k·m rows of n elements) → m rows: the bits of k rows, element by element, those of the first lowest.

    Each row but the last of k takes `bits` bits.
    """

    rows: int
    columns: int
    bits: int


@dataclass(frozen=True)
class UnpackRows(Wire):
    """(a of m rows of n elements) → k·m rows: of each a, `bits` bits less 2**(bits - 1) for each row but the last of k.

    The last one is what is left: a >> (k - 1) · bits.
    """

    rows: int
    columns: int
    bits: int


@dataclass(frozen=True)
class UnpackPairs(Logic):
    """(a of m elements) → 2m elements: of each a, its `bits` lowest bits as a signed number l, and (a - l) >> bits."""

    bits: int


@dataclass(frozen=True, eq=False)
class ShiftAdd(Multiplication):
    """(x) → matrix · x, as a tree of shifts and adders with registers of its own.

    The last `addends` elements of x are no vector's that a matrix multiplies: each is added to one row. Where sums are
    counted, `pairs` is the tree of sums of pairs that it was made of.
    """

    tree: AdderTree
    addends: int = 0
    pairs: AdderTree | None = None


@dataclass(frozen=True)
class MatVec(Logic):
    """(matrix of m·n elements, x of n) → matrix · x; passes make it a tree, multipliers, or ones that take turns."""


@dataclass(frozen=True)
class Products(Multiplication):
    """(matrix of m·n elements, x of n) → all m·n products matrix[i, j] · x[j] + added, row by row.

    The last `lut_rows` rows are made of look-up tables on every device. Where blocks are `cascaded`, none is: the
    results are then the sums of so many neighbours of a row, fewer at its end, m · ceil(n / cascaded) in all. Where
    `added` is not 0, each product has a block of its own.
    """

    lut_rows: int = 0
    cascaded: int = 1
    added: int = 0


@dataclass(frozen=True)
class Multiply(Multiplication):
    """(a, b) → a · b + added, element by element; a single element is repeated.

    With `in_luts` it is made of look-up tables on every device.
    """

    added: int = 0
    in_luts: bool = False


@dataclass(frozen=True)
class MultiplyAdd(Multiplication):
    """(a, b, c) → a · b + (c << shift), element by element, in a DSP block; a single element of a or b is repeated."""

    shift: int


@dataclass(frozen=True)
class AddSub(Logic):
    """(a, b) → (a << left_shift) ± (b << right_shift), element by element; a single element is repeated."""

    subtract: bool
    left_shift: int
    right_shift: int


@dataclass(frozen=True)
class Extreme(Logic):
    """(a, b) → the larger (or smaller) of a << left_shift and b << right_shift; a single element is repeated."""

    largest: bool
    left_shift: int
    right_shift: int


@dataclass(frozen=True)
class Pairs(Logic):
    """(a of m groups of n) → m groups of ceil(n / 2): sums, or the larger, of neighbours; an odd last one passes."""

    groups: int
    largest: bool


@dataclass(frozen=True)
class Triples(Logic):
    """(a of m groups of n) → m groups of ceil(n / 3): sums of three neighbours; a group's last one may pass.

    `added` is added to a group's last one, where it is no sum of three; or of (a, b of m), an element of b.
    """

    groups: int
    added: int = 0


@dataclass(frozen=True)
class Differences(Logic):
    """(a of n) → n rows of n differences: a[i] - a[j] in row i, column j."""


@dataclass(frozen=True)
class ToLargest(Logic):
    """(differences of n elements, as `Differences` has them) → column j, where row j has no negative one."""


@dataclass(frozen=True)
class Round(Logic):
    """(a) → a with `dropped` fraction bits fewer; a negative number appends zeros."""

    dropped: int
    mode: Rounding


@dataclass(frozen=True)
class Bound(Logic):
    """(a) → a brought into the range of `to` by its overflow mode."""

    to: FixedType


@dataclass(frozen=True)
class TableIndex(Logic):
    """(a) → the table's cell: a clamped, counted from the clamp's lower end, without the bits that do not matter.

    With `wraps` a number beyond the table gives some cell: that of its lower bits.
    """

    form: TableForm
    wraps: bool = False


@dataclass(frozen=True)
class TableBeyond(Logic):
    """(a) → 1 where a is below the table's clamp, 2 where it is above, else 0."""

    form: TableForm


@dataclass(frozen=True)
class TableLookup(Logic):
    """(cell) → the table's result: a ROM, or two ROMs and an adder; ROMs `in_block_ram` are read with a register."""

    form: TableForm
    in_block_ram: bool = False


@dataclass(frozen=True)
class TableEnds(Logic):
    """(a, beyond) → a, or the table's first result where `beyond` is 1, its last one where it is 2."""

    form: TableForm

    @property
    def first(self) -> int:
        """The result below the table."""
        return int(self.form.evaluate(np.array([self.form.clamp_low]))[0])

    @property
    def last(self) -> int:
        """The result above the table."""
        return int(self.form.evaluate(np.array([self.form.clamp_high]))[0])


Kind = (
    Constant
    | StepRom
    | Hold
    | WordRom
    | Columns
    | Chunk
    | Tile
    | Accumulate
    | Gather
    | View
    | Unpack
    | Pack
    | Select
    | Compare
    | IndexedRom
    | Join
    | Transpose
    | PackRows
    | UnpackRows
    | UnpackPairs
    | MatVec
    | ShiftAdd
    | Products
    | Multiply
    | MultiplyAdd
    | AddSub
    | Extreme
    | Pairs
    | Triples
    | Differences
    | ToLargest
    | Round
    | Bound
    | TableIndex
    | TableBeyond
    | TableLookup
    | TableEnds
)
