"""Describes an ONNX file: its graph as JSON holds it, its tensors as arrays. Runs in a process of its own, with limits.

Ref: https://github.com/onnx/onnx/blob/main/docs/IR.md, and docs/ExternalData.md there. The `onnx` package parses,
checks and inlines; the names of external data are followed here, by stricter rules than its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loopwire.bounded import read_bounded
from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.sandbox import MAX_ARRAY_BYTES, Description

if TYPE_CHECKING:
    import onnx

SAVE_AGAIN = "Export the model again, or copy the file again"
LONGEST_TEXT = 1000
"""Characters of a text that is kept: a string attribute, or a place in the user's code."""
WHOLE = (21, 22, 25, 26)
"""Types of whole numbers of fewer than 8 bits: uint4, int4, uint2, int2 (onnx.TensorProto.DataType)."""
MODULE_PATH, STACK_TRACE = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.stack_trace"
"""Properties in which PyTorch's exporter keeps where a node comes from."""


def describe(path: Path) -> Description:
    """Return a file's graph and tensors.

    Facts: `producer`, `opsets` by domain, and `graph`: inputs [name, type, dimensions], outputs [name], initializers
    (array by name), and nodes. A node has name, op, domain, inputs, outputs, attributes, and where it comes from in the
    user's code; an attribute is a number, a text, a list of such, {"tensor": array} or {"graph": graph}.

    Raises:
        ModelFileError: the file is damaged or larger than what is read, or external data are missing or elsewhere.
        UnsupportedError: sparse tensors, or tensors of texts.
    """
    import onnx
    import onnx.checker
    import onnx.inliner
    from google.protobuf.message import DecodeError

    source = str(path)
    try:
        content = read_bounded(path, MAX_ARRAY_BYTES)
    except ValueError as error:
        raise ModelFileError(source, str(error), "Give a smaller model") from None
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise ModelFileError(source, "it is damaged: its bytes are not messages of ONNX", SAVE_AGAIN) from None
    del content
    if not model.graph.node and not model.graph.output:
        raise ModelFileError(source, "it holds no graph", SAVE_AGAIN)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _bring_in(path, tensor)
    for output in model.graph.output:
        output.type.tensor_type.shape.SetInParent()  # which the checker asks for, and nothing here reads
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reported = " ".join(str(error).split("\n\n", 1)[0].split()).rstrip(".")  # without the checker's context
        raise ModelFileError(source, f"onnx reports that it is invalid: {reported}", SAVE_AGAIN) from None
    writer = _Writer(source)
    facts = {
        "producer": model.producer_name,
        "opsets": {entry.domain: entry.version for entry in model.opset_import},
        "graph": writer.graph(model.graph),
    }
    return Description(facts, writer.arrays)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of a graph and of those in it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from _tensors(inner)


def _bring_in(path: Path, tensor: onnx.TensorProto) -> None:
    """Read a tensor's data from the file beside the model that it names."""
    where = f"{path}, tensor {tensor.name!r}"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = PurePosixPath(entries.get("location", ""))
    folder = path.parent.resolve()
    data = (folder / location).resolve()
    if location.is_absolute() or ".." in location.parts or not location.parts or not data.is_relative_to(folder):
        problem = f"its data lie in {str(location)!r}, which is not beside the model"
        raise ModelFileError(where, problem, "Put both files into one folder, and export again")
    if not data.is_file():
        problem = f"its data lie in {str(location)!r}, and there is no such file"
        raise ModelFileError(where, problem, "Copy that file too, beside the model")
    try:
        offset, size = int(entries.get("offset", 0)), data.stat().st_size
        length = int(entries["length"]) if "length" in entries else size - offset
    except ValueError:
        raise ModelFileError(where, "the offset or length of its external data is not a number", SAVE_AGAIN) from None
    if min(offset, length) < 0 or offset + length > size:
        problem = f"its data are bytes {offset} to {offset + length} of {str(location)!r}, which has {size}"
        raise ModelFileError(where, problem, "Copy that file again")
    if length > MAX_ARRAY_BYTES:
        problem = f"its data take {length} bytes, more than the {MAX_ARRAY_BYTES} that are read"
        raise ModelFileError(where, problem, "Give a smaller model")
    with data.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    del tensor.external_data[:]
    tensor.ClearField("data_location")


