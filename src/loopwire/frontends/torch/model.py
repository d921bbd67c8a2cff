"""Reads PyTorch programs: one operation after another, on the common ground of `loopwire.frontends.tensors`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from loopwire.errors import ModelFileError, UnsupportedError, nearest
from loopwire.frontends.containers import Array
from loopwire.frontends.file_kinds import require_file
from loopwire.frontends.reading import Reading
from loopwire.frontends.tensors import masks
from loopwire.frontends.tensors.hypotheses import GraphInput, read_graph
from loopwire.frontends.tensors.masks import Mask
from loopwire.frontends.tensors.trace import Place, Trace
from loopwire.frontends.tensors.views import Operand, View
from loopwire.frontends.torch.archive import describe
from loopwire.frontends.torch.arguments import AGAIN, Arguments, Lengths, Operation, Value
from loopwire.frontends.torch.lengths import OF_LENGTHS
from loopwire.frontends.torch.live import export
from loopwire.frontends.torch.masks import OF_MASKS
from loopwire.frontends.torch.operations import OPERATIONS, REFUSED
from loopwire.frontends.torch.own import INPUTS, OWN, called, names_of, with_own_modules
from loopwire.frontends.torch.program import Node, Program, program_of, tensors_of
from loopwire.layers.model import Model
from loopwire.sandbox import read_apart

LARGEST_WEIGHT = float(np.finfo(np.float32).max)
IN_PLACE_REMEDY = "Use the operation that returns its result, without inplace=True"
# fmt: off
VIEWS = frozenset((
    "select", "slice", "view", "transpose", "permute", "squeeze", "unsqueeze", "reshape", "narrow", "expand",
    "t", "numpy_T", "mT", "movedim", "flatten", "unflatten", "unbind", "split", "split_with_sizes", "chunk",
    "contiguous", "detach", "alias", "to", "dropout", "feature_dropout", "alpha_dropout",
))
# fmt: on
"""Operations whose results may share their numbers with what they are given."""


def read_torch(source: Path | Any, reading: Reading) -> Model:
    """Read an exported program, or export a module and read that, without running any code of a file.

    Args:
        source: a `.pt2` file, or a `torch.nn.Module`.
        reading: example inputs of a module, steps where they are open, how to read files.

    Returns:
        The layers and what feeds them, weights in float64.

    Raises:
        ConfigError: what is said of weights, steps or example inputs contradicts the model.
        ModelFileError: the file is missing, damaged, no exported program, or reading it takes too much time or memory.
        UnsupportedError: an operation, an option or a graph that Loopwire does not compile.
    """
    reading.refuse("weights", remedy="A program of PyTorch has weights of its own: leave them out")
    if isinstance(source, Path):
        reading.refuse("example_inputs", remedy="A saved program knows its inputs: leave them out")
        require_file(source)
        name, where = source.stem, str(source)
        description = describe(source) if reading.trust else read_apart(describe, source)
    else:
        name, where, description = export(source, reading.example_inputs)
    program = program_of(where, description)
    lengths = lengths_of(program)
    inputs = [
        GraphInput(given, shape, given in program.whole, given in program.truths)
        for given, shape in program.inputs.items()
        if given not in lengths
    ]
    return read_graph(name, inputs, _Reader(program).run, where, reading)


def lengths_of(program: Program) -> list[str]:
    """Return the inputs that are lengths of sequences: whole numbers, one a sequence."""
    return [name for name, lengths in program.inputs.items() if name in program.whole and len(lengths) == 1]


OF_KINDS: Mapping[type[Lengths | Mask], Mapping[str, Operation]] = {Lengths: OF_LENGTHS, Mask: OF_MASKS}
"""Operations that read what is no tensor, by what that is."""


class _Reader:
    """Goes through the nodes that a program's outputs need."""

    def __init__(self, program: Program) -> None:
        program = with_own_modules(program)
        self._program = program
        self._nodes = _needed(program)
        self._arrays: dict[str, Array] = {}
        refs = (ref for node in program.nodes for argument in node.arguments.values() for ref in tensors_of(argument))
        self._uses = Counter([*(ref.name for ref in refs), *program.outputs])
        _refuse_unknown(program, self._nodes)
        _refuse_shared_places(program, self._uses)

    def run(self, trace: Trace, inputs: Sequence[View]) -> Sequence[Operand]:
        """Return the program's outputs.

        Raises:
            ModelFileError: a node is not as PyTorch writes it, or weights are not finite.
            UnsupportedError: as the operations.
        """
        lengths = lengths_of(self._program)
        values: dict[str, Value] = {name: Lengths(name) for name in lengths}
        for name, view in zip((name for name in self._program.inputs if name not in lengths), inputs, strict=True):
            values[name] = masks.given(trace, name, view) if name in self._program.truths else view
        values.update(self._constants)
        for node in self._nodes:
            trace.enter(_place(self._program.source, node))
            results = self._own(trace, node, values) if node.target == OWN else _results(trace, node, values)
            values.update(zip(names_of(node), results, strict=False))
        return [self._output(trace, values, name) for name in self._program.outputs]

    @cached_property
    def _constants(self) -> Mapping[str, Value]:
        """What nodes read of the program's arrays: the same ones in each run."""
        arrays = {name: self._array(name) for name in self._program.arrays if name in self._uses}
        return {name: masks.constant(array) or array for name, array in arrays.items()}

    def _own(self, trace: Trace, node: Node, values: Mapping[str, Value]) -> Sequence[Value]:
        """Return what a module of the user's makes; sizes that it reads are its reader's to know."""
        given = [values.get(ref.name) for ref in tensors_of(node.arguments[INPUTS])]
        views = [value for value in given if isinstance(value, View)]
        return [called(trace, node, views, self._program, self._array)]

    def _output(self, trace: Trace, values: Mapping[str, Value], name: str) -> Operand:
        value = values.get(name)
        if isinstance(value, Lengths):
            problem = f"it gives {value.name!r}, lengths of sequences, back"
            raise UnsupportedError(self._program.source, problem, "Leave that output out")
        if isinstance(value, Mask):
            return value.numbers(trace)
        if not isinstance(value, View | np.ndarray):
            raise ModelFileError(self._program.source, f"no node produces its output {name!r}", AGAIN)
        return value

    def _array(self, name: str) -> Array:
        """Return weights in float64, whole numbers as they are; the same array each time."""
        if name not in self._arrays:
            self._arrays[name] = _sound(self._program, name)
        return self._arrays[name]


