"""The fast path of stateful emulation: a call, states and all, on the compiled vector machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Graph, Value
from loopwire.passes.carry_states import expose_states
from loopwire.passes.pack_ports import common_element, pack_ports
from loopwire.targets.evaluate import evaluate_integers, shortened
from loopwire.targets.fast_emulator import FastEmulator, try_build


class FastCalls:
    """What `evaluate_integers` gives for the graphs that `evaluate_calls` makes of one stateful graph.

    `try_build_calls` makes one.
    """

    def __init__(self, emulator: FastEmulator) -> None:
        self._emulator = emulator

    def __call__(
        self, graph: Graph, inputs: Sequence[Integers], lengths: npt.NDArray[np.int64] | None
    ) -> tuple[Integers, ...]:
        """Evaluate a call, or the start of the states, which has no inputs."""
        if not inputs:
            return evaluate_integers(graph, inputs, lengths)
        packed = _aligned(graph.inputs, [shortened(x, lengths) for x in inputs])
        results = self._emulator.run(packed, lengths)
        fraction = common_element(graph.outputs).fraction
        ends = np.cumsum([value.type.size for value in graph.outputs])
        return tuple(
            part.reshape(-1, *value.type.shape) >> (fraction - value.type.element.fraction)
            for value, part in zip(graph.outputs, np.split(results, ends[:-1], axis=1), strict=True)
        )


def try_build_calls(graph: Graph) -> FastCalls | None:
    """Return the fast path for a stateful graph; None where there is none, as `fast_emulator.try_build` tells."""
    call, _ = expose_states(graph)
    emulator = try_build(pack_ports(call))
    return None if emulator is None else FastCalls(emulator)


def _aligned(values: Sequence[Value], arrays: Sequence[Integers]) -> npt.NDArray[np.int64]:
    """Return the elements of all arrays, counted in steps of their common type (N, elements)."""
    fraction = common_element(values).fraction
    parts = [
        x.reshape(len(x), -1).astype(np.int64) << (fraction - value.type.element.fraction)
        for value, x in zip(values, arrays, strict=True)
    ]
    return np.concatenate(parts, axis=1)
