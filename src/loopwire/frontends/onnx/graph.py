"""A described ONNX graph with types, and its nodes as the functions that read them take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.tensors.masks import Mask
from loopwire.frontends.tensors.trace import Place, Trace
from loopwire.frontends.tensors.views import Operand, View

Array = npt.NDArray[Any]
Dimension = int | str | None
"""Of an input: a number, a name, or unknown."""
STANDARD = ("", "ai.onnx")
"""Domains of ONNX's own operators."""
TRUTH = 9
"""The type of truth values (onnx.TensorProto.DataType)."""
REALS = (1, 10, 11, 16)
"""Types of elements that are real numbers: float, float16, double, bfloat16 (onnx.TensorProto.DataType)."""
REMEDY = "docs/onnx.md lists what is read; export the model without it"
LENGTHS_REMEDY = "An input of whole numbers may only be the sequence_lens of recurrent operators"
LEVELS_REMEDY = "DequantizeLinear alone may, or a Clip before it: export the network in QDQ form"
FLAT_REMEDY = "Keep the batch an axis of its own"
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Lengths:
    """An input of whole numbers, one a sample: of how many steps each sequence has, if it is used so."""

    name: str


@dataclass(frozen=True, eq=False)
class Order:
    """The order of sequences by their lengths, or back, in which packing puts them: here they stay where they are."""

    of: Lengths


@dataclass(frozen=True, eq=False)
class Levels:
    """A tensor of the network as QuantizeLinear makes whole numbers of it: clip(round(x / scale) + zero, low, high)."""

    x: View
    scale: Array
    zero: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Flat:
    """All elements of a tensor in one axis, those of other sequences too, as PyTorch exports `as_strided`."""

    of: View


Value = Operand | Lengths | Order | Levels | Flat | Mask
"""A constant, a view of tensors of the network, or what some operators alone read."""


@dataclass(frozen=True)
class GraphInput:
    """An input. `dimensions` is None where the file says nothing of them."""

    name: str
    is_real: bool
    is_truth: bool
    dimensions: tuple[Dimension, ...] | None


@dataclass(frozen=True)
class Node:
    """A node. `place` is the line of the user's code that it comes from, where the exporter kept it."""

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    place: str


@dataclass(frozen=True)
class Graph:
    """Inputs, constants by name, nodes in an order in which they can be computed, and the names of the outputs."""

    name: str
    inputs: tuple[GraphInput, ...]
    constants: Mapping[str, Array]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]


def graph_of(facts: Mapping[str, Any], arrays: Mapping[str, Array], producer: str) -> Graph:
    """Return the graph that `file.describe` returned.

    Raises:
        LookupError, TypeError, ValueError: it is not laid out so.
    """
    inputs = (
        GraphInput(str(name), kind in REALS, kind == TRUTH, None if shape is None else tuple(map(_dimension, shape)))
        for name, kind, shape in facts["inputs"]
    )
    constants = {str(name): arrays[key] for name, key in facts["initializers"].items()}
    nodes = tuple(_node(node, arrays, producer) for node in facts["nodes"])
    return Graph(str(facts["name"]), tuple(inputs), constants, nodes, tuple(map(str, facts["outputs"])))


def _dimension(value: Any) -> Dimension:
    if type(value) is int and value > 0:
        return value
    return value if isinstance(value, str) and value else None


def _node(facts: Mapping[str, Any], arrays: Mapping[str, Array], producer: str) -> Node:
    def attribute(value: Any) -> Any:
        match value:
            case {"tensor": key}:
                return arrays[key]
            case {"graph": graph}:
                return graph_of(graph, arrays, producer)
            case _:
                return value

    inputs, outputs = tuple(map(str, facts["inputs"])), tuple(map(str, facts["outputs"]))
    name = str(facts["name"]) or next((output for output in outputs if output), "") or str(facts["op"])
    if producer == "pytorch":
        name = _module(name, str(facts["module"]))
    attributes = {str(key): attribute(value) for key, value in facts["attributes"].items()}
    return Node(name, str(facts["op"]), str(facts["domain"]), inputs, outputs, attributes, str(facts["place"]))


def _module(name: str, scopes: str) -> str:
    """Return the path of the PyTorch module that a node is of; the node's name where it is of the model itself.

    Exporters keep it in the node's name, '/encoder/rnn/LSTM', or apart, "['', 'encoder', 'encoder.rnn', 'lstm']".
    """
    path = name.strip("/").split("/")
    if name.startswith("/"):
        return ".".join(path[:-1]) or path[-1]
    parts = [part.strip(" '\"") for part in scopes.strip("[]").split(",")]
    return (parts[-2] if len(parts) > 2 else "") or name


@dataclass
class Budget:
    """Of work on constants that is left, so that a small file cannot ask for much."""

    left: int


