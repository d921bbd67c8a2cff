"""Warnings of values that do not fit their types, each tensor's once, at a cost that does not grow with the data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import LoopwireError, LoopwireWarning
from loopwire.ir import ops
from loopwire.ir.graph import Graph
from loopwire.ir.types import Overflow
from loopwire.report.clipping import Clipping, ClippingMeter, limits, named, tensor_name

Rows = npt.NDArray[np.int64]

LOOKED_AT = 64
"""Sequences of a call that are evaluated in floating point, tensor by tensor."""
SAMPLED = 256
"""Of a design: so many are looked at though nothing of them is suspicious."""
MOST_LOOKED_AT = 2048
"""Of a design, suspicious ones included."""
FATES = {
    Overflow.SAT: "saturate",
    Overflow.SAT_SYM: "saturate",
    Overflow.SAT_ZERO: "become 0",
    Overflow.WRAP: "wrap",
}
_STACK_LEVEL = 4
"""From `SaturationWatch.look` up to who calls `Design.predict` or `Design.simulate`."""
OVERFLOWS = (
    "the network in floating point is beyond double precision on some of these inputs: firmware saturates or wraps "
    "there. Check the scale of the inputs and of the weights"
)


class SaturationWatch:
    """Watches what is emulated and simulated of one design.

    Inputs are looked at exactly. Results at an end of their type's range, which they share with what saturates, and
    inputs that do not fit make a sequence suspicious: some of these, and a sample of all, are evaluated in floating
    point, which names the tensors between as well.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        constants = (node.result for node in graph.walk() if isinstance(node.op, ops.Const))
        self._told = {(value.layer, tensor_name(value)) for value in constants}  # reported when they were compiled
        self._looked_at = 0

    def look(
        self,
        inputs: Sequence[npt.NDArray[Any]],
        outputs: Sequence[npt.NDArray[Any]],
        evaluate: Callable[[Rows, ClippingMeter], object],
        in_order: bool,
    ) -> None:
        """Warn of what does not fit.

        Args:
            inputs: real numbers (N, *shape) for each input of the graph.
            outputs: integers (N, *shape) for each of its outputs.
            evaluate: evaluates some of the N sequences in floating point, and tells the meter of all values.
            in_order: whether sequences go on from those before, so that only the first can be looked at.
        """
        count = len(outputs[0])
        meter = ClippingMeter()
        for value, x in zip(self._graph.inputs, inputs, strict=True):
            meter.observe_input(value, x)
        texts = self._new(meter.rows(self._graph), f" in {count} sequences")
        rows = self._rows(inputs, outputs, in_order)
        if rows.size:
            self._looked_at += len(rows)
            texts += self._between(rows, evaluate, f" in {len(rows)} of {count} sequences")
        for text in texts:
            warnings.warn(text, LoopwireWarning, _STACK_LEVEL)

    def _between(self, rows: Rows, evaluate: Callable[[Rows, ClippingMeter], object], among: str) -> list[str]:
        meter = ClippingMeter()
        try:
            evaluate(rows, meter)
            return self._new(meter.rows(self._graph), among)
        except LoopwireError:
            is_new = ("", OVERFLOWS) not in self._told
            self._told.add(("", OVERFLOWS))
            return [OVERFLOWS] if is_new else []

    def _new(self, rows: Sequence[Clipping], among: str) -> list[str]:
        """Return a sentence for each tensor that has not been reported."""
        fresh = [row for row in rows if (row.layer, row.tensor) not in self._told]
        self._told.update((row.layer, row.tensor) for row in fresh)
        return [saturation(row, among) for row in fresh]

    def _rows(self, inputs: Sequence[npt.NDArray[Any]], outputs: Sequence[npt.NDArray[Any]], in_order: bool) -> Rows:
        """Return which sequences to evaluate in floating point."""
        count = len(outputs[0])
        if self._looked_at >= MOST_LOOKED_AT:
            return np.zeros(0, np.int64)
        sampled = self._looked_at < SAMPLED
        if in_order:
            first = slice(LOOKED_AT)
            is_suspicious = self._suspicious([x[first] for x in inputs], [y[first] for y in outputs]).any()
            return np.arange(min(count, LOOKED_AT) if sampled or is_suspicious else 0)
        suspicious = np.flatnonzero(self._suspicious(inputs, outputs))
        few = min(count, LOOKED_AT) - len(suspicious) if sampled else 0
        spread = np.linspace(0, count - 1, max(few, 0)).astype(np.int64)
        return np.unique([*suspicious[:LOOKED_AT], *spread]).astype(np.int64)

    def _suspicious(
        self, inputs: Sequence[npt.NDArray[Any]], outputs: Sequence[npt.NDArray[Any]]
    ) -> npt.NDArray[np.bool_]:
        """Return which sequences have inputs that do not fit, or results at an end of their type, (N,)."""
        found = np.zeros(len(outputs[0]), np.bool_)
        for value, x in zip(self._graph.inputs, inputs, strict=True):
            least, most = limits(value.type.element)
            if x.min() < least or x.max() > most:
                found |= ((x < least) | (x > most)).reshape(len(x), -1).any(axis=1)
        for value, y in zip(self._graph.outputs, outputs, strict=True):
            element = value.type.element
            for end in {element.min_integer, element.max_integer} - {0}:  # 0 is what a ReLU gives as well
                found |= (y == end).reshape(len(y), -1).any(axis=1)
        return found


def saturation(row: Clipping, among: str = "") -> str:
    """Return a sentence about values that do not fit; `among` tells after a blank in which sequences."""
    return (
        f"{named(row.layer, row.tensor)}: {row.share_told} of its values{among} do not fit {row.type} and "
        f"{FATES[row.type.overflow]}: they lie between {row.low:.4g} and {row.high:.4g}. "
        f"{row.suggestion} would hold them"
    )
