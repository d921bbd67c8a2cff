"""Arrays that do not fit a layer's inputs, or one another: a mistake in making the layer, reported with all shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import ShapeError

if TYPE_CHECKING:
    from loopwire.layers.model import Layer, Tensor


@contextmanager
def require_fit(layer: Layer, inputs: Sequence[Tensor]) -> Iterator[None]:
    """Take shapes that no operation of a layer's equations takes for a mistake in its arrays.

    Raises:
        UnsupportedError: the layer cannot be called on these inputs; the error names the shapes of its arrays.
    """
    try:
        yield
    except (ShapeError, IndexError, ValueError) as error:
        shapes = ", ".join([*(f"input {x.shape}" for x in inputs), *(f"{n} {s}" for n, s in _shapes(layer))])
        detail = f" ({error})" if isinstance(error, ShapeError) else ""
        problem = f"the shapes of its input and its arrays do not fit one another: {shapes}{detail}"
        remedy = f"Give them as loopwire.layers.{type(layer).__name__} documents"
        raise UnsupportedError(f"layer {layer.name!r}", problem, remedy) from error


def _shapes(part: object, prefix: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the names and shapes of all arrays of a layer, those of its parts included."""
    if not is_dataclass(part):
        return
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, np.ndarray):
            yield f"{prefix}{field.name}", value.shape
        else:
            yield from _shapes(value, f"{prefix}{field.name}.")
