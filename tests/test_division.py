"""Division by what a network computes: PyTorch's and onnxruntime's numbers, all machines, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from loopwire import CompileConfig, layers
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import UnsupportedError
from networks import prove

STEPS, FEATURES = 4, 3
ONE = np.ones(FEATURES)


def shifted(x: Any, offset: float, scale: float = 1.0) -> Any:
    """Return scale · σ(x) + offset."""
    bent = layers.Activation(f"bent_{offset}", layers.SIGMOID)(x)
    return layers.BatchNormalization(f"shifted_{offset}", scale * ONE, offset * ONE)(bent)


def quotient(offset: float, scale: float = 1.0, steps: int = STEPS) -> Any:
    shape = (steps, FEATURES) if steps else (FEATURES,)
    x, d = loopwire.Input(shape), loopwire.Input(shape, "d")
    return loopwire.Model.of("quotient", [x, d], layers.Divide("divide")(x, shifted(d, offset, scale)))


CASES = {"above 1": (1.0, 20.0), "below 1": (0.03, 1.0), "negative": (-4.0, 2.0), "far": (12.0, 16.0)}


def inputs(steps: int, count: int = 50) -> dict[str, Any]:
    shape = (count, steps, FEATURES) if steps else (count, FEATURES)
    rng = np.random.default_rng(1)
    return {"x": rng.normal(0, 2, shape), "d": rng.normal(0, 4, shape)}


@pytest.mark.parametrize("steps", [0, STEPS])
@pytest.mark.parametrize("case", CASES)
def test_quotients_in_real_numbers_and_in_fixed_point(case: str, steps: int) -> None:
    offset, scale = CASES[case]
    design, given = compile_silently(quotient(offset, scale, steps)), inputs(steps)
    due = given["x"] / (offset + scale / (1 + np.exp(-given["d"])))
    assert np.abs(design.predict_float(given) - due).max() < 1e-12
    divisor_step = 2.0**-10 * (1 + scale) / min(abs(offset), abs(offset + scale))
    error = np.abs(design.predict(given) - due)
    bound = (np.abs(due) + 1) * 2 * divisor_step + (1 + np.abs(given["x"])) * 2.0**-10
    assert (error < bound)[np.abs(due) < 31].all()  # what fixed<16,6> holds


@pytest.mark.parametrize("case", CASES)
def test_fast_emulator_gives_the_integers_of_the_definition(case: str) -> None:
    design = compile_silently(quotient(*CASES[case]))
    integers, _ = design.input_integers(inputs(STEPS), None)
    fast = try_build(design.graph)
    assert fast is not None
    (found,), (due,) = (run(design.graph, integers.arrays, None) for run in (fast, evaluate_integers))
    assert np.array_equal(found, due)


@pytest.mark.parametrize("case", ["below 1", "negative"])
def test_hardware_conforms(case: str) -> None:
    settings = {"model": {"precision": "fixed<9,4,RND,SAT>"}, "clock_period_ns": 10}
    prove(compile_silently(quotient(*CASES[case]), CompileConfig.from_dict(settings)))


@pytest.mark.parametrize(
    ("offset", "scale", "ends"), [(0.0, 1.0, "0 and 1"), (-0.5, 1.0, "-0.5 and 0.5"), (0.0, -2.0, "-2 and 0")]
)
def test_a_divisor_that_may_be_0_is_refused(offset: float, scale: float, ends: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"layer 'divide': its divisor %.* lies between {ends}, in fixed point"):
        compile_silently(quotient(offset, scale))


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="layer 'd': it cannot divide 'x' of shape"):
        layers.Divide("d")(loopwire.Input((3,)), loopwire.Input((2,)))


def test_modules_of_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from torch_models import compare, made, sequences

    gru = torch.nn.GRU(3, 3, batch_first=True)
    forms = {
        "tensors": lambda m, x: (y := m.gru(x)[0]) / (1 + torch.exp(y)),
        "constant": lambda m, x: 3 / (2 + torch.tanh(m.gru(x)[0])),
        "inverse": lambda m, x: torch.reciprocal(1.5 + torch.sigmoid(m.gru(x)[0][:, -1])),
        "shares": lambda m, x: (y := torch.sigmoid(m.gru(x)[0]) + 0.1) / y.sum(-1, keepdim=True),
    }
    for name, forward in forms.items():
        compare(made(forward, gru=gru), [sequences()], tmp_path / f"{name}.pt2")


def test_operators_of_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from onnx_models import model_of, node, reference, results, saved

    nodes = [
        node("Sigmoid", ["x"], ["s"]),
        node("Add", ["s", "c"], ["d"]),
        node("Div", ["x", "d"], ["q"]),
        node("Reciprocal", ["d"], ["r"]),
        node("Div", ["c", "d"], ["k"]),
        node("Add", ["q", "r"], ["qr"]),
        node("Add", ["qr", "k"], ["y"]),
    ]
    proto = model_of(nodes, {"x": ("batch", STEPS, FEATURES)}, ["y"], {"c": np.array([0.5, 1.0, 2.0])})
    path = saved(proto, tmp_path / "m.onnx")
    x = np.random.default_rng(2).normal(size=(5, STEPS, FEATURES))
    found, due = results(loopwire.load(path, trust=True), {"x": x}), reference(path, {"x": x})
    assert np.abs(np.asarray(found[0]) - due[0]).max() < 1e-5
