"""The fixed-point result of every layer, as hls4ml's `trace` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.data import check_inputs
from loopwire.design import Design
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.hls4ml.translation import activation_name, separate_activation
from loopwire.ir import ops
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.graph import Graph, Node, Value
from loopwire.layers.model import Model
from loopwire.quantised_model import DEFINITION_BATCH

Reals = npt.NDArray[np.float64]


def layer_results(design: Design, x: npt.ArrayLike) -> dict[str, Reals]:
    """Return the result (N, *shape) of each layer by its name, for inputs x (N, *input shape).

    A Dense with an activation is two layers: `dense` up to the activation, `dense_relu` with it.

    Raises:
        DataError: x does not fit the model.
    """
    inputs = check_inputs("x", x, design.model.input_shape)
    inputs = inputs.reshape(len(inputs), *design.graph.inputs[0].type.shape)
    parts = [
        _evaluate(design.graph, design.model, inputs[start : start + DEFINITION_BATCH].astype(np.float64))
        for start in range(0, len(inputs), DEFINITION_BATCH)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _evaluate(graph: Graph, model: Model, x: Reals) -> dict[str, Reals]:
    results = _handed_on(graph, model)
    before = _before_activations(graph, model)
    steps: dict[Value, list[npt.NDArray[Any]]] = {value: [] for value in before.values()}

    def keep(node: Node, _: Sequence[npt.NDArray[Any]], result: npt.NDArray[Any]) -> None:
        if node.result in steps:
            steps[node.result].append(result)

    watched = replace(graph, outputs=tuple(results.values()))
    arrays = evaluate_integers(watched, (quantise(x, graph.inputs[0].type.element),), observe=keep)
    traced = {}
    for (name, value), array in zip(results.items(), arrays, strict=True):
        traced[name] = to_real(array, value.type.element.fraction)
    named = {}
    for call in model.calls:
        layer, shape = call.layer, call.outputs[0].shape
        named[layer.name] = traced[layer.name] = traced[layer.name].reshape(len(x), *shape)
        function = separate_activation(layer)
        if function is not None:
            value = before[layer.name]
            kept = to_real(np.stack(steps[value], axis=1), value.type.element.fraction)
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
