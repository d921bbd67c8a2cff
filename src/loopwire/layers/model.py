"""A model as a frontend reads it: a chain of layers with their weights, framework quirks already permuted away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from loopwire.errors import ModelFileError
from loopwire.ir.graph import Value
from loopwire.layers.emitter import Emitter
from loopwire.layers.roles import Role
from loopwire.text.names import take_in


class Layer(Protocol):
    """A frozen dataclass of a layer's weights and options, whose `emit` is its equations."""

    kind: ClassVar[str]
    """Name users know the layer's type by, as in a configuration: 'LSTM'."""
    roles: ClassVar[tuple[Role, ...]]
    """Tensors whose types a user may set."""

    @property
    def name(self) -> str:
        """Name in the model file, unique in the model."""
        ...

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the result; raise UnsupportedError where the layer cannot take such an input."""
        ...

    def emit(self, e: Emitter, x: Value) -> Value:
        """Add the layer's ops; return its result."""
        ...


@dataclass(frozen=True)
class Model:
    """A chain of layers. `input_shape` is (T, features) or (features,), without the batch.

    `source` tells where it was read from, for messages.

    Raises:
        ModelFileError: a name of it or of a layer cannot be taken in.
    """

    name: str
    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    source: str

    def __post_init__(self) -> None:
        take_in(self.name, self.source, "the model", ModelFileError)
        for layer in self.layers:
            take_in(layer.name, self.source, "a layer", ModelFileError)

    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of the model's result."""
        shape = self.input_shape
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def layer_kinds(self) -> Mapping[str, str]:
        """Return each layer's kind by its name."""
        return {layer.name: layer.kind for layer in self.layers}
