"""Fixed-point and tensor types.

Ref: AMD UG1399, "Arbitrary Precision Fixed-Point Data Types": widths, quantisation, overflow of ap_fixed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import index
from typing import Any

from loopwire.errors import FixedTypeError, nearest

MAX_WIDTH = 1024
MAX_FRACTION = 1022
"""The step of a type, 2^-fraction, and that many bits above are normal numbers in double precision."""


class Rounding(StrEnum):
    """What becomes of fraction bits that do not fit (UG1399, quantisation modes)."""

    TRN = "TRN"
    """Towards minus infinity: the bits are dropped."""
    TRN_ZERO = "TRN_ZERO"
    """Towards zero."""
    RND = "RND"
    """To nearest, ties towards plus infinity."""
    RND_ZERO = "RND_ZERO"
    """To nearest, ties towards zero."""
    RND_INF = "RND_INF"
    """To nearest, ties away from zero."""
    RND_MIN_INF = "RND_MIN_INF"
    """To nearest, ties towards minus infinity."""
    RND_CONV = "RND_CONV"
    """To nearest, ties to the even result."""


class Overflow(StrEnum):
    """What becomes of a value outside the range (UG1399, overflow modes)."""

    WRAP = "WRAP"
    """The upper bits are dropped."""
    SAT = "SAT"
    """The nearest end of the range."""
    SAT_ZERO = "SAT_ZERO"
    """Zero."""
    SAT_SYM = "SAT_SYM"
    """As SAT, with a signed range made symmetric: -2^(width-1), too, becomes -(2^(width-1) - 1).

    A signed type of one bit keeps its -1, as in AMD's ap_fixed headers."""


_SPEC = re.compile(r"^(?:ap_|ac_)?(?P<kind>u?fixed|u?int)\s*<(?P<args>[^<>]*)>$")


