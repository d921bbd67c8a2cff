"""How long work says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how much is done, of how much."""


def silent(done: int, total: int) -> None:
    """Be a `Progress` that nobody sees."""
