"""The fixed-point result of every layer, as hls4ml's `trace` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.data import check_inputs
from loopwire.design import Design
from loopwire.emulator.evaluate import evaluate_integers, evaluate_real
from loopwire.hls4ml.translation import activation_name, separate_activation
from loopwire.ir import ops
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.graph import Graph, Node, Value
from loopwire.layers.model import Model
from loopwire.quantised_model import DEFINITION_BATCH

Reals = npt.NDArray[np.float64]


def layer_results(design: Design, x: npt.ArrayLike, real: bool = False) -> dict[str, Reals]:
    """Return the result (N, *shape) of each layer by its name, for inputs x (N, *input shape).

    In fixed point, or in floating point where `real` is true.

    A Dense with an activation is two layers: `dense` up to the activation, `dense_relu` with it.

    Raises:
        DataError: x does not fit the model.
    """
    inputs = check_inputs("x", x, design.model.input_shape)
    inputs = inputs.reshape(len(inputs), *design.graph.inputs[0].type.shape)
    parts = [
        _evaluate(design.graph, design.model, inputs[start : start + DEFINITION_BATCH].astype(np.float64), real)
        for start in range(0, len(inputs), DEFINITION_BATCH)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _evaluate(graph: Graph, model: Model, x: Reals, real: bool) -> dict[str, Reals]:
    def value_of(value: Value, array: npt.NDArray[Any]) -> Reals:
        return array if real else to_real(array, value.type.element.fraction)

    results = _handed_on(graph, model)
    before = _before_activations(graph, model)
    steps: dict[Value, list[npt.NDArray[Any]]] = {value: [] for value in before.values()}

    def keep(node: Node, _: Sequence[npt.NDArray[Any]], result: npt.NDArray[Any]) -> None:
        if node.result in steps:
            steps[node.result].append(result)

    watched = replace(graph, outputs=tuple(results.values()))
    arrays: Sequence[npt.NDArray[Any]]
    if real:
        arrays = evaluate_real(watched, (x,), observe=keep)
    else:
        arrays = evaluate_integers(watched, (quantise(x, graph.inputs[0].type.element),), observe=keep)
    traced = {}
    for (name, value), array in zip(results.items(), arrays, strict=True):
        traced[name] = value_of(value, array)
    named = {}
    for call in model.calls:
        layer, shape = call.layer, call.outputs[0].shape
        named[layer.name] = traced[layer.name] = traced[layer.name].reshape(len(x), *shape)
        function = separate_activation(layer)
        if function is not None:
            value = before[layer.name]
            kept = value_of(value, np.stack(steps[value], axis=1))
            named[layer.name] = kept.reshape(traced[layer.name].shape)
            named[activation_name(layer, function)] = traced[layer.name]
    return named


def _handed_on(graph: Graph, model: Model) -> dict[str, Value]:
    """Return what each layer hands on to the next one, or to the output; its input where it computes nothing."""
    read = [(node.results[0].layer, value) for node in graph.nodes for value in node.operands]
    read += [("", value) for value in graph.outputs]
    crossing = {value.layer: value for reader, value in read if value.layer != reader}
    results, value = {}, graph.inputs[0]
    for layer in model.layers:
        value = results[layer.name] = crossing.get(layer.name, value)
    return results


def _before_activations(graph: Graph, model: Model) -> dict[str, Value]:
    """Return what is before the activation of each Dense that has one."""
    values = {node.result.name: node.result for node in graph.walk() if not isinstance(node.op, ops.Scan)}
    names = [layer.name for layer in model.layers if separate_activation(layer) is not None]
    return {name: values.get(f"{name}.a_cast") or values[f"{name}.a"] for name in names}