@dataclass
class _Writer:
    """Writes graphs as JSON holds them, and gathers arrays."""

    source: str
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def graph(self, graph: onnx.GraphProto) -> dict[str, Any]:
        """Return a graph."""
        if graph.sparse_initializer:
            raise UnsupportedError(self.source, "it has sparse tensors", "Export the model with dense ones")
        initializers = {tensor.name: self._tensor(tensor) for tensor in graph.initializer}
        return {
            "name": graph.name[:LONGEST_TEXT],
            "inputs": [_input(value) for value in graph.input if value.name not in initializers],
            "outputs": [value.name for value in graph.output],
            "initializers": initializers,
            "nodes": [self._node(node) for node in graph.node],
        }

    def _node(self, node: onnx.NodeProto) -> dict[str, Any]:
        properties = {entry.key: entry.value for entry in node.metadata_props}
        return {
            "name": node.name,
            "op": node.op_type,
            "domain": node.domain,
            "inputs": list(node.input),
            "outputs": list(node.output),
            "attributes": {attribute.name: self._attribute(node, attribute) for attribute in node.attribute},
            "module": properties.get(MODULE_PATH, "")[:LONGEST_TEXT],
            "place": properties.get(STACK_TRACE, "").strip().split("\n")[0][:LONGEST_TEXT],
        }

    def _attribute(self, node: onnx.NodeProto, attribute: onnx.AttributeProto) -> Any:
        import onnx
        from onnx.helper import get_attribute_value

        value: Any = get_attribute_value(attribute)
        match value:
            case bytes():
                return value.decode("utf-8", "replace")[:LONGEST_TEXT]
            case int() | float():
                return self._number(node, value)
            case onnx.TensorProto():
                return {"tensor": self._tensor(value)}
            case onnx.GraphProto():
                return {"graph": self.graph(value)}
            case _ if isinstance(value, Iterable):
                return [self._item(node, attribute, item) for item in value]
            case _:
                raise self._unknown(node, attribute)

    def _item(self, node: onnx.NodeProto, attribute: onnx.AttributeProto, item: Any) -> Any:
        match item:
            case bytes():
                return item.decode("utf-8", "replace")[:LONGEST_TEXT]
            case int() | float():
                return self._number(node, item)
            case _:
                raise self._unknown(node, attribute)

    def _number(self, node: onnx.NodeProto, value: float) -> float:
        if not math.isfinite(value):
            problem = f"node {node.name!r} ({node.op_type}) has an attribute that is {value}"
            raise ModelFileError(self.source, problem, SAVE_AGAIN)
        return value

    def _unknown(self, node: onnx.NodeProto, attribute: onnx.AttributeProto) -> UnsupportedError:
        problem = f"node {node.name!r} ({node.op_type}) has an attribute {attribute.name!r} of a kind that is not read"
        return UnsupportedError(self.source, problem, "Export the model with operators of docs/onnx.md")

    def _tensor(self, tensor: onnx.TensorProto) -> str:
        """Keep a tensor as an array of plain numbers; return its key. Truth values become 0 and 1."""
        import onnx
        from onnx.numpy_helper import to_array

        if tensor.data_type == onnx.TensorProto.STRING:
            problem = f"tensor {tensor.name!r} holds texts"
            raise UnsupportedError(self.source, problem, "Export the network without what comes before it")
        array = to_array(tensor)
        if array.dtype == bool:
            array = array.astype(np.uint8)
        elif array.dtype.kind == "V" and tensor.data_type in WHOLE:
            array = array.astype(np.int8)
        elif array.dtype.kind == "V":  # bfloat16 and narrower, which numpy does not have
            array = array.astype(np.float32)
        key = str(len(self.arrays))
        self.arrays[key] = array
        return key


def _input(value: onnx.ValueInfoProto) -> list[Any]:
    """Return name, type of elements and dimensions of an input; a dimension is a number, a name, or None."""
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        return [value.name, kind.elem_type, None]
    dimensions: list[Any] = []
    for dimension in kind.shape.dim:
        known = dimension.WhichOneof("value")
        dimensions.append(None if known is None else getattr(dimension, known))
    return [value.name, kind.elem_type, dimensions]
