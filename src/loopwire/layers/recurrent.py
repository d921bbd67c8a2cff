"""What all recurrent layers share: which way the sequence is read, and what is handed on."""

from __future__ import annotations

from typing import Protocol

from loopwire.errors import UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.roles import Role


class Recurrent(Protocol):
    """Options every recurrent layer has."""

    @property
    def name(self) -> str: ...
    @property
    def units(self) -> int: ...
    @property
    def return_sequences(self) -> bool: ...
    @property
    def go_backwards(self) -> bool: ...


def recurrent_output_shape(layer: Recurrent, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (T, U) for a layer that returns sequences, else (U,); refuse an input that is not (T, F)."""
    if len(input_shape) != 2:
        raise UnsupportedError(
            f"layer {layer.name!r}",
            f"a recurrent layer got an input of shape {input_shape}",
            "It needs a sequence, of shape (steps, features)",
        )
    return (input_shape[0], layer.units) if layer.return_sequences else (layer.units,)


def sequence_in(layer: Recurrent, e: Emitter, x: Value) -> Value:
    """Return the sequence (T, F) in the order in which the layer reads it."""
    return e.b.reverse(x, "x_reversed") if layer.go_backwards else x


def hand_on(layer: Recurrent, e: Emitter, sequence: Value, last: Value) -> Value:
    """Return the layer's result in its type: every step's state (T, U), or the last one (U,)."""
    if not layer.return_sequences:
        return e.cast(last, Role.RESULT, "y")
    if e.type_of(Role.RESULT) == sequence.type.element:
        return sequence
    return e.each_step(lambda e, h: e.cast(h, Role.RESULT, "y"), sequence, "y_sequence")
