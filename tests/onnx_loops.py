"""Graphs of ONNX's Scan and Loop, and recurrences in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

from onnx_graphs import numbers, w
from onnx_models import model_of, node

BATCH, T, F, U = 3, 6, 3, 4
RECURRENT = {"W": w(F, U), "R": w(U, U), "b": w(U)}


WHOLE = ("round", "time", "time_next")
TRUTH = ("on", "goes_on")


def tensor(name: str) -> Any:
    """Return what a graph says of a tensor: a number, or real numbers of any shape."""
    kind = 7 if name in WHOLE else 9 if name in TRUTH else 1
    return onnx.helper.make_tensor_value_info(name, kind, None if kind == 1 else [])


def body(nodes: Sequence[Any], inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    """Return the graph of a step."""
    return onnx.helper.make_graph(nodes, "step", list(map(tensor, inputs)), list(map(tensor, outputs)))


def elman(x: str = "x_t", h: str = "h") -> list[Any]:
    """Return a step h_next = tanh(x W + h R + b)."""
    return [
        node("MatMul", [x, "W"], ["xW"]),
        node("MatMul", [h, "R"], ["hR"]),
        node("Add", ["xW", "hR"], ["sum"]),
        node("Add", ["sum", "b"], ["biased"]),
        node("Tanh", ["biased"], ["h_next"]),
    ]


def zeros_of_the_batch() -> list[Any]:
    """Return what makes zeros (batch, U) of the sequence's shape, steps first, as exporters do."""
    return [
        node("Shape", ["xt"], ["shape"]),
        node("Slice", ["shape", "n1", "n2"], ["batch"]),
        node("Concat", ["batch", "nU"], ["state_shape"], axis=0),
        node("ConstantOfShape", ["state_shape"], ["zeros"]),
    ]


SHAPES = {"n0": numbers(0), "n1": numbers(1), "n2": numbers(2), "nU": numbers(U)}


def scanned(**attributes: Any) -> Any:
    """A Scan over the first axis: the last state, and all of them."""
    step = body([*elman(), node("Identity", ["h_next"], ["y_t"])], ["h", "x_t"], ["h_next", "y_t"])
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        *zeros_of_the_batch(),
        node("Scan", ["zeros", "xt"], ["last", "all"], body=step, num_scan_inputs=1, name="rnn", **attributes),
        node("Transpose", ["all"], ["y"], perm=[1, 0, 2]),
        node("Tanh", ["last"], ["z"]),
    ]
    return model_of(nodes, {"x": ("batch", T, F)}, ["y", "z"], {**RECURRENT, **SHAPES})


def scan_of_gates() -> Any:
    """A gated cell of two states and two sequences, along the second axis, of which the last state is used."""
    step = body(
        [
            node("Concat", ["x_t", "h"], ["both"], axis=-1),
            node("Gemm", ["both", "G", "g"], ["gates"]),
            node("Split", ["gates", "halves"], ["a", "n"], axis=1),
            node("Sigmoid", ["a"], ["f"]),
            node("Sub", ["one", "f"], ["i"]),
            node("Mul", ["f", "c"], ["kept"]),
            node("Mul", ["i", "n"], ["fresh"]),
            node("Add", ["kept", "fresh"], ["c_next"]),
            node("Tanh", ["c_next"], ["squashed"]),
            node("Mul", ["squashed", "m_t"], ["h_next"]),
        ],
        ["h", "c", "x_t", "m_t"],
        ["h_next", "c_next"],
    )
    nodes = [
        node("MatMul", ["x", "M"], ["m"]),
        node("Sigmoid", ["m"], ["mask"]),
        node("Gemm", ["v", "V"], ["c0"]),
        node("Tanh", ["c0"], ["h0"]),
        node("Scan", ["h0", "c0", "x", "mask"], ["h", "c"], body=step, num_scan_inputs=2, scan_input_axes=[1, 1]),
        node("Concat", ["h", "c"], ["y"], axis=1),
    ]
    constants = {"G": w(F + U, 2 * U), "g": w(2 * U), "M": w(F, U), "V": w(2, U), "halves": numbers(U, U)}
    return model_of(nodes, {"x": ("batch", T, F), "v": ("batch", 2)}, ["y"], {**constants, "one": np.array(1.0)})


def looped(with_condition: bool) -> Any:
    """A Loop that gathers its step; tf2onnx counts beside the round, and compares."""
    counted = [
        node("Gather", ["xt", "time" if with_condition else "round"], ["x_t"], axis=0),
        *elman(),
        node("Identity", ["h_next"], ["y_t"]),
        node("Add", ["time", "n1s"], ["time_next"]),
        node("Less", ["time_next", "steps"], ["goes_on"]) if with_condition else node("Identity", ["on"], ["goes_on"]),
    ]
    step = body(counted, ["round", "on", "time", "h"], ["goes_on", "time_next", "h_next", "y_t"])
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        *zeros_of_the_batch(),
        node("Gather", ["shape", "n0s"], ["steps"]),
        node("Loop", ["" if with_condition else "steps", "true", "n0s", "zeros"], ["t", "last", "all"], body=step),
        node("Transpose", ["all"], ["y"], perm=[1, 0, 2]),
    ]
    constants = {**RECURRENT, **SHAPES, "n0s": np.array(0), "n1s": np.array(1), "true": np.array(True)}
    return model_of(nodes, {"x": ("batch", T, F)}, ["y"], constants)


def fed_back() -> Any:
    """A Loop of five rounds without a sequence, each reading what the one before gave."""
    given = [
        *elman("y", "h"),
        node("Gemm", ["h_next", "H"], ["y_next"]),
        node("Identity", ["y_next"], ["y_t"]),
        node("Identity", ["on"], ["goes_on"]),
    ]
    step = body(given, ["round", "on", "h", "y"], ["goes_on", "h_next", "y_next", "y_t"])
    nodes = [
        node("Gemm", ["v", "V"], ["h0"]),
        node("Gemm", ["h0", "H"], ["y0"]),
        node("Loop", ["five", "", "h0", "y0"], ["h", "last", "all"], body=step),
        node("Transpose", ["all"], ["y"], perm=[1, 0, 2]),
    ]
    return model_of(nodes, {"v": ("batch", 2)}, ["y"], {**RECURRENT, "V": w(2, U), "H": w(U, F), "five": np.array(5)})


LOOPS: dict[str, Callable[[], Any]] = {
    "Scan": scanned,
    "Scan, backwards": lambda: scanned(scan_input_directions=[1], scan_output_directions=[1]),
    "Scan of gates": scan_of_gates,
    "Loop": lambda: looped(with_condition=False),
    "Loop with a condition": lambda: looped(with_condition=True),
    "Loop of results fed back": fed_back,
}


def rounds(of: str, condition: str = "", op: str = "Tanh", before: Sequence[Any] = ()) -> Any:
    """A Loop that does one operation in each round."""
    given = [node(op, ["h"], ["h_next"]), node("Identity", ["on"], ["goes_on"])]
    step = body(given, ["round", "on", "h"], ["goes_on", "h_next"])
    constants = {"none": np.array(0), "five": np.array(5), "true": np.array(True)}
    nodes = [*before, node("Loop", [of, condition, "v"], ["y"], body=step)]
    return model_of(nodes, {"v": ("batch", 2)}, ["y"], constants)
