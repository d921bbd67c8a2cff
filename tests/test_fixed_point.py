"""The cast against AMD's own ap_fixed headers, and the properties of fixed-point arithmetic."""

from __future__ import annotations

import itertools
import random
import subprocess
from fractions import Fraction
from pathlib import Path

import alkaid
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopwire.ir.fixed_point import cast, integer_dtype, quantise, to_real
from loopwire.ir.types import FixedType, Overflow, Rounding

AP_TYPES = Path(alkaid.__file__).parent / "codegen/hls/source/ap_types/include"
REPEATS = 3
VALUES_PER_PAIR = 40

fixed_types = st.builds(
    FixedType,
    width=st.integers(1, 40),
    integer=st.integers(-8, 48),
    signed=st.booleans(),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from(Overflow),
)


def random_type(rng: random.Random, rounding: Rounding = Rounding.TRN, overflow: Overflow = Overflow.WRAP) -> FixedType:
    width = rng.choice([1, 2, 3, rng.randint(1, 40), rng.randint(1, 40)])
    return FixedType(width, rng.randint(-8, width + 8), rng.random() < 0.6, rounding, overflow)


def interesting_values(rng: random.Random, source: FixedType, to: FixedType) -> list[int]:
    """Integers of `source`: its ends, the ends and ties of `to`, and random ones of all magnitudes."""
    values = [source.min_integer, source.max_integer, 0, -1, 1]
    values += [
        int((end + halves * Fraction(1, 2)) * Fraction(2) ** (source.fraction - to.fraction))
        for end in (to.min_integer, to.max_integer, 0)
        for halves in range(-2, 3)
    ]
    held = [value for value in values if source.min_integer <= value <= source.max_integer]
    while len(held) < VALUES_PER_PAIR:
        value = rng.randint(source.min_integer, source.max_integer)
        held.append(value >> rng.randrange(source.width))
    return held


def cpp_type(type_: FixedType) -> str:
    name = "ap_fixed" if type_.signed else "ap_ufixed"
    return f"{name}<{type_.width},{type_.integer},AP_{type_.rounding},AP_{type_.overflow}>"


DRIVER = """
#include <cstdio>
#include "ap_fixed.h"

template <class Source, class To> void convert(int count) {
    for (int i = 0; i < count; i++) {
        long long value;
        if (scanf("%lld", &value) != 1) return;
        Source source;
        source.V = value;
        To to = source;
        printf("%lld\\n", (long long)to.V);
    }
}

int main() {
CALLS
}
"""


def test_cast_is_that_of_ap_fixed(tmp_path: Path) -> None:
    rng = random.Random(1)
    modes = list(itertools.product(Rounding, Overflow)) * REPEATS
    pairs = [(random_type(rng), random_type(rng, *mode)) for mode in modes]
    pairs += [(FixedType(4, 3), FixedType(1, 1, overflow=mode)) for mode in Overflow]
    values = [interesting_values(rng, source, to) for source, to in pairs]
    calls = [
        f"    convert<{cpp_type(source)}, {cpp_type(to)}>({len(held)});"
        for (source, to), held in zip(pairs, values, strict=True)
    ]
    source_file, driver = tmp_path / "driver.cpp", tmp_path / "driver"
    source_file.write_text(DRIVER.replace("CALLS", "\n".join(calls)))
    # NDEBUG: the headers' own assertions fire on casts that drop more bits than the source has.
    subprocess.run(["g++", "-O0", "-w", "-DNDEBUG", f"-I{AP_TYPES}", str(source_file), "-o", str(driver)], check=True)
    numbers = " ".join(str(value) for held in values for value in held)
    output = subprocess.run([driver], input=numbers, check=True, capture_output=True, text=True).stdout
    expected = iter(map(int, output.split()))
    for (source, to), held in zip(pairs, values, strict=True):
        ours = cast(np.array(held, np.int64), source.fraction, to).tolist()
        theirs = list(itertools.islice(expected, len(held)))
        assert len(theirs) == len(held)
        differing = [row for row in zip(held, ours, theirs, strict=True) if row[1] != row[2]]
        assert not differing, f"{source} to {to}: (value, ours, ap_fixed) = {differing}"


