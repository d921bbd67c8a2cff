"""Graphs of ONNX's operators around recurrent ones, as exporters and people write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from onnx_models import NEWEST_OF_RUNTIME, Shape, model_of, node

Array = npt.NDArray[Any]
T, F, U = 4, 3, 2
SEQUENCE: Mapping[str, Shape] = {"x": ("batch", T, F)}
VECTOR: Mapping[str, Shape] = {"x": ("batch", F)}


def w(*shape: int, scale: float = 0.8) -> Array:
    """Return weights, of which the same shape has the same."""
    return np.random.default_rng(sum(shape) + len(shape)).normal(0, scale, shape)


def numbers(*values: int) -> Array:
    """Return whole numbers, as axes and shapes are given."""
    return np.array(values, np.int64)


@dataclass(frozen=True)
class Written:
    """A graph from 'x' (and others) to 'y' (and others)."""

    nodes: Sequence[onnx.NodeProto]
    constants: Mapping[str, Array] = field(default_factory=dict)
    inputs: Mapping[str, Shape] = field(default_factory=lambda: SEQUENCE)
    outputs: Sequence[str] = ("y",)
    opset: int = NEWEST_OF_RUNTIME
    whole_numbers: Sequence[str] = ()

    def model(self, **more: Any) -> onnx.ModelProto:
        """Return the model."""
        opsets = [onnx.helper.make_opsetid("", self.opset), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
        return model_of(
            self.nodes,
            self.inputs,
            self.outputs,
            self.constants,
            opset=self.opset,
            opset_imports=opsets,
            whole_numbers=self.whole_numbers,
            **more,
        )


def lstm(x: str, outputs: Sequence[str], direction: str = "forward", features: int = F, name: str = "rnn") -> Any:
    """Return an LSTM's node; its weights are `rnn_weights` of the same name."""
    operands = [x, f"{name}_W", f"{name}_R", f"{name}_B"]
    return node("LSTM", operands, outputs, hidden_size=U, direction=direction, name=name)


def rnn_weights(name: str = "rnn", count: int = 1, features: int = F) -> dict[str, Array]:
    """Return the weights of an LSTM."""
    shapes = {"W": (count, 4 * U, features), "R": (count, 4 * U, U), "B": (count, 8 * U)}
    return {f"{name}_{key}": w(*shape) for key, shape in shapes.items()}


def _function(op: str, opset: int = NEWEST_OF_RUNTIME, **attributes: Any) -> Callable[[], Written]:
    return lambda: Written([node(op, ["x"], ["y"], **attributes)], opset=opset)


def _merge(op: str, *constants: Array) -> Callable[[], Written]:
    """Return a graph that merges two halves of a layer, or a tensor and a constant."""

    def written() -> Written:
        if constants:
            return Written([node(op, ["x", "c"], ["y"])], {"c": constants[0]})
        nodes = [
            node("MatMul", ["x", "a"], ["left"]),
            node("MatMul", ["x", "b"], ["right"]),
            node(op, ["left", "right"], ["y"]),
        ]
        return Written(nodes, {"a": w(F, U), "b": w(F, U) * 0.7})

    return written


def tf2onnx_like() -> Written:
    """Batch first outside, steps first inside; states made of the shape; the last step cut by Slice and Squeeze."""
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node("Shape", ["xt"], ["shape"]),
        node("Slice", ["shape", "n1", "n2", "n0"], ["batch"]),
        node("Concat", ["n1", "batch", "nU"], ["state_shape"], axis=0),
        node("ConstantOfShape", ["state_shape"], ["zeros"]),
        node("LSTM", ["xt", "rnn_W", "rnn_R", "rnn_B", "", "zeros", "zeros"], ["Y"], hidden_size=U, name="rnn"),
        node("Squeeze", ["Y", "n1"], ["steps"]),
        node("Transpose", ["steps"], ["turned"], perm=[1, 0, 2]),
        node("Slice", ["turned", "minus1", "most", "n1"], ["last"]),
        node("Squeeze", ["last", "n1"], ["vector"]),
        node("MatMul", ["vector", "kernel"], ["product"]),
        node("Add", ["product", "bias"], ["logits"]),
        node("Softmax", ["logits"], ["y"], axis=1),
    ]
    constants = {**rnn_weights(), "n0": numbers(0), "n1": numbers(1), "n2": numbers(2), "nU": numbers(U)}
    constants |= {"minus1": numbers(-1), "most": numbers(2**31 - 1), "kernel": w(U, 3), "bias": w(3)}
    return Written(nodes, constants)