@dataclass
class Operation:
    """A node at work: its operands, and its attributes, each of which is read or refused."""

    node: Node
    opset: int
    trace: Trace
    operands: Sequence[Value | None]
    budget: Budget
    place: Place = field(init=False)
    _unread: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.place = self.trace.place
        self._unread = dict(self.node.attributes)

    @property
    def name(self) -> str:
        """What its layers are called."""
        return self.node.name

    @property
    def where(self) -> str:
        """The place that messages name."""
        return self.place.where

    def attribute(self, key: str, default: Any = None) -> Any:
        """Return an attribute, which then counts as read; it is of the default's kind where there is one."""
        value = self._unread.pop(key, default)
        if default is not None and value is not default and not isinstance(value, _like(default)):
            raise self.damaged(f"attribute {key!r} is {value!r}")
        return value

    def whole_numbers(self, key: str, operand: int | None = None) -> list[int] | None:
        """Return whole numbers that older opsets give in an attribute, newer ones as an operand; None without any."""
        value = self._unread.pop(key, None)
        if value is None and operand is not None and self.has(operand):
            value = self.constant(operand).ravel().tolist()
        if value is None:
            return None
        numbers = value if isinstance(value, list) else [value]
        if not all(isinstance(number, int) for number in numbers):
            raise self.damaged(f"{key} are {numbers}, not whole numbers")
        return numbers

    def axes(self, numbers: Sequence[int], rank: int) -> list[int]:
        """Return axes, counted from the first."""
        if not all(-rank <= axis < rank for axis in numbers):
            raise self.damaged(f"its axes {list(numbers)} are not all among {rank}")
        return [axis % rank for axis in numbers]

    def only(self, key: str, *allowed: Any, remedy: str = REMEDY) -> None:
        """Read an attribute that, where present, must have one of these values."""
        value = self.attribute(key, None)
        if value is not None and value not in allowed:
            raise self.refused(f"attribute {key}={value!r} is not supported", remedy)

    def has(self, index: int) -> bool:
        """Say whether there is such an operand."""
        return index < len(self.operands) and self.operands[index] is not None

    def value(self, index: int) -> Value:
        """Return an operand that must be there."""
        value = self.operands[index] if index < len(self.operands) else None
        if value is None:
            raise self.damaged(f"it has no operand {index + 1}")
        return value

    def constant(self, index: int) -> Array:
        """Return an operand that must not depend on the model's inputs."""
        value = self.value(index)
        if not isinstance(value, np.ndarray):
            raise self.refused(
                f"operand {index + 1}, {self.node.inputs[index]!r}, depends on the model's inputs", REMEDY
            )
        return value

    def tensor(self, index: int) -> Operand:
        """Return an operand of numbers."""
        value = self.value(index)
        if isinstance(value, Lengths | Order):
            name = value.name if isinstance(value, Lengths) else value.of.name
            raise self.refused(f"it reads the input {name!r}, which holds whole numbers", LENGTHS_REMEDY)
        if isinstance(value, Flat):
            raise self.refused(f"it reads the elements of {value.of.shape} in one axis, with the batch", FLAT_REMEDY)
        if isinstance(value, Levels):
            raise self.refused("it reads the whole numbers of a QuantizeLinear", LEVELS_REMEDY)
        return value.numbers(self.trace) if isinstance(value, Mask) else value

    def view(self, index: int) -> View:
        """Return an operand that depends on the model's inputs."""
        value = self.tensor(index)
        if not isinstance(value, View):
            raise self.refused(f"operand {index + 1}, {self.node.inputs[index]!r}, is constant")
        return value

    def weights(self, index: int, shape: tuple[int, ...] | None = None) -> npt.NDArray[np.float64]:
        """Return a constant operand as real numbers that firmware can carry."""
        array = self.constant(index)
        what = f"operand {index + 1}, {self.node.inputs[index]!r},"
        if shape is not None and array.shape != shape:
            raise self.damaged(f"{what} has shape {array.shape} where {shape} belongs")
        if not np.isfinite(array).all() or np.abs(array).max(initial=0) > LARGEST:
            problem = f"{what} holds NaN, infinity or what float32 cannot"
            raise ModelFileError(self.where, problem, "Train the model again; no firmware can carry these")
        return array.astype(np.float64)

    def spend(self, work: int) -> None:
        """Take work on constants from the budget.

        Raises:
            ModelFileError: there is not so much left.
        """
        self.budget.left -= work
        if self.budget.left < 0:
            problem = "its constants take more work than any network's"
            raise ModelFileError(self.where, problem, "Fold constants before the model is exported")

    def refused(self, problem: str, remedy: str = REMEDY) -> UnsupportedError:
        """Return the error about what Loopwire does not read."""
        return UnsupportedError(self.where, problem, remedy)

    def damaged(self, problem: str) -> ModelFileError:
        """Return the error about what a sound file cannot hold."""
        return ModelFileError(self.where, problem, "Export the model again")

    def finish(self) -> None:
        """Refuse attributes that nobody has read."""
        for key, value in self._unread.items():
            raise self.refused(f"attribute {key}={str(value)[:80]!r} is not known", REMEDY)


def _like(default: Any) -> type | tuple[type, ...]:
    return (int, float) if isinstance(default, float) else type(default)
