"""Names of hls4ml that stand for something else here: called, they say what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from loopwire.errors import UnsupportedError


def substituted(name: str, instead: str) -> Callable[..., NoReturn]:
    """Return a function of hls4ml's name that names its substitute."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        """Raise UnsupportedError, which names what to use instead."""
        raise UnsupportedError(f"hls4ml's {name}", "Loopwire does not have it", f"Use {instead}")

    refuse.__name__ = name
    return refuse
