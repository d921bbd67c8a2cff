"""Cutting a graph into engines: pieces of hardware that each run one scan, and what follows its last step.

An engine reads a sequence, a step a beat, and gives either one vector a sequence or one a step. Passes have fused what
could be fused; what is left are chains of engines, cut where a layer reads backwards what the one before it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers, cast
from loopwire.ir.graph import Graph, Node, Value

OTHER_TARGET = "Take target = 'vitis_hls', which carries any graph of layers"


@dataclass(frozen=True)
class State:
    """A carried value: `read` in a step holds what `following` was in the step before, and `initial` in the first.

    With `carried`, `initial` is for sequences that start afresh; others go on from what their channel's last one left.
    """

    read: Value
    following: Value
    initial: Integers
    carried: bool
    initial_value: Value | None = None
    """One of the engine's `xs` that is there in the first step, where `initial` is not known."""


@dataclass(frozen=True)
class Engine:
    """One scan, whose body is `nodes`, with the `tail` of nodes that follow its last step.

    `xs` are what each step brings, a vector of every input; `step_constants` are values that depend on the step's
    number only, `outputs` the vectors handed on: in every step where `per_step`, else once a sequence, from its last
    step. `aliases` names values that are other values: a final state is the following state of the last step.
    """

    name: str
    length: int
    reverse: bool
    xs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    tail: tuple[Node, ...]
    states: tuple[State, ...]
    step_constants: tuple[tuple[Value, ops.Const], ...]
    aliases: dict[Value, Value]
    outputs: tuple[Value, ...]
    per_step: bool

    @property
    def layer(self) -> str:
        """The layer that it begins with."""
        return next((node.results[0].layer for node in (*self.nodes, *self.tail)), "")

    @property
    def x(self) -> Value:
        """The only input."""
        (x,) = self.xs
        return x

    @property
    def output(self) -> Value:
        """The only output."""
        (output,) = self.outputs
        return output

    @property
    def stateful(self) -> bool:
        """Whether any state lasts from sequence to sequence."""
        return any(state.carried for state in self.states)


def engines(graph: Graph) -> tuple[Engine, ...]:
    """Cut a graph into a chain of engines.

    Raises:
        UnsupportedError: layers are connected in a way that no chain of engines can carry.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        ports = f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
        raise UnsupportedError("the model", f"it has {ports}, and SystemVerilog is made of chains", OTHER_TARGET)
    producers = graph.producers()
    scans = [node for node in graph.nodes if isinstance(node.op, ops.Scan)]
    if not scans:
        (x,), (output,) = graph.inputs, graph.outputs
        if len(x.type.shape) != 1:
            raise _unsupported(x)
        return (Engine("engine", 1, False, (x,), (), graph.nodes, (), (), {}, (output,), per_step=False),)
    chain = []
    feed = graph.inputs[0]
    for index, scan in enumerate(scans):
        is_last = scan is scans[-1]
        name = "engine" if len(scans) == 1 else f"engine_{index + 1}"
        engine = _engine(graph, scan, producers, name, feed, is_last)
        chain.append(engine)
        feed = feed if is_last else _handed_on(graph, scan)
    return tuple(chain)


def _handed_on(graph: Graph, scan: Node) -> Value:
    """Return the one sequence that what follows a scan reads of it."""
    assert isinstance(scan.op, ops.Scan)
    users = graph.users()
    read = [value for value in scan.results if users.get(value)]
    if len(read) != 1 or read[0] not in scan.results[scan.op.states :]:
        raise _unsupported(read[0])
    return read[0]


def _engine(graph: Graph, node: Node, producers: dict[Value, Node], name: str, feed: Value, is_last: bool) -> Engine:
    scan = node.op
    assert isinstance(scan, ops.Scan)
    body = scan.body
    initials = [_constant(producers, value, node) for value in node.operands[: scan.states]]
    step_constants = []
    x: Value | None = None
    reverse = False
    for outer, inner in zip(node.operands[scan.states :], body.inputs[scan.states :], strict=True):
        producer = producers.get(outer)
        if producer is not None and isinstance(producer.op, ops.Const):
            step_constants.append((inner, producer.op))
            continue
        source, reverse = _source(outer, producers)
        if source is not feed or x is not None:
            raise _unsupported(outer)
        x = inner
    if x is None:
        raise _unsupported(node.operands[0])
    states = tuple(
        State(read, following, initial, index in scan.carried)
        for index, (read, following, initial) in enumerate(zip(body.inputs, body.outputs, initials, strict=False))
    )
    finals = dict(zip(node.results[: scan.states], body.outputs, strict=False))
    stacked = dict(zip(node.results[scan.states :], body.outputs[scan.states :], strict=True))
    if not is_last:
        result = stacked[_handed_on(graph, node)]
        return Engine(
            name, scan.length, reverse, (x,), body.nodes, (), states, tuple(step_constants), {}, (result,), True
        )
    (output,) = graph.outputs
    tail: tuple[Node, ...] = ()
    if output in stacked:
        output, per_step = stacked[output], True
    else:
        tail, per_step = _tail(graph, finals), False
    constants = tuple(step_constants)
    return Engine(name, scan.length, reverse, (x,), body.nodes, tail, states, constants, finals, (output,), per_step)


def one_layer_each(chain: tuple[Engine, ...]) -> tuple[Engine, ...]:
    """Give each matrix product after the last step an engine of its own, so that it can take its time.

    What follows a product up to the next one stays with it.
    """
    groups: list[list[Node]] = []
    for node in _computed(chain[-1].tail):
        starts = isinstance(node.op, ops.MatVec) and (
            not groups or any(isinstance(n.op, ops.MatVec) for n in groups[-1])
        )
        if starts or not groups:
            groups.append([])
        groups[-1].append(node)
    return _tail_apart(chain, groups)


def head_apart(chain: tuple[Engine, ...]) -> tuple[Engine, ...]:
    """Give what follows the last step an engine of its own, which takes a vector whenever one comes."""
    return _tail_apart(chain, [group] if (group := _computed(chain[-1].tail)) else [])


def _computed(nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if not isinstance(node.op, ops.Const)]


def _tail_apart(chain: tuple[Engine, ...], groups: list[list[Node]]) -> tuple[Engine, ...]:
    """Give each group of the last engine's tail an engine of its own."""
    *scans, last = chain
    if not last.tail:
        return chain
    constants = {node.result: node for node in last.tail if isinstance(node.op, ops.Const)}
    engines_after = []
    for index, group in enumerate(groups):
        own = {node.result for node in group}
        reads = dict.fromkeys(v for node in group for v in node.operands if v not in own)
        given = [v for v in reads if v not in constants]
        if len(given) != 1:
            raise _unsupported(given[-1])
        nodes = (*(constants[v] for v in reads if v in constants), *group)
        output = last.output if group is groups[-1] else group[-1].result
        name = f"{last.name}_tail_{index + 1}"
        engines_after.append(Engine(name, 1, False, (given[0],), (), nodes, (), (), {}, (output,), per_step=False))
    if not last.nodes:
        return (*scans, *engines_after)
    handed_on = engines_after[0].x if engines_after else last.output
    scan = replace(last, tail=(), outputs=(last.aliases[handed_on],), aliases={})
    return (*scans, scan, *engines_after)


