"""Tables keep their promised error on every input, and say what is wrong with an impossible one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwire.errors import ConfigError
from loopwire.ir.functions import FUNCTIONS, Reals, Symmetry
from loopwire.ir.table_form import telling_bits
from loopwire.ir.table_search import _extremes
from loopwire.ir.table_target import _last_true
from loopwire.ir.tables import TableForm, design_table
from loopwire.ir.types import FixedType

DEFAULT = FixedType(16, 6)


def design(function: str, operand: FixedType = DEFAULT, out: FixedType = DEFAULT, **options: float) -> TableForm:
    low = max(operand.min_integer, 1) if function == "reciprocal" else operand.min_integer
    high = max(operand.max_integer, low)
    return design_table(function, low, high, operand.fraction, out, **options)  # type: ignore[arg-type]


def exact_results(form: TableForm, x: np.ndarray) -> Reals:
    reals = FUNCTIONS[form.function].real(x.astype(np.float64) / 2.0**form.fraction_in)
    return np.clip(reals / form.out.step, form.out.min_integer, form.out.max_integer)


def largest_error(form: TableForm) -> float:
    x = np.arange(form.low, form.high + 1)
    return float(np.abs(form.lookup_array() - exact_results(form, x)).max())


def interpret(form: TableForm, x: int) -> int:
    """The definition in TableForm's docstring, on one integer, with slices as hardware takes them."""
    m = abs(x) if form.symmetry else x
    u = min(max(m, form.clamp_low), form.clamp_high) - form.clamp_low
    cell = u >> form.dropped_bits
    total = form.base[cell >> form.low_bits]
    if form.offset:
        x2 = cell % 2**form.low_bits
        x0 = cell // 2 ** (form.low_bits + form.mid_bits)
        total += form.offset[x0 * 2**form.low_bits + x2]
    y = total >> form.guard_bits
    if x >= 0 or form.symmetry in (None, Symmetry.EVEN):
        return y
    return -y if form.symmetry is Symmetry.ODD else 2**form.out.fraction - y


@pytest.mark.parametrize("function", FUNCTIONS)
def test_default_tables_err_by_less_than_a_step(function: str) -> None:
    form = design(function)
    assert largest_error(form) < 1.0
    assert form.max_error_steps == pytest.approx(largest_error(form), abs=1e-6)


@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from(sorted(FUNCTIONS)),
    st.integers(-3000, 3000),
    st.integers(0, 3000),
    st.integers(-2, 12),
    st.builds(FixedType, width=st.integers(1, 14), integer=st.integers(-3, 8), signed=st.booleans()),
    st.sampled_from([0.51, 0.75, 1.0, 3.0]),
    st.booleans(),
)
def test_error_bound_holds_on_every_input(
    function: str, low: int, size: int, fraction: int, out: FixedType, max_error_steps: float, fold: bool
) -> None:
    low = max(low, 1) if function == "reciprocal" else low
    form = design_table(function, low, low + size, fraction, out, max_error_steps=max_error_steps, fold=fold)
    results = form.lookup_array()
    assert largest_error(form) < max_error_steps
    assert form.max_error_steps == pytest.approx(largest_error(form), abs=1e-6)
    assert out.min_integer <= results.min() and results.max() <= out.max_integer
    assert results.tolist() == [interpret(form, x) for x in range(form.low, form.high + 1)]
    outside = np.arange(form.low, form.high + 1)
    outside = outside[(outside <= form.domain_low) | (outside >= form.domain_high)]
    assert len(set(form.evaluate(outside).tolist())) <= 2


@settings(deadline=None, max_examples=8)
@given(st.sampled_from(sorted(FUNCTIONS)), st.integers(2, 500))
def test_entries_stay_within_a_given_size(function: str, max_entries: int) -> None:
    operand, out = FixedType(10, 4), FixedType(10, 4)
    form = design(function, operand, out, max_entries=max_entries)
    assert form.entries <= max_entries
    assert form.max_error_steps == pytest.approx(largest_error(form), abs=1e-6)


