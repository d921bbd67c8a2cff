"""What is between the ports and the engines: buses, windows, and what deals sequences to copies."""

from __future__ import annotations

from collections.abc import Iterable

from loopwire.area.cells import Cells, Resources
from loopwire.datapath.ops import Signal
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.schedule.network_plan import NetworkPlan
from loopwire.schedule.plan import Plan


def ports(plan: Plan, cells: Cells) -> Resources:
    """Return what the ports take, those of all copies together.

    Ref: the modules loopwire_framer, _join, _window, _distributor, _queue, _split, _merger, _labels, _hold and _slice,
    whose registers and multiplexers are counted here.
    """
    return sum(_pieces(plan, cells), Resources())


def _pieces(plan: Plan, cells: Cells) -> Iterable[Resources]:
    x, y, merged = (signal.bits for signal in _vectors(plan))
    sent, received = plan.output, plan.input
    yield _framer(plan)
    if received.beats_per_vector > 1:
        yield _join(received.beats_per_vector, received.lanes * plan.pipelines[0].datapath.x.width)
    if plan.window_channels is not None:
        earlier = (plan.length - 1) * x
        channel = max((plan.window_channels - 1).bit_length(), 1)
        yield cells.memory(plan.window_channels, earlier) + Resources(luts=earlier + channel, ffs=channel + 1)
    yield _queue(plan.timing.input_queue, plan.steps_at_once, x, cells) * plan.copies
    yield _split(plan.steps_at_once, x) * plan.copies
    yield _join(sent.vectors_per_beat, merged) * plan.copies
    yield _queue(plan.timing.output_queue, sent.vectors_per_beat, merged, cells) * plan.copies
    if plan.copies > 1:
        chosen = merged * sent.vectors_per_beat
        yield Resources(luts=2 * plan.copies + cells.selection_luts(plan.copies, chosen), ffs=2 * plan.copies)
    yield _split(sent.beats_per_vector, -(-y // sent.beats_per_vector))
    yield from _sequences(plan, cells)
    if plan.port_registers:
        label = plan.sideband.label_bits
        yield _slice(received.bits + received.keep_bits + 1 + label + plan.sideband.fresh)
        yield _slice(sent.bits + sent.keep_bits + 1 + label)
        for index, pipeline in enumerate(plan.pipelines[:-1]):
            passed = pipeline.datapath.output.bits + 1 + (index + 1 < plan.told_fresh)
            yield _slice(passed) * (plan.copies if index + 1 < plan.copied else 1)


def network_ports(plan: NetworkPlan, cells: Cells) -> Resources:
    """Return what the ports and the channels of a network take.

    Ref: the modules loopwire_framer, _join, _split, _queue, _reverse, _fill and _meet.
    """
    total = Resources()
    for received, steps in zip(plan.inputs, plan.input_steps, strict=True):
        vector = received.count * received.width
        total += _framing(received, steps) + _join(received.beats_per_vector, received.lanes * received.width)
        total += _split(received.vectors_per_beat, vector)
    for sent in plan.outputs:
        vector = sent.count * sent.width
        total += _join(sent.vectors_per_beat, vector)
        total += _split(sent.beats_per_vector, -(-vector // sent.beats_per_vector))
    for channel in plan.timing.channels:
        given, taken = plan.wires(channel)
        bits, reshaping = taken.bits, channel.feed.reshaping
        if reshaping is not None:
            counted = (reshaping.given_steps - 1).bit_length()
            total += Resources(luts=given.count * taken.width + counted + 2, ffs=counted + 1)
            part = reshaping.part_count * taken.width
            total += _split(reshaping.parts_given, part) + _join(reshaping.parts_taken, part)
        if channel.feed.reverse:
            counted = max((channel.beats - 1).bit_length(), 1)
            total += cells.memory(2 * channel.beats, bits) + Resources(luts=bits + 4 * counted, ffs=3 * counted + 4)
        total += _queue(channel.depth, 1, bits, cells)
    for index, engine in enumerate(plan.timing.engines):
        if plan.timing.meets(index):
            streams = len(plan.timing.of_reader(index, to_port=False))
            counted = (engine.steps - 1).bit_length()
            total += Resources(luts=counted + 3 * streams + 2, ffs=counted + streams)
    return total


def _vectors(plan: Plan) -> tuple[Signal, Signal, Signal]:
    """Return a step, a result, and what a copy hands on."""
    datapaths = [pipeline.datapath for pipeline in plan.pipelines]
    return datapaths[0].x, datapaths[-1].output, datapaths[plan.copied - 1].output


def _sequences(plan: Plan, cells: Cells) -> Iterable[Resources]:
    """Return what goes with each sequence from its first beat to its result: labels, and when that may leave."""
    places = plan.timing.most_sequences
    pointer = (places - 1).bit_length()
    if plan.sideband.label_bits:
        yield cells.memory(1 << pointer, plan.sideband.label_bits) + Resources(luts=2 * pointer, ffs=2 * pointer)
    if plan.timing.held_cycles:
        time = plan.timing.held_cycles.bit_length()
        counters = Resources(luts=3 * time + 5 * pointer, ffs=time + 3 * (pointer + 1))
        yield cells.memory(1 << pointer, time) + counters


def _slice(bits: int) -> Resources:
    """Return what registers a stream on both sides."""
    return Resources(luts=bits + 3, ffs=2 * bits + 3)


def _framer(plan: Plan) -> Resources:
    """Return what finds the ends of sequences: it counts beats, and parts of a step, and keeps what it saw."""
    steps = plan.length if plan.window_channels is None else 1
    checked = plan.sideband.id_bits if plan.sideband.channels > 1 else 0
    return _framing(plan.input, steps, checked, plan.require_tlast or checked > 0)


def _framing(received: BeatFormat, steps: int, checked_bits: int = 0, drops: bool = False) -> Resources:
    beats = -(-steps * received.beats_per_vector // received.vectors_per_beat)
    counted, parts = (beats - 1).bit_length(), (received.beats_per_vector - 1).bit_length()
    luts = 2 * (counted + parts + checked_bits) + 3 * received.vectors_per_beat + 6
    ffs = counted + parts + (parts > 0) + checked_bits + drops + 5
    return Resources(luts=luts, ffs=ffs)


def _split(parts: int, bits: int) -> Resources:
    """Return what hands on the parts of a word: those to come move down, the first one passes."""
    if parts == 1:
        return Resources()
    counted = parts.bit_length()
    return Resources(luts=parts * bits + 3 * counted, ffs=(parts - 1) * bits + counted + 1)


def _join(parts: int, bits: int) -> Resources:
    """Return what gathers parts to a word: each is the one that comes or one that has come."""
    if parts == 1:
        return Resources()
    counted = parts.bit_length()
    return Resources(luts=parts * bits + 3 * counted, ffs=(parts - 1) * bits + counted)


def _queue(depth: int, parts: int, bits: int, cells: Cells) -> Resources:
    """Return what keeps words of so many vectors; one that finds it empty passes."""
    if depth == 0:
        return Resources()
    word = parts * bits + 1 + parts.bit_length()
    counted = depth.bit_length() + 2 * max((depth - 1).bit_length(), 1)
    return cells.memory(depth, word) + Resources(luts=word + 3 * counted, ffs=counted)
