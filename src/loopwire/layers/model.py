"""A model as a frontend reads it: a graph of layer calls, with their weights, framework quirks permuted away."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple, Protocol, cast

import numpy as np

from loopwire.arguments import instance, text, whole
from loopwire.errors import ConfigError, ModelFileError, UnsupportedError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.fit import require_fit
from loopwire.text.names import take_in
from loopwire.text.table import Table

Shape = tuple[int, ...]
"""(T, features) of a sequence, (features,) of a vector, without the batch."""
MAX_STEPS = 1 << 14
MAX_ELEMENTS = 1 << 20
"""Bounds of a sequence. Memory and time of emulation and simulation grow with it, and nothing built is near."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """What a layer hands on, or an input of the model. Compared by identity; `name` is unique in its model."""

    name: str
    shape: Shape
    origin: Origin | None = None
    """Where a layer was called in Python on other tensors: what `Model.of` follows."""

    def __repr__(self) -> str:
        return f"{self.name!r} of shape {self.shape}"


SHAPES = "Give (steps, features), such as (20, 6), or (features,)"


class Origin(NamedTuple):
    """Result number `place` of a call."""

    call: PythonCall
    place: int


@dataclass(frozen=True, eq=False)
class PythonCall:
    """A layer that was called in Python on some tensors."""

    layer: Layer
    inputs: tuple[Tensor, ...]


def Input(shape: Shape, name: str = "x") -> Tensor:  # noqa: N802 - Keras's name
    """Return an input of a model that is built in Python.

    Args:
        shape: (steps, features), or (features,).
        name: unlike those of the model's other inputs.

    Raises:
        ConfigError: the shape is no list of whole numbers above 0.
    """
    lengths = tuple(whole("shape", length) for length in instance(Sequence, SHAPES)("shape", shape))
    if not lengths or min(lengths) < 1:
        raise ConfigError("shape", f"{lengths} has no elements", SHAPES)
    return Tensor(text("name", name), lengths)


class Layer(Protocol):
    """A frozen dataclass of a layer's weights and options, whose `call` is its equations."""

    @property
    def kind(self) -> str:
        """Name users know the layer's type by, as in a configuration: 'LSTM'."""
        ...

    @property
    def roles(self) -> tuple[str, ...]:
        """Tensors whose types a user may set."""
        ...

    @property
    def name(self) -> str:
        """Name in the model file, unique in the model."""
        ...

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shapes of the results by what distinguishes their names: '' for the first.

        Raises:
            UnsupportedError: the layer cannot take such inputs.
        """
        ...

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the layer's ops; return its results."""
        ...


