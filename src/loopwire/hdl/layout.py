"""Where the lines of SystemVerilog statements break, and the loops around them."""

from __future__ import annotations

from collections.abc import Sequence

LINE_LENGTH = 110


def loop(variable: str, count: int) -> tuple[str, list[str]]:
    """Return the index of a loop and its head; a loop of one round needs none, and its index is 0."""
    if count == 1:
        return "0", []
    return variable, [f"for (int {variable} = 0; {variable} < {count}; {variable}++)"]


def nested(heads: Sequence[str], statement: str) -> list[str]:
    """Return a statement within loops: on the line of the last one where that is short, else wrapped."""
    *outer, head = heads or [""]
    lines = [f"{'  ' * depth}{loop}" for depth, loop in enumerate(outer, start=1)]
    indent = "  " * (len(outer) + 1)
    if len(head) + len(statement) < LINE_LENGTH:
        return [*lines, f"{indent}{head} {statement}" if head else f"{indent}{statement}"]
    if head:
        lines.append(f"{indent}{head}")
        indent += "  "
    first, *further = wrapped(statement)
    return [*lines, f"{indent}{first}", *(f"{indent}    {part}" for part in further)]


def wrapped(statement: str) -> list[str]:
    """Break a long statement before each alternative, or else before its last operator that no bracket encloses."""
    if len(statement) < LINE_LENGTH:
        return [statement]
    depth, breaks = 0, []
    for place, character in enumerate(statement):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and statement[place : place + 3] in (" : ", " + ", " * "):
            breaks.append(place)
    alternatives = [place for place in breaks if statement[place : place + 3] == " : "]
    chosen = alternatives or breaks[-1:]
    return [statement[a:b].strip() for a, b in zip([0, *chosen], [*chosen, len(statement)], strict=True)]


def element_of(row: str, stride: int, col: str) -> str:
    """Return the place of an element in an array of rows."""
    if row == "0":
        return col
    start = row if stride == 1 else f"{row} * {stride}"
    return start if col == "0" else f"{start} + {col}"
