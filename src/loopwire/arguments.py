"""What kind of value an argument is: one of another kind is refused where it is given, with its place and what to give.

Settings of files and arguments of Python pass the same checks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from loopwire.errors import ConfigError

LARGEST_COUNT = 1_000_000_000
LARGEST_NUMBER = 1e30

Check = Callable[[str, Any], Any]
"""Returns the value at a place, or raises."""


def whole(where: str, value: Any) -> int:
    """Return a whole number.

    Raises:
        ConfigError: it is none, or beyond a billion.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ConfigError(where, f"{shown(value)} is not a whole number", "Give a whole number, such as 8")
    found = int(value)
    if abs(found) > LARGEST_COUNT:
        raise ConfigError(where, f"{shown(found)} is too large", f"Give at most {LARGEST_COUNT}")
    return found


def not_negative(where: str, value: Any) -> int:
    """Return a whole number from 0 up.

    Raises:
        ConfigError: it is none.
    """
    number = whole(where, value)
    if number < 0:
        raise ConfigError(where, f"{number} is out of range", "Give 0 or more")
    return number


def number(where: str, value: Any) -> float:
    """Return a number.

    Raises:
        ConfigError: it is none, or beyond all that is meant.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ConfigError(where, f"{shown(value)} is not a number", "Give a number, such as 5.0")
    found: Any = value
    if abs(found) > LARGEST_NUMBER and found not in (math.inf, -math.inf):
        raise ConfigError(where, f"{shown(found)} is too large", "Give a number, such as 5.0")
    return float(found)


def positive(where: str, value: Any) -> float:
    """Return a finite number above 0.

    Raises:
        ConfigError: it is none.
    """
    found = number(where, value)
    if not (math.isfinite(found) and found > 0):
        raise ConfigError(where, f"{value!r} is not above 0", "Give a number above 0")
    return found


def flag(where: str, value: Any) -> bool:
    """Return a truth value.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, bool):
        raise ConfigError(where, f"{shown(value)} is neither true nor false", "Give true or false")
    return value


def text(where: str, value: Any) -> str:
    """Return a text.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, str):
        raise ConfigError(where, f"{shown(value)} is not a text", "Give it in quotes")
    return value


def path(where: str, value: Any) -> Path:
    """Return a path given as a text or as a path.

    Raises:
        ConfigError: it is neither.
    """
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(where, f"{shown(value)} is not a path", "Give a path in quotes, or a pathlib.Path")
    return Path(value)


def table(where: str, value: Any, item: Check) -> dict[str, Any]:
    """Return a table whose keys are texts and whose values pass a check.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(where, f"{shown(value)} is not a table", "Give a value for each name, {'name': ...}")
    return {text(f"{where}, a name", name): item(f"{where}.{name}", inner) for name, inner in value.items()}


def counts(where: str, value: Any) -> dict[str, int]:
    """Return a table of whole numbers.

    Raises:
        ConfigError: it is none.
    """
    return table(where, value, whole)


def instance(kinds: type | tuple[type, ...], remedy: str) -> Check:
    """Return a check for objects of some classes; `remedy` tells where they come from."""
    names = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))

    def check(where: str, value: Any) -> Any:
        if not isinstance(value, kinds):
            raise ConfigError(where, f"{shown(value)} is not {_with_article(names)}", remedy)
        return value

    return check


def function(where: str, value: Any) -> Any:
    """Return something that can be called.

    Raises:
        ConfigError: it cannot.
    """
    if not callable(value):
        raise ConfigError(where, f"{shown(value)} is not a function", "Give a function, or None")
    return value


def check_fields(made: Any, checks: Mapping[str, Check]) -> None:
    """Check fields of a dataclass that is being made, and keep them as the checks return them; None where it is usual.

    Raises:
        ConfigError: one is of another kind.
    """
    for field in fields(made):
        value = getattr(made, field.name)
        if field.name in checks and not (value is None and field.default is None):
            object.__setattr__(made, field.name, checks[field.name](field.name, value))  # it may be frozen


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOUaeiou' else 'a'} {noun}"


def shown(value: object) -> str:
    """Return a value as a message tells it, or what it is where that is no plain value."""
    if value is None or isinstance(value, bool | int | float | str | list | tuple | dict):
        return f"{value!r:.80}"
    return f"a {type(value).__name__}"