def _place_changed(node: Node) -> str | None:
    """Return the tensor that a node changes in place, as `relu_` does; '' where it is not a tensor's name."""
    base = node.target.removeprefix("aten.").partition(".")[0]
    if not node.target.startswith("aten.") or not base.endswith("_") or base.startswith("_"):
        return None
    refs = tensors_of(node.arguments.get("self", node.arguments.get("input")))
    return refs[0].name if refs else ""


def _refuse_shared_places(program: Program, uses: Mapping[str, int]) -> None:
    """Refuse operations in place where another name may lead to that place: they count as those that return results.

    Raises:
        UnsupportedError: there is one.
    """
    makers = {name: node for node in program.nodes for name in names_of(node)}
    for node in program.nodes:
        place = _place_changed(node)
        if place is None:
            continue
        maker = makers.get(place)
        base = "" if maker is None else maker.target.removeprefix("aten.").partition(".")[0].rstrip("_")
        if maker is None or base in VIEWS or uses[place] > 1:
            problem = "it changes a tensor in place that is used elsewhere"
            raise UnsupportedError(_place(program.source, node).where, problem, IN_PLACE_REMEDY)


def _needed(program: Program) -> tuple[Node, ...]:
    """Return the nodes that the outputs depend on: not the checks of shapes beside them."""
    needed = set(program.outputs)
    nodes = []
    for node in reversed(program.nodes):
        if needed.intersection(names_of(node)):
            nodes.append(node)
            needed.update(ref.name for argument in node.arguments.values() for ref in tensors_of(argument))
    return tuple(nodes[::-1])


def _place(source: str, node: Node) -> Place:
    """Return what a node's layers are called: as the module where it is one of PyTorch's own, else as the node."""
    result = node.name or names_of(node)[0]
    is_own = node.module.startswith("torch.nn.") and node.path
    name = node.path if is_own else f"{node.path}.{result}" if node.path else result
    module = f"module {node.path!r}, " if node.path else ""
    line = f" ({node.line})" if node.line else ""
    return Place(name, f"{source}, {module}{node.target}{line}")


def _refuse_unknown(program: Program, nodes: Sequence[Node]) -> None:
    """Refuse operations that are not read, the first one with where it is and the others by their names.

    Raises:
        UnsupportedError: there is one.
    """
    known = {*OPERATIONS, *OF_LENGTHS, *OF_MASKS, OWN}
    unknown = [node for node in nodes if _operation(node) not in known]
    if not unknown:
        return
    first, *others = unknown
    more = ", ".join(dict.fromkeys(f"{node.target} in {node.path or 'the model'!r}" for node in others))
    problem = "this operation is not supported" + (f", nor are {more}" if more else "")
    remedy = next((text for start, text in REFUSED.items() if first.target.startswith(start)), None)
    hint = f"{nearest(first.target, OPERATIONS)}docs/pytorch.md lists the operations that are read"
    raise UnsupportedError(_place(program.source, first).where, problem, remedy or hint)


def _operation(node: Node) -> str:
    """Return the target of a node, of one that works in place the one that returns its result."""
    return node.target if _place_changed(node) is None else node.target.replace("_.", ".", 1)


def _results(trace: Trace, node: Node, values: Mapping[str, Value]) -> Sequence[Value]:
    """Return what a node makes."""
    arguments = Arguments(trace, node, values)
    target = _operation(node)
    own = next((known for kind, known in OF_KINDS.items() if arguments.has(kind) and target in known), OPERATIONS)
    if target not in own:
        raise trace.refused("it reads a tensor that is no mask", masks.REMEDY)
    results = own[target](arguments)
    arguments.finish()
    return [results] if isinstance(results, View | np.ndarray | Lengths | Mask | int | float) else results


def _sound(program: Program, name: str) -> Array:
    array = program.arrays[name]
    if array.dtype.kind != "f":
        return array
    where = f"{program.source}, parameter {program.parameters[name]!r}"
    with np.errstate(invalid="ignore"):
        largest = float(np.abs(array).max(initial=0))
    if masks.constant(array) is not None:
        return array.astype(np.float64)
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        problem = f"it holds NaN or infinity ({bad} of {array.size} numbers)"
        raise ModelFileError(where, problem, "Train the model again; no firmware can carry these")
    if largest > LARGEST_WEIGHT:
        raise ModelFileError(where, f"it holds {largest:.3g}, which float32 cannot hold", "Train the model again")
    return array.astype(np.float64)
