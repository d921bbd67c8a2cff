"""Reading back a report, and what was drawn for it, from their JSON."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from loopwire.bounded import parse_json
from loopwire.ir.types import FixedType
from loopwire.report.drawings import Drawings
from loopwire.report.summary import Report

MAX_BYTES = 32 << 20
MAX_VALUES = 1_000_000
"""Of a report: some twenty values a tensor."""


def from_json(text: str) -> Report:
    """Return the report whose `to_json` a text is.

    Raises:
        ValueError: it is none, or one with other facts, of another version of Loopwire.
    """
    facts = parse_json(text, MAX_BYTES, MAX_VALUES)
    if isinstance(facts, dict):
        facts.pop("verdicts", None)  # they follow from the facts
    report = _read(Report, facts)
    if not isinstance(report, Report):
        raise ValueError("it is not a report")
    return report


def drawings_from_json(text: str) -> Drawings:
    """Return the drawings whose `to_json` a text is.

    Raises:
        ValueError: it is none.
    """
    drawings = _read(Drawings, parse_json(text, MAX_BYTES, MAX_VALUES))
    if not isinstance(drawings, Drawings):
        raise ValueError("it holds no drawings")
    return drawings


def _read(hint: Any, value: Any) -> Any:
    """Return a value of the type that `hint` says, from what JSON makes of it."""
    if hint is FixedType:
        if not isinstance(value, str):
            raise ValueError(f"it names a type {value!r:.80}")
        return FixedType.parse(value)
    if get_origin(hint) in (Union, types.UnionType):
        (member,) = (member for member in get_args(hint) if member is not types.NoneType)
        return None if value is None else _read(member, value)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{value!r:.80} is not one of {get_args(hint)}")
        return value
    if get_origin(hint) is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{value!r:.80} is not a table")
        return {key: _read(get_args(hint)[1], item) for key, item in value.items()}
    if get_origin(hint) is tuple:
        (element, _) = get_args(hint)
        if not isinstance(value, list):
            raise ValueError(f"{value!r:.80} is not a list")
        return tuple(_read(element, item) for item in value)
    if is_dataclass(hint) and isinstance(hint, type):
        _require_fields(hint, value)
        hints = get_type_hints(hint)
        return hint(**{name: _read(hints[name], item) for name, item in value.items()})
    plain = (int, float) if hint is float else hint
    if hint in (bool, int, float, str) and (not isinstance(value, plain) or (hint is not bool and value is True)):
        raise ValueError(f"{value!r:.80} is no {hint.__name__}")
    return value


def _require_fields(hint: type, value: Any) -> None:
    expected = _names(hint)
    if not isinstance(value, dict) or value.keys() != expected:
        raise ValueError(f"its facts are not those of a {hint.__name__}")


def _names(hint: type) -> set[str]:
    return {field.name for field in fields(hint)}
