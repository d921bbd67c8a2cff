"""Graphs of ONNX: the float reference within 1e-5 of onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx

import loopwire
from onnx_graphs import WRITTEN, F, T
from onnx_models import close, model_of, node, reference, results, saved

pytestmark = pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")


@pytest.mark.parametrize("form", WRITTEN)
def test_graphs_equal_onnxruntime(form: str, tmp_path: Path) -> None:
    written = WRITTEN[form]()
    path = saved(written.model(), tmp_path / "m.onnx")
    random = np.random.default_rng(2)
    inputs = {
        name: random.normal(0, 1.5, [3 if isinstance(length, str) else length for length in shape])
        for name, shape in written.inputs.items()
    }
    model = loopwire.load(path, trust=True)
    found = results(model, inputs)
    due = reference(path, inputs)
    close([y.reshape(len(y), -1) for y in found], [y.reshape(len(y), -1) for y in due])
    assert {tensor.shape for tensor in model.inputs} <= {(T, F), (F,), (2,)}


def test_functions_of_the_file_are_put_in_place(tmp_path: Path) -> None:
    opsets = [onnx.helper.make_opsetid("", 17)]
    body = [node("Tanh", ["a"], ["t"]), node("Add", ["t", "a"], ["b"])]
    function = onnx.helper.make_function("local", "Bent", ["a"], ["b"], body, opsets)
    call = onnx.helper.make_node("Bent", ["x"], ["y"], name="bent", domain="local")
    imports = [*opsets, onnx.helper.make_opsetid("local", 1)]
    proto = model_of([call], {"x": ("batch", T, F)}, ["y"], opset_imports=imports, functions=[function])
    path = saved(proto, tmp_path / "m.onnx")
    x = np.random.default_rng(1).normal(size=(3, T, F))
    close(results(loopwire.load(path), {"x": x}), reference(path, {"x": x}))
