"""The loops of a product of a matrix and a vector: exact integers, all at once or in passes."""

from __future__ import annotations

from dataclasses import dataclass

from loopwire.datapath.sharing import Sharing
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Value
from loopwire.ir.interval import Range, RowSums
from loopwire.ir.types import FixedType
from loopwire.targets.vitis_hls.cxx import TypeNames, indented, loop, partition, short_name, signed_bits
from loopwire.targets.vitis_hls.knobs import HlsKnobs
from loopwire.targets.vitis_hls.library import rom_memory
from loopwire.text.identifiers import Names


@dataclass(frozen=True)
class Passes:
    """How a product of `rows` × `columns` is cut: `groups` of rows times `blocks` of columns, a pass each."""

    rows: int
    columns: int
    groups: int
    blocks: int

    @classmethod
    def of(cls, rows: int, columns: int, sharing: Sharing) -> Passes:
        """Return the cut of a layer's sharing: no group and no block is empty."""
        group_rows, block_columns = -(-rows // sharing.chunks), -(-columns // sharing.passes)
        return cls(rows, columns, -(-rows // group_rows), -(-columns // block_columns))

    @property
    def count(self) -> int:
        """How many passes there are."""
        return self.groups * self.blocks

    @property
    def group_rows(self) -> int:
        """Rows of a pass."""
        return -(-self.rows // self.groups)

    @property
    def block_columns(self) -> int:
        """Columns of a pass."""
        return -(-self.columns // self.blocks)


@dataclass(frozen=True)
class Weights:
    """A matrix (rows, columns) of integers of a given number of bits.

    `text` reads the weight of `column` and of the row that replaces $row; a constant's array is `name`, with `integers`
    of shape (rows, columns) or (steps, rows, columns).
    """

    matrix: Value
    text: str
    bits: int
    name: str = ""
    integers: Integers | None = None


def product_lines(
    result: Value,
    weights: Weights,
    cut: Passes,
    vector: Value,
    x: str,
    target: str,
    types: TypeNames,
    names: Names,
    knobs: HlsKnobs,
) -> list[str]:
    """Return declarations and loops of a product.

    Args:
        result: what is computed.
        weights: the matrix.
        cut: its passes.
        vector: the factor.
        x: its element of `column`.
        target: the result's element of `row`.
        types: of all tensors.
        names: of the function.
        knobs: decide whether each loop runs over several sequences.
    """
    rows = cut.rows
    lanes = knobs.interleave if knobs.lanes_in_statements else 0
    base = short_name(result)
    total = names.unique(f"{base}_total")
    totals = f"{total}[s]" if lanes else total
    factor = types.element(vector)
    bits = _sum_bits(result.type.element, weights, factor)
    x_bits = signed_bits(factor.min_integer, factor.max_integer)

    row = "row" if cut.groups == 1 else f"group * {cut.group_rows} + row"
    accumulate = [f"{totals}[{row}] += multiply<{weights.bits + x_bits}>({weights.text.replace('$row', row)}, x_j);"]
    if cut.groups * cut.group_rows > rows:
        accumulate = _only_if(f"{row} < {rows}", accumulate)
    column = [f"const integer<{x_bits}> x_j = integer_of({x});"]
    column += loop(names.unique(f"{base}_rows"), "row", cut.group_rows, accumulate, "UNROLL")
    passes = _columns(column, cut, names.unique(f"{base}_columns"))
    clear = loop(names.unique(f"{base}_clear"), "row", rows, [f"{totals}[row] = 0;"], "UNROLL")
    give = [f"{target} = fixed_of<{types.of(result)}>({totals}[row]);"]
    give = loop(names.unique(f"{base}_results"), "row", rows, give, "UNROLL")
    innermost = ["PIPELINE II = 1"] if knobs.in_passes else []
    if lanes:
        clear, passes, give = (
            loop(names.unique(f"{base}_{label}"), "s", lanes, lines, *innermost)
            for label, lines in (("clear_sequences", clear), ("sequences", passes), ("result_sequences", give))
        )
        innermost = []
    if cut.blocks > 1:
        variable = "column" if cut.block_columns == 1 else "pass"
        passes = loop(names.unique(f"{base}_passes"), variable, cut.blocks, passes, *innermost)
        innermost = []
    if cut.groups > 1:
        passes = loop(names.unique(f"{base}_groups"), "group", cut.groups, passes, *innermost)
    return [
        f"integer<{bits}> {total}{f'[{lanes}]' if lanes else ''}[{rows}];",
        partition(total, lanes > 0),
        *_storage(weights, cut),
        *clear,
        *passes,
        *give,
    ]


def _sum_bits(exact: FixedType, weights: Weights, factor: FixedType) -> int:
    """Return the bits that hold each row's sum, and what it is after any of its terms."""
    if weights.integers is None:
        return signed_bits(exact.min_integer, exact.max_integer)
    rows = RowSums.of(weights.integers.reshape(-1, weights.integers.shape[-1]))
    sums = rows.product(Range.of_type(factor))
    return signed_bits(sums.low, sums.high)


def _columns(column: list[str], cut: Passes, label: str) -> list[str]:
    """Return the work of one pass: all columns, a block of them, or the one that the loop around it names."""
    if cut.blocks == 1:
        return loop(label, "column", cut.columns, column, "UNROLL")
    if cut.block_columns == 1:
        return column
    if cut.blocks * cut.block_columns > cut.columns:
        column = _only_if(f"column < {cut.columns}", column)
    column = [f"const int column = pass * {cut.block_columns} + part;", *column]
    return loop(label, "part", cut.block_columns, column, "UNROLL")


def _only_if(condition: str, lines: list[str]) -> list[str]:
    return [f"if ({condition}) {{", *indented(lines), "}"]


def _storage(weights: Weights, cut: Passes) -> list[str]:
    """Return how a constant matrix is kept: in the logic itself, or in ROMs that give a pass's weights at once."""
    if weights.integers is None:
        return []
    name, first = weights.name, weights.integers.ndim - 1
    if cut.count == 1:
        if first == 1:
            return [partition(name)]
        return [f"#pragma HLS ARRAY_RESHAPE variable = {name} complete dim = {dim}" for dim in (first, first + 1)]
    lines = []
    if cut.block_columns > 1:
        lines.append(f"#pragma HLS ARRAY_RESHAPE variable = {name} cyclic factor = {cut.block_columns} dim = {first}")
    kind = f"block factor = {cut.groups}" if cut.groups > 1 else "complete"
    lines.append(f"#pragma HLS ARRAY_RESHAPE variable = {name} {kind} dim = {first + 1}")
    lines.append(f"#pragma HLS BIND_STORAGE variable = {name} type = rom_1p impl = {rom_memory(weights.integers)}")
    return lines
