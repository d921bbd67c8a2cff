"""Loops that were written out, step after step, become one recurrent layer again, whose step is what all steps share.

Vectors v₁ … v_T are the steps of a loop if all are made alike: of weights and layers that are the same, of the steps of
sequences in turn, of what does not change, and of what the step before made, its states (`template`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from loopwire.frontends.tensors.constants import constant_wire
from loopwire.frontends.tensors.emission import emitted, reachable
from loopwire.frontends.tensors.first_steps import begins_with_zeros
from loopwire.frontends.tensors.template import Leaf, Same, State, Steps, Template, layer_of, number_of, parts_of
from loopwire.frontends.tensors.trace import History, Input, Pass, Place, Result, Step, Trace, Wire
from loopwire.frontends.tensors.wires import joined, reversed_steps, selected_steps
from loopwire.layers.constant import Constant
from loopwire.layers.loop import Loop
from loopwire.layers.select import Slice
from loopwire.layers.shape import RepeatVector
from loopwire.layers.stepwise import is_stepwise

LEAST_STEPS = 3
MOST_TRIES = 200
MOST_STRIDES = 4
"""How often a layer may be called in a step, where a loop is looked for."""


def sequence_of_steps(trace: Trace, wires: Sequence[Wire]) -> Wire | None:
    """Return the sequence whose steps these vectors are, in this order or in reverse; None where they are none's."""
    key = ("sequence", *wires)
    if key not in trace.memory:
        trace.memory[key] = None  # while it is looked for
        trace.memory[key] = _known(trace, wires) or _rolled(trace, wires) or _lifted(trace, wires)
    found: Wire | None = trace.memory[key]
    return found


def roll(trace: Trace, outputs: Sequence[Wire]) -> None:
    """Make loops of what outputs are made of, where no sequence was made of their steps."""
    tries, rolls = 0, True
    while rolls:
        rolls = False
        vectors = [
            wire for wire in reachable(outputs, trace.replaced) if len(wire.shape) == 1 and parts_of(trace, wire)
        ]
        vectors.sort(key=lambda wire: number_of(trace, wire))
        alike: dict[Any, list[Wire]] = defaultdict(list)
        ends = []
        for wire in vectors:
            token, _ = parts_of(trace, wire) or (None, ())
            alike[token, wire.shape].append(wire)
            ends.append((alike[token, wire.shape], len(alike[token, wire.shape])))
        for group, count in reversed(ends):
            for chosen in _ends_of(group[:count]):
                tries += 1
                if tries > MOST_TRIES:
                    return
                trace.at(chosen[-1].place)
                if _rolled(trace, chosen, at_least=True) is not None:
                    rolls = True
                    break
            if rolls:
                break


def _ends_of(group: Sequence[Wire]) -> Iterator[Sequence[Wire]]:
    """Yield what may be the results of a loop's steps among results of one layer: all, every second one, …"""
    for stride in range(1, MOST_STRIDES + 1):
        if len(group) // stride >= LEAST_STEPS:
            yield group[::-1][::stride][::-1]


def _known(trace: Trace, wires: Sequence[Wire]) -> Wire | None:
    """Return the sequence that these are the steps of, all of them in order or in reverse."""
    steps = [trace.replaced.get(wire, wire) for wire in wires]
    of = [step.of for step in steps if isinstance(step, Step)]
    if len(of) < len(wires) or any(sequence is not of[0] for sequence in of):
        return None
    order = [step.step for step in steps if isinstance(step, Step)]
    forward = list(range(of[0].shape[0]))
    if order == forward:
        return of[0]
    return reversed_steps(trace, of[0]) if order == forward[::-1] else None


def _lifted(trace: Trace, wires: Sequence[Wire]) -> Wire | None:
    """Return a layer's result on sequences whose steps it was called on."""
    results = [wire for wire in wires if isinstance(wire, Result)]
    if len(results) < len(wires) or not is_stepwise(results[0].layer):
        return None
    if len({(trace.meaning(wire.layer), len(wire.inputs)) for wire in results}) > 1:
        return None
    sequences: list[Wire] = []
    for given in zip(*(wire.inputs for wire in results), strict=True):
        if all(wire is given[0] for wire in given):
            sequence: Wire | None = trace.call(RepeatVector(f"{trace.place.name}_repeated", len(wires)), given[0])
        else:
            sequence = sequence_of_steps(trace, given)
        if sequence is None:
            return None
        sequences.append(sequence)
    made = trace.call(results[0].layer, *sequences)
    trace.replaced.update((wire, trace.step(made, k)) for k, wire in enumerate(wires))
    return made


def _rolled(trace: Trace, wires: Sequence[Wire], at_least: bool = False) -> Wire | None:
    """Return the results of a loop's steps, where these are, as a sequence.

    The first of them may have begun from zeros that became a part of other layers. With `at_least` it may be missing.
    """
    numbers = [number_of(trace, wire) for wire in wires]
    if len(wires) < LEAST_STEPS or any(len(wire.shape) != 1 for wire in wires):
        return None
    if all(a > b for a, b in pairwise(numbers)):
        sequence = _rolled(trace, wires[::-1])
        return None if sequence is None else reversed_steps(trace, sequence)
    for start in (0, 1):
        ends = wires[start:]
        if len(ends) < LEAST_STEPS or not numbers[start] > -1 or any(a >= b for a, b in pairwise(numbers[start:])):
            continue
        body = Template(trace, ends, sequence_of_steps)
        if not body.is_one:
            continue
        first = next((state.initial for state in body.states if state.node == body.root), None)
        if first is not None and (start or at_least) and begins_with_zeros(trace, body, first):
            ends = [first, *ends]
        if at_least or len(ends) == len(wires):
            return _called(trace, body, ends)
    return None


