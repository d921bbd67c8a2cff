"""What a layer writes its equations with: the builder, and the types that the user gave this layer's tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from loopwire.ir.builder import BodyResult, Builder
from loopwire.ir.graph import Value
from loopwire.ir.types import MAX_FRACTION, FixedType
from loopwire.layers.interpolation import interpolated, is_interpolated
from loopwire.layers.roles import LayerTypes, Role

Body = Callable[["Emitter", Sequence[Value], Sequence[Value]], BodyResult]


class Emitter:
    """A builder `b` together with the types of one layer."""

    def __init__(self, builder: Builder, types: LayerTypes) -> None:
        self.b = builder
        self._types = types

    def type_of(self, role: str) -> FixedType:
        """Return the type of a role that always has one."""
        return self._types.types[role]

    def with_results_as(self, role: str) -> Emitter:
        """Return an emitter of layers inside of this one, whose results have the type of a role of this one."""
        types = {**self._types.types, Role.RESULT: self.type_of(role)}
        return type(self)(self.b, replace(self._types, types=types))

    def written_out(self) -> Emitter:
        """Return an emitter into the same graph, a scan's body, that writes scans out step by step (`WrittenOut`)."""
        return WrittenOut(self.b, self._types)

    def weights(self, reals: npt.ArrayLike, role: str, name: str, note: str = "") -> Value:
        """Add a trained array in the type of `role`."""
        return self.b.const(reals, self.type_of(role), name, note, role)

    def cast(self, value: Value, role: str, name: str, note: str = "") -> Value:
        """Bring a value into the type of `role`; a role without a type leaves it exact."""
        to = self._types.types.get(role)
        return value if to is None or to == value.type.element else self.b.cast(value, to, name, note, role=role)

    def table(self, function: str, value: Value, to: FixedType, name: str, note: str = "", role: str = "") -> Value:
        """Add function(value) in type `to`, that of `role` if it has one, as exact as the layer's settings ask."""
        faithful = self._types.table_size is None and self._types.max_error_steps >= 1
        if faithful and is_interpolated(function, value.type.element, to):
            return interpolated(self.b, function, value, to, name, note, role)
        return self.b.table(
            function,
            value,
            to,
            max_error_steps=self._types.max_error_steps,
            max_entries=self._types.table_size,
            name=name,
            note=note,
            role=role,
        )

    def scalar(self, real: float, name: str) -> Value:
        """Add a scalar constant in the narrowest type that holds it exactly (up to 24 fraction bits)."""
        fraction = next((f for f in range(24) if float(real * 2**f).is_integer()), 24)
        steps = round(real * 2**fraction)
        return self.b.const(np.float64(real), FixedType.holding(min(steps, 0), max(steps, 0), fraction), name)

    def exact(self, reals: npt.ArrayLike, name: str, note: str = "") -> Value:
        """Add numbers that are fixed-point already, in the narrowest type that holds them all."""
        given = np.asarray(reals, np.float64)
        fraction = _fraction_bits(given)
        steps = np.ldexp(given, fraction)
        held = FixedType.holding(min(int(steps.min()), 0), max(int(steps.max()), 0), fraction)
        return self.b.const(given, held, name, note)

    def zeros(self, shape: tuple[int, ...], role: str, name: str) -> Value:
        """Add an initial state."""
        return self.b.const(np.zeros(shape), self.type_of(role), name, role=role)

    def scan(
        self,
        states: Sequence[Value],
        sequences: Sequence[Value],
        body: Body,
        *,
        names: Sequence[str],
        note: str = "",
        length: int | None = None,
    ) -> tuple[Value, ...]:
        """Run `body` once a step (`Builder.scan`), with an emitter of the same types."""

        def own(b: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
            return body(Emitter(b, self._types), states, steps)

        return self.b.scan(states, sequences, own, names=names, note=note, length=length)

    def reverse(self, sequence: Value, name: str) -> Value:
        """Add the steps in reverse order."""
        return self.b.reverse(sequence, name)

    def each_step(self, step: Callable[..., Value], *operands: Value, name: str) -> Value:
        """Apply `step` to vectors, or to each step of sequences, as ``step(emitter, *vectors)``."""
        if len(operands[0].type.shape) < 2:
            return step(self, *operands)
        sequences = tuple(dict.fromkeys(operands))
        places = [sequences.index(operand) for operand in operands]

        def body(e: Emitter, _: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
            return (), (step(e, *(steps[place] for place in places)),)

        (y,) = self.scan((), sequences, body, names=(name,))
        return y


class WrittenOut(Emitter):
    """An emitter whose scans become their steps, one after another, in the graph that it adds to.

    A scan may not be in another's body in hardware, where a loop is an engine. So what a layer does with a sequence
    that is there at once, in one step of another, has hardware of its own for each of its steps.
    """

    def scan(
        self,
        states: Sequence[Value],
        sequences: Sequence[Value],
        body: Body,
        *,
        names: Sequence[str],
        note: str = "",
        length: int | None = None,
    ) -> tuple[Value, ...]:
        """Write out the steps; types are those of a scan, in which no step knows that its state is a constant."""
        states = [self.b.reshape(state, state.type.shape, name) for state, name in zip(states, names, strict=False)]
        stacked: list[list[Value]] = [[] for _ in names[len(states) :]]
        for step in range(length or sequences[0].type.shape[0]):
            given = [self._step(sequence, step) for sequence in sequences]
            states, results = body(self, states, given)
            for values, result in zip(stacked, results, strict=True):
                values.append(self.b.reshape(result, (1, *result.type.shape), "y_t"))
        joined = [self.b.concat(values, name) for values, name in zip(stacked, names[len(states) :], strict=True)]
        return (*states, *joined)

    def reverse(self, sequence: Value, name: str) -> Value:
        """Join the steps in reverse order."""
        steps = range(sequence.type.shape[0])
        return self.b.concat([self.b.slice(sequence, step, step + 1, "x_t") for step in reversed(steps)], name)

    def _step(self, sequence: Value, step: int) -> Value:
        return self.b.reshape(self.b.slice(sequence, step, step + 1, "x_t"), sequence.type.shape[1:], "x_t")


def _fraction_bits(reals: npt.NDArray[np.float64]) -> int:
    """Return the fewest fraction bits that hold all numbers; negative where all are multiples of a power of two."""
    mantissas, exponents = np.frexp(reals[reals != 0])
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    lowest_bits = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    return int((53 - exponents - lowest_bits).max(initial=-MAX_FRACTION)) if whole.size else 0
