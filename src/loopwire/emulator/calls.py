"""What a stateful graph means: its calls one after another, each stream's states carried from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Graph
from loopwire.passes.carry_states import expose_states

Array = npt.NDArray[Any]
Evaluate = Callable[[Graph, Sequence[Array], npt.NDArray[np.int64] | None], tuple[Array, ...]]
"""`evaluate_integers` or `evaluate_real`: given a graph, inputs and lengths, the outputs."""


def evaluate_calls(
    evaluate: Evaluate,
    graph: Graph,
    x: Sequence[Array],
    fresh: npt.NDArray[np.bool_],
    channels: int,
    lengths: npt.NDArray[np.int64] | None = None,
) -> tuple[Array, ...]:
    """Evaluate a stateful graph call by call, as after a reset.

    Args:
        evaluate: on which numbers.
        graph: whose scans carry states.
        x: of each input (N, *shape), call after call; call k is one of channel k mod `channels`.
        fresh: (N,) whether a call starts from the initial states; each channel's first always does.
        channels: streams that take turns.
        lengths: (N,) steps of each call; None: all T.

    Returns:
        Each output (N, *shape) of every call.
    """
    call, start = expose_states(graph)
    initial = evaluate(start, (), None)
    states = [np.repeat(state, channels, axis=0) for state in initial]
    outputs = []
    for first in range(0, len(fresh), channels):
        turn = slice(first, first + channels)
        count = len(fresh[turn])
        anew = fresh[turn]
        entering = [
            np.where(anew.reshape(-1, *(1 for _ in state.shape[1:])), begun, state[:count])
            for begun, state in zip(initial, states, strict=True)
        ]
        given = [array[turn] for array in x]
        results = evaluate(call, (*given, *entering), None if lengths is None else lengths[turn])
        left = results[len(graph.outputs) :]
        outputs.append(results[: len(graph.outputs)])
        states = [np.concatenate((after, state[count:])) for state, after in zip(states, left, strict=True)]
    return tuple(np.concatenate(calls) for calls in zip(*outputs, strict=True))
