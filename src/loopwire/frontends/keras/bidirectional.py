"""Reads Keras's Bidirectional: two recurrent layers side by side, one of which reads backwards, and their merging.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/bidirectional.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from loopwire.frontends.containers import Array
from loopwire.frontends.keras.layer import SavedLayer
from loopwire.frontends.keras.saved import LayerEntry, layer_entry
from loopwire.layers.merge import Add, Average, Concatenate, Merge, Multiply
from loopwire.layers.model import ModelBuilder, Tensor
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.shape import Reversed

MODES: dict[str, type[Merge]] = {"concat": Concatenate, "sum": Add, "ave": Average, "mul": Multiply}
REMEDY = "Wrap LSTM, GRU or SimpleRNN layers that return alike, one of which reads backwards"


def bidirectional(
    saved: SavedLayer,
    builder: ModelBuilder,
    inputs: Sequence[Tensor],
    read: Callable[[SavedLayer], Recurrent],
    mask: Tensor | None,
) -> list[Tensor]:
    """Call both layers and what merges them; return the results in Keras's order.

    Args:
        saved: the Bidirectional. Its parts are called by its name with '_forward', '_backward' and '_reversed'.
        builder: of the model.
        inputs: the sequence, then the initial states of both directions, if any.
        read: reads one of the recurrent layers.
        mask: which steps count, where the sequence has a mask.

    Raises:
        ModelFileError, UnsupportedError: as `keras.read_keras`.
    """
    mode, name = saved.option("merge_mode", "concat"), saved.name
    if mode is not None and mode not in MODES:
        saved.refuse("merge_mode", mode, f"Choose from {', '.join(MODES)} and None")
    entry = layer_entry(saved.where, saved.option("layer"))
    other = saved.option("backward_layer", None)
    turned = replace(entry, config={**entry.config, "go_backwards": not entry.config.get("go_backwards", False)})
    saved.ignore("return_sequences", "return_state", "stateful", "zero_output_for_mask")
    saved.finish()
    count = 2 + bool(entry.config.get("use_bias", True))
    arrays = (saved.arrays[:count], saved.arrays[count:])
    entries = (entry, turned if other is None else layer_entry(saved.where, other))
    forward, backward = (
        read(_direction(saved, part, f"{name}_{way}", own))
        for part, way, own in zip(entries, ("forward", "backward"), arrays, strict=True)
    )
    alike = all(getattr(forward, key) == getattr(backward, key) for key in ("return_sequences", "return_state"))
    if not alike or forward.go_backwards == backward.go_backwards:
        saved.refuse("backward_layer", entries[1].class_name, REMEDY)
    x, *states = inputs
    half = len(states) // 2
    masks = []
    if mask is not None:
        # Keras lets both give 0 in masked steps, where they return sequences.
        zero = forward.return_sequences
        forward, backward = (replace(each, masked=True, zero_masked=zero) for each in (forward, backward))
        masks = [mask]
    y, *last = builder.call(forward, x, *states[:half], *masks)
    y_back, *last_back = builder.call(backward, x, *states[half:], *masks)
    if forward.return_sequences:
        (y_back,) = builder.call(Reversed(f"{name}_reversed"), y_back)
    results = [y, y_back] if mode is None else list(builder.call(MODES[mode](name), y, y_back))
    return [*results, *last, *last_back]


def _direction(saved: SavedLayer, entry: LayerEntry, name: str, arrays: Sequence[Array]) -> SavedLayer:
    if entry.class_name not in ("LSTM", "GRU", "SimpleRNN"):
        saved.refuse("layer", entry.class_name, REMEDY)
    return replace(saved, entry=replace(entry, name=name), arrays=tuple(arrays))
