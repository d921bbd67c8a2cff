"""What is between the ports and the engines: buses, windows, and what deals sequences to copies."""

from __future__ import annotations

from collections.abc import Iterable

from loopwire.area.cells import Cells, Resources
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.schedule.network_timing import Channel
from loopwire.schedule.plan import Plan


def ports(plan: Plan, cells: Cells) -> Resources:
    """Return what ports and channels take, those of all copies together.

    Ref: the modules loopwire_framer, _join, _window, _distributor, _queue, _split, _merger, _labels, _hold, _slice,
    _reverse, _fill and _meet, whose registers and multiplexers are counted here.
    """
    return sum(_pieces(plan, cells), Resources())


def _pieces(plan: Plan, cells: Cells) -> Iterable[Resources]:
    yield from _inputs(plan, cells)
    yield from _outputs(plan, cells)
    yield from _sequences(plan, cells)
    for channel in plan.timing.channels:
        yield _channel(plan, channel, cells) * (plan.copies if plan.timing.is_copied(channel) else 1)
    for index, engine in enumerate(plan.timing.engines):
        if plan.timing.meets(index):
            streams, counted = len(plan.timing.of_reader(index)), (engine.steps - 1).bit_length()
            meet = Resources(luts=counted + 3 * streams + 2, ffs=counted + streams)
            yield meet * (plan.copies if index < plan.copied else 1)


def _inputs(plan: Plan, cells: Cells) -> Iterable[Resources]:
    for index, (received, x) in enumerate(zip(plan.inputs, plan.entering_inputs, strict=True)):
        steps, sideband = plan.input_steps[index], plan.sideband.of_input(index)
        checked = sideband.id_bits if sideband.channels > 1 else 0
        slides = plan.slides(index)
        yield _framing(received, 1 if slides else steps, checked, sideband.strict or checked > 0)
        yield _join(received.beats_per_vector, received.lanes * x.width)
        if slides:
            assert plan.window_channels is not None
            earlier = (steps - 1) * x.bits
            channel = max((plan.window_channels - 1).bit_length(), 1)
            yield cells.memory(plan.window_channels, earlier) + Resources(luts=earlier + channel, ffs=channel + 1)
        at_once = plan.timing.inputs[index].vectors_per_beat
        yield _queue(plan.timing.input_queue(index), at_once, x.bits, cells) * plan.copies
        yield _split(at_once, x.bits) * plan.copies
        if plan.port_registers:
            labels = sideband.label_bits + sideband.fresh
            yield _slice(received.bits + received.keep_bits + 1 + labels)


def _outputs(plan: Plan, cells: Cells) -> Iterable[Resources]:
    for index, sent in enumerate(plan.outputs):
        channel = plan.timing.to_output(index)
        bits = plan.stream(channel).bits
        yield _join(sent.vectors_per_beat, bits) * plan.copies
        yield _queue(plan.timing.output_queue(index), sent.vectors_per_beat, bits, cells) * plan.copies
        yield _split(sent.beats_per_vector, -(-bits // sent.beats_per_vector))
        if plan.timing.is_copied(channel):
            yield _merger(plan.copies, bits * sent.vectors_per_beat, cells)
        if plan.port_registers:
            yield _slice(sent.bits + sent.keep_bits + 1 + plan.sideband.label_bits)


def _channel(plan: Plan, channel: Channel, cells: Cells) -> Resources:
    total, reshaping = Resources(), channel.feed.reshaping
    bits = plan.stream(channel).bits
    given, taken = plan.wires(channel)
    if channel.registered:
        total += _slice(bits + 1 + plan.carries_fresh(channel))
    if reshaping is not None:
        part = reshaping.part_count * taken.width
        total += _fill(reshaping.given_steps, given.count * taken.width)
        total += _split(reshaping.parts_given, part) + _join(reshaping.parts_taken, part)
        if reshaping.crops:
            counted = reshaping.parts_kept.stop.bit_length()
            total += Resources(luts=2 * counted + 4, ffs=counted + 1)
        if reshaping.pads:
            total += _fill(reshaping.parts_left, part)
    if channel.feed.reverse:
        counted = max((channel.beats - 1).bit_length(), 1)
        total += cells.memory(2 * channel.beats, bits) + Resources(luts=bits + 4 * counted, ffs=3 * counted + 4)
    if plan.timing.crosses(channel):
        total += _merger(plan.copies, bits, cells)
    return total + _queue(channel.depth, 1, bits, cells)


def _fill(steps: int, bits: int) -> Resources:
    """Return what gives every sequence a given number of words."""
    counted = (steps - 1).bit_length()
    return Resources(luts=bits + counted + 2, ffs=counted + 1)


def _merger(copies: int, bits: int, cells: Cells) -> Resources:
    """Return what deals sequences to copies and takes a given number of bits of their results."""
    if copies == 1:
        return Resources()
    return Resources(luts=2 * copies + cells.selection_luts(copies, bits), ffs=2 * copies)


def _sequences(plan: Plan, cells: Cells) -> Iterable[Resources]:
    """Return what goes with each sequence from its first beat to its results: labels, and when these may leave."""
    places = plan.timing.most_sequences
    pointer = (places - 1).bit_length()
    if plan.sideband.label_bits:
        labels = cells.memory(1 << pointer, plan.sideband.label_bits) + Resources(luts=2 * pointer, ffs=2 * pointer)
        yield labels * len(plan.outputs)
    if plan.timing.held_cycles:
        time = plan.timing.held_cycles.bit_length()
        counters = Resources(luts=3 * time + 5 * pointer, ffs=time + 3 * (pointer + 1))
        yield cells.memory(1 << pointer, time) + counters


def _slice(bits: int) -> Resources:
    """Return what registers a stream on both sides."""
    return Resources(luts=bits + 3, ffs=2 * bits + 3)


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
    """Return what keeps words of a given number of vectors; one that finds it empty passes."""
    if depth == 0:
        return Resources()
    word = parts * bits + 1 + parts.bit_length()
    counted = depth.bit_length() + 2 * max((depth - 1).bit_length(), 1)
    return cells.memory(depth, word) + Resources(luts=word + 3 * counted, ffs=counted)
