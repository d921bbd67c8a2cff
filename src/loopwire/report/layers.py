"""The layers of a model: what each is, takes, gives, and where in the pipeline it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loopwire.area.engine_area import EngineArea
from loopwire.layers.model import Model, Shape
from loopwire.report.range_proof import RangeProof
from loopwire.text.table import Table, grouped

HEAD = ("Layer", "Kind", "Result", "Weights", "Types", "Reuse factor", "Stages")
INPUT = "(input)"


@dataclass(frozen=True)
class LayerFacts:
    """A call of a layer: its kind, the shape of its first result, and how many weights it has.

    `inputs` and `results` are the names of the tensors that it takes and gives, unique in the model.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    weights: int
    inputs: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputFacts:
    """An input of the model: its name, and its shape without the batch."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class LayerStages:
    """The stages of the pipeline in which a layer works: the first and the last."""

    layer: str
    first: int
    last: int


def layer_facts(model: Model) -> tuple[LayerFacts, ...]:
    """Return the calls of a model."""
    rows = []
    for call in model.calls:
        arrays = [array for array in vars(call.layer).values() if isinstance(array, np.ndarray)]
        weights = sum(array.size for array in arrays)
        names = (tuple(tensor.name for tensor in tensors) for tensors in (call.inputs, call.outputs))
        rows.append(LayerFacts(call.layer.name, call.layer.kind, call.outputs[0].shape, weights, *names))
    return tuple(rows)


def input_facts(model: Model) -> tuple[InputFacts, ...]:
    """Return the inputs of a model."""
    return tuple(InputFacts(tensor.name, tensor.shape) for tensor in model.inputs)


def layer_table(
    title: str,
    layers: Sequence[LayerFacts],
    proofs: Sequence[RangeProof],
    engines: Sequence[EngineArea] = (),
    stages: Sequence[LayerStages] = (),
) -> Table:
    """Return the layers of a design as a table."""
    rows = [
        (
            layer.name,
            layer.kind,
            shape_text(layer.output_shape),
            grouped(layer.weights),
            types_of(layer.name, proofs),
            reuse_of(layer.name, engines),
            stages_of(layer.name, stages),
        )
        for layer in layers
    ]
    return Table(title, HEAD, tuple(rows))


def shape_text(shape: Shape) -> str:
    """Return a shape as people write it: '20 × 6'."""
    return " × ".join(map(str, shape))


def types_of(layer: str, proofs: Sequence[RangeProof]) -> str:
    """Return the types of a layer's tensors, each once."""
    return ", ".join(dict.fromkeys(str(proof.type) for proof in proofs if proof.layer == layer))


def reuse_of(layer: str, engines: Sequence[EngineArea]) -> str:
    """Return the reuse factor of the engine in which a layer works; nothing where it has none."""
    return ", ".join(dict.fromkeys(str(engine.reuse_factor) for engine in engines if layer in engine.layers))


def stages_of(layer: str, stages: Sequence[LayerStages]) -> str:
    """Return the stages in which a layer works; nothing where it works in none."""
    return ", ".join(
        f"{one.first} to {one.last}" if one.first < one.last else str(one.first) for one in stages if one.layer == layer
    )
