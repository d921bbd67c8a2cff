"""Roots, logarithms and lengths within a step of their type; comparisons and choices, at their bounds too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

import loopwire
from loopwire import CompileConfig
from loopwire.errors import UnsupportedError
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.choice import Choose, Comparison
from loopwire.layers.division import Reciprocal
from loopwire.layers.model import Input, Layer, Model
from loopwire.layers.normalization import LayerNormalization
from loopwire.layers.roots import EuclideanNorm, InverseSquareRoot, Logarithm, SquareRoot

Reals = npt.NDArray[np.float64]
STEP = 2.0**-10
MAGNITUDE = Activation("magnitude", Function("relu", slope=-1.0))


def shifted(offset: float) -> Layer:
    return BatchNormalization("shifted", np.ones(2), np.full(2, offset))


def model_of(*layers: Layer) -> Model:
    x = tensor = Input((3, 2))
    for layer in layers:
        tensor = layer(tensor)  # type: ignore[operator]
    return Model.of("m", x, tensor)


def given(scale: float) -> Reals:
    """Return numbers that fixed<16,6> has."""
    return np.round(np.random.default_rng(2).uniform(-scale, scale, (300, 3, 2)) / STEP) * STEP


@pytest.mark.parametrize("scale", [30.0, 1.0, 0.05])
@pytest.mark.parametrize(
    ("layers", "real"),
    [
        ([MAGNITUDE, SquareRoot("y")], lambda x: np.sqrt(np.abs(x))),
        ([SquareRoot("y")], lambda x: np.sqrt(np.maximum(x, 0))),
        ([MAGNITUDE, shifted(0.25), InverseSquareRoot("y")], lambda x: 1 / np.sqrt(np.abs(x) + 0.25)),
        ([MAGNITUDE, shifted(STEP), Logarithm("y")], lambda x: np.log(np.abs(x) + STEP)),
        ([MAGNITUDE, shifted(2.0), Logarithm("y")], lambda x: np.log(np.abs(x) + 2)),
        ([EuclideanNorm("y")], lambda x: np.sqrt((x**2).sum(-1, keepdims=True))),
    ],
)
def test_roots_are_within_a_step(layers: list[Layer], real: Callable[[Reals], Reals], scale: float) -> None:
    design, x = loopwire.compile(model_of(*layers)), given(scale)
    np.testing.assert_allclose(design.predict_float(x), real(x), rtol=1e-9, atol=1e-12)
    exact = np.clip(real(x), -32, 32 - STEP)
    assert np.abs(design.predict(x) - exact).max() < STEP


@pytest.mark.parametrize(
    ("layer", "real"), [(Reciprocal("y"), lambda x: 1 / x), (InverseSquareRoot("y"), lambda x: 1 / np.sqrt(x))]
)
def test_arguments_far_above_0(layer: Layer, real: Callable[[Reals], Reals]) -> None:
    config = {"model": {"precision": "fixed<24,22,RND,SAT>"}, "layer": {"y": {"result": "fixed<18,2,RND,SAT>"}}}
    x, offset = np.round(given(30.0)), 300_000.0
    design, exact = loopwire.compile(model_of(MAGNITUDE, shifted(offset), layer), config), real(np.abs(x) + offset)
    np.testing.assert_allclose(design.predict_float(x), exact, rtol=1e-9)
    assert np.abs(design.predict(x) - exact).max() < 2.0**-16


def test_divisors_whose_ends_are_far_apart() -> None:
    """Brought up to 2 by a power of 2, the largest lies above where the parts of the reciprocal begin and end."""
    config = {"model": {"precision": "fixed<24,8,RND,SAT>"}, "layer": {"y": {"result": "fixed<24,12,RND,SAT>"}}}
    layers = [Activation("bounded", Function("relu", maximum=32.0)), shifted(3 * 2.0**-11), Reciprocal("y")]
    design, x = loopwire.compile(model_of(*layers), config), given(30.0)
    assert np.abs(design.predict(x) - 1 / (np.maximum(x, 0) + 3 * 2.0**-11)).max() < 2.0**-12


def test_a_normalisation_of_any_variance() -> None:
    large = BatchNormalization("large", np.full(2, 64.0), np.zeros(2))
    layers = [large, LayerNormalization("y", np.ones(2), np.zeros(2), 1e-3)]
    config = {"model": {"precision": "fixed<18,12,RND,SAT>"}}
    design, x = loopwire.compile(model_of(*layers), config), np.round(given(30.0))
    centred = 64 * (x - x.mean(-1, keepdims=True))
    exact = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(design.predict_float(x), exact, atol=1e-9)
    assert np.abs(design.predict(x) - exact).max() < 2.0**-6


@pytest.mark.parametrize("layer", [Logarithm("y"), InverseSquareRoot("y")])
def test_arguments_that_may_be_0_are_refused(layer: Layer) -> None:
    problem = r"layer 'y': its argument .* lies between 0 and 31.999, in fixed point. Keep the argument away from 0 by"
    with pytest.raises(UnsupportedError, match=problem):
        loopwire.compile(model_of(MAGNITUDE, layer))


def test_arguments_below_0_are_refused() -> None:
    below = BatchNormalization("below", -np.ones(2), np.full(2, -1.0))
    with pytest.raises(UnsupportedError, match=r"its argument .* may be -32, in fixed point. Give it numbers above 0"):
        loopwire.compile(model_of(MAGNITUDE, below, Logarithm("y")))


@pytest.mark.parametrize(
    ("below", "equal", "compared"),
    [
        (False, False, np.greater),
        (False, True, np.greater_equal),
        (True, False, np.less),
        (True, True, np.less_equal),
    ],
)
def test_comparisons_and_choices(below: bool, equal: bool, compared: Callable[..., Reals]) -> None:
    bound, other = np.array([0.25, -0.5]), np.array([1.5, 0.125])
    x = Input((3, 2))
    condition = Comparison("c", bound, below, equal)(x)
    model = Model.of("m", x, [Choose("a", otherwise=other)(condition, x), Choose("b")(condition, MAGNITUDE(x), x)])
    given_x = np.round(np.random.default_rng(1).uniform(-1, 1, (50, 3, 2)) * 8) / 8
    design, met = loopwire.compile(model, CompileConfig()), compared(given_x, bound)
    for found in (design.predict(given_x), design.predict_float(given_x)):
        np.testing.assert_array_equal(found["a"], np.where(met, given_x, other))
        np.testing.assert_array_equal(found["b"], np.where(met, np.abs(given_x), given_x))


def test_choices_of_other_shapes_are_refused() -> None:
    x, y = Input((3, 2)), Input((2,), "y")
    with pytest.raises(UnsupportedError, match=r"it chooses between .* and 1 constants. Give it a condition and two"):
        Choose("a", otherwise=np.zeros(2))(x, y)
