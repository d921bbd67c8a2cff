"""Layers on single wires that move features and steps: each made once, however often a graph asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from loopwire.frontends.tensors.trace import Result, Step, Trace, Wire
from loopwire.layers.merge import Concatenate
from loopwire.layers.select import Slice
from loopwire.layers.shape import Flatten, Reversed
from loopwire.layers.steps import Selection, Transpose


def features_of(trace: Trace, wire: Wire, places: Sequence[int]) -> Wire:
    """Return features of a wire, in this order: of what was joined along the features, the parts themselves."""
    key = ("features", wire, tuple(places))
    if key not in trace.memory:
        origins = [_origin(trace, wire, place) for place in places]
        ends = [k for k in range(1, len(origins)) if origins[k] != (origins[k - 1][0], origins[k - 1][1] + 1)]
        runs = [(*origins[start], stop - start) for start, stop in pairwise([0, *ends, len(origins)])]
        name = f"{trace.place.name}_part" if len(runs) > 1 else trace.place.name
        parts = [
            of if count == of.shape[-1] else trace.call(Slice(name, first, first + count), of)
            for of, first, count in runs
        ]
        trace.memory[key] = joined(trace, parts)
    result: Wire = trace.memory[key]
    return result


def _origin(trace: Trace, wire: Wire, place: int) -> tuple[Wire, int]:
    """Return which wire a feature is of, and which of its features, before wires were joined along them."""
    whole = wire.of if isinstance(wire, Step) else wire
    if not isinstance(whole, Result) or not isinstance(whole.layer, Concatenate):
        return wire, place
    for part in whole.inputs:
        if place < part.shape[-1]:
            return _origin(trace, trace.step(part, wire.step) if isinstance(wire, Step) else part, place)
        place -= part.shape[-1]
    raise AssertionError(f"{wire} has no feature {place}")


def joined(trace: Trace, wires: Sequence[Wire], name: str = "") -> Wire:
    """Return wires joined along their features, by a layer of this name or the operation's."""
    return wires[0] if len(wires) == 1 else trace.call(Concatenate(name or trace.place.name), *wires)


def reversed_steps(trace: Trace, wire: Wire, name: str = "") -> Wire:
    """Return a sequence in reverse order, by a layer named after this one or the operation."""
    if isinstance(wire, Result) and isinstance(wire.layer, Reversed):
        return wire.inputs[0]
    key = ("reversed", wire)
    if key not in trace.memory:
        trace.memory[key] = trace.call(Reversed(f"{name or trace.place.name}_reversed"), wire)
    result: Wire = trace.memory[key]
    return result


def selected_steps(trace: Trace, wire: Wire, places: tuple[int, ...]) -> Wire:
    """Return a sequence of some steps of another, in this order."""
    key = ("selected", wire, places)
    if key not in trace.memory:
        trace.memory[key] = trace.call(Selection(trace.place.name, places), wire)
    result: Wire = trace.memory[key]
    return result


def transposed(trace: Trace, wire: Wire) -> Wire:
    """Return a sequence whose steps are the features of another."""
    if isinstance(wire, Result) and isinstance(wire.layer, Transpose):
        return wire.inputs[0]
    key = ("transposed", wire)
    if key not in trace.memory:
        trace.memory[key] = trace.call(Transpose(f"{trace.place.name}_transposed"), wire)
    result: Wire = trace.memory[key]
    return result


def flattened(trace: Trace, wire: Wire) -> Wire:
    """Return the elements of a sequence as a vector, step by step."""
    key = ("flattened", wire)
    if key not in trace.memory:
        trace.memory[key] = trace.call(Flatten(f"{trace.place.name}_flattened"), wire)
    result: Wire = trace.memory[key]
    return result


def flattened_by_feature(wire: Wire) -> Wire | None:
    """Return the sequence that a vector holds feature by feature; None where it is none of that kind."""
    match wire:
        case Result(layer=Flatten(), inputs=(Result(layer=Transpose(), inputs=(inner,)),)):
            return inner
        case _:
            return None
