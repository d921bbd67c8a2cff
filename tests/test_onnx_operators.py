"""Graphs of ONNX: the float reference within 1e-5 of onnxruntime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from onnx.reference import ReferenceEvaluator

import loopwire
from loopwire.frontends.onnx.model import NEWEST
from onnx_graphs import WRITTEN, F, T, Written
from onnx_layers import LAYERS
from onnx_models import close, model_of, node, reference, results, saved

pytestmark = pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")


Array = npt.NDArray[Any]
ALL = {**WRITTEN, **LAYERS}
NEWER = range(22, 29)
"""Opsets beyond that of the other tests."""


def inputs_of(written: Written) -> dict[str, Array]:
    random = np.random.default_rng(2)
    return {
        name: random.normal(0, 1.5, [3 if isinstance(length, str) else length for length in shape])
        for name, shape in written.inputs.items()
    }


@pytest.mark.parametrize("form", ALL)
def test_graphs_equal_onnxruntime(form: str, tmp_path: Path) -> None:
    written = ALL[form]()
    path, inputs = saved(written.model(), tmp_path / "m.onnx"), inputs_of(written)
    model = loopwire.load(path, trust=True)
    found = results(model, inputs)
    due = reference(path, inputs)
    close([y.reshape(len(y), -1) for y in found], [y.reshape(len(y), -1) for y in due])
    assert {tensor.shape for tensor in model.inputs} <= {(T, F), (6, F), (F,), (2,)}


@pytest.mark.parametrize("cast", [False, True])
def test_rows_of_a_table(cast: bool, tmp_path: Path) -> None:
    nodes = [
        *([node("Cast", ["tokens"], ["i"], to=7)] if cast else []),
        node("Gather", ["table", "i" if cast else "tokens"], ["rows"]),
        node("ReduceSum", ["rows", "one"], ["y"], keepdims=0),
    ]
    constants = {"table": np.random.default_rng(1).normal(size=(7, 2)), "one": np.array([1])}
    proto = model_of(nodes, {"tokens": ("batch", 5)}, ["y"], constants, whole_numbers=["tokens"])
    path = saved(proto, tmp_path / "m.onnx")
    tokens = np.random.default_rng(2).integers(0, 7, (3, 5))
    due = reference(path, {"tokens": tokens.astype(np.int32)})
    close(results(loopwire.load(path), {"tokens": tokens[:, :, np.newaxis]}), due)


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


def newer() -> list[Any]:
    """Return forms and opsets: of each form one, the others are slow."""
    forms = [form for form in ALL if ALL[form]().opset >= 18]
    return [
        pytest.param(form, opset, marks=[] if number % len(NEWER) == place else [pytest.mark.slow])
        for number, form in enumerate(forms)
        for place, opset in enumerate(NEWER)
    ]


@pytest.mark.parametrize(("form", "opset"), newer())
def test_newer_opsets(form: str, opset: int, tmp_path: Path) -> None:
    """And ONNX's own evaluator, where it is right.

    It takes means of windows rounded up that differ even where they are whole, and does not cut by Pad.
    """
    written = replace(ALL[form](), opset=opset)
    path, inputs = saved(written.model(), tmp_path / "m.onnx"), inputs_of(written)
    found = [y.reshape(len(y), -1) for y in results(loopwire.load(path, trust=True), inputs)]
    close(found, [y.reshape(len(y), -1) for y in reference(path, inputs)])
    if form not in ("AveragePool, rounded up", "Pad, cut"):
        given = {name: array.astype(np.float32) for name, array in inputs.items()}
        close(found, [np.reshape(y, (len(y), -1)) for y in ReferenceEvaluator(str(path)).run(None, given)])


def test_all_opsets_are_compared() -> None:
    assert onnx.defs.onnx_opset_version() >= NEWEST == NEWER[-1]
