"""What a sliding window means: of each sample, the sequence of its channel's last T samples.

Of several inputs each brings a sample at a time; a vector that is no sequence comes with each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Graph

Array = npt.NDArray[Any]


def check_window(graph: Graph) -> None:
    """Refuse a graph of which no window can slide.

    Raises:
        UnsupportedError: no input is a sequence, one is a sequence of a single step, or a result is for each of them.
    """
    shapes = [x.type.shape for x in graph.inputs]
    wrong = [shape for shape in shapes if len(shape) == 2 and shape[0] < 2]
    if wrong or all(len(shape) == 1 for shape in shapes):
        raise UnsupportedError(
            "sliding_window",
            f"the model's input, of shape {(wrong or shapes)[0]}, is not a sequence of several steps",
            "Leave 'sliding_window' out",
        )
    for y in graph.outputs:
        if len(y.type.shape) != 1:
            raise UnsupportedError(
                "sliding_window",
                f"the model gives a result of shape {y.type.shape} for each window, not one vector",
                "Let its last recurrent layer return the last step alone",
            )


def seen_of(
    graph: Graph,
    samples: Sequence[Array],
    fresh: npt.NDArray[np.bool_],
    channels: int,
    rows: slice = slice(None),
) -> tuple[Array, ...]:
    """Return what a graph sees of samples of each input: windows of those that are sequences, the others as they are.

    Args:
        graph: of which windows slide.
        samples: of each input (N, F), as they come after a reset.
        fresh: (N,) whether a sample begins its channel anew.
        channels: streams that take turns.
        rows: of which samples; all unless given.
    """
    return tuple(
        windows(given, fresh, x.type.shape[0], channels, rows) if len(x.type.shape) == 2 else given[rows]
        for x, given in zip(graph.inputs, samples, strict=True)
    )


def windows(
    samples: Array, fresh: npt.NDArray[np.bool_], steps: int, channels: int, rows: slice = slice(None)
) -> Array:
    """Return the window that ends with each sample.

    Args:
        samples: (N, F), as they come after a reset; sample k is one of channel k mod `channels`.
        fresh: (N,) whether a sample begins its channel anew: those before it count as 0.
        steps: T, of a window.
        channels: streams that take turns.
        rows: of which samples; all unless given.

    Returns:
        Sequences (rows, T, F), the oldest sample first; samples that have not come are 0.
    """
    count = len(samples)
    rounds = -(-count // channels)
    begins = np.zeros(rounds * channels, np.int64)
    begins[:count] = np.where(fresh, np.arange(count), 0)
    begins = np.maximum.accumulate(begins.reshape(rounds, channels), axis=0).reshape(-1)[:count]
    place = np.arange(count)[rows, np.newaxis] - channels * np.arange(steps - 1, -1, -1)
    there = (place >= begins[rows, np.newaxis])[..., np.newaxis]
    return np.where(there, samples[np.maximum(place, 0)], np.zeros_like(samples[:1]))
