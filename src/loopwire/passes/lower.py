"""From a chain of layers to a graph of primitive ops, with the types that the user chose."""

from __future__ import annotations

from collections.abc import Callable

from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph
from loopwire.ir.types import FixedType, TensorType
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import Layer, Model
from loopwire.layers.roles import LayerTypes
from loopwire.passes.reshape_ports import reshape_ports


def lower(model: Model, input_type: FixedType, types_of: Callable[[Layer], LayerTypes]) -> Graph:
    """Return the graph with one input `x` and one output.

    Their shapes are those that the layers inside read and make: a Reshape at the model's ends is its caller's.

    Args:
        model: as read by a frontend.
        input_type: type of the elements of x.
        types_of: the types of each layer's tensors.

    Raises:
        UnsupportedError: a layer cannot take what the one before it hands on.
    """
    builder = Builder()
    value = builder.input("x", TensorType(model.input_shape, input_type))
    for layer in model.layers:
        layer.output_shape(value.type.shape)
        builder.layer = layer.name
        value = layer.emit(Emitter(builder, types_of(layer)), value)
    return reshape_ports(builder.graph((value,)))
