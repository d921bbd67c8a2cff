"""Modules of the user's own: all operations of one become one, for which the reader registered for its class speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from loopwire.errors import ModelFileError
from loopwire.frontends.containers import Array
from loopwire.frontends.own import own_reader
from loopwire.frontends.tensors.exchange import features_last
from loopwire.frontends.tensors.recurrent import recur
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Axis, View, array_of, only_wire
from loopwire.frontends.torch.program import Node, Program, Ref, tensors_of
from loopwire.layers.cell import Cell
from loopwire.layers.model import Layer, Shape

OWN = "module of the user's own"
"""Target of a node in place of such a module."""
INPUTS = "inputs"
"""The argument that holds what comes from outside of it."""


@dataclass(frozen=True)
class SavedModule:
    """A module of the user's, in the hands of the function that reads it: no option of it is saved.

    `input_shapes` are those of its inputs, without the batch; `arrays` its parameters and buffers, by the names that
    it has for them, such as 'kernel' or 'inner.weight'.
    """

    name: str
    where: str
    input_shapes: tuple[Shape, ...]
    arrays: Mapping[str, Array]

    def weights(self, *names: str) -> list[Array]:
        """Return arrays by their names.

        Raises:
            ModelFileError: the module has none of this name.
        """
        missing = [name for name in names if name not in self.arrays]
        if missing:
            known = ", ".join(self.arrays) or "none"
            raise ModelFileError(self.where, f"it has no array {missing[0]!r}", f"Its reader may ask for {known}")
        return [self.arrays[name] for name in names]


def with_own_modules(program: Program) -> Program:
    """Return a program in which each call of a module with a reader is one node."""
    nodes: list[Node] = []
    for call, found in groupby(program.nodes, _own_call):
        group = tuple(found)
        nodes += group if call is None else [_joined(program, call, group)]
    return replace(program, nodes=tuple(nodes))


def _own_call(node: Node) -> tuple[str, str, str] | None:
    """Return the outermost call around a node whose module's class has a reader."""
    return next((call for call in node.calls if own_reader(_class_name(call[2])) is not None), None)


def _class_name(qualified: str) -> str:
    return qualified.rpartition(".")[2]


def _joined(program: Program, call: tuple[str, str, str], nodes: Sequence[Node]) -> Node:
    _, path, module = call
    made = {name for node in nodes for name in names_of(node)}
    read = dict.fromkeys(ref.name for node in nodes for ref in _refs(node))
    outside = [Ref(name) for name in read if name not in made and name not in program.arrays]
    elsewhere = {ref.name for node in program.nodes if node not in nodes for ref in _refs(node)}
    handed_on = tuple(name for name in made if name in elsewhere or name in program.outputs)
    arguments = {INPUTS: outside}
    return Node(OWN, path.replace(".", "_"), arguments, handed_on, path, module, nodes[0].line)


def _refs(node: Node) -> Iterable[Ref]:
    return (ref for argument in node.arguments.values() for ref in tensors_of(argument))


def names_of(node: Node) -> list[str]:
    """Return the names of a node's results; of one list of results those in it."""
    return [name for output in node.outputs for name in ([output] if isinstance(output, str) else output)]


def called(trace: Trace, node: Node, inputs: Sequence[View], program: Program, array: Callable[[str], Array]) -> View:
    """Return the result of the layer that a module's reader makes of it.

    Args:
        trace: of the graph.
        node: in place of the module.
        inputs: what it reads.
        program: which holds its arrays.
        array: returns one of them by its name in the graph.

    Raises:
        ModelFileError, UnsupportedError: as the reader, or the layer cannot take its inputs.
    """
    if len(node.outputs) != 1:
        raise trace.refused(f"{len(node.outputs)} of its results are used", "Return one tensor from the module")
    views = [features_last(trace, view) for view in inputs]
    wires = [only_wire(trace, view) for view in views]
    prefix = f"{node.path}."
    arrays = {
        own.removeprefix(prefix): array(name) for name, own in program.parameters.items() if own.startswith(prefix)
    }
    saved = SavedModule(node.name, trace.place.where, tuple(wire.shape for wire in wires), arrays)
    read = own_reader(_class_name(node.module))
    assert read is not None, f"{node.module} has no reader"
    layer: Layer | None = trace.memory.setdefault((OWN, node.path), None) or read(saved)
    trace.memory[OWN, node.path] = layer
    first = views[0]
    if layer is None:
        return first
    if isinstance(layer, Cell):
        output, last = recur(trace, layer, wires[0], wires[1:])
        result = output if layer.return_sequences else next(iter(last.values()))
    else:
        result = trace.call(layer, *wires)
    axes = first.axes if len(result.shape) == 2 else tuple(axis for axis in first.axes if axis is not Axis.STEPS)
    return replace(first, parts=array_of([result], ()), axes=axes)
