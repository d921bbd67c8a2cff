"""Wires to a model: calls of layers, those alone that its outputs need."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from loopwire.errors import UnsupportedError
from loopwire.frontends.tensors.trace import History, Input, Pass, Result, State, Step, Trace, Wire
from loopwire.frontends.tensors.written_out import Recognition
from loopwire.layers import select
from loopwire.layers.activation import LINEAR, Activation
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.model import Layer, Model, ModelBuilder, Tensor
from loopwire.layers.shape import RepeatVector, Reversed
from loopwire.layers.steps import ZEROS, Selection
from loopwire.layers.stepwise import is_stepwise


class SingleStepsError(UnsupportedError):
    """An input of which single steps alone are read: more likely tensors side by side, in another layout."""


MAX_LAYERS = 300
"""What walks from a wire to those it is made of calls itself, and Python allows for some hundreds."""


def model_of(
    name: str, inputs: Sequence[Input], outputs: Sequence[Wire], trace: Trace, single_steps: bool = False
) -> Model:
    """Return the model of what has been traced.

    Raises:
        SingleStepsError: of an input single steps alone are read, where these are not allowed.
        UnsupportedError: an input plays no part, an output is an input, or it has too many layers.
    """
    source = trace.source
    count = sum(isinstance(wire, Result) for wire in reachable(outputs, trace.replaced))
    if count > MAX_LAYERS:
        problem = f"it has {count} layers, of which {MAX_LAYERS} are read"
        raise UnsupportedError(source, problem, "Give a smaller model, or one whose loops do the same in each step")
    steps = _StepsResolved(trace.replaced)
    wires = [steps.wire(output) for output in outputs]
    reached = list(reachable(wires))
    for given in inputs:
        if given not in reached:
            problem = f"none of its outputs depends on the input {given.name!r}"
            raise UnsupportedError(source, problem, "Export the model without it")
        readers = [wire for wire in reached if given in inputs_of(wire)]
        by_steps = all(isinstance(wire, Result) and isinstance(wire.layer, select.Step) for wire in readers)
        if readers and by_steps and not single_steps:
            problem = f"only single steps of the input {given.name!r} are read"
            raise SingleStepsError(readers[0].place.where, problem, "Give the model these steps only")
    if any(isinstance(wire, Input) for wire in wires):
        raise UnsupportedError(source, "one of its outputs is an unchanged input", "Leave that output out")
    return _emitted(name, inputs, wires, source)


def emitted(name: str, inputs: Sequence[Input], outputs: Sequence[Wire], source: str) -> Model:
    """Return the model of wires, whatever is done with its inputs."""
    steps = _StepsResolved({})
    return _emitted(name, inputs, [steps.wire(output) for output in outputs], source)


def _emitted(name: str, inputs: Sequence[Input], outputs: Sequence[Wire], source: str) -> Model:
    """Return the model of wires without single steps, made with fewer layers."""
    recognition = Recognition(_Remade().wire)
    recognised = [recognition.wire(output) for output in outputs]
    joined = _Joined(recognised)
    wires = [joined.wire(output) for output in recognised]
    return _Emission(inputs, list(reachable(wires))).model(name, wires, source)


@dataclass
class _StepsResolved:
    """Replaces single steps: of a layer's result by the layer's result on a step, of a pass's last one by its state."""

    _replaced: Mapping[Wire, Wire]
    _wires: dict[Wire | tuple[Wire, int], Wire] = field(default_factory=dict)
    _passes: dict[Pass, Pass] = field(default_factory=dict)

    def wire(self, wire: Wire) -> Wire:
        """Return a wire that is made without `Step`."""
        wire = self._replaced.get(wire, wire)
        key = (wire.of, wire.step) if isinstance(wire, Step) else wire
        if key not in self._wires:
            self._wires[key] = self._new(wire)
        return self._wires[key]

    def _new(self, wire: Wire) -> Wire:
        match wire:
            case Input():
                return wire
            case Result():
                return replace(wire, inputs=tuple(self.wire(given) for given in wire.inputs))
            case History() | State():
                return replace(wire, of=self._pass(wire.of))
            case Step():
                return self.wire(_step(wire))
            case _:
                assert_never(wire)

    def _pass(self, of: Pass) -> Pass:
        if of not in self._passes:
            self._passes[of] = replace(of, inputs=tuple(self.wire(given) for given in of.inputs))
        return self._passes[of]