def cast_by_definition(value: Fraction, to: FixedType) -> int:
    """The cast of one rational number, from the words of UG1399."""
    scaled = value / Fraction(2) ** -to.fraction
    floor = scaled.__floor__()
    tie = scaled - floor == Fraction(1, 2)
    nearest = (scaled + Fraction(1, 2)).__floor__()
    steps = {
        Rounding.TRN: floor,
        Rounding.TRN_ZERO: int(scaled),
        Rounding.RND: nearest,
        Rounding.RND_ZERO: int(scaled) if tie else nearest,
        Rounding.RND_INF: floor + (scaled > 0) if tie else nearest,
        Rounding.RND_MIN_INF: floor if tie else nearest,
        Rounding.RND_CONV: round(scaled),
    }[to.rounding]
    low, high = to.min_integer, to.max_integer
    match to.overflow:
        case Overflow.WRAP:
            return (steps - low) % 2**to.width + low
        case Overflow.SAT_ZERO:
            return steps if low <= steps <= high else 0
        case Overflow.SAT_SYM if to.signed and to.width > 1:
            return min(max(steps, -high), high)
        case _:
            return min(max(steps, low), high)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5), fixed_types)
@example([-5e-324, 5e-324], FixedType(8, 8, rounding=Rounding.TRN_ZERO))
@example([-5e-324, 5e-324], FixedType(8, 40, rounding=Rounding.TRN))
@example([0.5, -0.5, 1.5, 2.5], FixedType(8, 8, rounding=Rounding.RND_CONV))
def test_quantise_is_the_cast_of_the_exact_number(reals: list[float], to: FixedType) -> None:
    expected = [cast_by_definition(Fraction(real), to) for real in reals]
    assert quantise(reals, to).tolist() == expected


@given(st.lists(st.integers(-(2**45), 2**45), max_size=5), st.integers(-10, 50), fixed_types)
@example([2**45], 0, FixedType(40, 0, overflow=Overflow.SAT))
@example([-1], 200, FixedType(40, 20))
@example([3, -3], 1, FixedType(100, 50, rounding=Rounding.RND_CONV, overflow=Overflow.SAT))
def test_cast_agrees_on_int64_and_python_integers(values: list[int], fraction: int, to: FixedType) -> None:
    expected = [cast_by_definition(value * Fraction(2) ** -fraction, to) for value in values]
    for dtype in (np.int64, object):
        result = cast(np.array(values, dtype), fraction, to)
        assert result.dtype == integer_dtype(to.width)
        assert result.tolist() == expected


@given(st.data(), fixed_types)
def test_numbers_of_a_type_survive_the_way_through_reals(data: st.DataObject, type_: FixedType) -> None:
    low = type_.min_integer + (type_.overflow is Overflow.SAT_SYM and type_.signed and type_.width > 1)
    values = np.array(data.draw(st.lists(st.integers(low, type_.max_integer))), np.int64)
    assert quantise(to_real(values, type_.fraction), type_).tolist() == values.tolist()


def test_shapes_are_kept_down_to_scalars() -> None:
    to = FixedType(8, 4)
    assert quantise(1.5, to).shape == cast(np.array(3), 1, to).shape == cast(np.array(3, object), 1, to).shape == ()
    assert quantise(np.zeros((2, 0, 3)), to).shape == (2, 0, 3)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_quantise_refuses_numbers_that_are_not_finite(number: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        quantise([0.0, number], FixedType(8, 4))


def test_int64_is_used_where_it_is_wide_enough() -> None:
    assert integer_dtype(16, 63) is np.int64
    assert integer_dtype(16, 64) is object
