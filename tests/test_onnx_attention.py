"""ONNX's operator Attention within 1e-5 of onnxruntime and of ONNX's own evaluator, and what of it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx.reference import ReferenceEvaluator

import loopwire
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.errors import LoopwireError, ModelFileError, UnsupportedError
from networks import prove
from onnx_models import close, model_of, node, reference, results, saved

pytestmark = pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")

T, SIZE = 5, 4
SEQUENCE = ("batch", T, SIZE)
OTHER = ("batch", 6, SIZE)
TWO_HEADS = {"q_num_heads": 2, "kv_num_heads": 2}
Array = npt.NDArray[Any]
Inputs = dict[str, tuple[str | int, ...]]


def attended(path: Path, inputs: Inputs, names: str = "xxx", opset: int = 23, **attributes: Any) -> Path:
    """Save a model that attends with these inputs as query, key and value."""
    nodes = [node("Attention", list(names), ["y"], name="attend", **attributes)]
    return saved(model_of(nodes, inputs, ["y"], opset=opset), path)


def data(inputs: Inputs) -> dict[str, Array]:
    random = np.random.default_rng(4)
    shapes = {name: [3 if isinstance(n, str) else n for n in shape] for name, shape in inputs.items()}
    return {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}


FORMS: dict[str, tuple[Inputs, str, dict[str, Any]]] = {
    "itself": ({"x": SEQUENCE}, "xxx", TWO_HEADS),
    "one head": ({"x": SEQUENCE}, "xxx", {"q_num_heads": 1, "kv_num_heads": 1}),
    "scaled": ({"x": SEQUENCE}, "xxx", {**TWO_HEADS, "scale": 0.3}),
    "no later steps": ({"x": SEQUENCE}, "xxx", {**TWO_HEADS, "is_causal": 1}),
    "another sequence": ({"x": SEQUENCE, "z": OTHER}, "xzz", TWO_HEADS),
    "no later steps of another sequence": ({"x": SEQUENCE, "z": OTHER}, "xzz", {**TWO_HEADS, "is_causal": 1}),
    "values of another size": ({"x": SEQUENCE, "k": OTHER, "v": ("batch", 6, 6)}, "xkv", TWO_HEADS),
}


@pytest.mark.parametrize("opset", [23, 24, 25])
@pytest.mark.parametrize("form", FORMS)
def test_attention_is_what_onnx_computes(form: str, opset: int, tmp_path: Path) -> None:
    inputs, names, attributes = FORMS[form]
    path, given = attended(tmp_path / "m.onnx", inputs, names, opset, **attributes), data(inputs)
    found = results(loopwire.load(path, trust=True), given)
    close(found, ReferenceEvaluator(str(path)).run(None, given))
    close(found, reference(path, given))


CONSTANT = np.tri(T, dtype=np.bool_)
MASKS: dict[str, Array] = {
    "truths": CONSTANT,
    "numbers": np.where(CONSTANT, 0, -np.inf).astype(np.float32),
    "of all heads": np.stack([np.stack([CONSTANT] * 2)] * 3),
}


@pytest.mark.parametrize("form", MASKS)
def test_a_constant_mask(form: str, tmp_path: Path) -> None:
    nodes = [node("Attention", ["x", "x", "x", "m"], ["y"], **TWO_HEADS)]
    path, given = (
        saved(model_of(nodes, {"x": SEQUENCE}, ["y"], {"m": MASKS[form]}, opset=23), tmp_path / "m.onnx"),
        data({"x": SEQUENCE}),
    )
    close(results(loopwire.load(path), given), reference(path, given))


def test_heads_side_by_side(tmp_path: Path) -> None:
    """Query, key and value with an axis of heads, made and joined by the nodes around."""
    nodes = [
        node("Reshape", ["x", "cut"], ["parted"]),
        node("Transpose", ["parted"], ["heads"], perm=[0, 2, 1, 3]),
        node("Attention", ["heads", "heads", "heads"], ["attended"]),
        node("Transpose", ["attended"], ["turned"], perm=[0, 2, 1, 3]),
        node("Reshape", ["turned", "join"], ["y"]),
    ]
    shapes = {"cut": np.array([0, 0, 2, -1]), "join": np.array([0, 0, -1])}
    path, given = (
        saved(model_of(nodes, {"x": SEQUENCE}, ["y"], shapes, opset=23), tmp_path / "m.onnx"),
        data({"x": SEQUENCE}),
    )
    close(results(loopwire.load(path), given), reference(path, given))


def test_hardware_of_attention(tmp_path: Path) -> None:
    path = attended(tmp_path / "m.onnx", {"x": ("batch", 3, SIZE)}, **TWO_HEADS, is_causal=1)
    settings = {"model": {"precision": "fixed<10,4,RND,SAT>"}, "clock_period_ns": 7}
    prove(compile_silently(loopwire.load(path), CompileConfig.from_dict(settings)), count=10)


REFUSED: dict[str, tuple[list[str], list[str], dict[str, Any], type[LoopwireError], str]] = {
    "mask": (["x", "x", "x", "m"], ["y"], TWO_HEADS, UnsupportedError, "it adds something else than 0 and -inf to"),
    "past": (["x", "x", "x", "", "p", "p"], ["y"], TWO_HEADS, UnsupportedError, "it reads keys of the past"),
    "scores": (["x", "x", "x"], ["y", "", "", "s"], TWO_HEADS, UnsupportedError, "gives more than its first result"),
    "softcap": (["x", "x", "x"], ["y"], {**TWO_HEADS, "softcap": 2.0}, UnsupportedError, r"softcap'?=2.0 is not"),
    "shared keys": (
        ["x", "z", "z"],
        ["y"],
        {"q_num_heads": 2, "kv_num_heads": 1},
        UnsupportedError,
        "it has 2 heads of queries, 1 of keys and values. Attend without past keys, with a",
    ),
    "no heads": (["x", "x", "x"], ["y"], {}, ModelFileError, r"it cuts a tensor of shape \(\d+, 5, 4\) into 0 heads"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_other_attention_is_refused(form: str, tmp_path: Path) -> None:
    operands, outputs, attributes, kind, message = REFUSED[form]
    constants = {"m": np.full((T, T), 0.5), "p": np.zeros((3, 2, 1, 2))}
    used = {name: array for name, array in constants.items() if name in operands}
    inputs = {name: shape for name, shape in {"x": SEQUENCE, "z": ("batch", T, 2)}.items() if name in operands}
    nodes = [node("Attention", operands, outputs, name="attend", **attributes)]
    path = saved(model_of(nodes, inputs, ["y"], used, opset=23), tmp_path / "m.onnx")
    with pytest.raises(kind, match=rf"node 'attend' \(Attention\).*{message}"):
        loopwire.load(path)
