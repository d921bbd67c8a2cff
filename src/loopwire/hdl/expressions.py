"""Sized SystemVerilog expressions: every operand is brought to its width explicitly, so that no tool has to guess."""

from __future__ import annotations

from collections.abc import Iterable


def resized(expression: str, width: int, signed: bool, to_width: int) -> str:
    """Return a number's bits in `to_width` bits: extended by its sign or by zeros, or cut."""
    if to_width == width:
        return expression
    if to_width > width and signed:
        return f"{to_width}'($signed({expression}))"
    return f"{to_width}'({expression})"


def as_signed(expression: str, width: int, signed: bool, to_width: int) -> str:
    """Return a number as a signed operand of `to_width` bits, which must hold it with a sign."""
    return f"$signed({resized(expression, width, signed, to_width)})"


def literal(value: int, width: int) -> str:
    """Return a number as an unsigned literal of `width` bits, in two's complement."""
    return f"{width}'h{value & ((1 << width) - 1):x}"


def concatenation(values: Iterable[int], width: int, indent: str, line_length: int = 110) -> str:
    """Return a packed array's elements, the first one lowest, as a concatenation on wrapped lines."""
    lines, line = [], indent
    items = [literal(value, width) for value in reversed(list(values))]
    for index, item in enumerate(items):
        text = item + (", " if index < len(items) - 1 else "")
        if len(line) + len(text) > line_length:
            lines.append(line.rstrip())
            line = indent
        line += text
    return "{\n" + "\n".join([*lines, line]) + "\n" + indent[:-2] + "}"


def hex_file(values: Iterable[int], width: int) -> str:
    """Return a file for $readmemh: one number a line, in two's complement of `width` bits."""
    mask, digits = (1 << width) - 1, (width + 3) // 4
    return "".join(f"{value & mask:0{digits}x}\n" for value in values)
