"""Reads Bidirectional, of Keras and of QKeras: two recurrent layers, one of which reads backwards, and their merging.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/bidirectional.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from loopwire.frontends.containers import Array
from loopwire.frontends.keras.layer import SavedLayer
from loopwire.frontends.keras.saved import LayerEntry, layer_entry
from loopwire.layers.cell import Cell
from loopwire.layers.merge import Add, Average, Concatenate, Merge, Multiply
from loopwire.layers.model import ModelBuilder, Tensor
from loopwire.layers.quantised.merge import Operation, QuantisedConcatenate, QuantisedMerge
from loopwire.layers.quantised.quantised import Quantised
from loopwire.layers.shape import Reversed

WRAPPED = {
    "Bidirectional": ("LSTM", "GRU", "SimpleRNN"),
    "QBidirectional": ("QLSTM", "QGRU", "QSimpleRNN"),
}
"""What may be in a layer of each class."""

MODES: dict[str, type[Merge]] = {"concat": Concatenate, "sum": Add, "ave": Average, "mul": Multiply}
EXACT_MODES: dict[str, tuple[Operation, float]] = {"sum": ("sum", 1.0), "ave": ("sum", 0.5), "mul": ("product", 1.0)}
"""Operation and factor of the modes that add or multiply what needs no rounding."""


def bidirectional(
    saved: SavedLayer,
    builder: ModelBuilder,
    inputs: Sequence[Tensor],
    read: Callable[[SavedLayer], Cell],
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
        saved.refuse("backward_layer", entries[1].class_name, _remedy(saved))
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
    results = [y, y_back] if mode is None else list(builder.call(_merge(mode, name, forward), y, y_back))
    return [*results, *last, *last_back]


def _merge(mode: str, name: str, direction: Cell) -> Merge:
    """Return what merges both directions: without rounding where they have quantisers."""
    if not isinstance(direction, Quantised):
        return MODES[mode](name)
    if mode == "concat":
        return QuantisedConcatenate(name)
    operation, factor = EXACT_MODES[mode]
    return QuantisedMerge(name, operation=operation, input_quantisers=(None, None), factor=factor)


def _remedy(saved: SavedLayer) -> str:
    *others, last = WRAPPED[saved.entry.class_name]
    kinds = f"{', '.join(others)} or {last}"
    return f"Wrap {kinds} layers with equal return_sequences and return_state, one of which reads backwards"


def _direction(saved: SavedLayer, entry: LayerEntry, name: str, arrays: Sequence[Array]) -> SavedLayer:
    if entry.class_name not in WRAPPED[saved.entry.class_name]:
        saved.refuse("layer", entry.class_name, _remedy(saved))
    return replace(saved, entry=replace(entry, name=name), arrays=tuple(arrays))
