"""The parts a tensor plays in a layer: what a user can give a fixed-point type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from loopwire.errors import ConfigError
from loopwire.ir.types import FixedType


class Role(StrEnum):
    """A tensor's part in its layer. A layer may have others (`own_role`)."""

    INPUT = "input"
    """The model's input, as the firmware receives it."""
    WEIGHT = "weight"
    """Kernel: what multiplies the layer's input."""
    RECURRENT_WEIGHT = "recurrent_weight"
    """Recurrent kernel: what multiplies the state."""
    BIAS = "bias"
    PREACTIVATION = "preactivation"
    """Sum of products and bias, before the activation. Exact unless a type is given."""
    GATE = "gate"
    """An activation's result inside a layer: i f g o, z r n, tanh(c)."""
    CELL = "cell"
    """The LSTM's c."""
    STATE = "state"
    """The h that is fed back."""
    RESULT = "result"
    """What the layer hands on."""


OF_CELLS: tuple[str, ...] = tuple(role for role in Role if role is not Role.INPUT)
"""Those of a recurrent layer that has all of them."""
_OWN_ROLES: list[str] = []


def own_role(name: str) -> str:
    """Declare a role beside those of `Role`, for a layer that has one, so that settings may name it; return its name.

    Raises:
        ConfigError: the name is not a plain word.
    """
    if not name.isidentifier():
        raise ConfigError("role", f"{name!r} is not a plain word", "Give a name such as 'angle'")
    if name not in known_roles():
        _OWN_ROLES.append(name)
    return name


def known_roles() -> tuple[str, ...]:
    """Return the names of all roles, those that layers outside of Loopwire have declared included."""
    return (*(role.value for role in Role), *_OWN_ROLES)


@dataclass(frozen=True)
class LayerTypes:
    """The types of one layer's tensors, by their roles.

    A role that is absent stays exact (only `Role.PREACTIVATION` may be). Activation tables keep their error below
    `max_error_steps` steps of their result's type, or within `table_size` entries where a size is given.
    """

    types: Mapping[str, FixedType]
    max_error_steps: float = 1.0
    table_size: int | None = None