def tf2onnx_gru() -> Written:
    """Keras's GRU(reset_after=True) on all steps, then one of which the last state goes on, as tf2onnx writes them."""
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node("Shape", ["x"], ["shape"]),
        node("Slice", ["shape", "n0", "n1", "n0"], ["batch"]),
        node("Concat", ["batch", "nU"], ["state_shape"], axis=0),
        node("Expand", ["zero", "state_shape"], ["zeros"]),
        node("Unsqueeze", ["zeros", "n0"], ["state"]),
    ]
    constants: dict[str, Array] = {"n0": numbers(0), "n1": numbers(1), "nU": numbers(U), "zero": np.array([[0.0]])}
    for name, x, features in (("first", "xt", F), ("second", "again", U)):
        operands = [x, *(f"{name}_{key}" for key in "WRB"), "", "state"]
        options = {"activations": ["Sigmoid", "Tanh"], "hidden_size": U, "linear_before_reset": 1}
        nodes.append(node("GRU", operands, [f"{name}_Y", f"{name}_h"], name=name, **options))
        shapes = {"W": (1, 3 * U, features), "R": (1, 3 * U, U), "B": (1, 6 * U)}
        constants |= {f"{name}_{key}": w(*shape) for key, shape in shapes.items()}
        if name == "first":
            nodes += [
                node("Squeeze", ["first_Y", "n1"], ["steps"]),
                node("Transpose", ["steps"], ["sequences"], perm=[1, 0, 2]),
                node("Transpose", ["sequences"], ["again"], perm=[1, 0, 2]),
            ]
    nodes += [
        node("Squeeze", ["second_h", "n0"], ["last"]),
        node("MatMul", ["last", "kernel"], ["product"]),
        node("Add", ["product", "bias"], ["logits"]),
        node("Sigmoid", ["logits"], ["y"]),
    ]
    return Written(nodes, {**constants, "kernel": w(U, 2), "bias": w(2)})


def skl2onnx_like() -> Written:
    """A scaler and a perceptron, of two operator sets."""
    nodes = [
        onnx.helper.make_node(
            "Scaler",
            ["x"],
            ["scaled"],
            domain="ai.onnx.ml",
            offset=[0.1, 0.2, 0.3],
            scale=[1.0, 2.0, 0.5],
            name="scale",
        ),
        node("Cast", ["scaled"], ["cast"], to=1),
        node("MatMul", ["cast", "coefficient"], ["product"]),
        node("Add", ["product", "intercepts"], ["sum"]),
        node("Relu", ["sum"], ["hidden"]),
        node("MatMul", ["hidden", "coefficient1"], ["product1"]),
        node("Add", ["product1", "intercepts1"], ["sum1"]),
        node("Reshape", ["sum1", "shape"], ["shaped"]),
        node("Sigmoid", ["shaped"], ["y"]),
    ]
    constants = {"coefficient": w(F, 4), "intercepts": w(1, 4), "coefficient1": w(4, 1), "intercepts1": w(1, 1)}
    return Written(nodes, {**constants, "shape": numbers(-1, 1)}, VECTOR)


