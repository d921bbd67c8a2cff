"""Products that leave DSP blocks, or share one as they have a factor alike, are the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conformance import Case, types
from datapath_interpreter import outputs
from loopwire.area.multipliers import Multipliers
from loopwire.config import CompileConfig
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.fewer_dsps import with_fewer_dsps
from loopwire.datapath.lut_products import constants_apart, dsps, is_a_sign
from loopwire.datapath.ops import Join, Multiply, View
from loopwire.datapath.shared_factor import with_shared_factor
from loopwire.datapath.signals import Signal
from loopwire.datapath.verify import verify
from loopwire.devices import find_part
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.knobs import Knobs
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from test_conformance_verilog import dense, lstm

DELAYS = DelayModel(find_part("xcvu13p"))


def multiplied(a: tuple[int, int, int], b: tuple[int, int, int], added: int) -> Datapath:
    """Return what multiplies two vectors, each of a number of elements from low to high, one behind the other in x."""
    (m, *_), (n, *_) = a, b
    x = Signal("x", m + n, min(a[1], b[1]), max(a[2], b[2]), 0, "head", "")
    left, right = (Signal(name, *given, 0, "head", "") for name, given in (("a", a), ("b", b)))
    ends = [p * q + added for p in a[1:] for q in b[1:]]
    result = Signal("y", max(m, n), min(ends), max(ends), 0, "head", "")
    operations = (
        Operation(View(0, m), (x,), left),
        Operation(View(m, m + n), (x,), right),
        Operation(Multiply(added), (left, right), result),
    )
    return Datapath(x, operations, (), result)


def steps(a: tuple[int, int, int], b: tuple[int, int, int], seed: int) -> np.ndarray:
    """Return vectors x, half of whose elements are at an end."""
    source = np.random.default_rng(seed)
    rows = []
    for _ in range(6):
        parts = []
        for count, low, high in (a, b):
            anywhere = source.integers(low, high + 1, count)
            parts.append(np.where(source.random(count) < 0.5, source.choice([low, high], count), anywhere))
        rows.append(np.concatenate(parts))
    return np.array(rows)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(2, 7), st.integers(4, 12), st.integers(4, 12), st.integers(0, 10))
@example(1, 5, 8, 8, 8)
def test_products_with_a_factor_alike_are_equal(seed: int, count: int, a_bits: int, b_bits: int, half: int) -> None:
    a, b, added = (count, 0, (1 << a_bits) - 1), (1, 0, (1 << b_bits) - 1), (1 << half) // 2
    plain = multiplied(a, b, added)
    packed = verify(with_shared_factor(plain, DELAYS))
    given = steps(a, b, seed)
    assert outputs(packed, given) == outputs(plain, given)
    assert packed is plain or dsps(packed, DELAYS) == -(-count // 2)


def test_five_products_with_a_factor_alike_take_three_blocks() -> None:
    assert dsps(with_shared_factor(multiplied((5, 0, 255), (1, 0, 255), 128), DELAYS), DELAYS) == 3


@pytest.mark.parametrize(
    ("a", "b", "part"),
    [
        ((5, -1, 255), (1, 0, 255), "xcvu13p"),  # the upper product would lose a borrow
        ((5, 0, 511), (5, 0, 255), "xcvu13p"),  # factors of their own
        ((5, 0, 4095), (1, 0, 4095), "xcvu13p"),  # too wide
        ((5, 0, 255), (1, 0, 255), "LFE5U-85F"),  # blocks that add nothing
    ],
)
def test_which_products_share_no_block(a: tuple[int, int, int], b: tuple[int, int, int], part: str) -> None:
    plain = multiplied(a, b, 0)
    assert with_shared_factor(plain, DelayModel(find_part(part))) is plain


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 5), st.booleans(), st.integers(0, 9), st.integers(1, 9))
def test_some_products_of_look_up_tables(seed: int, count: int, single: bool, half: int, fewer: int) -> None:
    a, b, added = (1 if single else count, 0, 63), (count, -64, 63), (1 << half) // 2
    plain = multiplied(a, b, added)
    changed = verify(with_fewer_dsps(plain, DELAYS, fewer))
    given = steps(a, b, seed)
    assert outputs(changed, given) == outputs(plain, given)
    assert dsps(changed, DELAYS) == max(count - fewer, 0)
    assert any(isinstance(op.kind, Join) for op in changed.operations) == (fewer < count)


@pytest.mark.parametrize(
    ("a", "b", "added", "along"),
    [
        ((1, 0, 63), (1, -64, 63), 128, True),  # of row 1
        ((1, 0, 63), (1, -64, 63), 64 << 5, True),  # of row 5
        ((1, 0, 63), (1, -64, 63), 64 << 6, False),
        ((1, 0, 63), (1, -64, 63), 32, False),
        ((1, 0, 63), (1, -64, 63), 192, False),
        ((1, 0, 63), (1, 0, 63), 128, False),
        ((1, 0, 127), (1, -64, 63), 128, False),
    ],
)
def test_a_constant_rides_along_as_a_sign(
    a: tuple[int, int, int], b: tuple[int, int, int], added: int, along: bool
) -> None:
    operation = multiplied(a, b, added).operations[-1]
    assert is_a_sign(operation, added) == along


@pytest.mark.parametrize(("added", "apart"), [(1 << 30, False), (1 << 31, True), (-1 << 31, False), (1 << 44, True)])
def test_constants_that_no_module_takes_are_added_behind_the_product(added: int, apart: bool) -> None:
    """The parameter of `loopwire_product` and `loopwire_rounded_product` has 32 bits."""
    a, b = (2, -1 << 16, (1 << 16) - 1), (2, -1 << 23, (1 << 23) - 1)
    plain = multiplied(a, b, added)
    changed = verify(constants_apart(plain, DELAYS))
    assert [op.kind.added for op in changed.operations if isinstance(op.kind, Multiply)] == [0 if apart else added]
    assert outputs(changed, steps(a, b, 1)) == outputs(plain, steps(a, b, 1))


def test_two_products_share_no_block_that_would_add_too_much() -> None:
    a, b = (4, 0, 15), (1, 0, (1 << 16) - 1)
    few, many = multiplied(a, b, 1 << 9), multiplied(a, b, 1 << 10)
    assert with_shared_factor(few, DELAYS) is not few and with_shared_factor(many, DELAYS) is many


def case(**knobs: int) -> Case:
    layers = [lstm("cell", 2, 4), dense("head", 4, 5, "softmax")]
    return Case("few", (3, 2), layers, types("fixed<7,2,RND,SAT>"), part="xcvu13p", clock_period_ns=8.0, **knobs)


@pytest.mark.parametrize(("most", "used"), [(None, 15), (15, 15), (10, 10), (4, 4)])
def test_as_few_blocks_as_allowed(most: int | None, used: int) -> None:
    """Three products a unit, and five of the softmax in three blocks."""
    design = case(dsp_budget=most) if most is not None else case()
    firmware = design.firmware(design.graph())
    assert sum(area.resources.dsps for area in firmware.areas) == used
    assert sum((area.multipliers for area in firmware.areas), Multipliers()).elementwise >= 15


def test_a_budget_takes_products_that_share_blocks_though_they_take_cycles() -> None:
    layers, narrow = [lstm("cell", 2, 2)], types("fixed<7,2,RND,SAT>")
    free = Case("few", (3, 2), layers, narrow, part="xc7a100t", reuse_factor=2)
    within = replace(free, dsp_budget=8)
    made, fewer = (each.firmware(each.graph()) for each in (free, within))
    assert sum(area.resources.dsps for area in fewer.areas) == 8
    assert fewer.latency_cycles > made.latency_cycles


def test_a_cascade_has_a_block_for_each_of_its_products() -> None:
    cell, narrow = [lstm("cell", 2, 4)], types("fixed<5,2,RND,SAT>")
    few = Case("few", (3, 2), cell, narrow, part="xcvu13p", reuse_factor=2, dsp_budget=7)
    with pytest.raises(ConfigError, match="dsp_budget: 8 DSP blocks are the fewest"):
        few.firmware(few.graph())
    design = replace(few, dsp_budget=8)
    assert sum(area.resources.dsps for area in design.firmware(design.graph()).areas) == 8


def test_weights_of_0_and_powers_of_two_take_no_block() -> None:
    weights = np.array([[0.625, 0.0, 0.5], [0.0, 0.375, 0.25]])
    head = Dense("head", weights, np.zeros(2), Function("linear"))
    few = Case("few", (3,), [head], part="xcvu13p", multipliers="dsp", dsp_budget=2)
    assert sum(area.resources.dsps for area in few.firmware(few.graph()).areas) == 2


def test_no_fewer_blocks_than_can_be() -> None:
    head = Dense("head", np.full((4, 3), 0.625), np.zeros(4), Function("linear"))
    few = Case("few", (3,), [head], part="xcvu13p", multipliers="dsp", dsp_budget=5)
    with pytest.raises(ConfigError) as refused:
        few.firmware(few.graph())
    assert str(refused.value) == (
        "dsp_budget: 12 DSP blocks are the fewest with all products of two vectors made of look-up tables; 5 are "
        "allowed. Give 12 or more, a larger reuse_factor, or lut_product_bits for products with weights too"
    )


def test_a_number_of_blocks_below_0_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dsp_budget: -1 DSP blocks are out of range\. Give 0 or more"):
        Knobs(dsp_budget=-1)
    with pytest.raises(ConfigError, match="configuration, dsp_budget: 'few' is not a whole number"):
        CompileConfig.from_dict({"dsp_budget": "few"})
