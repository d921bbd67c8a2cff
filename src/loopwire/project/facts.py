"""What `design.json` tells of a project: read within bounds, and each fact that a command builds on of its kind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loopwire.bounded import parse_json, read_bounded
from loopwire.errors import FixedTypeError, OutputError
from loopwire.ir.types import FixedType
from loopwire.text.identifiers import is_identifier
from loopwire.text.names import is_name

MARKER = "design.json"
MAX_COUNT = 1 << 26

Kind = Callable[[Any], bool]
"""Tells whether a fact is of a kind."""
Kinds = Mapping[str, "Kind | Kinds"]


def parse_facts(path: Path) -> dict[str, Any]:
    """Return what a `design.json` holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no table in JSON, or beyond all bounds.
    """
    try:
        facts = parse_json(read_bounded(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(facts, dict):
        raise ValueError(f"it holds {facts!r:.80}, and no table")
    return facts


def listed_files(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that Loopwire wrote into a folder, each one's digest by its name.

    Raises:
        ValueError: the facts list none, or something else.
    """
    own = facts.get("loopwire")
    files = own.get("files") if isinstance(own, dict) else None
    if not isinstance(own, dict) or not isinstance(files, dict):
        name, value = ("loopwire.files", files) if isinstance(own, dict) else ("loopwire", own)
        raise ValueError(f"{name!r} is {value!r:.80}, and no table")
    for name, digest in files.items():
        if not isinstance(digest, str):
            raise ValueError(f"'loopwire.files.{name:.80}' is {digest!r:.80}, and no digest")
    return files


def check_facts(where: str, facts: Mapping[str, Any]) -> None:
    """Compare facts with what commands take for granted.

    Raises:
        OutputError: one is missing or of another kind.
    """
    target = facts.get("target")
    kinds = FACTS.get(target) if isinstance(target, str) else None
    if kinds is None:
        raise _wrong(where, "target", target)
    _check(where, "", facts, {**kinds, "board": BOARD} if "board" in facts else kinds)


def _check(where: str, above: str, facts: Any, kinds: Kinds) -> None:
    if not isinstance(facts, dict):
        raise _wrong(where, above, facts)
    for key, kind in kinds.items():
        name = f"{above}.{key}" if above else key
        if isinstance(kind, Mapping):
            _check(where, name, facts.get(key), kind)
        elif not kind(facts.get(key)):
            raise _wrong(where, name, facts.get(key))


def _wrong(where: str, name: str, value: Any) -> OutputError:
    return OutputError(where, f"{MARKER} tells that {name!r} is {value!r:.80}", "Compile the model again")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_COUNT


def _is_width(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (1, 2) and all(map(_is_count, value))


def _is_positive(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 1e-6 < value < 1e9


def _is_module(value: Any) -> bool:
    """Tell whether a tool's script can take a text for a module's name only."""
    return isinstance(value, str) and is_identifier(value)


def _is_table_of_modules(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_module, value)) and all(map(is_name, value.values()))


def _is_type(value: Any) -> bool:
    try:
        return isinstance(value, str) and FixedType.parse(value) is not None
    except FixedTypeError:
        return False


_PORT: Kinds = {
    "type": _is_type,
    **dict.fromkeys(("bits", "elements", "vectors_per_beat", "beats_per_vector"), _is_count),
}
_ALL: Kinds = {"top": _is_module, "part": _is_text, "clock_period_ns": _is_positive}
FACTS: Mapping[str, Kinds] = {
    "verilog": {
        **_ALL,
        "layer_modules": _is_table_of_modules,
        "stateful": _is_flag,
        "sliding_window": _is_flag,
        "channels": _is_count,
        **dict.fromkeys(("user_bits", "id_bits"), _is_width),
        "input": {**_PORT, "shape": _is_shape, "steps": _is_count},
        "output": {**_PORT, "per_step": _is_flag},
    },
    "vitis_hls": _ALL,
}
"""By target; a project may tell more."""
BOARD: Kinds = {"clock_mhz": _is_positive}