def _step(wire: Step) -> Wire:
    """Return what a step is, one layer nearer to the inputs."""
    last = wire.of.shape[0] - 1
    match wire.of:
        case History(of=of, state=state) if wire.step == last:
            return State(wire.shape, wire.place, of, state)
        case Result(layer=Reversed(), inputs=(inner,)):
            return Step(wire.shape, wire.place, inner, last - wire.step)
        case Result(layer=RepeatVector(), inputs=(inner,)):
            return inner
        case Result(layer=Selection(order=order), inputs=(inner,)) if order[wire.step] != ZEROS:
            return Step(wire.shape, wire.place, inner, order[wire.step])
        case Result(layer=layer, inputs=inputs) if is_stepwise(layer):
            steps = tuple(Step(given.shape[1:], wire.place, given, wire.step) for given in inputs)
            return Result(wire.shape, wire.of.place, layer, steps)
        case Input() | Result() | History() | State() | Step():
            layer = select.Step(f"{wire.place.name}_step", wire.step)
            return Result(wire.shape, wire.place, layer, (wire.of,))
        case _:
            assert_never(wire.of)


@dataclass
class _Remade:
    """Makes wires of others than they were made of; what a pass makes, of one pass."""

    _passes: dict[Pass, Pass] = field(default_factory=dict)

    def wire(self, wire: Wire, new: Callable[[Wire], Wire]) -> Wire:
        """Return a wire made of the new ones in place of those that it is made of."""
        match wire:
            case Input() | Step():
                return wire
            case Result():
                return replace(wire, inputs=tuple(new(given) for given in wire.inputs))
            case History() | State():
                if wire.of not in self._passes:
                    self._passes[wire.of] = replace(wire.of, inputs=tuple(new(given) for given in wire.of.inputs))
                return replace(wire, of=self._passes[wire.of])
            case _:
                assert_never(wire)


class _Joined:
    """Joins a dense layer and what follows it alone: constants that are added to it, then an activation."""

    def __init__(self, outputs: Sequence[Wire]) -> None:
        reached = list(reachable(outputs))
        self._uses = Counter([*outputs, *(given for wire in reached for given in inputs_of(wire))])
        self._calls = Counter(id(wire.layer) for wire in reached if isinstance(wire, Result))
        self._wires: dict[Wire, Wire] = {}
        self._remade = _Remade()

    def wire(self, wire: Wire) -> Wire:
        """Return a wire that is made with fewer layers."""
        if wire not in self._wires:
            joined = self._remade.wire(wire, self.wire)
            if isinstance(wire, Result) and isinstance(joined, Result) and len(wire.inputs) == 1:
                (given,) = wire.inputs
                joined = _with_dense(joined) if self._uses[given] == 1 and self._called_once(wire, given) else joined
            self._wires[wire] = joined
        return self._wires[wire]

    def _called_once(self, *wires: Wire) -> bool:
        return all(isinstance(wire, Result) and self._calls[id(wire.layer)] == 1 for wire in wires)


def _with_dense(wire: Result) -> Result:
    """Return a layer's result with the layer joined to the dense one before it, where there is one that takes it."""
    (before,) = wire.inputs
    if not isinstance(before, Result) or not isinstance(before.layer, Dense) or before.layer.activation != LINEAR:
        return wire
    dense, layer = before.layer, wire.layer
    if isinstance(layer, Activation):
        return replace(before, layer=replace(dense, activation=layer.function))
    if isinstance(layer, BatchNormalization) and (layer.scale == 1).all():
        return replace(before, layer=replace(dense, bias=dense.bias + layer.offset))
    return wire