def _called(trace: Trace, body: Template, ends: Sequence[Wire]) -> Wire:
    """Call the loop's layer; return what its steps hand on, in place of all that they made."""
    name = _name(trace, body)
    states: list[State] = sorted(body.states, key=lambda state: state.node != body.root)
    if states[0].node != body.root:
        zeros = constant_wire(trace, np.zeros(ends[0].shape), f"{name}_none")
        states.insert(0, State(body.root, zeros))
    place = Place(name, trace.place.where)
    given, sources = _step_inputs(trace, body, len(ends), place)
    if not sources:
        sources = [trace.call(RepeatVector(f"{name}_repeated", len(ends)), states[0].initial)]
    x = joined(trace, sources, f"{name}_inputs")
    inputs = [Input(body.nodes[state.node].wire.shape, place, f"s{k}") for k, state in enumerate(states)]
    inputs.append(Input(x.shape[1:], place, "x"))
    wires = _step_wires(body, states, inputs, given, place)
    model = emitted("step", inputs, [wires[state.node] for state in states], trace.source)
    initial = [state.initial for state in states]
    histories = trace.recur(Loop(name, body=model), x, *([] if all(map(_is_zero, initial)) else initial))
    history = histories["s0"]
    trace.replaced.update((wire, trace.step(history, k)) for k, wire in enumerate(ends))
    for k, state in enumerate(states[1:], 1):
        last = body.found[-1].get(state.node) or _last_of(trace, body, state.node)
        if last is not None:
            trace.replaced[last] = trace.step(histories[f"s{k}"], len(ends) - 1)
    return history


def _last_of(trace: Trace, body: Template, node: int) -> Wire | None:
    """Return what a node is in the last step, where anything reads it."""
    begun = number_of(trace, body.found[-2][node])
    later = [wire for wire, number in trace.made.items() if number > begun]
    vectors = [trace.step(wire, 0) if isinstance(wire, History) else wire for wire in later]
    return next((wire for wire in vectors if body.is_last(node, wire)), None)


def _step_inputs(trace: Trace, body: Template, count: int, place: Place) -> tuple[dict[Leaf, slice], list[Wire]]:
    """Return where leaves are in what a step is given beside the states, and the sequences that this is made of."""
    given: dict[Leaf, slice] = {}
    sources: list[Wire] = []
    for leaf in dict.fromkeys(body.leaves.values()):
        match leaf:
            case State():
                continue
            case Same(wire=wire):
                source = trace.call(RepeatVector(f"{place.name}_repeated", count), wire)
            case Steps(sequence=sequence, first=first, way=way):
                order = tuple(range(first, first + way * count, way))
                if order == tuple(range(sequence.shape[0])):
                    source = sequence
                elif order == tuple(range(sequence.shape[0]))[::-1]:
                    source = reversed_steps(trace, sequence)
                else:
                    source = selected_steps(trace, sequence, order)
        start = sum(wire.shape[1] for wire in sources)
        given[leaf] = slice(start, start + source.shape[1])
        sources.append(source)
    return given, sources


def _step_wires(
    body: Template, states: Sequence[State], inputs: Sequence[Input], given: dict[Leaf, slice], place: Place
) -> list[Wire]:
    """Return the template's nodes as they are in a step of its own."""
    x = inputs[-1]
    leaves: dict[Leaf, Wire] = dict(zip(states, inputs, strict=False))
    for leaf, part in given.items():
        whole = part == slice(0, x.shape[0])
        shape = (part.stop - part.start,)
        leaves[leaf] = x if whole else Result(shape, place, Slice(f"{place.name}_part", part.start, part.stop), (x,))
    made: list[Wire] = []
    passes: dict[Any, Pass] = {}
    for node in body.nodes:
        operands = tuple(made[each] if each >= 0 else leaves[body.leaves[each]] for each in node.inputs)
        match node.wire:
            case Result() as wire:
                made.append(replace(wire, inputs=operands))
            case Step(of=History(of=of) as history) as wire:
                own = passes.setdefault((id(of), *operands), Pass(of.layer, operands))
                made.append(replace(wire, of=replace(history, of=own)))
            case wire:
                layer = layer_of(wire)
                assert layer is not None, f"{wire} is no node"
                made.append(Result(wire.shape, wire.place, layer, operands))
    return made


def _is_zero(wire: Wire) -> bool:
    return isinstance(wire, Result) and isinstance(wire.layer, Constant) and not wire.layer.values.any()


def _name(trace: Trace, body: Template) -> str:
    """Return the path of the module that all nodes are of, or what is at work."""
    paths = [node.wire.place.name.split(".")[:-1] for node in body.nodes]
    common = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common) or trace.place.name