def _constant(producers: dict[Value, Node], value: Value, scan: Node) -> Integers:
    """Return the integers of an initial state: a Const, or a Const cast to the state's type."""
    producer = producers.get(value)
    if producer is not None and isinstance(producer.op, ops.Cast):
        integers = _constant(producers, producer.operands[0], scan)
        return cast(integers, producer.operands[0].type.element.fraction, producer.op.to)
    if producer is None or not isinstance(producer.op, ops.Const):
        raise computed_initial_state(scan, value)
    return producer.op.integers


def computed_initial_state(scan: Node, initial: Value) -> UnsupportedError:
    """Return the error of a scan whose initial state is no constant."""
    return UnsupportedError(
        f"layer {scan.results[0].layer!r}",
        f"its initial state %{initial.name} is computed by the model",
        OTHER_TARGET,
    )


def _source(sequence: Value, producers: dict[Value, Node]) -> tuple[Value, bool]:
    """Return what a scan's sequence comes from, and whether it is read backwards."""
    producer = producers.get(sequence)
    if producer is not None and isinstance(producer.op, ops.Reverse):
        return producer.operands[0], True
    return sequence, False


def _tail(graph: Graph, finals: dict[Value, Value]) -> tuple[Node, ...]:
    """Return the nodes of the graph that work on the final states, refusing those that need anything else."""
    known = set(finals)
    tail = []
    for node in graph.nodes:
        if isinstance(node.op, ops.Const):
            known.add(node.result)
            tail.append(node)
        elif isinstance(node.op, ops.Scan | ops.Reverse):
            continue
        else:
            for operand in node.operands:
                if operand not in known:
                    raise _unsupported(operand)
            known.add(node.result)
            tail.append(node)
    if graph.outputs[0] not in known:
        raise _unsupported(graph.outputs[0])
    return tuple(tail)


def _unsupported(value: Value) -> UnsupportedError:
    return UnsupportedError(
        f"layer {value.layer!r}" if value.layer else "the model's input",
        f"firmware cannot pass %{value.name}, of shape {value.type.shape}, to the next layer",
        "Supported are chains in which each layer reads the previous one's steps in order or in reverse, "
        f"or its last step. {OTHER_TARGET}",
    )
