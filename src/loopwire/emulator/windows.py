"""What a sliding window means: of each sample, the sequence of its channel's last T samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Graph

Array = npt.NDArray[Any]


def check_window(graph: Graph) -> None:
    """Refuse a graph of which no window can slide.

    Raises:
        UnsupportedError: its input is no sequence of several steps, or it gives a result for each of them.
    """
    (x,), (y,) = graph.inputs, graph.outputs
    if len(x.type.shape) != 2 or x.type.shape[0] < 2:
        raise UnsupportedError(
            "sliding_window",
            f"the model's input, of shape {x.type.shape}, is no sequence of several steps",
            "Leave 'sliding_window' out",
        )
    if len(y.type.shape) != 1:
        raise UnsupportedError(
            "sliding_window",
            f"the model gives a result of shape {y.type.shape} for each window, not one vector",
            "Let its last recurrent layer return the last step alone",
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
