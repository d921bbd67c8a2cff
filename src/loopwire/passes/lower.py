"""From a graph of layer calls to a graph of primitive ops, with the types that the user chose."""

from __future__ import annotations

from collections.abc import Callable

from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph, Value
from loopwire.ir.types import FixedType, TensorType
from loopwire.layers.embedding import count_of, whole_type
from loopwire.layers.emitter import Emitter
from loopwire.layers.fit import require_fit
from loopwire.layers.model import Layer, Model, Tensor
from loopwire.layers.roles import LayerTypes, Role
from loopwire.passes.reshape_ports import reshape_ports


def lower(model: Model, input_type: FixedType, types_of: Callable[[Layer], LayerTypes]) -> Graph:
    """Return the graph, whose inputs and outputs are those of the model, in order.

    Their shapes are those that the layers inside read and make: a Reshape at the model's ends is its caller's.

    Args:
        model: as read by a frontend.
        input_type: type of the elements of all inputs but those of whole numbers, which have their own.
        types_of: the types of each layer's tensors.
    """
    builder = Builder()
    values: dict[Tensor, Value] = {}
    for tensor in model.inputs:
        name = tensor.name if len(model.inputs) > 1 else "x"
        count = count_of(model, tensor)
        element, role = (input_type, Role.INPUT) if count is None else (whole_type(count), "")
        values[tensor] = builder.input(name, TensorType(tensor.shape, element), role=role)
    for call in model.calls:
        builder.layer = call.layer.name
        with require_fit(call.layer, call.inputs):
            emitter = Emitter(builder, types_of(call.layer))
            results = call.layer.call(emitter, [values[tensor] for tensor in call.inputs])
        values.update(zip(call.outputs, results, strict=True))
    return reshape_ports(builder.graph([values[tensor] for tensor in model.outputs]))
