"""Pieces of C++ text: types, names, literals, comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.text.identifiers import Identifier, LayerNames, Names, tensor_of, word

LINE = 116
INT64_BITS = 64
_RESERVED = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl const
    const_cast constexpr continue decltype default delete do double dynamic_cast else enum explicit export extern
    false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or
    or_eq private protected public register reinterpret_cast return short signed sizeof static static_assert
    static_cast struct switch template this thread_local throw true try typedef typeid typename union unsigned using
    virtual void volatile wchar_t while xor xor_eq main std hls loopwire ap_fixed ap_ufixed ap_int ap_uint
    FILE clock_t div_t int16_t int32_t int64_t int8_t intptr_t ldiv_t max_align_t ptrdiff_t size_t ssize_t time_t
    uint16_t uint32_t uint64_t uint8_t uintptr_t va_list daylight environ optarg optind signgam timezone tzname
    BUFSIZ EOF HUGE_VAL INFINITY NAN NULL RAND_MAX assert errno isinf isnan linux offsetof signbit stderr stdin stdout
    unix
"""
KEYWORDS = frozenset(_RESERVED.split())
"""Ref: ISO/IEC 14882:2017, table 5 (keywords) and 2.12 (alternative tokens); names, types, variables and macros of the
headers that C++ of any tool reads."""
_LOCALS = (
    "t s k b row column group pass part last ended length integer beat x_j integer_of fixed_of multiply larger smaller"
)
LOCALS = frozenset(_LOCALS.split())
"""Names with a meaning of their own in every function."""
TOP_NAMES = frozenset({"x", "y", "input_t", "result_t"})
"""Ports of the top function, and their types."""


def ap_type(element: FixedType) -> str:
    """Return a type as UG1399 writes it."""
    modes = ""
    if (element.rounding, element.overflow) != (Rounding.TRN, Overflow.WRAP):
        modes = f", AP_{element.rounding}, AP_{element.overflow}"
    return f"ap_{'' if element.signed else 'u'}fixed<{element.width}, {element.integer}{modes}>"


def local_names() -> Names:
    """Return the names of a function, none of them handed out yet."""
    return Names(taken=KEYWORDS | LOCALS)


def short_name(value: Value) -> str:
    """Return a value's name without that of its layer, as a word."""
    return word(tensor_of(value.name, value.layer))


@dataclass(frozen=True)
class Scope:
    """The names of a design's own namespace: its functions, channels, types, constants and tables."""

    names: Names = field(default_factory=lambda: Names(taken=KEYWORDS | LOCALS | TOP_NAMES))
    layers: LayerNames = field(default_factory=LayerNames)

    def value(self, value: Value) -> str:
        """Return a value's name with that of its layer, as a word."""
        return self.layers.value(value.name, value.layer)


def signed_bits(low: int, high: int) -> int:
    """Return the bits of the signed integer that holds low…high."""
    held = FixedType.holding(low, high, 0)
    return held.width + (not held.signed)


def literal(number: int, bits: int) -> str:
    """Return an integer constant of a `integer<bits>`."""
    if bits <= INT64_BITS:
        return "INT64_MIN" if number == -(1 << 63) else f"{number}{'LL' if abs(number) >= 1 << 31 else ''}"
    return f'integer<{bits}>("{number}", 10)'


def braced(array: Integers, bits: int, indent: str = "") -> Iterator[str]:
    """Yield the lines of an initialiser of an array of any rank."""
    if array.ndim > 1:
        yield f"{indent}{{"
        for row in array:
            yield from braced(row, bits, indent + "  ")
        yield f"{indent}}}{',' if indent else ''}"
        return
    line = f"{indent}{{"
    for position, number in enumerate(array.tolist()):
        text = literal(int(number), bits) + (", " if position < len(array) - 1 else "")
        if len(line) + len(text) > LINE:
            yield line.rstrip()
            line = f"{indent} "
        line += text
    yield f"{line}}}{',' if indent else ''}"


def constant_array(name: str, array: Integers, bits: int) -> str:
    """Return the definition of a constant array of integers."""
    dimensions = "".join(f"[{length}]" for length in array.shape)
    lines = [f"static const integer<{bits}> {name}{dimensions} =", *braced(array, bits)]
    return "\n".join(["// clang-format off", *lines[:-1], f"{lines[-1]};", "// clang-format on"])


def array_bits(array: Integers) -> int:
    """Return the bits of the narrowest signed integer for all elements."""
    return signed_bits(int(np.min(array)), int(np.max(array)))


class Label(str):
    """The label of a loop, in LLVM's style: a level further out than the loop."""

    __slots__ = ()


def indented(lines: Iterable[str]) -> list[str]:
    """Return lines two columns further in; directives of the compiler stay at the margin."""
    return [_indented(line) for line in lines]


def _indented(line: str) -> str:
    if isinstance(line, Label):
        return str(line)
    return line if not line or line.startswith("#") else f"  {line}"


def loop(label: str, variable: str, count: int | str, body: Iterable[str], *pragmas: str) -> list[str]:
    """Return a labelled loop over 0…count-1, its directives first in its body."""
    head = f"for (int {variable} = 0; {variable} < {count}; {variable}++) {{"
    return [Label(f"{label}:"), head, *(f"#pragma HLS {pragma}" for pragma in pragmas), *indented(body), "}"]


def partition(array: str, lanes: bool = False) -> str:
    """Return the directive that lets all elements of an array be read at once; with `lanes`, of each sequence's."""
    return f"#pragma HLS ARRAY_PARTITION variable = {array} complete dim = {2 if lanes else 0}"


@dataclass
class TypeNames:
    """The design's type definitions: one for each tensor, named after it; `narrowed` are those of fewer bits."""

    scope: Scope
    narrowed: Mapping[Value, FixedType] = field(default_factory=dict)
    definitions: dict[str, FixedType] = field(default_factory=dict)
    _names: dict[Value, Identifier] = field(default_factory=dict)

    def of(self, value: Value) -> Identifier:
        """Return the name of a value's element type, defining it at first use."""
        if value not in self._names:
            name = self.scope.names.unique(f"{self.scope.value(value)}_t")
            self._names[value] = name
            self.definitions[name] = self.element(value)
        return self._names[value]

    def element(self, value: Value) -> FixedType:
        """Return a value's element type as the design defines it."""
        return self.narrowed.get(value, value.type.element)
