"""Bounds of what a model may take: shapes of its inputs, without the batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from loopwire.errors import ConfigError, UnsupportedError
from loopwire.layers.model import MAX_ELEMENTS, MAX_STEPS

STEPS_REMEDY = "Give it: --steps T, 'steps' in the configuration, or loopwire.load(path, steps=T)"


def checked_shape(source: str, shape: tuple[Any, ...], remedy: str, most_axes: int = 2) -> tuple[int, ...]:
    """Return the shape of an input: (T, features) or (features,), or with a step of more axes.

    Args:
        source: the model, for messages.
        shape: as a file gives it; None is a length that it leaves open.
        remedy: where a length is zero or open.
        most_axes: that it may have.

    Raises:
        UnsupportedError: it is another one.
    """
    where = f"{source}, input"
    if 0 in shape:
        raise UnsupportedError(where, f"it has shape {shape}: there is nothing in it", remedy)
    if any(length is None for length in shape):
        raise UnsupportedError(where, f"its shape {shape} is unknown at compile time", remedy)
    if not 1 <= len(shape) <= most_axes or not all(type(length) is int and length > 0 for length in shape):
        raise UnsupportedError(where, f"it has shape {shape}", "Give one of (steps, features) or (features,)")
    if len(shape) >= 2 and shape[0] > MAX_STEPS:
        raise UnsupportedError(where, f"it has {shape[0]} steps", f"Give at most {MAX_STEPS}, or a sliding window")
    if prod(shape) > MAX_ELEMENTS:
        raise UnsupportedError(where, f"its shape {shape} has {prod(shape)} elements", f"Give at most {MAX_ELEMENTS}")
    return shape


def check_steps(shapes: Sequence[tuple[Any, ...]], steps: int | None) -> None:
    """Refuse a number of steps that no input has.

    Raises:
        ConfigError: it is given, and there is none.
    """
    if steps is not None and not any(len(shape) >= 2 and shape[0] == steps for shape in shapes):
        what = f"input has shape {shapes[0]}" if len(shapes) == 1 else f"inputs have shapes {list(shapes)}"
        raise ConfigError("steps", f"the model's {what}, not {steps} steps", "Leave the steps out")
