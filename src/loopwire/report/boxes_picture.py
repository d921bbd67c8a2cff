"""Boxes and arrows: from top to bottom by the longest way to each, side by side where ways part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopwire.report.svg import INK, box, cut, line, picture, text

WIDTH, LEAST_HEIGHT, LINE, GAP_X, GAP_Y = 300, 22, 15, 24, 26
CHARACTERS = 48
"""Of a line in a box."""


def boxes_picture(
    boxes: Mapping[str, Sequence[str]],
    edges: Sequence[tuple[str, str]],
    colours: Mapping[str, str],
    title: str,
    on_its_own: bool = False,
) -> str:
    """Return the picture as SVG.

    Args:
        boxes: the lines of each, by what `edges` call it; the first line is bold.
        edges: from a box to one that comes later.
        colours: of boxes that have one.
        title: of the picture.
        on_its_own: whether it is a file of its own, whose colours no page decides.
    """
    ranks: dict[str, int] = dict.fromkeys(boxes, 0)
    for _ in boxes:  # until each comes after all that it takes: no way is longer than there are boxes
        for source, to in edges:
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
    return picture(total, y - GAP_Y + 4, parts, title, on_its_own)


def _edge(source: tuple[float, float, float], to: tuple[float, float, float]) -> str:
    x1, y1 = source[0] + WIDTH / 2, source[1] + source[2]
    x2, y2 = to[0] + WIDTH / 2, to[1]
    tip = f'<path d="M{x2 - 4:.1f} {y2 - 7:.1f} L{x2 + 4:.1f} {y2 - 7:.1f} L{x2:.1f} {y2:.1f} Z" fill="{INK}"/>'
    return line(x1, y1, x2, y2 - 6, 0.8) + tip
