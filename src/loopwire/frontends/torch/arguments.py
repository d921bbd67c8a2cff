"""One operation's arguments, read with care: every one is used, known to change nothing, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.containers import Array
from loopwire.frontends.tensors.constants import is_state, state_view
from loopwire.frontends.tensors.masks import REMEDY as MASKS_REMEDY
from loopwire.frontends.tensors.masks import Mask
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Operand, View
from loopwire.frontends.torch.program import ElementType, Node, Ref, tensors_of


@dataclass(frozen=True)
class Lengths:
    """How many steps each sequence has, an input of the module, and a number more or less."""

    name: str
    more: int = 0


Value = Operand | Lengths | Mask | int | float | bool
"""What a node makes: a tensor, lengths of sequences, a mask of attention, or a number of a shape."""
HARMLESS = ("dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking", "copy", "implicit", "generator")
"""Arguments of any operation that change no number, in a network whose tensors are all real."""


class Arguments:
    """The arguments of a node, by the names of PyTorch's schema of the operation."""

    def __init__(self, trace: Trace, node: Node, values: Mapping[str, Value]) -> None:
        self.trace = trace
        self._values = values
        self._node = node
        self._left = {name: value for name, value in node.arguments.items() if name not in HARMLESS}

    def tensor(self, key: str) -> Operand:
        """Return a tensor; a number is a constant."""
        return self._operand(key, self._taken(key, None))

    def view(self, key: str) -> View:
        """Return a tensor that depends on the model's inputs."""
        value = self.tensor(key)
        if not isinstance(value, View) and is_state(value):
            return state_view(self.trace, value)
        if not isinstance(value, View):
            raise self.trace.refused("it works on a constant", "Compute constants before the model is exported")
        return value

    def optional(self, key: str) -> Operand | None:
        """Return a tensor, or None."""
        value = self._taken(key, None)
        return None if value is None else self._operand(key, value)

    def tensors(self, key: str) -> list[Operand]:
        """Return a list of tensors."""
        value = self._taken(key, None)
        if not isinstance(value, list) or not value:
            self._damaged(key, value)
        return [self._operand(key, item) for item in value]

    def optional_tensors(self, key: str) -> list[Operand | None]:
        """Return a list of tensors, of which some may be None."""
        value = self._taken(key, None)
        if not isinstance(value, list):
            self._damaged(key, value)
        return [None if item is None else self._operand(key, item) for item in value]

    def array(self, key: str) -> Array:
        """Return a tensor of weights."""
        return self._constant(self.tensor(key))

    def arrays(self, key: str) -> list[Array]:
        """Return a list of tensors of weights."""
        return [self._constant(value) for value in self.tensors(key)]

    def optional_array(self, key: str) -> Array | None:
        """Return a tensor of weights, or None."""
        value = self.optional(key)
        return None if value is None else self._constant(value)

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number, an axis or a length."""
        return self._integer(key, self._taken(key, default))

    def optional_integer(self, key: str) -> int | None:
        """Return a whole number, or None."""
        value = self._taken(key, None)
        return None if value is None else self._integer(key, value)

    def integers(self, key: str, default: Sequence[int] | None = None) -> list[int]:
        """Return a list of whole numbers; one of them is a list of one."""
        value = self._taken(key, default)
        items = value if isinstance(value, list | tuple) else [value]
        return [self._integer(key, item) for item in items]

    def number(self, key: str, default: float | None = None) -> float:
        """Return a finite real number."""
        value = self._resolved(self._taken(key, default))
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            self._damaged(key, value)
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """Return a finite real number, or None."""
        if self._left.get(key) is None:
            self._left.pop(key, None)
            return None
        return self.number(key)

    def numbers(self, key: str, default: Sequence[float]) -> list[float]:
        """Return a list of finite real numbers."""
        value = self._taken(key, default)
        if not isinstance(value, list | tuple) or not all(type(item) in (int, float) for item in value):
            self._damaged(key, value)
        return list(value)

    def is_text(self, key: str) -> bool:
        """Return whether an argument is a word."""
        return isinstance(self._left.get(key), str)

    def boolean(self, key: str, default: bool | None = None) -> bool:
        """Return a switch."""
        value = self._taken(key, default)
        if not isinstance(value, bool):
            self._damaged(key, value)
        return value

    def text(self, key: str, default: str) -> str:
        """Return a word."""
        value = self._taken(key, default)
        if not isinstance(value, str):
            self._damaged(key, value)
        return value

    def lengths_among(self, key: str) -> list[Operand | Lengths | None]:
        """Return a list of tensors, of which some are lengths or None."""
        values = [self._resolved(item) for item in self._taken(key, [])]
        return [v if isinstance(v, Lengths) or v is None else self._operand(key, v) for v in values]

    def makes(self, *codes: int) -> bool:
        """Return whether it asks for elements of one of these types, by their codes (`archive`)."""
        return any(isinstance(v, ElementType) and v.code in codes for v in self._node.arguments.values())

    def has(self, kind: type[Lengths | Mask]) -> bool:
        """Return whether it reads lengths, or a mask."""
        refs = (ref for argument in self._node.arguments.values() for ref in tensors_of(argument))
        return any(isinstance(self._values.get(ref.name), kind) for ref in refs)

    def mask(self, key: str) -> Mask:
        """Return a mask."""
        value = self.mask_or_array(key)
        if not isinstance(value, Mask):
            raise self.trace.refused("it combines a mask of attention with something else", MASKS_REMEDY)
        return value

    def mask_or_array(self, key: str) -> Mask | Array | None:
        """Return a mask, a constant, which may hold -inf, or None."""
        value = self._resolved(self._taken(key, None))
        if isinstance(value, Mask | np.ndarray | None):
            return value
        raise self.trace.refused("its mask is computed in a way that is not read", MASKS_REMEDY)

    def unbounded(self, key: str, default: float | None = None) -> float:
        """Return a real number, or one of both infinities, as programs name them."""
        value = self._taken(key, default)
        if isinstance(value, str) and value in INFINITIES:
            return INFINITIES[value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._damaged(key, value)
        return float(value)

    def lengths(self, key: str) -> Lengths:
        """Return lengths."""
        value = self._resolved(self._taken(key, None))
        if not isinstance(value, Lengths):
            raise self.trace.refused("it combines lengths of sequences with something else", LENGTHS_REMEDY)
        return value

    def ignore(self, *keys: str) -> None:
        """Read arguments that change no number in evaluation."""
        for key in keys:
            self._left.pop(key, None)

    def finish(self) -> None:
        """Refuse what nobody has read."""
        for key, value in self._left.items():
            if value is not None:
                raise self.trace.refused(f"its argument {key}={_short(value)} is not supported", "Leave it out")

    def _taken(self, key: str, default: Any) -> Any:
        value = self._left.pop(key, default)
        return default if value is None else value

    def _resolved(self, value: Any) -> Any:
        if not isinstance(value, Ref):
            return value
        if value.name not in self._values:
            problem = f"it takes {value.name!r}, which no supported operation returns"
            raise UnsupportedError(self.trace.place.where, problem, "Use tensors only, not indices of the largest")
        return self._values[value.name]

    def _operand(self, key: str, value: Any) -> Operand:
        value = self._resolved(value)
        if isinstance(value, bool | int | float):
            return np.asarray(value, np.float64)
        if isinstance(value, Lengths):
            raise self.trace.refused(f"it reads {value.name!r}, which are lengths of sequences", LENGTHS_REMEDY)
        if isinstance(value, Mask):
            return value.numbers(self.trace)
        if not isinstance(value, View | np.ndarray):
            self._damaged(key, value)
        return value

    def _constant(self, value: Operand) -> Array:
        if isinstance(value, View):
            raise self.trace.refused("its weights are computed from the model's inputs", "Use weights that are fixed")
        return value

    def _integer(self, key: str, value: Any) -> int:
        value = self._resolved(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self._damaged(key, value)
        return value

    def _damaged(self, key: str, value: Any) -> NoReturn:
        raise ModelFileError(self.trace.place.where, f"its argument {key!r} is {_short(value)}", AGAIN)


Operation = Callable[[Arguments], Value | Sequence[Operand]]
"""Reads a node's arguments; returns its result, or several in the order of the node's outputs."""
INFINITIES = {"Infinity": np.inf, "-Infinity": -np.inf}
EVALUATE = "Export the module in evaluation mode: module.eval()"
AGAIN = "Export the model again"
LENGTHS_REMEDY = "Lengths are read by packing, and as the index of the last step: y[torch.arange(batch), lengths - 1]"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
