"""Values from outside, as JSON, TOML and YAML files hold them, within bounds.

A short text can make a large value: 100 kB compressed hold JSON that takes gigabytes as objects, ten lines of YAML an
exponential number of them. What passes here is small and shallow enough for code that walks it without looking.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopwire.errors import OutputError

MAX_TEXT_BYTES = 4 << 20
MAX_VALUES = 100_000
"""Numbers, texts, lists and tables in all. A network of a hundred layers has some 10 000."""
MAX_DEPTH = 100
"""Lists and tables in one another."""
MAX_INTEGER_BITS = 64


def read_bounded(path: Path, most_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Return what a regular file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a regular file, or a larger one.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("it is not a regular file")  # a pipe that nobody writes to would be waited for
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"it has more than the {most_bytes} bytes that are read")
    return content


def read_project_text(path: Path) -> str:
    """Return the text of a file of a written project.

    Raises:
        OutputError: it cannot be read, or is not a text.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"it is not text that Loopwire wrote ({error})"
        raise OutputError(str(path), problem, "Compile the model again") from None


def parse_json(text: str | bytes, most_bytes: int = MAX_TEXT_BYTES, most_values: int = MAX_VALUES) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not JSON, or beyond the bounds.
    """
    if len(text) > most_bytes:
        raise ValueError(f"it has {len(text)} characters, more than the {most_bytes} that are read")
    text = text.decode() if isinstance(text, bytes) else text
    # Each value but the first follows one of these, so that their number is known before any object is made.
    if sum(map(text.count, "[{,")) >= most_values:
        raise ValueError(f"it holds more than {most_values} values")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"it nests deeper than {MAX_DEPTH} levels") from None
    return check_bounds(value, most_values)


def parse_toml(content: bytes) -> dict[str, Any]:
    """Return the table of a TOML text.

    Raises:
        ValueError: it is no TOML, or beyond the bounds.
    """
    text = content.decode()
    if max(line.count(".") for line in text.split("\n")) > MAX_DEPTH:
        raise ValueError(f"a line has more than {MAX_DEPTH} dots")  # keys of n parts take tomllib n² places
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"it nests deeper than {MAX_DEPTH} levels") from None
    check_bounds(values)
    return values


def check_bounds(value: Any, most_values: int = MAX_VALUES) -> Any:
    """Return a value of tables, lists, texts and numbers as it is.

    Values in several places, as YAML's aliases make them, count in each.

    Raises:
        ValueError: it holds too many values or too deep ones, an integer of more than 64 bits, or a text that no file
            can hold (a lone surrogate).
    """
    left: list[tuple[Any, int]] = [(value, 0)]
    seen = 0
    while left:
        item, depth = left.pop()
        seen += 1
        if seen + len(left) > most_values:
            raise ValueError(f"it holds more than {most_values} values")
        if depth > MAX_DEPTH:
            raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")
        if isinstance(item, Mapping):
            left += [(inner, depth + 1) for pair in item.items() for inner in pair]
        elif isinstance(item, list | tuple):
            left += [(inner, depth + 1) for inner in item]
        elif isinstance(item, int) and item.bit_length() > MAX_INTEGER_BITS:
            raise ValueError(f"it holds a whole number of {math.ceil(item.bit_length() * math.log10(2))} digits")
        elif isinstance(item, str) and not item.isascii():
            item.encode()  # UnicodeEncodeError is a ValueError
    return value