def bidirectional(last: bool) -> Written:
    """Both directions side by side: all steps by Transpose and Reshape, or the last states by Gather and Concat."""
    head = [node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]), lstm("xt", ["Y", "Y_h"], "bidirectional")]
    if last:
        tail = [
            node("Gather", ["Y_h", "first"], ["forward"], axis=0),
            node("Gather", ["Y_h", "second"], ["backward"], axis=0),
            node("Concat", ["forward", "backward"], ["y"], axis=1),
        ]
        constants: dict[str, Array] = {"first": np.array(0), "second": np.array(-1)}
    else:
        tail = [
            node("Transpose", ["Y"], ["turned"], perm=[2, 0, 1, 3]),
            node("Reshape", ["turned", "shape"], ["y"]),
        ]
        constants = {"shape": numbers(0, 0, -1)}
    return Written([*head, *tail], {**rnn_weights(count=2), **constants})


def heads() -> Written:
    """Two outputs, one of all steps and one of the last."""
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        lstm("xt", ["Y", "h"]),
        node("Squeeze", ["Y", "one"], ["steps"]),
        node("MatMul", ["steps", "k"], ["each"]),
        node("Transpose", ["each"], ["y"], perm=[1, 0, 2]),
        node("Squeeze", ["h", "zero"], ["state"]),
        node("Gemm", ["state", "k"], ["z"]),
    ]
    constants = {**rnn_weights(), "one": numbers(1), "zero": numbers(0), "k": w(U, 3)}
    return Written(nodes, constants, outputs=("y", "z"))


