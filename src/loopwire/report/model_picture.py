"""The model as a diagram: layers with shapes, types, reuse factors and stages, and who takes whose result."""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.area.engine_area import EngineArea
from loopwire.report.boxes_picture import CHARACTERS, boxes_picture
from loopwire.report.layers import InputFacts, LayerFacts, LayerStages, reuse_of, shape_text, stages_of
from loopwire.report.range_proof import RangeProof
from loopwire.report.svg import COLOURS, cut
from loopwire.text.table import grouped


def model_picture(
    inputs: Sequence[InputFacts],
    layers: Sequence[LayerFacts],
    proofs: Sequence[RangeProof] = (),
    engines: Sequence[EngineArea] = (),
    stages: Sequence[LayerStages] = (),
) -> str:
    """Return the diagram as SVG; what a design adds to a model is left out where it is not given."""
    boxes: dict[str, list[str]] = {}
    makers: dict[str, str] = {}
    """The box of the call, or the input, that gives a tensor."""
    for given in inputs:
        own = next((str(proof.type) for proof in proofs if not proof.layer), "")
        boxes[given.name] = [f"{given.name}: {shape_text(given.shape)}", *([own] if own else [])]
        makers[given.name] = given.name
    kinds = list(dict.fromkeys(layer.kind for layer in layers))
    colours, edges = {}, []
    for layer in layers:
        first = layer.results[0]
        boxes[first] = _lines(layer, proofs, engines, stages)
        colours[first] = COLOURS[kinds.index(layer.kind) % len(COLOURS)]
        edges += [(makers[tensor], first) for tensor in layer.inputs]
        makers |= dict.fromkeys(layer.results, first)
    title = "The layers of the model, and who takes whose result"
    return boxes_picture(boxes, edges, colours, title)


def _lines(
    layer: LayerFacts, proofs: Sequence[RangeProof], engines: Sequence[EngineArea], stages: Sequence[LayerStages]
) -> list[str]:
    weights = f", {grouped(layer.weights)} weights" if layer.weights else ""
    lines = [cut(f"{layer.name}: {layer.kind}", CHARACTERS), f"result {shape_text(layer.output_shape)}{weights}"]
    types = list(dict.fromkeys(str(proof.type) for proof in proofs if proof.layer == layer.name))
    if types:
        more = f" and {len(types) - 1} more" if len(types) > 1 else ""
        lines.append(f"{types[0]}{more}")
    reuse, worked = reuse_of(layer.name, engines), stages_of(layer.name, stages)
    if reuse and worked:
        lines.append(f"R = {reuse}, stages {worked}")
    return lines
