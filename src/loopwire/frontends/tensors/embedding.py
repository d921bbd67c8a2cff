"""Rows of a table, looked up by inputs of whole numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loopwire.frontends.tensors.trace import Input, Step, Trace
from loopwire.frontends.tensors.views import Array, Axis, Operand, View, check_size, folding
from loopwire.layers.embedding import Embedding


def embed(trace: Trace, table: Array, indices: Operand) -> Operand:
    """Return rows of a table (n, m), one for each index; the last axis is theirs."""
    if table.ndim != 2:
        raise trace.refused(f"its table has shape {table.shape}", "Give rows, of shape (indices, features)")
    if not isinstance(indices, View):
        check_size(trace, [*indices.shape, table.shape[1]])
        with folding(trace):
            return np.asarray(table[indices])
    if not is_whole(indices) or indices.wire_shape[-1] != 1:
        raise trace.refused("its indices are not an input of whole numbers, one per step", INDEX_REMEDY)
    axes = tuple(Axis.ONE if kind is Axis.FEATURES else kind for kind in indices.axes)
    layer = trace.shared(Embedding(trace.place.name, np.asarray(table, np.float64)))
    return replace(indices.each(lambda wire: trace.call(layer, wire)), axes=(*axes, Axis.FEATURES))


INDEX_REMEDY = "Give an input of whole numbers, of shape (batch, steps)"


def is_whole(view: View) -> bool:
    """Return whether a view is of inputs of whole numbers."""
    sources = [wire.of if isinstance(wire, Step) else wire for wire in view.parts.flat]
    return all(isinstance(wire, Input) and wire.whole for wire in sources)
