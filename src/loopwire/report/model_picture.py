"""The model as a diagram: layers with shapes, types, reuse factors and stages, and who takes whose result.

Layers are placed from top to bottom by the longest way to them, side by side where ways part.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.area.engine_area import EngineArea
from loopwire.report.layers import InputFacts, LayerFacts, LayerStages, reuse_of, shape_text, stages_of
from loopwire.report.range_proof import RangeProof
from loopwire.report.svg import COLOURS, INK, box, cut, line, picture, text
from loopwire.text.table import grouped

WIDTH, LEAST_HEIGHT, LINE, GAP_X, GAP_Y = 300, 22, 15, 24, 26
CHARACTERS = 48
"""Of a line in a box."""


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
    ranks: dict[str, int] = dict.fromkeys(boxes, 0)
    for source, to in edges:  # a layer comes after all that it takes
        ranks[to] = max(ranks[to], ranks[source] + 1)
    rows: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name, rank in ranks.items():
        rows[rank].append(name)
    total = max((len(row) for row in rows), default=1) * (WIDTH + GAP_X) - GAP_X + 8
    places: dict[str, tuple[float, float, float]] = {}
    y = 4.0
    for row in rows:
        height = float(max(LEAST_HEIGHT, 8 + LINE * max(len(boxes[name]) for name in row)))
        left = (total - len(row) * (WIDTH + GAP_X) + GAP_X) / 2
        for place, name in enumerate(row):
            places[name] = (left + place * (WIDTH + GAP_X), y, height)
        y += height + GAP_Y
    parts = [_edge(places[source], places[to]) for source, to in edges]
    for name, (x, top, height) in places.items():
        parts.append(box(x, top, WIDTH, height, colours.get(name, INK), 0.22, f'stroke="{INK}" rx="5"'))
        for number, content in enumerate(boxes[name]):
            weight = 'font-weight="bold"' if number == 0 else ""
            parts.append(text(x + WIDTH / 2, top + 16 + number * LINE, cut(content, CHARACTERS), "middle", INK, weight))
    return picture(total, y - GAP_Y + 4, parts, "The layers of the model, and who takes whose result")


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


def _edge(source: tuple[float, float, float], to: tuple[float, float, float]) -> str:
    x1, y1 = source[0] + WIDTH / 2, source[1] + source[2]
    x2, y2 = to[0] + WIDTH / 2, to[1]
    tip = f'<path d="M{x2 - 4:.1f} {y2 - 7:.1f} L{x2 + 4:.1f} {y2 - 7:.1f} L{x2:.1f} {y2:.1f} Z" fill="{INK}"/>'
    return line(x1, y1, x2, y2 - 6, 0.8) + tip
