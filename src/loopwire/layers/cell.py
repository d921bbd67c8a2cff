"""What all recurrent layers are: a step's equations, scanned over a sequence from states of zero."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Callable, Shape, Tensor
from loopwire.layers.roles import Role


class State(NamedTuple):
    """A state's elements, and the role that their type has."""

    role: str
    size: int


@dataclass(frozen=True, eq=False)
class Cell(Callable, ABC):
    """A recurrent layer of U units.

    The first state, h, is what is handed on: of every step if `return_sequences`, else of the last one; with
    `return_state` all states after the last one too. A state that `step` does not read, such as an h that is computed
    from c alone, is in no loop. With `go_backwards` the last step is read first. Beside the sequence, the states of the
    first step may be given. In a model of `stateful` layers a sequence goes on from the states that the last one left.
    """

    name: str
    _: KW_ONLY
    return_sequences: bool = False
    go_backwards: bool = False
    stateful: bool = False
    return_state: bool = False

    kind: ClassVar[str]
    roles: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def units(self) -> int:
        """U."""

    @property
    def states(self) -> Mapping[str, State]:
        """The states by the names that they have in the equations; first what is handed on."""
        return {"h": State(Role.STATE, self.units)}

    @property
    def state_shapes(self) -> Mapping[str, Shape]:
        """The shape of each state by its name."""
        return {name: (state.size,) for name, state in self.states.items()}

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape (T, U) or (U,) of the output, and of each state that is returned."""
        x, *initial = inputs
        if len(x.shape) != 2:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"a recurrent layer got an input of shape {x.shape}",
                "It needs a sequence, of shape (steps, features)",
            )
        shapes = self.state_shapes
        if initial and [state.shape for state in initial] != list(shapes.values()):
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"its initial states are {', '.join(map(repr, initial))}",
                f"It needs {', '.join(f'{name} of shape {shape}' for name, shape in shapes.items())}",
            )
        handed_on = next(iter(shapes.values()))
        output = (x.shape[0], *handed_on) if self.return_sequences else handed_on
        return {"": output, **(shapes if self.return_state else {})}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the scan over the steps."""
        x, *given = inputs
        if self.go_backwards:
            x = e.b.reverse(x, "x_reversed")
        initial = [
            e.cast(given[index], state.role, f"{name}_initial") if given else e.zeros((state.size,), state.role, name)
            for index, (name, state) in enumerate(self.states.items())
        ]
        names = [*(f"{state}_last" for state in self.states), "h_sequence"]
        *last, sequence = e.scan(initial, (x,), self._step, names=names)
        states = last if self.return_state else []
        if not self.return_sequences:
            return (e.cast(last[0], Role.RESULT, "y"), *states)
        if e.type_of(Role.RESULT) != sequence.type.element:
            sequence = e.each_step(lambda e, h: e.cast(h, Role.RESULT, "y"), sequence, name="y_sequence")
        return (sequence, *states)

    def _step(self, e: Emitter, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        """Write the equations of a step, and check that each state keeps its shape and its type.

        Raises:
            UnsupportedError: a state does not.
        """
        (x,) = steps
        following = tuple(self.step(e, states, x))
        if len(following) != len(states):
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"a step of {self.kind} returns {len(following)} states of {len(states)}",
                f"Return {', '.join(self.states)}",
            )
        for (name, state), before, after in zip(self.states.items(), states, following, strict=True):
            if after.type != before.type:
                raise UnsupportedError(
                    f"layer {self.name!r}",
                    f"a step of {self.kind} makes {after.type} of its state {name}, which is {before.type}",
                    f"Return it in its own shape, cast to the type of its role, {str(state.role)!r}",
                )
        return following, (following[0],)

    @abstractmethod
    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations of a step: from the states before it and its input (F,) to the states after it.

        Each state must be cast to the type of its role, and nothing else need be: all results but those of casts and
        tables are exact.
        """
