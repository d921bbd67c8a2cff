"""A layer that acts on each step of sequences whose steps are sequences themselves, such as Keras's TimeDistributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from loopwire.errors import UnsupportedError
from loopwire.ir.builder import BodyResult
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Callable, Layer, Shape, Tensor


@dataclass(frozen=True, eq=False)
class EachStep(Callable):
    """`layer` on each step of (T, n₁), (T, n₂), …, where a step holds a tensor of `shapes`, row after row.

    The layer's results follow in the same way. All T steps have the same hardware; in a step, the layer's own steps
    have hardware of their own each, so that a step can begin every cycle.
    """

    layer: Layer
    shapes: tuple[Shape, ...]

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def kind(self) -> str:
        """The layer's."""
        return self.layer.kind

    @property
    def roles(self) -> tuple[str, ...]:
        """The layer's."""
        return self.layer.roles

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shapes (T, ·) of the results."""
        expected = [prod(shape) for shape in self.shapes]
        if [x.shape[1:] for x in inputs] != [(size,) for size in expected] or len({x.shape[0] for x in inputs}) != 1:
            problem = (
                f"each step holds {', '.join(map(str, self.shapes))}, its inputs are {', '.join(map(repr, inputs))}"
            )
            raise UnsupportedError(
                f"layer {self.name!r}", problem, "Give sequences of as many steps, of these elements"
            )
        steps = inputs[0].shape[0]
        return {end: (steps, prod(shape)) for end, shape in self._inner_results().items()}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add a scan, in whose body the layer's own steps are written out."""
        sequences = tuple(dict.fromkeys(inputs))
        places = [sequences.index(x) for x in inputs]

        def body(e: Emitter, _: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
            given = [_shaped(e, steps[place], shape) for place, shape in zip(places, self.shapes, strict=True)]
            return (), [_shaped(e, y, (y.type.size,)) for y in self.layer.call(e.written_out(), given)]

        names = [f"y_{end}" if end else "y" for end in self._inner_results()]
        return e.scan((), sequences, body, names=names)

    def _inner_results(self) -> Mapping[str, Shape]:
        return self.layer.results([Tensor("x", shape) for shape in self.shapes])


def _shaped(e: Emitter, x: Value, shape: Shape) -> Value:
    return x if x.type.shape == shape else e.b.reshape(x, shape, "x")