@dataclass(frozen=True, slots=True)
class FixedType:
    """A binary fixed-point number: `width` bits, `integer` of them before the point (the sign included).

    `integer` may be negative or exceed `width`. `rounding` and `overflow` say how a value is cast to this
    type; they do not change which numbers the type can hold.

    Raises:
        FixedTypeError: the width is not between 1 and 1024, the point too far from it, or something of another kind.
    """

    width: int
    integer: int
    signed: bool = True
    rounding: Rounding = Rounding.TRN
    overflow: Overflow = Overflow.WRAP

    def __post_init__(self) -> None:
        kinds = (type(self.width), type(self.integer), type(self.signed), type(self.rounding), type(self.overflow))
        if kinds != (int, int, bool, Rounding, Overflow):
            self._take_in()
        if not 1 <= self.width <= MAX_WIDTH:
            raise FixedTypeError(
                f"type fixed<{self.width},{self.integer}>",
                f"a width of {self.width} bits is out of range",
                f"Give a width from 1 to {MAX_WIDTH}, as in 'fixed<16,6>'",
            )
        if not abs(self.width - self.integer) <= MAX_FRACTION:
            raise FixedTypeError(
                f"type fixed<{self.width},{self.integer}>",
                f"{self.width - self.integer} fraction bits are out of range",
                f"Give from -{MAX_FRACTION} to {MAX_FRACTION}, as in 'fixed<16,6>', which has 10",
            )

    def _take_in(self) -> None:
        """Take whole numbers of other kinds, and modes by their names."""
        kinds: dict[str, Callable[[Any], Any]] = {
            "width": index,
            "integer": index,
            "signed": bool,
            "rounding": Rounding,
            "overflow": Overflow,
        }
        for name, kind in kinds.items():
            value = getattr(self, name)
            try:
                if (type(value).__name__ in ("bool", "bool_")) != (kind is bool):  # numpy's, too
                    raise TypeError
                object.__setattr__(self, name, kind(value))
            except (TypeError, ValueError):
                problem = f"its {name} is {value!r:.80}"
                raise FixedTypeError("type", problem, "Give numbers of bits, as in FixedType(16, 6)") from None

    @property
    def fraction(self) -> int:
        """Bits after the point; the unit of the last place is 2**-fraction."""
        return self.width - self.integer

    @property
    def step(self) -> float:
        """Value of the last place."""
        return 2.0**-self.fraction

    @property
    def min_integer(self) -> int:
        """Smallest value, counted in steps."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def max_integer(self) -> int:
        """Largest value, counted in steps."""
        return (1 << (self.width - self.signed)) - 1

    @classmethod
    def parse(cls, spec: str) -> FixedType:
        """Read ``ap_fixed<16,6,AP_RND,AP_SAT>``, ``fixed<16,6>``, ``ufixed<8,0>``, ``int<4>`` and the like.

        Raises:
            FixedTypeError: the text is not such a type, or the type is out of range.
        """
        where = f"type {spec!r}"
        form = "Write it as 'fixed<16,6>' or 'fixed<16,6,RND,SAT>' (ufixed, int, uint likewise)"
        match = _SPEC.match(spec.strip()) if isinstance(spec, str) else None
        if match is None:
            raise FixedTypeError(where, "this is not a fixed-point type", form)
        kind = match["kind"]
        args = [arg.strip() for arg in match["args"].split(",")]
        if kind.endswith("int"):
            args = [args[0], args[0], *args[1:]]
        if not 2 <= len(args) <= 5:
            raise FixedTypeError(where, f"it has {len(args)} parameter{'' if len(args) == 1 else 's'}", form)
        try:
            width, integer = int(args[0]), int(args[1])
        except ValueError:
            raise FixedTypeError(where, f"{args[0]!r} and {args[1]!r} are not both whole numbers", form) from None
        if len(args) == 5 and args[4] != "0":
            raise FixedTypeError(where, f"{args[4]} saturation bits are not supported", "Leave them out or give 0")
        rounding = Rounding(_mode(where, args[2], Rounding)) if len(args) > 2 else Rounding.TRN
        overflow = Overflow(_mode(where, args[3], Overflow)) if len(args) > 3 else Overflow.WRAP
        return cls(width, integer, not kind.startswith("u"), rounding, overflow)

    @classmethod
    def holding(cls, low: int, high: int, fraction: int) -> FixedType:
        """Return the narrowest type with `fraction` fraction bits that holds low…high, counted in steps."""
        assert low <= high
        signed = low < 0
        width = max(max(high, 0).bit_length() + signed, (-low - 1).bit_length() + 1 if signed else 0, 1)
        return cls(width, width - fraction, signed)

    def with_modes(self, rounding: Rounding, overflow: Overflow) -> FixedType:
        """Return this type, cast to by other modes."""
        return replace(self, rounding=rounding, overflow=overflow)

    def __str__(self) -> str:
        modes = ""
        if (self.rounding, self.overflow) != (Rounding.TRN, Overflow.WRAP):
            modes = f",{self.rounding},{self.overflow}"
        return f"{'' if self.signed else 'u'}fixed<{self.width},{self.integer}{modes}>"


def _mode(where: str, text: str, modes: type[Rounding] | type[Overflow]) -> str:
    name = text.removeprefix("AP_").removeprefix("AC_")
    known = [mode.value for mode in modes]
    if name not in known:
        kind = "rounding" if modes is Rounding else "overflow"
        raise FixedTypeError(
            where,
            f"{text!r} is not a known {kind} mode",
            f"{nearest(name, known)}Choose from {', '.join(known)}",
        )
    return name


@dataclass(frozen=True, slots=True)
class TensorType:
    """An array of fixed-point numbers. Shape () is a scalar, (n,) a vector, (T, n) a sequence of vectors."""

    shape: tuple[int, ...]
    element: FixedType

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def __str__(self) -> str:
        return f"{self.element}[{', '.join(map(str, self.shape))}]"
