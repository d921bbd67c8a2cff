"""Graphs of ONNX: the float reference within 1e-5 of onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import loopwire
from onnx_graphs import WRITTEN, F, T
from onnx_models import close, reference, results, saved

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
