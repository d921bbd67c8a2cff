"""Pictures for the README of a written project: what is in it, and how its ports move."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loopwire.hdl.axi_stream import StreamPort
from loopwire.report.boxes_picture import boxes_picture
from loopwire.report.svg import COLOURS, INK, box, picture, text
from loopwire.targets.verilog.firmware import Firmware

CYCLE, ROW, LABEL, WAVE = 34, 26, 120, 16
MOST_DRAWN = 4
"""Beats of an input, and stages' cycles between, that are drawn one by one."""


def block_diagram(firmware: Firmware) -> str:
    """Return the blocks as SVG: ports, engines with their layers, and who hands on to whom."""
    boxes: dict[str, list[str]] = {}
    edges: list[tuple[str, str]] = []
    colours: dict[str, str] = {}
    for port in firmware.inputs:
        boxes[port.axis] = [port.axis, f"{port.format.bits} bits a beat, {_beats(port)}"]
    areas = [area for area in firmware.areas if area.layers]
    for number, timing in enumerate(firmware.timing.engines):
        name = f"engine {number}"
        boxes[name] = [name, f"a turn takes {timing.round_cycles} cycles, with {timing.slots} sequences in it"]
        colours[name] = COLOURS[number % len(COLOURS)]
    for number, area in enumerate(areas[: len(firmware.timing.engines)]):
        copies = f", {area.copies} copies" if area.copies > 1 else ""
        boxes[f"engine {number}"].insert(1, f"{', '.join(area.layers)}: R = {area.reuse_factor}{copies}")
    for port in firmware.outputs:
        boxes[port.axis] = [port.axis, f"{port.format.bits} bits a beat, {_beats(port)}"]
    for channel in firmware.timing.channels:
        source = channel.feed.source
        begin = firmware.inputs[source.index].axis if source.engine is None else f"engine {source.engine}"
        end = firmware.outputs[channel.reader].axis if channel.to_port else f"engine {channel.reader}"
        edges.append((begin, end))
    return boxes_picture(boxes, list(dict.fromkeys(edges)), colours, f"Blocks of {firmware.top}", on_its_own=True)


def _beats(port: StreamPort) -> str:
    count = int(port.format.beat_counts(port.steps))
    return "one a sequence" if count == 1 else f"{'up to ' if port.short else ''}{count} a sequence"


def timing_diagram(firmware: Firmware) -> str:
    """Return a lone sequence at the first input and its result at the first output as SVG, both sides ready."""
    source, sink = firmware.inputs[0], firmware.outputs[0]
    beats = int(source.format.beat_counts(source.steps))
    results = int(sink.format.beat_counts(sink.steps))
    drawn = min(beats, MOST_DRAWN)
    answered = min(results, 2)
    gap = drawn + 1
    total = gap + 2 + answered + 1
    rows = [
        "aclk",
        *(f"{source.axis}_{signal}" for signal in ("tdata", "tvalid", "tlast")),
        *(f"{sink.axis}_{signal}" for signal in ("tdata", "tvalid", "tlast")),
    ]
    parts = [text(LABEL - 8, 14 + ROW * place + WAVE, name, "end") for place, name in enumerate(rows)]

    def at(cycle: float, row: int, high: bool) -> tuple[float, float]:
        return LABEL + cycle * CYCLE, 12 + ROW * row + (0 if high else WAVE)

    clock = [point for cycle in range(total) for point in _pulse(at, cycle)]
    parts.append(_path(clock))
    words = [str(k) if drawn == beats or k < drawn - 1 else str(beats - 1) for k in range(drawn)]
    parts += _data(at, 1, 1, words)
    parts.append(_path(_level(at, 2, total, 1, 1 + drawn)))
    parts.append(_path(_level(at, 3, total, drawn, 1 + drawn)))
    first = gap + 2
    last = [str(k) for k in range(answered - 1)] + [str(results - 1)]
    parts += _data(at, 4, first, last)
    parts.append(_path(_level(at, 5, total, first, first + answered)))
    parts.append(_path(_level(at, 6, total, first + answered - 1, first + answered)))
    middle, height = LABEL + (gap + 1) * CYCLE, 12 + ROW * len(rows)
    parts.append(box(middle - 6, 6, 12, height, "#888", 0.25))
    latency = f"{firmware.latency_cycles} cycles from the first beat to the last of the result"
    parts.append(text(LABEL + CYCLE, height + 14, latency))
    interval = f"{firmware.initiation_interval_cycles:g} cycles from a sequence to the next at full rate"
    parts.append(text(LABEL + CYCLE, height + 28, interval))
    title = f"A lone sequence through {firmware.top}"
    return picture(LABEL + total * CYCLE + 10, height + 36, parts, title, on_its_own=True)


Place = Callable[[float, int, bool], tuple[float, float]]
"""Where a cycle of a row is, at its high or its low level."""


def _pulse(at: Place, cycle: int) -> list[tuple[float, float]]:
    return [at(cycle, 0, False), at(cycle, 0, True), at(cycle + 0.5, 0, True), at(cycle + 0.5, 0, False)]


def _level(at: Place, row: int, total: int, rises: int, falls: int) -> list[tuple[float, float]]:
    """Return a signal that is high from one cycle to another."""
    ends = [at(0, row, False), at(rises, row, False), at(rises, row, True), at(falls, row, True), at(falls, row, False)]
    return [*ends, at(total, row, False)]


def _data(at: Place, row: int, begin: int, words: Sequence[str]) -> list[str]:
    parts = []
    for place, word in enumerate(words):
        x, y = at(begin + place, row, True)
        parts.append(box(x, y, CYCLE, WAVE, INK, 0.1, f'stroke="{INK}"'))
        parts.append(text(x + CYCLE / 2, y + 12, word, "middle"))
    return parts


def _path(points: Sequence[tuple[float, float]]) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline fill="none" stroke="{INK}" points="{corners}"/>'
