"""Which tensors are said to clip."""

from __future__ import annotations

import numpy as np
import pytest

import loopwire
from loopwire.config import CompileConfig
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.activation import SIGMOID, Activation
from loopwire.layers.dense import Dense
from loopwire.layers.model import chain
from loopwire.report.clipping import holding, limits

MODEL = chain("m", (1,), (Dense("last", np.array([[3.0], [40.0]]), np.zeros(2)),), "m.keras")


def test_input_weights_and_results_that_clip() -> None:
    x = np.array([[-255.0], [1.0], [2.0], [40.0]])
    rows = loopwire.compile(MODEL).clipping(x)
    found = {(row.layer, row.tensor): (row.clipped, row.values, row.low, row.high, str(row.suggestion)) for row in rows}
    assert found == {
        ("", "x"): (2, 4, -255.0, 40.0, "fixed<19,9,RND,SAT>"),
        ("last", "W"): (1, 2, 3.0, 40.0, "fixed<17,7,RND,SAT>"),
        ("last", "y (y = linear(a))"): (6, 8, -10200.0, 1600.0, "fixed<25,15,RND,SAT>"),
    }
    assert rows[0].share == 0.5


def test_the_suggested_types_clip_no_more() -> None:
    x = np.array([[-255.0], [1.0], [2.0], [40.0]])
    config = CompileConfig.from_dict(
        {
            "model": {"input": "fixed<19,9,RND,SAT>"},
            "layer": {"last": {"weight": "fixed<17,7,RND,SAT>", "result": "fixed<25,15,RND,SAT>"}},
        }
    )
    assert loopwire.compile(MODEL, config).clipping(x) == ()


def test_batches_add_up() -> None:
    x = np.linspace(-50, 50, 2000)[:, np.newaxis]
    (row,) = (row for row in loopwire.compile(MODEL).clipping(x) if not row.layer)
    assert (row.values, row.low, row.high) == (2000, -50.0, 50.0)
    assert row.clipped == np.count_nonzero((x < -32 - 2**-10) | (x > 32))


def test_losing_less_than_a_step_is_not_clipping() -> None:
    model = chain("m", (1,), (Activation("sigmoid", SIGMOID),), "m.keras")
    config = CompileConfig.from_dict({"model": {"input": "fixed<16,6>", "precision": "ufixed<8,0,RND,SAT>"}})
    assert loopwire.compile(model, config).clipping(np.array([[30.0], [-30.0]])) == ()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("rounding", [Rounding.TRN, Rounding.RND, Rounding.RND_CONV])
def test_a_type_that_wraps_clips_where_its_value_jumps(rounding: Rounding, signed: bool) -> None:
    type = FixedType(5, 3, signed, rounding, Overflow.WRAP)
    x = np.linspace(-9, 9, 1801)
    least, most = limits(type)
    jumps = np.abs(to_real(quantise(x, type), type.fraction) - x) > type.step
    np.testing.assert_array_equal((x < least) | (x > most), jumps)


@pytest.mark.parametrize(("low", "high"), [(-255.0, 3.0), (0.0, 31.999), (0.0, 32.0), (-0.1, 0.1), (5.0, 1e6)])
@pytest.mark.parametrize("signed", [True, False])
def test_the_suggestion_holds_the_range(low: float, high: float, signed: bool) -> None:
    type = FixedType(16, 6, signed, Rounding.RND, Overflow.SAT)
    wide = holding(type, low, high)
    assert wide.fraction == type.fraction and wide.width >= type.width
    assert np.abs(to_real(quantise([low, high], wide), wide.fraction) - [low, high]).max() <= wide.step
