"""What a model is, as it was read: inputs, layers with shapes, parameters and states, outputs, and what refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, cast

import numpy as np

from loopwire.layers.activation import Function
from loopwire.layers.cell import Cell
from loopwire.layers.each_step import EachStep
from loopwire.layers.model import Call, Layer, Model, Tensor
from loopwire.text.table import Table, grouped

COLUMNS = ("Layer", "Kind", "Inputs", "Outputs", "Parameters", "States", "Options")


@dataclass(frozen=True)
class InspectedCall:
    """A call of a layer: names and shapes of what it takes and gives, its arrays' elements, its states' sizes."""

    layer: str
    kind: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    parameters: int
    states: Mapping[str, int]
    options: Mapping[str, Any]

    def row(self) -> tuple[str, ...]:
        """Return the cells of a table, by `COLUMNS`."""
        states = ", ".join(f"{name} {size}" for name, size in self.states.items())
        options = ", ".join(name if value is True else f"{name} {value}" for name, value in self.options.items())
        inputs = ", ".join(f"{name} {shape}" for name, shape in self.inputs.items())
        outputs = ", ".join(map(str, self.outputs.values()))
        return self.layer, self.kind, inputs, outputs, grouped(self.parameters), states, options


@dataclass(frozen=True)
class Inspection:
    """A model; `refusals` says for each target what it cannot compile, if anything: None where it can."""

    name: str
    source: str
    format: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    calls: tuple[InspectedCall, ...]
    parameters: int
    refusals: Mapping[str, str | None]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        calls = [vars(call) for call in self.calls]
        return {**vars(self), "calls": calls}

    def facts(self) -> list[tuple[str, str]]:
        """Return what a table says of the whole."""
        ports = {"Inputs": self.inputs, "Outputs": self.outputs}
        return [
            ("Format", self.format),
            *((what, ", ".join(f"{name} {shape}" for name, shape in of.items())) for what, of in ports.items()),
            ("Parameters", grouped(self.parameters)),
            *((f"Target {name}", refusal or "compiles") for name, refusal in self.refusals.items()),
        ]


def summary(model: Model) -> Table:
    """Return the layers of a model as a table, with its shapes and parameters in the title."""
    found = inspect(model, {})
    return Table(headline(found), COLUMNS, tuple(call.row() for call in found.calls))


def headline(found: Inspection) -> str:
    """Return what a model is in a line."""
    inputs, outputs = (", ".join(map(str, shapes.values())) for shapes in (found.inputs, found.outputs))
    layers = f"{len(found.calls)} layers" if len(found.calls) != 1 else "1 layer"
    return f"Model {found.name!r}: {inputs} → {outputs}, {layers}, {grouped(found.parameters)} parameters"


def inspect(model: Model, refusals: Mapping[str, str | None]) -> Inspection:
    """Return what a model is. A layer that is called several times has its parameters counted once in the whole."""
    calls = tuple(map(_call, model.calls))
    parameters = sum({call.layer: call.parameters for call in calls}.values())
    shapes = (_shapes(model.inputs), _shapes(model.outputs))
    return Inspection(model.name, model.source, model.format, *shapes, calls, parameters, refusals)


def _shapes(tensors: tuple[Tensor, ...]) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tensor.shape for tensor in tensors}


def _call(call: Call) -> InspectedCall:
    layer = call.layer.layer if isinstance(call.layer, EachStep) else call.layer
    values = {item.name: getattr(layer, item.name) for item in fields(cast(Any, layer))}
    parameters = sum(value.size for value in values.values() if isinstance(value, np.ndarray))
    states = {name: state.size for name, state in layer.states.items()} if isinstance(layer, Cell) else {}
    options = dict(_options(layer, values))
    return InspectedCall(
        layer.name, layer.kind, _shapes(call.inputs), _shapes(call.outputs), int(parameters), states, options
    )


def _options(layer: Layer, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return what a layer has chosen otherwise than by default: no arrays, and functions by their names."""
    defaults: dict[str, Any] = {}
    for item in fields(cast(Any, layer)):
        factory = cast("Callable[[], Any] | object", item.default_factory)
        defaults[item.name] = item.default if not callable(factory) else factory()
    chosen = [
        (name, value)
        for name, value in values.items()
        if name != "name"
        and not isinstance(value, np.ndarray)
        and (defaults[name] is MISSING or value != defaults[name])
    ]
    return [(name, _shown(value)) for name, value in chosen]


def _shown(value: Any) -> Any:
    if isinstance(value, Function):
        given = {key: number for key, number in vars(value).items() if key != "name" and number}
        return value.name + (f"({', '.join(f'{key} {number:g}' for key, number in given.items())})" if given else "")
    return value if isinstance(value, bool | int | float | str | tuple | None) else str(value)
