"""Fixed-point types: their text, their range, and what is said of impossible ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwire.errors import FixedTypeError
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType

fixed_types = st.builds(
    lambda width, fraction, **options: FixedType(width, width - fraction, **options),
    width=st.integers(1, 1024),
    fraction=st.integers(-1022, 1022),
    signed=st.booleans(),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from(Overflow),
)


@given(fixed_types)
def test_text_round_trips(type_: FixedType) -> None:
    assert FixedType.parse(str(type_)) == type_


@pytest.mark.parametrize(
    ("spec", "type_"),
    [
        ("ap_fixed<16,6>", FixedType(16, 6)),
        (
            " ap_ufixed< 8 , 0 , AP_RND_CONV , AP_SAT > ",
            FixedType(8, 0, False, Rounding.RND_CONV, Overflow.SAT),
        ),
        ("fixed<16,6,RND>", FixedType(16, 6, True, Rounding.RND)),
        ("ap_fixed<16,6,AP_TRN,AP_WRAP,0>", FixedType(16, 6)),
        ("ap_int<4>", FixedType(4, 4)),
        ("uint<3>", FixedType(3, 3, False)),
        ("fixed<4,-2>", FixedType(4, -2)),
    ],
)
def test_the_spellings_of_hls_are_read(spec: str, type_: FixedType) -> None:
    assert FixedType.parse(spec) == type_


def test_range_and_step() -> None:
    signed, unsigned = FixedType(16, 6), FixedType(8, 0, False)
    assert (signed.min_integer, signed.max_integer, signed.fraction, signed.step) == (
        -32768,
        32767,
        10,
        2**-10,
    )
    assert (unsigned.min_integer, unsigned.max_integer, unsigned.fraction) == (0, 255, 8)


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70), st.integers(-20, 60))
def test_holding_is_the_narrowest_type(one: int, other: int, fraction: int) -> None:
    low, high = min(one, other), max(one, other)
    type_ = FixedType.holding(low, high, fraction)
    assert type_.fraction == fraction
    assert type_.min_integer <= low <= high <= type_.max_integer
    if type_.width > 1:
        for signed in (True, False):
            narrower = FixedType(type_.width - 1, type_.integer - 1, signed)
            assert not narrower.min_integer <= low <= high <= narrower.max_integer


@given(st.integers(0, 2**70), st.integers(0, 2**70))
def test_holding_is_unsigned_for_numbers_not_below_zero(one: int, other: int) -> None:
    assert not FixedType.holding(min(one, other), max(one, other), 0).signed


FORM = "Write it as 'fixed<16,6>' or 'fixed<16,6,RND,SAT>' (ufixed, int, uint likewise)"
ROUNDINGS = "TRN, TRN_ZERO, RND, RND_ZERO, RND_INF, RND_MIN_INF, RND_CONV"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "ap_fixed<0,3>",
            "type fixed<0,3>: a width of 0 bits is out of range. Give a width from 1 to 1024, as in 'fixed<16,6>'",
        ),
        (
            "fixed<1025,3>",
            "type fixed<1025,3>: a width of 1025 bits is out of range. Give a width from 1 to 1024, as in "
            "'fixed<16,6>'",
        ),
        ("float", f"type 'float': this is not a fixed-point type. {FORM}"),
        ("fixed<16>", f"type 'fixed<16>': it has 1 parameter. {FORM}"),
        ("int<>", f"type 'int<>': '' and '' are not both whole numbers. {FORM}"),
        ("fixed<16,x>", f"type 'fixed<16,x>': '16' and 'x' are not both whole numbers. {FORM}"),
        (
            "fixed<16,6,RDN>",
            "type 'fixed<16,6,RDN>': 'RDN' is not a known rounding mode. "
            f"Did you mean 'TRN' or 'RND'? Choose from {ROUNDINGS}",
        ),
        (
            "fixed<16,6,RND,SATURATE>",
            "type 'fixed<16,6,RND,SATURATE>': 'SATURATE' is not a known overflow mode. "
            "Choose from WRAP, SAT, SAT_ZERO, SAT_SYM",
        ),
        (
            "fixed<16,6,TRN,WRAP,2>",
            "type 'fixed<16,6,TRN,WRAP,2>': 2 saturation bits are not supported. Leave them out or give 0",
        ),
    ],
)
def test_impossible_types_are_refused_with_what_to_do(spec: str, message: str) -> None:
    with pytest.raises(FixedTypeError) as caught:
        FixedType.parse(spec)
    assert str(caught.value) == message


def test_tensor_types_tell_their_shape() -> None:
    assert str(TensorType((20, 6), FixedType(16, 6))) == "fixed<16,6>[20, 6]"
    assert TensorType((20, 6), FixedType(16, 6)).size == 120
    assert TensorType((), FixedType(16, 6)).size == 1
