"""What the operations of a graph become before they are layers of a model: wires, each of them made by a layer's call.

A step of a sequence is a wire of its own, `Step`. A layer that acts on steps alike, called on one step of its inputs,
is called on the whole of them instead, and gives a step of that: so a loop over steps becomes one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.layers.cell import Cell
from loopwire.layers.model import Layer, Shape, Tensor, results_of
from loopwire.layers.stepwise import is_stepwise

MAX_CALLS = 20_000
"""Of layers, those of loops step by step."""


class LayerError(UnsupportedError):
    """What a layer refuses of its own: in this layout of the inputs the operation makes sense otherwise."""


@dataclass(frozen=True)
class Place:
    """Where an operation is: `name` is that of its layers, `where` the beginning of its errors."""

    name: str
    where: str


@dataclass(frozen=True, eq=False)
class _Wire:
    """A sequence (T, F) or a vector (F,), compared by identity."""

    shape: Shape
    place: Place


@dataclass(frozen=True, eq=False)
class Input(_Wire):
    """An input of the model."""

    name: str
    whole: bool = False
    """Of whole numbers."""


@dataclass(frozen=True, eq=False)
class Result(_Wire):
    """The only result of a layer that is not recurrent."""

    layer: Layer
    inputs: tuple[Wire, ...]


@dataclass(frozen=True, eq=False)
class Pass:
    """A recurrent layer over a sequence: its input, then the initial states, if any are given."""

    layer: Cell
    inputs: tuple[Wire, ...]


@dataclass(frozen=True, eq=False)
class History(_Wire):
    """A state after each step of a pass, in the order of reading. Only the first state's, h, is handed on whole."""

    of: Pass
    state: str


@dataclass(frozen=True, eq=False)
class State(_Wire):
    """A state after the last step of a pass."""

    of: Pass
    state: str


@dataclass(frozen=True, eq=False)
class Step(_Wire):
    """A vector of a sequence."""

    of: Wire
    step: int


Wire = Input | Result | History | State | Step


@dataclass
class Trace:
    """The wires made so far, and the place at work."""

    source: str
    operations: int = 0
    """Entered so far."""
    places: int = 0
    """How far a graph has been read: operations, none where its layout makes no sense as a whole."""
    _place: Place = field(init=False)
    _lifted: dict[tuple[Any, ...], Wire] = field(default_factory=dict)
    _steps: dict[tuple[Wire, int], Wire] = field(default_factory=dict)
    _passes: dict[tuple[Any, ...], dict[str, Wire]] = field(default_factory=dict)
    _meanings: dict[int, tuple[Layer, int]] = field(default_factory=dict)
    """By the layer's identity, with the layer, so that none other gets that while this lives."""
    _numbers: dict[tuple[Any, ...], int] = field(default_factory=dict)
    """Of meanings."""
    batch: int = 1
    """Sequences of the inputs."""
    _first: dict[tuple[str, int], Layer] = field(default_factory=dict)
    """By name and meaning."""
    apart: bool = False
    """Whether cells are called step by step each time, since some loop does not call them as a layer would."""
    exchanges: bool = False
    """Whether steps may become features and features steps, since no layout of the inputs does without."""
    made: dict[Wire, int] = field(default_factory=dict)
    """The results of layers in the order in which they were made, with their places in it."""
    replaced: dict[Wire, Wire] = field(default_factory=dict)
    """What was made step by step, and what a loop makes instead."""
    memory: dict[Any, Any] = field(default_factory=dict)
    """What functions keep from operation to operation: layers made of the same weights, loops under way."""

    def __post_init__(self) -> None:
        self._place = Place("input", self.source)

    @property
    def place(self) -> Place:
        """Where the operation at work is."""
        return self._place

    def enter(self, place: Place) -> None:
        """Go on to an operation."""
        self._place = place
        self.operations += 1
        self.places = self.operations

    def at(self, place: Place) -> None:
        """Go back to an operation that has others inside, or to the one that made a wire."""
        self._place = place

    def shared(self, layer: Layer) -> Layer:
        """Return the first layer of this name that computes the same as another."""
        return self._first.setdefault((layer.name, self._content(layer)), layer)

    def refused(self, problem: str, remedy: str) -> UnsupportedError:
        """Return the error about the operation at work."""
        return UnsupportedError(self._place.where, problem, remedy)

    def call(self, layer: Layer, *inputs: Wire) -> Wire:
        """Call a layer that is not recurrent.

        Raises:
            UnsupportedError: it cannot take these inputs.
        """
        steps = [wire for wire in inputs if isinstance(wire, Step) and not self._is_cells(wire)]
        whole = [wire.of for wire in steps]
        alike = len({(wire.step, wire.of.shape[0]) for wire in steps}) == 1
        if alike and len(steps) == len(inputs) and is_stepwise(layer):
            key = (self.meaning(layer), *whole)
            if key not in self._lifted:
                self._lifted[key] = self._called(layer, whole)
            return self.step(self._lifted[key], steps[0].step)
        return self._called(layer, inputs)

    def _is_cells(self, wire: Step) -> bool:
        """Return whether a step is a state of a cell that was called on it alone."""
        return isinstance(wire.of, History) and wire.of.shape[0] == 1

    def step(self, sequence: Wire, step: int) -> Wire:
        """Return a step of a sequence, counted from 0."""
        if (sequence, step) not in self._steps:
            self._steps[sequence, step] = Step(sequence.shape[1:], self._place, sequence, step)
        return self._steps[sequence, step]

    def recur(self, layer: Cell, *inputs: Wire) -> dict[str, Wire]:
        """Call a recurrent layer; return each of its states after each step, by name, in the order of reading.

        Raises:
            UnsupportedError: it cannot take these inputs.
        """
        key = (id(layer), *inputs)
        if key not in self._passes:
            self._results(layer, inputs)
            of, (steps, _) = Pass(layer, inputs), inputs[0].shape
            shapes = layer.state_shapes
            histories: dict[str, Wire] = {
                state: History((steps, *shapes[state]), self._place, of, state) for state in layer.states
            }
            self._passes[key] = histories
            for history in histories.values():
                self._number(history)
        return self._passes[key]

    def _called(self, layer: Layer, inputs: Sequence[Wire]) -> Wire:
        (shape,) = self._results(layer, inputs).values()
        return self._number(Result(shape, self._place, layer, tuple(inputs)))

    def _results(self, layer: Layer, inputs: Sequence[Wire]) -> Mapping[str, Shape]:
        try:
            return results_of(layer, [Tensor(f"{k}", wire.shape) for k, wire in enumerate(inputs)])
        except UnsupportedError as error:
            raise LayerError(self._place.where, error.problem, error.remedy) from None

    def meaning(self, layer: Layer) -> int:
        """Return a number that layers have in common that compute the same: all but their names."""
        if id(layer) not in self._meanings:
            self._meanings[id(layer)] = layer, self._content(layer)
        return self._meanings[id(layer)][1]

    def _content(self, layer: Layer) -> int:
        values = {item.name: getattr(layer, item.name) for item in fields(cast(Any, layer)) if item.name != "name"}
        same = [(v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in values.values()]
        return self._numbers.setdefault((type(layer), *same), len(self._numbers))

    def _number(self, wire: Wire) -> Wire:
        self.made[wire] = len(self.made)
        if len(self.made) > MAX_CALLS:
            raise self.refused(f"it exceeds the {MAX_CALLS} layers that Loopwire reads", "Give a smaller model")
        return wire
