"""One saved Keras layer, read with care: every option is either used, known to change nothing, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.containers import Array
from loopwire.frontends.keras.saved import LayerEntry
from loopwire.layers.model import Layer

Weights = npt.NDArray[np.float64]

DTYPES = ("float32", "float64", "float16", "mixed_float16", "mixed_bfloat16")
"""Precisions in which Keras computes; the weights are read as they are, the firmware's types are the user's choice."""

LARGEST_WEIGHT = float(np.finfo(np.float32).max)
LONGEST_VALUE = 80
"""Characters of an option's value that a message shows."""

TRAINED = ("kernel", "recurrent", "bias", "beta", "gamma", "moving_mean", "moving_variance", "activity")
HARMLESS = {
    "name",
    "trainable",
    "batch_shape",
    "batch_input_shape",
    *(f"{tensor}_{what}" for tensor in TRAINED for what in ("initializer", "regularizer", "constraint")),
}
"""Options of any layer that change no number at inference (the input's shape is read from the chain)."""


@dataclass(frozen=True)
class Context:
    """Where a layer is: the file, the version of Keras that wrote it (2 or 3), the shapes of the layer's inputs."""

    source: str
    keras_major: int
    input_shape: tuple[int, ...]
    further_shapes: tuple[tuple[int, ...], ...] = ()


@dataclass
class SavedLayer:
    """A layer's options and arrays, in the hands of the function that reads it."""

    entry: LayerEntry
    context: Context
    arrays: tuple[Array, ...]
    parts: Mapping[str, Sequence[Array]] = field(default_factory=dict)
    """The arrays of its quantisers, by their names in it."""
    _unread: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._unread = {key: value for key, value in self.entry.config.items() if key not in HARMLESS}
        policy = self._unread.pop("dtype", None)
        if isinstance(policy, dict) and isinstance(policy.get("config"), dict):
            policy = policy["config"].get("name")
        if policy is not None and policy not in DTYPES:
            self.refuse("dtype", policy, f"Use one of {', '.join(DTYPES)}")

    @property
    def name(self) -> str:
        """Name in the model."""
        return self.entry.name

    @property
    def where(self) -> str:
        """The place that messages name."""
        return f"{self.context.source}, layer {self.name!r} ({self.entry.class_name})"

    def option(self, key: str, default: Any = ...) -> Any:
        """Return an option, which then counts as read; without a default it must be there."""
        value = self._unread.pop(key, default)
        if value is ...:
            self.damaged(f"its configuration lacks {key!r}")
        return value

    def boolean(self, key: str, default: bool | None = None) -> bool:
        """Return a switch."""
        value = self.option(key, ... if default is None else default)
        if not isinstance(value, bool):
            self.damaged(f"option {key!r} is {value!r}, not true or false")
        return value

    def count(self, key: str) -> int:
        """Return a number of units or steps."""
        value = self.option(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.damaged(f"option {key!r} is {value!r}, not a positive whole number")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Return a finite real number."""
        value = self.option(key, ... if default is None else default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
            self.damaged(f"option {key!r} is {value!r}, not a finite number")
        return float(value)

    def only(self, key: str, *allowed: Any, remedy: str) -> None:
        """Read an option that, where present, must have one of these values."""
        value = self.option(key, allowed[0])
        if not any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in allowed):
            self.refuse(key, value, remedy)

    def ignore(self, *keys: str) -> None:
        """Read options of this layer that change no number at inference."""
        for key in keys:
            self._unread.pop(key, None)

    def finish(self) -> None:
        """Refuse what nobody has read. An option that is None is one not used."""
        for key, value in self._unread.items():
            if value is not None:
                self.refuse(key, value, "Loopwire does not know this option; build the layer without it")

    def weights(self, **shapes: tuple[int, ...]) -> list[Weights]:
        """Return the layer's arrays, which must have these names' shapes, in Keras's order.

        Raises:
            ModelFileError: another number of arrays, another shape, no floating-point numbers, NaN, infinity or numbers
                near it.
        """
        if len(self.arrays) != len(shapes):
            self.damaged(
                f"it has {len(self.arrays)} arrays of weights where {len(shapes)} belong ({', '.join(shapes)})"
            )
        for array, (tensor, shape) in zip(self.arrays, shapes.items(), strict=True):
            if array.shape != shape:
                self.damaged(f"its {tensor} has shape {array.shape} where its options and input ask for {shape}")
            if array.dtype.kind != "f":
                self.damaged(f"its {tensor} holds {array.dtype}, not floating-point numbers")
            if not np.isfinite(array).all():
                bad = int(np.count_nonzero(~np.isfinite(array)))
                raise ModelFileError(
                    self.where,
                    f"its {tensor} holds NaN or infinity ({bad} of {array.size} numbers)",
                    "Train the model again; no firmware can carry these",
                )
            if (largest := float(np.abs(array).max(initial=0))) > LARGEST_WEIGHT:
                raise ModelFileError(
                    self.where,
                    f"its {tensor} holds {largest:.3g}, which float32 cannot hold",
                    "Train the model again; sums of such weights are beyond real numbers of any computer",
                )
        return [array.astype(np.float64) for array in self.arrays]

    def refuse(self, key: str, value: Any, remedy: str) -> NoReturn:
        """Raise UnsupportedError for an option's value."""
        met = repr(value)
        met = met if len(met) <= LONGEST_VALUE else f"{met[:LONGEST_VALUE]}…"
        raise UnsupportedError(self.where, f"option {key}={met} is not supported", remedy)

    def damaged(self, problem: str) -> NoReturn:
        """Raise ModelFileError for what a sound file cannot hold."""
        raise ModelFileError(self.where, problem, "Save the model again")


Reader = Callable[[SavedLayer], Layer | None]
"""Reads one layer; None where it is the identity at inference."""
