"""What stands between the ports and the engines: buses, windows, and what deals sequences to copies."""

from __future__ import annotations

from collections.abc import Iterable

from loopwire.schedule.cells import Cells, Resources
from loopwire.schedule.datapath import Signal
from loopwire.schedule.plan import Plan


def ports(plan: Plan, cells: Cells) -> Resources:
    """Return what the ports take, those of all copies together.

    Ref: the modules loopwire_join, _window, _framer, _distributor, _queue, _split and _merger, whose registers and
    multiplexers are counted here.
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


def _vectors(plan: Plan) -> tuple[Signal, Signal, Signal]:
    """Return a step, a result, and what a copy hands on."""
    datapaths = [pipeline.datapath for pipeline in plan.pipelines]
    return datapaths[0].x, datapaths[-1].output, datapaths[plan.copied - 1].output


def _framer(plan: Plan) -> Resources:
    """Return what finds the ends of sequences: it counts beats, and parts of a step, and keeps what it saw."""
    received, steps = plan.input, plan.length if plan.window_channels is None else 1
    beats = -(-steps * received.beats_per_vector // received.vectors_per_beat)
    counted, parts = (beats - 1).bit_length(), (received.beats_per_vector - 1).bit_length()
    luts = 2 * (counted + parts) + 3 * received.vectors_per_beat + 6
    return Resources(luts=luts, ffs=counted + parts + (parts > 0) + 5)


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
