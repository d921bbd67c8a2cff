"""Expressions of one number: rounded, brought into a range, or turned into a table's cell."""

from __future__ import annotations

from typing import assert_never

from loopwire.datapath.ops import Bound, Round, TableIndex
from loopwire.datapath.signals import Signal
from loopwire.hdl.expressions import literal, resized
from loopwire.ir.table_form import TableForm, telling_bits
from loopwire.ir.types import FixedType, Overflow, Rounding


def rounded(kind: Round, a: Signal, expression: str, width: int) -> str:
    """Return a number with fewer fraction bits, of a given number of bits in all."""
    dropped = kind.dropped
    if dropped < 0:
        return shifted(resized(expression, a.width, a.signed, width), -dropped)
    # A bit more than the number, for what is added; where that is nothing, none.
    wide = max(a.width, dropped + 1) + (kind.mode is not Rounding.TRN or not a.signed)
    value = resized(expression, a.width, a.signed, wide)
    half, sign = 1 << (dropped - 1), bit(expression, a.width - 1) if a.signed else "1'b0"
    match kind.mode:
        case Rounding.TRN:
            added = ""
        case Rounding.RND:
            added = literal(half, wide)
        case Rounding.RND_MIN_INF:
            added = literal(half - 1, wide)
        case Rounding.RND_INF:
            added = f"{literal(half, wide)} - {wide}'({sign})"
        case Rounding.RND_ZERO:
            added = f"{literal(half - 1, wide)} + {wide}'({sign})"
        case Rounding.RND_CONV:
            # The lowest bit kept breaks a tie.
            kept = bit(expression, dropped) if dropped < a.width else sign
            added = f"{literal(half - 1, wide)} + {wide}'({kept})"
        case Rounding.TRN_ZERO:
            added = f"({sign} ? {literal(2 * half - 1, wide)} : {literal(0, wide)})"
        case _:
            assert_never(kind.mode)
    total = f"{value} + {added}" if added else value
    return f"{width}'($signed({total}) >>> {dropped})"


def bit(expression: str, place: int) -> str:
    """Return a bit of a vector's element; Icarus 11 takes no second index behind a variable one."""
    return f"1'({expression} >> {place})"


def shifted(expression: str, shift: int) -> str:
    """Return an expression times a power of two."""
    return f"({expression} << {shift})" if shift else expression


def bounded(kind: Bound, a: Signal, expression: str, width: int) -> str:
    """Return a number brought into a type's range."""
    to = kind.to
    kept = resized(expression, a.width, a.signed, width)
    if to.overflow is Overflow.WRAP or (a.low >= _lowest(to) and a.high <= to.max_integer):
        return kept
    fits = _fits(a, expression, to.width, to.signed)
    low, high = literal(_lowest(to), width), literal(to.max_integer, width)
    if a.low <= to.min_integer < _lowest(to):
        wide = max(width, to.width)  # A result that is never positive may have fewer bits than its type.
        fits = f"{fits} && {resized(expression, a.width, a.signed, wide)} != {literal(to.min_integer, wide)}"
    beyond = f"{_negative(a, expression)} ? {low} : {high}" if a.signed else high
    return f"{fits} ? {kept} : {literal(0, width) if to.overflow is Overflow.SAT_ZERO else beyond}"


def _lowest(to: FixedType) -> int:
    symmetric = to.overflow is Overflow.SAT_SYM and to.width > 1
    return max(to.min_integer, -to.max_integer) if symmetric else to.min_integer


def _fits(a: Signal, expression: str, width: int, signed: bool) -> str:
    """Say whether a number has at most this many bits: by its upper bits, which are cheaper than a comparison."""
    lowest = width - signed
    if a.width <= lowest:  # Only its sign can be too much.
        return f"!({_negative(a, expression)})"
    bits = a.width - lowest
    upper = f"{bits}'({expression} >> {lowest})"
    zeros, ones = (f"{upper} == {literal(value, bits)}" for value in (0, -1))  # Yosys takes '1 for 1.
    return f"({zeros} || {ones})" if a.signed and signed else zeros


def _negative(a: Signal, expression: str) -> str:
    return f"$signed({expression}) < {a.width}'sd0"


def _beyond(a: Signal, expression: str, relation: str, limit: int) -> str:
    """Say whether a number is beyond a limit: by its upper bits alone, where the limit's lower ones tell nothing."""
    both = FixedType.holding(min(a.low, limit), max(a.high, limit), 0)
    wide = max(both.width, 1 + both.signed)
    value = resized(expression, a.width, a.signed, wide)
    bits = min(telling_bits(limit + (relation == ">"), wide), wide)
    if bits < wide:
        value, limit = f"{bits}'({value} >> {wide - bits})", limit >> wide - bits
    if not both.signed:
        return f"{value} {relation} {bits}'d{limit}"
    return f"$signed({value}) {relation} {'-' if limit < 0 else ''}{bits}'sd{abs(limit)}"


def beyond_table(form: TableForm, a: Signal, expression: str) -> str:
    """Return two bits, whether a number is below all of a table and whether it is above."""
    if form.covered is None:
        above = _beyond(a, expression, ">", form.clamp_high) if a.high > form.clamp_high else "1'b0"
        below = _beyond(a, expression, "<", form.clamp_low) if a.low < form.clamp_low else "1'b0"
        return f"{{{above}, {below}}}"
    fits = _fits(a, expression, form.covered.width, form.covered.signed)
    negative = _negative(a, expression) if a.signed else "1'b0"
    return f"{fits} ? 2'd0 : {negative} ? 2'd1 : 2'd2"


def table_cell(kind: TableIndex, a: Signal, expression: str, width: int) -> str:
    """Return the table's cell of a number."""
    form = kind.form
    wide = max(a.width, (form.clamp_high - form.clamp_low).bit_length(), width + form.dropped_bits)
    value = resized(expression, a.width, a.signed, wide)
    counted = value if form.clamp_low == 0 else f"({value} - {literal(form.clamp_low, wide)})"
    kept = f"{counted} >> {form.dropped_bits}" if form.dropped_bits else counted
    kept = f"{width}'({kept})"
    if kind.wraps or (a.low >= form.clamp_low and a.high <= form.clamp_high):
        return kept
    first, last = literal(0, width), literal(form.last_cell, width)
    if form.covered:
        beyond = f"{_negative(a, expression)} ? {first} : {last}" if a.signed else last
        return f"{_fits(a, expression, form.covered.width, form.covered.signed)} ? {kept} : {beyond}"
    if a.high > form.clamp_high:
        kept = f"{_beyond(a, expression, '>', form.clamp_high)} ? {last} : {kept}"
    if a.low < form.clamp_low:
        kept = f"{_beyond(a, expression, '<', form.clamp_low)} ? {first} : {kept}"
    return kept
