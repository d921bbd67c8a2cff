"""Three products that share a DSP block are what they are in blocks of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datapath_interpreter import outputs
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.ops import Products, StepRom
from loopwire.datapath.signals import Signal
from loopwire.datapath.three_products import with_three_products
from loopwire.datapath.verify import verify
from loopwire.devices import find_part
from loopwire.devices.delay_model import DelayModel
from loopwire.ir.fixed_point import Integers

STEPS = 4


def products(weights: Integers, low: int, high: int) -> Datapath:
    """Return what multiplies rows of weights by step, (T, rows, columns), with x of low to high."""
    _, rows, columns = weights.shape
    x = Signal("x", columns, low, high, 0, "head", "")
    words = Signal("w", rows * columns, int(weights.min()), int(weights.max()), 0, "head", "")
    corners = [limit * end for limit in (words.low, words.high) for end in (low, high)]
    result = Signal("y", rows * columns, min(corners), max(corners), 0, "head", "")
    rom = Operation(StepRom(weights.reshape(len(weights), -1)), (), words)
    return Datapath(x, (rom, Operation(Products(), (words, x), result)), (), result)


def blocks(datapath: Datapath) -> int:
    return sum(op.result.count for op in datapath.operations if isinstance(op.kind, Products))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(2, 8), st.integers(2, 6), st.booleans(), st.integers(1, 9))
@example(1, 6, 5, True, 5)  # in blocks of three and of two
def test_products_are_equal(seed: int, weight_bits: int, x_bits: int, signed: bool, rows: int) -> None:
    """Half of all weights and numbers are at an end of their range; the weights of half of the rows are narrower."""
    source = np.random.default_rng(seed)

    def integers(low: int, high: int, *shape: int) -> Integers:
        anywhere = source.integers(low, high + 1, shape)
        return np.where(source.random(shape) < 0.5, source.choice([low, high], shape), anywhere)

    bound = 1 << weight_bits - 1
    low, high = (-1 << x_bits - 1, (1 << x_bits - 1) - 1) if signed else (0, (1 << x_bits) - 1)
    weights = integers(-bound, bound - 1, STEPS, rows, 2)
    weights[:, source.random(rows) < 0.5] //= 2
    plain = products(weights, low, high)
    packed = verify(with_three_products(plain, DelayModel(find_part("xcvu13p"))))
    steps = integers(low, high, STEPS, 2)
    assert outputs(packed, steps) == outputs(plain, steps)
    assert packed is plain or blocks(packed) < 2 * -(-rows // 2)


@pytest.mark.parametrize(
    ("rows", "part", "expected"),
    [
        ([31, 31, 63], "xcvu13p", 1),
        ([31, 63, 63], "xcvu13p", 3),  # two products of 11 bits leave no room for a third
        ([31, 31, 63, 63], "xcvu13p", 4),  # three and one are as many blocks as two and two
        ([31, 31, 63, 63, 63], "xcvu13p", 2),
        ([31, 31, 63], "LFE5U-85F", 3),  # whose blocks add nothing
    ],
)
def test_which_products_share_a_block(rows: list[int], part: str, expected: int) -> None:
    weights = np.array([[[row] for row in rows], [[-row] for row in rows]])
    datapath = with_three_products(products(weights, -16, 15), DelayModel(find_part(part)))
    assert blocks(datapath) == expected