def rows_of_a_batch() -> Written:
    """A dense layer on every step, by rows of (batch · steps, features)."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Reshape", ["x", "flat"], ["rows"]),
        node("Gemm", ["rows", "k", "b"], ["product"], transB=1),
        node("Relu", ["product"], ["positive"]),
        node("Slice", ["shape", "n0", "n2"], ["front"]),
        node("Concat", ["front", "nU"], ["whole"], axis=0),
        node("Reshape", ["positive", "whole"], ["y"]),
    ]
    constants = {"flat": numbers(-1, F), "k": w(U, F), "b": w(U), "nU": numbers(U)}
    return Written(nodes, {**constants, "n0": numbers(0), "n2": numbers(2)})


def residual() -> Written:
    """A sum around a layer, scaled and normalised."""
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node("MatMul", ["xt", "k"], ["z"]),
        lstm("z", ["Y"], features=U),
        node("Squeeze", ["Y", "one"], ["steps"]),
        node("Add", ["steps", "z"], ["sum"]),
        node("Transpose", ["sum"], ["channels"], perm=[1, 2, 0]),
        node("BatchNormalization", ["channels", "s", "b", "m", "v"], ["normal"], epsilon=1e-3),
        node("Transpose", ["normal"], ["y"], perm=[0, 2, 1]),
    ]
    norm = {"s": w(U), "b": w(U) + 1, "m": w(U) * 0.3, "v": np.abs(w(U)) + 0.2}
    return Written(nodes, {**rnn_weights(features=U), "k": w(F, U), "one": numbers(1), **norm})


def branches() -> Written:
    """An If whose condition is constant, as exporters leave it of a Squeeze."""
    body = lambda op: onnx.helper.make_graph(  # noqa: E731
        [node(op, ["x"], [f"{op}_inner"])],
        op,
        [],
        [onnx.helper.make_tensor_value_info(f"{op}_inner", 1, None)],
    )
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "one"], ["steps"]),
        node("Equal", ["steps", "four"], ["is_four"]),
        node("If", ["is_four"], ["chosen"], then_branch=body("Tanh"), else_branch=body("Relu")),
        node("Identity", ["chosen"], ["y"]),
    ]
    return Written(nodes, {"one": np.array(1), "four": np.array(T)})


def _in_halves() -> Written:
    nodes = [
        node("MatMul", ["x", "k"], ["z"]),
        node("Split", ["z", "parts"], ["a", "b", "c"], axis=-1),
        node("Sigmoid", ["b"], ["gate"]),
        node("Mul", ["a", "gate"], ["gated"]),
        node("Concat", ["gated", "c"], ["joined"], axis=2),
        node("Slice", ["joined", "n1", "n3", "n2"], ["y"]),
    ]
    constants = {"k": w(F, 6), "parts": numbers(2, 2, 2), "n1": numbers(1), "n2": numbers(2), "n3": numbers(3)}
    return Written(nodes, constants)


def _gemm(**attributes: Any) -> Callable[[], Written]:
    def written() -> Written:
        b = w(U, F) if attributes.get("transB") else w(F, U)
        return Written([node("Gemm", ["x", "b", "c"], ["y"], **attributes)], {"b": b, "c": w(U)}, VECTOR)

    return written


def _reduced(op: str, **attributes: Any) -> Callable[[], Written]:
    def written() -> Written:
        constants = {"axes": numbers(1)}
        nodes = [node("Tanh", ["x"], ["z"]), node(op, ["z", "axes"], ["y"], **attributes)]
        if NEWEST_OF_RUNTIME < 18 and op != "ReduceSum":
            nodes = [nodes[0], node(op, ["z"], ["y"], axes=[1], **attributes)]
            constants = {}
        return Written(nodes, constants)

    return written


def _constant_folding() -> Written:
    """Weights that an exporter left to compute."""
    nodes = [
        node("Transpose", ["k"], ["turned"], perm=[1, 0]),
        node("Mul", ["turned", "two"], ["scaled"]),
        node("Sqrt", ["variance"], ["deviation"]),
        node("Div", ["scaled", "deviation"], ["kernel"]),
        node("MatMul", ["x", "kernel"], ["product"]),
        node("ReduceSum", ["k", "one"], ["sums"], keepdims=0),
        node("Where", ["mask", "sums", "zero"], ["bias"]),
        node("Add", ["product", "bias"], ["y"]),
    ]
    constants = {"k": w(U, F), "two": np.array(2.0), "variance": np.abs(w(U)) + 1, "one": numbers(1)}
    return Written(nodes, {**constants, "mask": np.array([True, False]), "zero": np.array(0.0)})


WRITTEN: dict[str, Callable[[], Written]] = {
    **{op: _function(op) for op in ("Relu", "Sigmoid", "Tanh", "Softsign", "Softplus", "Selu", "HardSwish", "Neg")},
    "LeakyRelu": _function("LeakyRelu", alpha=0.2),
    "Elu": _function("Elu", alpha=0.5),
    "HardSigmoid": _function("HardSigmoid", alpha=0.3, beta=0.4),
    "Gelu": _function("Gelu"),
    "Gelu, tanh": _function("Gelu", approximate="tanh"),
    "Clip of opset 6": _function("Clip", 7, min=0.0, max=6.0),
    "Clip": lambda: Written([node("Clip", ["x", "low", "high"], ["y"])], {"low": np.array(0.0), "high": np.array(1.5)}),
    "PRelu": lambda: Written([node("PRelu", ["x", "slope"], ["y"])], {"slope": np.array([0.3])}),
    "Swish of two nodes": lambda: Written([node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"])]),
    "Softmax": _function("Softmax"),
    "Softmax of opset 7": lambda: Written([node("Softmax", ["x"], ["y"])], inputs=VECTOR, opset=7),
    "Softmax of opset 12": _function("Softmax", 12, axis=2),
    "Dropout": lambda: Written([node("Dropout", ["x"], ["z"]), node("Tanh", ["z"], ["y"])]),
    "Dropout of opset 7": lambda: Written(
        [node("Dropout", ["x"], ["z"], ratio=0.5), node("Tanh", ["z"], ["y"])], opset=7
    ),
    "Gemm": _gemm(),
    "Gemm turned and scaled": _gemm(transB=1, alpha=0.5, beta=2.0),
    "Gemm of a constant first": lambda: Written(
        [node("Gemm", ["k", "x", "c"], ["z"], transB=1), node("Transpose", ["z"], ["y"])],
        {"k": w(U, F), "c": w(U, 1)},
        VECTOR,
    ),
    "MatMul of a constant first": lambda: Written(
        [
            node("Transpose", ["x"], ["c"], perm=[0, 2, 1]),
            node("MatMul", ["k", "c"], ["z"]),
            node("Transpose", ["z"], ["y"], perm=[0, 2, 1]),
        ],
        {"k": w(U, F)},
    ),
    **{op: _merge(op) for op in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean")},
    "Add of a constant": _merge("Add", w(F)),
    "Sub of a constant": _merge("Sub", w(1, 1, F)),
    "Mul with one number": _merge("Mul", np.array(0.3)),
    "Div by constants": _merge("Div", np.abs(w(F)) + 0.5),
    "Max with 0": _merge("Max", np.array(0.0)),
    "constant less a tensor": lambda: Written([node("Sub", ["c", "x"], ["y"])], {"c": w(F)}),
    "Scaler": skl2onnx_like,
    "a vector added to each step": lambda: Written(
        [node("Gemm", ["v", "k"], ["z"]), node("Unsqueeze", ["z", "one"], ["u"]), node("Add", ["x", "u"], ["y"])],
        {"k": w(2, F), "one": numbers(1)},
        {"x": ("batch", T, F), "v": ("batch", 2)},
    ),
    "split, gated and joined": _in_halves,
    "flattened": lambda: Written(
        [node("Tanh", ["x"], ["z"]), node("Flatten", ["z"], ["f"]), node("Gemm", ["f", "k"], ["y"])],
        {"k": w(T * F, 2)},
    ),
    "reversed by Slice": lambda: Written(
        [node("Slice", ["x", "last", "before", "one", "back"], ["z"]), node("Tanh", ["z"], ["y"])],
        {"last": numbers(-1), "before": numbers(-(2**62)), "one": numbers(1), "back": numbers(-1)},
    ),
    "features by Gather": lambda: Written(
        [node("Tanh", ["x"], ["z"]), node("Gather", ["z", "i"], ["y"], axis=2)], {"i": numbers(2, 0)}
    ),
    "expanded": lambda: Written(
        [node("Tanh", ["x"], ["z"]), node("Unsqueeze", ["z", "one"], ["u"]), node("Expand", ["u", "shape"], ["y"])],
        {"one": numbers(1), "shape": numbers(1, T, 1)},
        VECTOR,
    ),
    "tiled": lambda: Written(
        [node("Tanh", ["x"], ["z"]), node("Unsqueeze", ["z", "one"], ["u"]), node("Tile", ["u", "times"], ["y"])],
        {"one": numbers(1), "times": numbers(1, 5, 1)},
        VECTOR,
    ),
    "constants folded": _constant_folding,
    "If of a constant": branches,
    "tf2onnx": tf2onnx_like,
    **{f"tf2onnx, opset {opset}": lambda opset=opset: replace(tf2onnx_like(), opset=opset) for opset in (13, 15, 18)},
    **{f"tf2onnx, GRU, opset {opset}": lambda opset=opset: replace(tf2onnx_gru(), opset=opset) for opset in (13, 18)},
    "bidirectional, all steps": lambda: bidirectional(last=False),
    "bidirectional, last states": lambda: bidirectional(last=True),
    "two heads": heads,
    "rows of a batch": rows_of_a_batch,
    "residual": residual,
    "mean of steps": _reduced("ReduceMean", keepdims=0),
    "sum of steps": _reduced("ReduceSum", keepdims=1),
    "largest of steps": _reduced("ReduceMax", keepdims=0),
    "mean of features": lambda: Written([node("ReduceMean", ["x", "axes"], ["y"])], {"axes": numbers(-1)}),
    "pooled": lambda: Written(
        [
            node("Transpose", ["x"], ["c"], perm=[0, 2, 1]),
            node("GlobalAveragePool", ["c"], ["p"]),
            node("Squeeze", ["p", "two"], ["y"]),
        ],
        {"two": numbers(2)},
    ),
}
"""By what they show."""