def test_more_entries_err_less() -> None:
    errors = [design("sigmoid", max_entries=entries).max_error_steps for entries in (64, 256, 1024)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2.0 and errors[2] < 1.0


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
@pytest.mark.parametrize("fold", [False, True])
def test_default_tables_never_fall_by_more_than_a_step(function: str, fold: bool) -> None:
    results = design(function, fold=fold).lookup_array()
    assert np.diff(results).min() >= -1


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_folded_tables_are_exactly_symmetric(function: str) -> None:
    form = design(function, fold=True)
    assert form.symmetry is FUNCTIONS[function].symmetry
    x = np.arange(1, 2**15)
    sums = form.evaluate(x) + form.evaluate(-x)
    assert set(sums.tolist()) == {0 if function == "tanh" else 2**10}


def test_folded_tables_serve_inputs_that_reach_further_on_one_side() -> None:
    for low, high in ((-700, 511), (-511, 700)):
        form = design_table("tanh", low, high, 9, FixedType(16, 2), fold=True)
        assert form.symmetry is Symmetry.ODD
        assert largest_error(form) < 1.0


def test_a_cell_around_a_turning_point_is_judged_by_it() -> None:
    # The tail is near 0 at both ends of -8…0 and at its least, -0.28, more than half a step of 0.5 below.
    form = design_table("silu_tail", -512, 0, 6, FixedType(8, 7), max_error_steps=0.51)
    assert largest_error(form) < 0.51


def test_limits_of_the_functions_are_reached() -> None:
    one = 2**14
    assert design("sigmoid", FixedType(18, 6), FixedType(15, 1, signed=False)).lookup_array()[-1] == one
    assert design("tanh").lookup_array()[[0, -1]].tolist() == [-(2**10), 2**10]
    assert design("exp_nonpositive", FixedType(17, 7), FixedType(13, 1, signed=False)).evaluate(np.array([0])) == 2**12


def test_low_bits_that_do_not_matter_are_dropped() -> None:
    form = design("sigmoid", FixedType(32, 8))
    x = np.linspace(form.low, form.high, 100_001).astype(np.int64)
    assert form.dropped_bits >= 14
    assert np.abs(form.evaluate(x) - exact_results(form, x)).max() < 1.0


def test_python_integers_and_shapes_are_evaluated() -> None:
    form = design("tanh")
    x = np.array([[-(2**15), 0], [100, 2**15 - 1]])
    assert form.evaluate(x.astype(object)).tolist() == form.evaluate(x).tolist()
    assert form.evaluate(np.array(100)).shape == ()


def test_tables_are_small() -> None:
    assert design("sigmoid").lut6_estimate <= 150
    assert design("tanh").lut6_estimate <= 200
    assert design("tanh", fold=True).lut6_estimate < design("tanh").lut6_estimate


def test_sizes_are_counted() -> None:
    form = TableForm(
        "tanh", -8, 7, 3, FixedType(4, 1), None, -8, 7, 0, 2, 1, 1, (-3, 2, 5, 9), (0, 1, 2, 3, 0, 0, 1, 1), 1.0
    )
    assert (form.index_bits, form.subtracter_bits, form.base_bits, form.offset_bits) == (4, 0, 5, 2)
    assert (form.entries, form.rom_bits, form.lut6_estimate) == (12, 4 * 5 + 8 * 2, 5 + 2 + 5)


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (
            "sigmod",
            {},
            "table of sigmod: 'sigmod' is not a known function. "
            f"Did you mean 'sigmoid'? Choose from {', '.join(FUNCTIONS)}",
        ),
        (
            "tanh",
            {"max_entries": 1},
            "table of tanh: 1 entries cannot distinguish two inputs. Allow at least 2 entries",
        ),
        (
            "tanh",
            {"max_error_steps": 0.4},
            "table of tanh: no table of at most 1048576 cells keeps the error below 0.4 steps of fixed<16,6>. "
            "Give a result type with fewer fraction bits, a larger max_error_steps (rounding alone costs 0.5), or a "
            "table_size (TableSize for hls4ml)",
        ),
        (
            "tanh",
            {"out": FixedType(60, 6)},
            "table of tanh: results of 60 bits are finer than the function can be computed. "
            "Give a result type of at most 48 bits",
        ),
    ],
)
def test_impossible_tables_are_refused_with_what_to_do(function: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        design(function, **options)
    assert str(caught.value) == message


def test_inputs_of_more_than_64_bits() -> None:
    form = design_table("tanh", -(1 << 70), (1 << 70) - 1, 48, DEFAULT)
    x = np.array([-(1 << 70), -(1 << 60), -(1 << 48), 0, 1 << 47, 1 << 62, (1 << 70) - 1], object)
    assert np.abs(form.evaluate(x).astype(np.float64) - exact_results(form, x)).max() < 1
    with pytest.raises(ConfigError) as caught:
        design_table("softplus_tail", -(1 << 70), 0, 61, DEFAULT)
    assert str(caught.value) == (
        "table of softplus_tail: its inputs reach to -512 in steps of 2^-61; a table can index those up to 1. "
        "Give the operand of the activation, role preactivation, a type with fewer fraction bits"
    )


def test_inputs_outside_the_domain_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        design_table("reciprocal", 0, 1023, 4, DEFAULT)
    assert str(caught.value) == (
        "table of reciprocal: it is not defined on all inputs, which reach down to 0. Give inputs above 0"
    )


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_symmetries_and_turning_points_are_true(function: str) -> None:
    known = FUNCTIONS[function]
    x = np.linspace(0.001, 8.0, 4001)
    match known.symmetry:
        case Symmetry.ODD:
            np.testing.assert_allclose(known.real(-x), -known.real(x), atol=1e-12)
        case Symmetry.COMPLEMENT:
            np.testing.assert_allclose(known.real(-x), 1 - known.real(x), atol=1e-12)
        case Symmetry.EVEN:
            np.testing.assert_allclose(known.real(-x), known.real(x), atol=1e-12)
    start = max(known.defined_above, -8.0) + 0.001
    ends = [start, *known.turning_points, 8.0]
    for low, high in pairwise(ends):
        steps = np.diff(known.real(np.linspace(low, high, 4001)))
        assert (steps >= 0).all() or (steps <= 0).all()


@pytest.mark.parametrize("width", [2, 3, 6])
def test_upper_bits_tell_what_is_below_a_bound(width: int) -> None:
    """And without the lowest of them, nothing would: numbers on both sides of the bound would be alike."""
    numbers = np.arange(-(1 << width - 1), 1 << width - 1)
    for bound in numbers[1:].tolist():
        telling = telling_bits(bound, width)
        below = width - telling
        np.testing.assert_array_equal(numbers >> below < bound >> below, numbers < bound)
        assert telling == 2 or (bound - 1) >> below + 1 == bound >> below + 1


def test_a_table_with_its_ends_repeated_covers_a_type() -> None:
    base = tuple(range(-44, 44))
    form = TableForm("tanh", -300, 300, 5, FixedType(8, 1), None, -96, 79, 1, 0, 0, 0, base, (), 1.0)
    covering = form.covering(256)
    assert form.covered is None and covering is not None
    assert str(covering.covered) == "fixed<8,8>"
    assert np.array_equal(covering.lookup_array(), form.lookup_array())
    assert covering.covering(256) is covering
    entries = len(covering.base)
    assert form.covering(entries) == covering and form.covering(entries - 1) is None


def test_what_cannot_be_repeated_covers_nothing() -> None:
    """A table of two ROMs has no cells of its ends alone; and a cell may lie across the end of a table."""
    two = TableForm(
        "tanh", -8, 7, 3, FixedType(4, 1), None, -6, 7, 0, 2, 1, 1, (-3, 2, 5, 9), (0, 1, 2, 3, 0, 0, 1, 1), 1.0
    )
    across = TableForm("tanh", -8, 7, 3, FixedType(4, 1), None, -7, 6, 1, 0, 0, 0, tuple(range(7)), (), 1.0)
    assert two.covering(256) is None and across.covering(256) is None


@given(st.integers(-(1 << 61), 1 << 61), st.integers(0, 1 << 61) | st.integers(0, 99), st.floats(0, 1))
def test_the_end_of_a_condition_is_found(first: int, length: int, share: float) -> None:
    end = first + int(length * share)
    assert _last_true(lambda m: m <= end, first, first + length) == end


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("shape", [(3, 4, 2), (1024, 8, 2), (2048, 1, 4), (3, 64, 32), (1, 2, 4096)])
def test_extremes_are_those_of_numpy(shape: tuple[int, ...], axis: int) -> None:
    values = np.random.default_rng(1).normal(size=shape)
    for larger in (np.maximum, np.minimum):
        np.testing.assert_array_equal(_extremes(larger, values, axis), larger.reduce(values, axis, keepdims=True))
