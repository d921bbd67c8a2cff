"""Reads Keras's RNN of StackedRNNCells: one recurrent layer for each cell, each reading what the one before gives.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/stacked_rnn_cells.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from loopwire.frontends.keras.layer import Context, SavedLayer
from loopwire.frontends.keras.saved import LayerEntry, layer_entry
from loopwire.layers.cell import Cell
from loopwire.layers.model import ModelBuilder, Tensor

CELLS = {"LSTMCell": "LSTM", "GRUCell": "GRU", "SimpleRNNCell": "SimpleRNN"}
"""The cells that may be stacked, and the layer of each."""


def stacked_cells(
    saved: SavedLayer,
    builder: ModelBuilder,
    inputs: Sequence[Tensor],
    read: Callable[[SavedLayer], Cell],
    mask: Tensor | None,
) -> list[Tensor]:
    """Call a layer for each cell; return the last one's output, then the states of all cells if they are asked for.

    Args:
        saved: the RNN. Its cells' layers are called by its name with '_1', '_2', ….
        builder: of the model.
        inputs: the sequence, then the initial states of all cells, if any.
        read: reads one of the layers.
        mask: which steps count, where the sequence has a mask.

    Raises:
        ModelFileError, UnsupportedError: as `keras.read_keras`.
    """
    stack = layer_entry(saved.where, saved.option("cell"))
    switches = {key: saved.boolean(key, False) for key in ("return_state", "stateful")}
    sequences, backwards = saved.boolean("return_sequences", False), saved.boolean("go_backwards", False)
    zero = saved.boolean("zero_output_for_mask", False)
    saved.ignore("unroll")
    saved.finish()
    if mask is not None and backwards:
        saved.refuse("go_backwards", True, "Give the RNN of several cells no mask, or let it read forwards")
    y, *given = inputs
    arrays, states = list(saved.arrays), list[Tensor]()
    cells = _cells(saved, stack)
    for number, cell in enumerate(cells, start=1):
        last = number == len(cells)
        options: dict[str, Any] = {
            **switches,
            "return_sequences": sequences or not last,
            "go_backwards": backwards and number == 1,
            "zero_output_for_mask": zero and last,
        }
        entry = LayerEntry(CELLS[cell.class_name], f"{saved.name}_{number}", {**cell.config, **options})
        count = 2 + bool(cell.config.get("use_bias", True))
        own, arrays = arrays[:count], arrays[count:]
        context = Context(saved.context.source, saved.context.keras_major, y.shape)
        layer = read(SavedLayer(entry, context, tuple(own)))
        initial = given[: len(layer.states)]
        given = given[len(layer.states) :]
        if mask is not None:
            layer = replace(layer, masked=True, zero_masked=zero and last)
        y, *after = builder.call(layer, y, *initial, *([] if mask is None else [mask]))
        states += after
    if arrays or given:
        saved.damaged(f"its {len(cells)} cells leave {len(arrays)} arrays and {len(given)} initial states unread")
    return [y, *states]


def _cells(saved: SavedLayer, stack: LayerEntry) -> list[LayerEntry]:
    found = [layer_entry(saved.where, cell) for cell in stack.config.get("cells") or []]
    if not found:
        saved.damaged("it has no cell")
    for cell in found:
        if cell.class_name not in CELLS or cell.custom:
            saved.refuse("cell", cell.class_name, f"Stack cells of {', '.join(CELLS)}")
    return found
