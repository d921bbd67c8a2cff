"""ONNX models written by hand, and what onnxruntime makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import loopwire
from loopwire.layers.model import Model

Array = npt.NDArray[Any]
NEWEST_OF_RUNTIME = 21
"""The opset of tests that do not ask for another."""
TOLERANCE = 1e-5
onnxruntime.set_default_logger_severity(3)

Shape = Sequence[int | str | None]


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
    """Return a node, named after its operator and first output."""
    return helper.make_node(op, inputs, outputs, name=attributes.pop("name", f"{op}_{outputs[0]}"), **attributes)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    constants: Mapping[str, Array] | None = None,
    *,
    opset: int = NEWEST_OF_RUNTIME,
    whole_numbers: Sequence[str] = (),
    **more: Any,
) -> onnx.ModelProto:
    """Return a model; arrays of real numbers become float32."""
    graph = helper.make_graph(
        nodes,
        "tagger",
        [
            helper.make_tensor_value_info(
                name, TensorProto.INT32 if name in whole_numbers else TensorProto.FLOAT, shape
            )
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [
            numpy_helper.from_array(array.astype(np.float32) if array.dtype.kind == "f" else array, name)
            for name, array in (constants or {}).items()
        ],
    )
    opsets = more.pop("opset_imports", [helper.make_opsetid("", opset)])
    return helper.make_model(graph, opset_imports=opsets, ir_version=9 if opset > 8 else 7, **more)


def saved(model: onnx.ModelProto, path: Path) -> Path:
    """Return the path of the file of a model."""
    onnx.save(model, path)
    return path


def reference(path: Path, inputs: Mapping[str, Array]) -> list[Array]:
    """Return onnxruntime's results."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in inputs.items()}
    return list(session.run(None, given))


def results(model: Model, inputs: Mapping[str, Array], lengths: Array | None = None) -> list[Array]:
    """Return Loopwire's float results, of inputs with the batch first."""
    given = {tensor.name: inputs[tensor.name] for tensor in model.inputs}
    found = loopwire.compile(model).predict_float(given if len(given) > 1 else next(iter(given.values())), lengths)
    return list(found.values()) if isinstance(found, dict) else [found]


def close(found: Sequence[Array], expected: Sequence[Array]) -> None:
    """Assert that results are the expected ones, shapes included."""
    assert [y.shape for y in found] == [y.shape for y in expected]
    for y, due in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, due, rtol=TOLERANCE, atol=TOLERANCE)