def inputs_of(wire: Wire) -> tuple[Wire, ...]:
    """Return the wires that a wire is made of."""
    match wire:
        case Input():
            return ()
        case Result(inputs=inputs):
            return inputs
        case History(of=of) | State(of=of):
            return of.inputs
        case Step(of=inner):
            return (inner,)
        case _:
            assert_never(wire)


def reachable(outputs: Sequence[Wire], replaced: Mapping[Wire, Wire] | None = None) -> Iterator[Wire]:
    """Yield the wires that others are made of, each once, where some were replaced."""
    seen: set[Wire] = set()
    waiting = list(outputs)
    while waiting:
        wire = waiting.pop()
        wire = wire if replaced is None else replaced.get(wire, wire)
        if wire not in seen:
            seen.add(wire)
            yield wire
            waiting += inputs_of(wire)


class _Emission:
    """Calls each layer once its inputs are there."""

    def __init__(self, inputs: Sequence[Input], reached: Sequence[Wire]) -> None:
        self._builder = ModelBuilder()
        self._tensors: dict[Wire, Tensor] = {given: self._builder.input(given.name, given.shape) for given in inputs}
        self._results: dict[Pass, dict[str, Tensor]] = {}
        self._layers: dict[int, Layer] = {}  # under names of their own, by the identity of what they were
        self._taken: set[str] = set()
        self._whole: set[int] = set()  # recurrent layers, by identity, of which all h are used
        self._states: dict[int, set[str]] = defaultdict(set)  # and states after the last step
        for wire in reached:
            if isinstance(wire, History):
                self._whole.add(id(wire.of.layer))
                _refuse_unseen(wire)
            elif isinstance(wire, State):
                self._states[id(wire.of.layer)].add(wire.state)

    def model(self, name: str, outputs: Sequence[Wire], source: str) -> Model:
        """Return the model."""
        return self._builder.model(name, [self._tensor(wire) for wire in outputs], source)

    def _tensor(self, wire: Wire) -> Tensor:
        if wire not in self._tensors:
            self._tensors[wire] = self._made(wire)
        return self._tensors[wire]

    def _made(self, wire: Wire) -> Tensor:
        match wire:
            case Result(layer=layer, inputs=inputs):
                given = [self._tensor(wire) for wire in inputs]  # whose layers get their names first
                (tensor,) = self._builder.call(self._named(layer), *given)
                return tensor
            case History(of=of):
                return self._pass(of)[""]
            case State(of=of, state=state):
                return self._pass(of)[state]
            case Input() | Step():
                raise AssertionError(f"{wire} is made by no layer")
            case _:
                assert_never(wire)

    def _pass(self, of: Pass) -> dict[str, Tensor]:
        """Call a recurrent layer; return its states, and under '' all h where they are used."""
        if of not in self._results:
            first = next(iter(of.layer.states))
            whole, states = id(of.layer) in self._whole, self._states[id(of.layer)]
            given = [self._tensor(wire) for wire in of.inputs]
            layer = self._named(
                of.layer, return_sequences=whole, return_state=bool(states - (set() if whole else {first}))
            )
            output, *last = self._builder.call(layer, *given)
            results = dict(zip(of.layer.states, last, strict=False))
            self._results[of] = {**results, "" if whole else first: output}
        return self._results[of]

    def _named(self, layer: Layer, **options: bool) -> Layer:
        """Return a layer under a name that no other layer has."""
        if id(layer) not in self._layers:
            name = next(name for name in _names(layer.name) if name not in self._taken)
            self._taken.add(name)
            self._layers[id(layer)] = replace(layer, name=name, **options)  # type: ignore[type-var]
        return self._layers[id(layer)]


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{count}" for count in itertools.count(2))


def _refuse_unseen(wire: History) -> None:
    if wire.state != next(iter(wire.of.layer.states)):
        problem = f"it takes {wire.state} after each step of a recurrent layer, which returns only the last one"
        raise UnsupportedError(wire.place.where, problem, "Use the h of each step, or the last state")
