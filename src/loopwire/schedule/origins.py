"""What values are on their way: sequences that are given other steps, turned round, or made by repeating a vector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

from loopwire.emulator.evaluate import evaluate_integers
from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Graph, Node, Value
from loopwire.schedule.reshaping import Reshaping

OTHER_TARGET = "Take target = 'vitis_hls', which carries any graph of layers"


class Apart(Enum):
    """What has engines of its own, beside the scans."""

    NOTHING = auto()
    """What works once a sequence follows the last step of the scan that all of it depends on, in that one's engine."""
    TAILS = auto()
    """What works once a sequence."""
    PRODUCTS = auto()
    """Among that each matrix product, so that it can take its time."""
    LAYERS = auto()
    """Each layer, and whatever turns a sequence round or repeats a vector: no channel does more than carry."""


@dataclass(frozen=True)
class Origin:
    """What a value is: another one, maybe `reshaped` to that, turned round or not, or kept for all steps.

    Of the elements of what is reshaped those in `kept` pass, and zeros follow.
    """

    value: Value
    reshaped: Value | None = None
    kept: range | None = None
    reverse: bool = False
    held: bool = False


class Origins:
    """The origins of a graph's values; `constants` are the integers of those that depend on constants alone."""

    def __init__(self, graph: Graph, apart: Apart) -> None:
        self._graph = graph
        self._apart = apart
        self._producers, self._users = graph.producers(), graph.users()
        self._found: dict[Value, Origin] = {}
        self.constants = known_constants(graph.nodes)

    def of(self, value: Value) -> Origin:
        """Look through reversals, other steps, and what repeats a vector."""
        if value not in self._found:
            self._found[value] = self._look_through(value)
        return self._found[value]

    def _look_through(self, value: Value) -> Origin:
        producer = self._producers.get(value)
        if producer is None or value in self.constants:
            return Origin(value)
        if self.recuts(producer):
            inner = self.of(producer.operands[0])
            if inner.held and isinstance(producer.op, ops.Slice):
                return inner
            if inner.held or inner.reverse:
                what = "repeats a vector" if inner.held else "is reversed"
                problem = f"no channel can change the steps of %{producer.operands[0].name}, which {what}"
                raise UnsupportedError(where(value), problem, f"Put another layer between them. {OTHER_TARGET}")
            return Origin(inner.value, value, self._kept(producer.op, value, inner))
        if self._apart is Apart.LAYERS:
            return Origin(value)
        if isinstance(producer.op, ops.Reverse):
            inner = self.of(producer.operands[0])
            return inner if inner.held else replace(inner, reverse=not inner.reverse)
        if isinstance(producer.op, ops.Scan) and value in producer.results[producer.op.states :]:
            body = producer.op.body
            output = body.outputs[producer.results.index(value)]
            for index in invariant(producer.op):
                if output is body.inputs[index]:
                    return replace(self.of(producer.operands[index]), held=True)
        return Origin(value)

    def _kept(self, op: ops.Op, value: Value, inner: Origin) -> range:
        """Return which elements of `inner` an op that gives it other steps keeps."""
        kept = inner.kept or range(inner.value.type.size)
        if isinstance(op, ops.Slice):
            row = value.type.size // value.type.shape[0]
            kept = kept[op.start * row : op.stop * row]
        if not kept:
            raise UnsupportedError(where(value), f"%{value.name} consists of padding only", "Select existing steps")
        return kept

    def end(self, value: Value) -> Origin:
        """Return the origin of a result, or refuse one that no channel brings."""
        origin = self.of(value)
        if origin.value in self.constants:
            raise UnsupportedError(where(value), "one result depends on no input", "Check the model's layers")
        if origin.held:
            raise UnsupportedError(
                where(value),
                f"the result %{value.name} only repeats a vector",
                f"Return the vector instead. {OTHER_TARGET}",
            )
        return origin

    def is_sequence(self, value: Value) -> bool:
        """Say whether a value comes step by step: an input of two axes, what a scan stacks, or such turned round."""
        producer = self._producers.get(value)
        if producer is None:
            return len(value.type.shape) > 1
        if isinstance(producer.op, ops.Reverse):
            return True
        return isinstance(producer.op, ops.Scan) and value in producer.results[producer.op.states :]

    def recuts(self, node: Node) -> bool:
        """Say whether a node gives a sequence other steps, makes one of a vector, or a vector of one.

        A Reshape does, a Slice, and a Concat of a sequence and zeros behind. A vector's elements that are a matrix,
        which is needed whole, stay where they are. Where layers are apart, channels do no more than reshape, and what
        needs a matrix looks at the vector.
        """
        if self._apart is Apart.LAYERS:
            return isinstance(node.op, ops.Reshape)
        if isinstance(node.op, ops.Reshape) and self._is_read_in_steps(node.result):
            return True
        if isinstance(node.op, ops.Concat) and not all(self._is_zero(value) for value in node.operands[1:]):
            return False
        moves = isinstance(node.op, ops.Reshape | ops.Slice | ops.Concat)
        return moves and self.comes_in_steps(self.of(node.operands[0]))

    def _is_zero(self, value: Value) -> bool:
        return value in self.constants and not self.constants[value].any()

    def _is_read_in_steps(self, value: Value) -> bool:
        """Say whether a scan reads a value step by step, or a result is one."""
        if len(value.type.shape) < 2:
            return False
        if value in self._graph.outputs:
            return True
        users = self._users.get(value, [])
        turned = (user for user in users if isinstance(user.op, ops.Reverse | ops.Reshape | ops.Slice | ops.Concat))
        scans = (user for user in users if isinstance(user.op, ops.Scan))
        read = any(value in user.operands[user.op.states :] for user in scans if isinstance(user.op, ops.Scan))
        return read or any(self._is_read_in_steps(user.result) for user in turned)

    def comes_in_steps(self, origin: Origin) -> bool:
        """Say whether what has an origin comes step by step."""
        if origin.reshaped is not None:
            return len(origin.reshaped.type.shape) > 1
        return origin.held or self.is_sequence(origin.value)

    def reshaping(self, origin: Origin, whole: bool) -> Reshaping | None:
        """Return how a value is given other steps on its way, the only one of its reader where that needs it whole."""
        value = origin.value
        if whole and self.is_sequence(value):
            steps = value.type.shape[0]
            return Reshaping(steps, value.type.size // steps, 1, value.type.size, range(value.type.size))
        if origin.reshaped is None:
            return None
        shapes = (value.type.shape, origin.reshaped.type.shape)
        given, taken = ((shape[0], shape[1]) if len(shape) > 1 else (1, shape[0]) for shape in shapes)
        return Reshaping(*given, *taken, origin.kept or range(value.type.size))


def known_constants(among: Iterable[Node]) -> dict[Value, Integers]:
    """Return the integers of all results of nodes that depend on constants only, scan bodies excluded."""
    known: dict[Value, Integers] = {}
    nodes: list[Node] = []
    for node in among:
        constant = all(operand in known for operand in node.operands)
        if constant and not isinstance(node.op, ops.Scan | ops.Reverse):
            nodes.append(node)
            (integers,) = evaluate_integers(Graph((), tuple(nodes), (node.result,)), ())
            known[node.result] = integers[0]
    return known


def invariant(scan: ops.Scan) -> set[int]:
    """Return the states that no step changes."""
    return {index for index in range(scan.states) if scan.body.outputs[index] is scan.body.inputs[index]}


def where(value: Value) -> str:
    """Return where a problem with a value is."""
    return f"layer {value.layer!r}" if value.layer else "the model"
