"""Facts as JSON holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from loopwire.ir.types import FixedType


def plain(value: Any) -> Any:
    """Return what JSON knows: dataclasses as objects, types as text, tuples as lists."""
    if isinstance(value, FixedType):
        return str(value)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value
