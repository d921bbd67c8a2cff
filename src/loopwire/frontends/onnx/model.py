"""From a described ONNX graph to a model: its nodes one after another, on constants or on views of tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from loopwire.errors import ModelFileError, ToolError, UnsupportedError, nearest
from loopwire.frontends.containers import damage_reported, damaged
from loopwire.frontends.file_kinds import require_file
from loopwire.frontends.onnx.constants import READ as FOLDED
from loopwire.frontends.onnx.constants import folded
from loopwire.frontends.onnx.file import describe
from loopwire.frontends.onnx.graph import (
    LENGTHS_REMEDY,
    REMEDY,
    STANDARD,
    Budget,
    Flat,
    Graph,
    Lengths,
    Levels,
    Node,
    Operation,
    Order,
    Value,
    graph_of,
)
from loopwire.frontends.onnx.lengths import of_lengths
from loopwire.frontends.onnx.loops import LOOPS
from loopwire.frontends.onnx.masks import of_masks
from loopwire.frontends.onnx.moves import MOVES
from loopwire.frontends.onnx.normalisations import NORMALISATIONS
from loopwire.frontends.onnx.operators import ML_OPERATORS, OPERATORS
from loopwire.frontends.onnx.quantised import QDQ, QONNX, QONNX_DOMAINS
from loopwire.frontends.onnx.recurrent import KINDS, recurrent
from loopwire.frontends.onnx.windows import WINDOWS
from loopwire.frontends.reading import Reading
from loopwire.frontends.tensors import masks
from loopwire.frontends.tensors.hypotheses import GraphInput, read_graph
from loopwire.frontends.tensors.masks import Mask
from loopwire.frontends.tensors.trace import Place, Trace
from loopwire.frontends.tensors.views import Operand, View
from loopwire.layers.model import Model
from loopwire.layers.quantised.exact import exactly_quantised
from loopwire.sandbox import read_apart

OLDEST, NEWEST = 7, 28
"""Opsets that are read."""
MOST_WORK = 1 << 29
"""Elements of all constants that nodes make, and products of numbers in them, whatever layouts are tried."""
MOST_INNER = 16
"""Graphs in one another."""


def read_onnx(path: Path, reading: Reading) -> Model:
    """Read an ONNX file, without running any code of it.

    Args:
        path: the file; external data are beside it.
        reading: how many steps it takes where it leaves that open, and how to read files.

    Raises:
        ConfigError: the steps contradict the model.
        ModelFileError: the file is missing, damaged or unsound, or reading it takes too much time or memory.
        ToolError: the onnx package is not installed.
        UnsupportedError: an operator, an attribute or a graph that Loopwire does not compile.
    """
    require_file(path)
    if find_spec("onnx") is None:
        raise ToolError("onnx", "the package is not installed", "Install it: pip install 'loopwire[onnx]'")
    source = str(path)
    with damage_reported(source):
        description = describe(path) if reading.trust else read_apart(describe, path)
    try:
        producer, opsets = str(description.facts["producer"]), description.facts["opsets"]
        graph = graph_of(description.facts["graph"], description.arrays, producer)
        opset = max(int(opsets[domain]) for domain in STANDARD if domain in opsets)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise damaged(source, "the process that reads it sent an invalid answer") from None
    if not OLDEST <= opset <= NEWEST:
        problem = f"it is of opset {opset}; those from {OLDEST} to {NEWEST} are read"
        raise UnsupportedError(source, problem, "Export it with another opset_version, or see onnx.version_converter")
    return _read(graph, opset, source, reading)


def _read(graph: Graph, opset: int, source: str, reading: Reading) -> Model:
    lengths = [given.name for given in graph.inputs if not given.is_real and len(given.dimensions or ()) < 2]
    inputs = []
    for given in graph.inputs:
        if given.name not in lengths:
            if given.dimensions is None:
                where = f"{source}, input {given.name!r}"
                raise UnsupportedError(where, "it has no shape", "Export the model with the shapes of its inputs")
            named = [f"{k}" if length is None else length for k, length in enumerate(given.dimensions)]
            whole = not given.is_real and not given.is_truth
            inputs.append(GraphInput(given.name, tuple(named), whole, given.is_truth))

    budget = Budget(MOST_WORK)

    def run(trace: Trace, views: Sequence[View]) -> Sequence[Operand]:
        values: dict[str, Value] = {name: Lengths(name) for name in lengths}
        for given, view in zip(inputs, views, strict=True):
            values[given.name] = masks.given(trace, given.name, view) if given.truths else view
        outputs = _Runner(trace, opset, budget).outputs(graph, values)
        used = {name for node in graph.nodes for name in node.inputs}
        unread = [name for name in lengths if name in used and name not in trace.memory.get("lengths", ())]
        if unread:
            raise UnsupportedError(source, f"its input {unread[0]!r} holds whole numbers", LENGTHS_REMEDY)
        return outputs

    return exactly_quantised(read_graph(graph.name or "model", inputs, run, source, reading))


@dataclass
class _Runner:
    """Goes through graphs node by node."""

    trace: Trace
    opset: int
    budget: Budget
    _inner: int = 0

    def outputs(self, graph: Graph, outer: Mapping[str, Value]) -> list[Operand]:
        """Return the outputs of a graph, given the values of its inputs and of the graphs around it."""
        values: dict[str, Value] = {**outer, **graph.constants}
        for node in graph.nodes:
            results = zip(node.outputs, self._results(node, values), strict=False)
            values.update((name, value) for name, value in results if name)
        outputs: list[Operand] = []
        for name in graph.outputs:
            value: Value | None = values.get(name)
            if value is None or isinstance(value, Lengths | Order | Levels | Flat):
                raise ModelFileError(
                    self.trace.source, f"no node produces its output {name!r}", "Export the model again"
                )
            outputs.append(value.numbers(self.trace) if isinstance(value, Mask) else value)
        return outputs

    def _results(self, node: Node, values: Mapping[str, Value]) -> Sequence[Value]:
        place = f", {node.place}" if node.place else ""
        where = f"{self.trace.source}, node {node.name!r} ({node.op}){place}"
        self.trace.enter(Place(node.name, where))
        missing = [name for name in node.inputs if name and name not in values]
        if missing:
            raise ModelFileError(where, f"no node produces its operand {missing[0]!r}", "Export the model again")
        operands = [values[name] if name else None for name in node.inputs]
        op = Operation(node, self.opset, self.trace, operands, self.budget)
        if node.op == "If" and node.domain in STANDARD:
            return self._branch(op, values)
        if node.op in LOOPS and node.domain in STANDARD:
            results = LOOPS[node.op](op, lambda body, given: self._inside(op, body, {**values, **given}))
            op.finish()
            return results
        results = _operator(op)(op)
        op.finish()
        op.spend(sum(value.size for value in results if isinstance(value, np.ndarray)))
        return results

    def _branch(self, op: Operation, values: Mapping[str, Value]) -> Sequence[Value]:
        """Run the branch that a constant condition chooses."""
        condition = op.value(0)
        if not isinstance(condition, np.ndarray):
            raise op.refused("its condition depends on the model's inputs", "Export the model without it")
        branch = op.attribute("then_branch" if condition.any() else "else_branch")
        if not isinstance(branch, Graph):
            raise op.damaged("it has no branch for its condition")
        return self._inside(op, branch, values)

    def _inside(self, op: Operation, graph: Graph, values: Mapping[str, Value]) -> list[Operand]:
        """Return the outputs of a graph in a node."""
        if self._inner >= MOST_INNER:
            raise op.damaged(f"it is nested inside {MOST_INNER} others")
        self._inner += 1
        results = self.outputs(graph, values)
        self._inner -= 1
        return results


def _operator(op: Operation) -> Callable[[Operation], Sequence[Value]]:
    """Return what reads a node.

    Raises:
        UnsupportedError: nothing does.
    """
    node = op.node
    special = of_lengths(op) or of_masks(op) if node.domain in STANDARD else None
    if special is not None:
        return special
    if node.domain not in STANDARD:
        if node.domain == "ai.onnx.ml" and node.op in ML_OPERATORS:
            return ML_OPERATORS[node.op]
        if node.domain in QONNX_DOMAINS and node.op in QONNX:
            return QONNX[node.op]
        raise op.refused(f"it is an operator of the domain {node.domain!r}", "Export the model with ONNX's own")
    if node.op in KINDS:
        return recurrent
    if node.op in QDQ:
        return QDQ[node.op]
    if node.op in MOVES:
        return MOVES[node.op]
    if node.op in FOLDED and all(value is None or isinstance(value, np.ndarray) for value in op.operands):
        return folded
    if node.op in OPERATORS:
        return OPERATORS[node.op]
    if node.op in WINDOWS:
        return WINDOWS[node.op]
    if node.op in NORMALISATIONS:
        return NORMALISATIONS[node.op]
    if node.op in REFUSED:
        raise op.refused(f"{node.op} is not supported", REFUSED[node.op])
    known = (*MOVES, *OPERATORS, *WINDOWS, *NORMALISATIONS, *KINDS)
    raise op.refused(f"{node.op} is not supported", f"{nearest(node.op, known)}{REMEDY}")


REFUSED = {
    **dict.fromkeys(
        ("SequenceAt", "SequenceConstruct", "SequenceInsert", "SplitToSequence"),
        "Use tensors: a Loop stacks the results of its iterations",
    ),
    "ConvTranspose": "Repeat steps, then convolve",
}
"""Operators that users meet, and what to do instead."""
