"""ONNX models through all machines: emulator, fast emulator, SystemVerilog and HLS C++ give the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import loopwire
from hls_designs import Case, assert_equal_to_emulator, built
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from onnx_graphs import WRITTEN, F, T, U, Written, node, w
from onnx_models import saved


def every_option() -> Written:
    """Both directions of an LSTM with peepholes, clip, coupled gates and other functions; the mean of its steps."""
    functions = ["HardSigmoid", "Tanh", "Softsign"] * 2
    options = {"clip": 1.5, "input_forget": 1, "activations": functions, "direction": "bidirectional"}
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node("LSTM", ["xt", "W", "R", "B", "", "", "", "P"], ["Y"], hidden_size=U, name="rnn", **options),
        node("Transpose", ["Y"], ["turned"], perm=[2, 0, 1, 3]),
        node("Reshape", ["turned", "shape"], ["steps"]),
        node("ReduceMean", ["steps", "axes"], ["mean"], keepdims=0),
        node("Gemm", ["mean", "k"], ["y"]),
    ]
    shapes = {"W": (2, 4 * U, F), "R": (2, 4 * U, U), "B": (2, 8 * U), "P": (2, 3 * U), "k": (2 * U, 2)}
    whole = {"shape": np.array([0, 0, -1]), "axes": np.array([1])}
    return Written(nodes, {**{name: w(*shape) for name, shape in shapes.items()}, **whole})


FORMS: dict[str, Callable[[], Written]] = {
    "residual": WRITTEN["residual"],
    "every option": every_option,
}


@pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")
@pytest.mark.parametrize("form", FORMS)
def test_all_machines_give_the_same_bits(form: str, tmp_path: Path) -> None:
    design = loopwire.compile(loopwire.load(saved(FORMS[form]().model(), tmp_path / "m.onnx")))
    x = np.random.default_rng(3).normal(0, 1.5, (12, T, F))
    integers, _ = design.input_integers(x, None)
    (due,) = evaluate_integers(design.graph, integers.arrays, None)
    fast = try_build(design.graph)
    assert fast is not None
    np.testing.assert_array_equal(fast(design.graph, integers.arrays, None)[0], due)
    np.testing.assert_array_equal(design.simulate(x).outputs, design.predict(x))
    case = Case("tagger", design.graph, {})
    (hls,) = built([case], tmp_path)
    assert_equal_to_emulator(case, hls)
