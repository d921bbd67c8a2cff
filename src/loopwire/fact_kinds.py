"""What a fact is that comes from a file: the kinds that readers ask for, and the check of a table of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from loopwire.errors import ConfigError, FixedTypeError
from loopwire.ir.types import FixedType
from loopwire.knobs import Knobs
from loopwire.text.identifiers import is_identifier
from loopwire.text.names import is_name

MAX_COUNT = 1 << 26

Kind = Callable[[Any], bool]
"""Tells whether a fact is of a kind."""
Kinds = Mapping[str, "Kind | Kinds"]
"""A table of facts, each of its kind; it may hold others."""


def first_wrong(facts: Any, kinds: Kinds, above: str = "") -> tuple[str, Any] | None:
    """Return the name and the value of a fact that is missing or of another kind; None where there is none."""
    if not isinstance(facts, dict):
        return above, facts
    for key, kind in kinds.items():
        name = f"{above}.{key}" if above else key
        if isinstance(kind, Mapping):
            wrong = first_wrong(facts.get(key), kind, name)
            if wrong is not None:
                return wrong
        elif not kind(facts.get(key)):
            return name, facts.get(key)
    return None


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_COUNT


def is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (1, 2) and all(map(is_count, value))


def is_positive(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 1e-6 < value < 1e9


def is_module(value: Any) -> bool:
    """Tell whether a tool's script can take a text for a module's name only."""
    return isinstance(value, str) and is_identifier(value)


def is_table_of_modules(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_module, value)) and all(map(is_name, value.values()))


def is_table_of_ports(value: Any) -> bool:
    """Say whether a table lists a module's ports by their names."""
    kinds: Kinds = {"direction": lambda word: word in ("input", "output"), "bits": lambda n: n == 0 or is_count(n)}
    return (
        isinstance(value, dict)
        and all(map(is_module, value))
        and all(first_wrong(port, kinds) is None for port in value.values())
    )


def is_table_of_streams(value: Any) -> bool:
    """Say whether a table lists ports by their tensors' names."""
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(map(is_name, value))
        and all(first_wrong(port, {**PORT, "stream": is_module, "steps": is_count}) is None for port in value.values())
    )


def is_type(value: Any) -> bool:
    try:
        return isinstance(value, str) and FixedType.parse(value) is not None
    except FixedTypeError:
        return False


PORT: Kinds = {
    "type": is_type,
    **dict.fromkeys(("bits", "elements", "vectors_per_beat", "beats_per_vector"), is_count),
}
"""What is written of a port."""


def is_knobs(value: Any) -> bool:
    """Tell whether a table is of all knobs, each with a value that it can have."""
    try:
        return isinstance(value, dict) and asdict(Knobs(**value)) == value
    except (ConfigError, TypeError):
        return False
