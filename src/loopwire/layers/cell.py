"""What all recurrent layers are: a step's equations, scanned over a sequence from states of zero."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.masking import masked, require_mask
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

    A `masked` cell takes a mask (T, 1) last. A step whose bit is 0 keeps the states and repeats the output of the step
    before, which is 0 at first; with `zero_masked` its output is 0.
    """

    name: str
    _: KW_ONLY
    return_sequences: bool = False
    go_backwards: bool = False
    stateful: bool = False
    return_state: bool = False
    masked: bool = False
    zero_masked: bool = False

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
        if self.masked and not initial:
            remedy = "Call it on the sequence and its mask, one bit for each step: shape (steps, 1)"
            raise UnsupportedError(f"layer {self.name!r}", "it reads a mask, and got none", remedy)
        mask = initial.pop() if self.masked else None
        if len(x.shape) != 2:
            raise UnsupportedError(
                f"layer {self.name!r}",
                f"a recurrent layer got an input of shape {x.shape}",
                "It needs a sequence, of shape (steps, features)",
            )
        if mask is not None:
            require_mask(self.name, mask, x)
        if self.masked and self.stateful and not self.zero_masked:
            raise UnsupportedError(
                f"layer {self.name!r}",
                "it has a mask, and states that last: what a masked first step repeats is not among them",
                "Let masked steps give 0 (zero_output_for_mask=True), or leave stateful out",
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
        steps = [x, *([given.pop()] if self.masked else [])]
        if self.go_backwards:
            steps = [e.reverse(each, f"{name}_reversed") for each, name in zip(steps, ("x", "mask"), strict=False)]
        initial = [
            e.cast(given[index], state.role, f"{name}_initial") if given else e.zeros((state.size,), state.role, name)
            for index, (name, state) in enumerate(self.states.items())
        ]
        names = [f"{state}_last" for state in self.states]
        if self._keeps_output(bool(given)):
            handed_on = next(iter(self.states.values()))
            initial.append(e.zeros((handed_on.size,), handed_on.role, "output"))
            names.append("output_last")
        *last, sequence = e.scan(initial, steps, self._step, names=[*names, "h_sequence"])
        states = last[: len(self.states)] if self.return_state else []
        if not self.return_sequences:
            output = last[len(self.states)] if len(last) > len(self.states) else last[0]
            return (e.cast(output, Role.RESULT, "y"), *states)
        if e.type_of(Role.RESULT) != sequence.type.element:
            sequence = e.each_step(lambda e, h: e.cast(h, Role.RESULT, "y"), sequence, name="y_sequence")
        return (sequence, *states)

    def _keeps_output(self, begins_elsewhere: bool) -> bool:
        """Say whether a masked step's output is not the state that it keeps, so that it has a state of its own."""
        return self.masked and (not self.return_sequences if self.zero_masked else begins_elsewhere)

    def _step(self, e: Emitter, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
        """Write the equations of a step, and what its mask makes of them."""
        x, *mask = steps
        before = states[: len(self.states)]
        following = self._following(e, before, x)
        if not mask:
            return following, (following[0],)
        (counts,) = mask
        kept = [
            masked(e, counts, after, state, f"{name}_kept", f"{name}', or {name} where the step is masked")
            for name, state, after in zip(self.states, before, following, strict=True)
        ]
        output = kept[0]
        if self.zero_masked:
            output = masked(e, counts, kept[0], e.scalar(0.0, "zero"), "output", "0 where the step is masked")
        elif len(states) > len(before):
            output = masked(e, counts, kept[0], states[-1], "output", "the last one where the step is masked")
        return (*kept, *([output] if len(states) > len(before) else [])), (output,)

    def _following(self, e: Emitter, states: Sequence[Value], x: Value) -> tuple[Value, ...]:
        """Write the equations of a step, and check that each state keeps its shape and its type.

        Raises:
            UnsupportedError: a state does not.
        """
        returned = self.step(e, states, x)
        if not isinstance(returned, Iterable):
            problem = f"a step of {self.kind} returns a {type(returned).__name__}, not a tuple of its states"
            raise UnsupportedError(f"layer {self.name!r}", problem, f"Return ({', '.join(self.states)},)")
        following = tuple(returned)
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
        return following

    @abstractmethod
    def step(self, e: Emitter, states: Sequence[Value], x: Value) -> Sequence[Value]:
        """Write the equations of a step: from the states before it and its input (F,) to the states after it.

        Each state must be cast to the type of its role, and nothing else need be: all results but those of casts and
        tables are exact.
        """