def results_of(layer: Layer, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
    """Return the shapes of a layer's results, as `Layer.results`, if they are within bounds.

    Raises:
        UnsupportedError: the layer cannot take such inputs, or makes more of them than a tensor may hold.
    """
    shapes = layer.results(inputs)
    for shape in shapes.values():
        where = f"layer {layer.name!r}"
        if len(shape) > 1 and shape[0] > MAX_STEPS:
            raise UnsupportedError(where, f"its result has {shape[0]} steps", f"Make at most {MAX_STEPS}")
        if prod(shape) > MAX_ELEMENTS:
            problem = f"its result, of shape {shape}, has {prod(shape)} elements"
            raise UnsupportedError(where, problem, f"Make at most {MAX_ELEMENTS}")
    return shapes


class Callable:
    """What layers are that can be called in Python; their text has the shapes of their weights, not all numbers."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__repr__ = Callable.__repr__  # type: ignore[method-assign]  # a dataclass then adds none of its own

    def __repr__(self) -> str:
        layer = cast(Layer, self)
        arrays = [f"{name} {value.shape}" for name, value in vars(self).items() if isinstance(value, np.ndarray)]
        return f"<{layer.kind} {layer.name!r}{': ' if arrays else ''}{', '.join(arrays)}>"

    def __call__(self, *inputs: Tensor) -> Any:
        """Return the layer's result on these tensors, or a tuple of all where there are several.

        Raises:
            UnsupportedError: the layer cannot take such inputs.
        """
        layer = cast(Layer, self)
        call = PythonCall(layer, inputs)
        shapes = results_of(layer, inputs).values()
        results = tuple(Tensor(layer.name, shape, Origin(call, index)) for index, shape in enumerate(shapes))
        return results[0] if len(results) == 1 else results


class OneToOne(Callable, ABC):
    """What layers are that make one tensor of one other."""

    def results(self, inputs: Sequence[Tensor]) -> Mapping[str, Shape]:
        """Return the shape of the only result.

        Raises:
            UnsupportedError: it is called on several tensors, or cannot take such a one.
        """
        if len(inputs) != 1:
            layer = cast(Layer, self)
            problem = f"a {layer.kind} layer got {', '.join(map(repr, inputs)) or 'no input'}"
            raise UnsupportedError(f"layer {layer.name!r}", problem, "Call it on one tensor")
        return {"": self.output_shape(inputs[0].shape)}

    def call(self, e: Emitter, inputs: Sequence[Value]) -> Sequence[Value]:
        """Add the layer's ops; return its only result."""
        (x,) = inputs
        return (self.emit(e, x),)

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the result; raise UnsupportedError where the layer cannot take such an input."""

    @abstractmethod
    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the layer's ops; return its result."""


@dataclass(frozen=True, eq=False)
class Call:
    """A layer at work on some tensors. A layer that is called several times has the same weights in each."""

    layer: Layer
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Model:
    """Calls of layers, each after those whose results it takes.

    `source` tells where it was read from, for messages; `format` what that was, such as 'Keras archive'.

    Raises:
        ModelFileError: a name of it, of a layer or of a tensor cannot be taken in.
    """

    name: str
    inputs: tuple[Tensor, ...]
    calls: tuple[Call, ...]
    outputs: tuple[Tensor, ...]
    source: str
    format: str = ""

    @classmethod
    def of(cls, name: str, inputs: Sequence[Tensor] | Tensor, outputs: Sequence[Tensor] | Tensor) -> Model:
        """Return the model of the layers that were called on `inputs` to make `outputs`.

        Raises:
            ConfigError: an output depends on an input that is not given, two layers have one name, or something is no
                tensor.
        """
        builder = ModelBuilder()
        is_tensor = instance(Tensor, "Give what loopwire.Input or a call of a layer returns")
        given, wanted = (
            tuple(is_tensor(what, tensor) for tensor in (each if isinstance(each, list | tuple) else [each]))
            for what, each in (("inputs", inputs), ("outputs", outputs))
        )
        known = {tensor: builder.input(tensor.name, tensor.shape) for tensor in given}
        made: dict[PythonCall, tuple[Tensor, ...]] = {}
        layers: dict[str, Layer] = {}

        def found(tensor: Tensor) -> Tensor:
            if tensor in known:
                return known[tensor]
            if tensor.origin is None:
                raise ConfigError(f"model {name!r}", f"it depends on an input {tensor!r}", "Give it as an input too")
            call, place = tensor.origin
            if call not in made:
                if layers.setdefault(call.layer.name, call.layer) is not call.layer:
                    problem = f"two layers are named {call.layer.name!r}"
                    raise ConfigError(f"model {name!r}", problem, "Give each its own name")
                made[call] = builder.call(call.layer, *map(found, call.inputs))
            return made[call][place]

        return builder.model(name, [found(tensor) for tensor in wanted], f"model {name!r}")

    def __post_init__(self) -> None:
        take_in(self.name, self.source, "the model", ModelFileError)
        for tensor in self.inputs:
            take_in(tensor.name, self.source, "an input", ModelFileError)
        for layer in self.layers:
            take_in(layer.name, self.source, "a layer", ModelFileError)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer once, in the order of their first calls."""
        return tuple({call.layer.name: call.layer for call in self.calls}.values())

    @property
    def input_shape(self) -> Shape:
        """Shape of the only input.

        Raises:
            UnsupportedError: there are several.
        """
        return self._only("input", self.inputs).shape

    def output_shape(self) -> Shape:
        """Return the shape of the only result.

        Raises:
            UnsupportedError: there are several.
        """
        return self._only("output", self.outputs).shape

    def _only(self, what: str, tensors: tuple[Tensor, ...]) -> Tensor:
        if len(tensors) != 1:
            names = ", ".join(repr(tensor.name) for tensor in tensors)
            problem = f"it has {len(tensors)} {what}s ({names}), and this function takes models with one"
            raise UnsupportedError(self.source, problem, "compile, simulate and verify take several")
        return tensors[0]

    def layer_kinds(self) -> Mapping[str, str]:
        """Return each layer's kind by its name."""
        return {layer.name: layer.kind for layer in self.layers}

    def summary(self) -> Table:
        """Return the layers with their shapes, parameters, states and options, to be shown or printed."""
        from loopwire.layers.inspection import summary

        return summary(self)

    def __repr__(self) -> str:
        from loopwire.layers.inspection import headline, inspect

        return f"<{headline(inspect(self, {}))}>"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


@dataclass
class ModelBuilder:
    """Puts a model together call by call."""

    _inputs: list[Tensor] = field(default_factory=list)
    _calls: list[Call] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def input(self, name: str, shape: Shape) -> Tensor:
        """Add an input of the model."""
        self._inputs.append(self._tensor(name, shape))
        return self._inputs[-1]

    def call(self, layer: Layer, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Call a layer; return what it hands on.

        Raises:
            UnsupportedError: the layer cannot take these inputs.
        """
        with require_fit(layer, inputs):
            shapes = results_of(layer, inputs)
        outputs = tuple(self._tensor(layer.name + (end and f"_{end}"), shape) for end, shape in shapes.items())
        self._calls.append(Call(layer, inputs, outputs))
        return outputs

    def model(self, name: str, outputs: Sequence[Tensor], source: str) -> Model:
        """Return the model."""
        return Model(name, tuple(self._inputs), tuple(self._calls), tuple(outputs), source)

    def _tensor(self, name: str, shape: Shape) -> Tensor:
        unique, count = name, 2
        while unique in self._names:
            unique, count = f"{name}_{count}", count + 1
        self._names.add(unique)
        return Tensor(unique, shape)


def chain(name: str, input_shape: Shape, layers: Sequence[Layer], source: str) -> Model:
    """Return a model of one input in which each layer takes what the one before hands on first.

    Raises:
        UnsupportedError: a layer cannot take what the one before it hands on.
    """
    builder = ModelBuilder()
    tensor = builder.input("x", input_shape)
    for layer in layers:
        tensor, *_ = builder.call(layer, tensor)
    return builder.model(name, (tensor,), source)
