"""Real numbers to a board and back, and what they are checked against."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loopwire.boards.client import BoardClient
from loopwire.boards.identity import ONE_STREAM, Identity, sources_digest
from loopwire.boards.several_ports import Side
from loopwire.emulator.calls import evaluate_calls
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.emulator.windows import seen_of
from loopwire.errors import BoardError
from loopwire.ir.fixed_point import Integers, quantise, to_real
from loopwire.knobs import Knobs
from loopwire.layers.model import Tensor
from loopwire.project.written import read_facts, read_graph
from loopwire.system.progress import Progress

EMULATED_AT_ONCE = 512
DIFFERS = "Check the routed clock of the bitstream, and its supply; else report it with the model"


@dataclass(frozen=True)
class Outcome:
    """Results of a board.

    Attributes:
        identity: of its design.
        inputs, results: integers (N, *input shape) and (N, *output shape).
        seconds: from the first byte sent to the last one received.
    """

    identity: Identity
    inputs: Integers
    results: Integers
    seconds: float

    @property
    def outputs(self) -> npt.NDArray[np.float64]:
        """The results as real numbers."""
        return to_real(self.results, self.identity.output_type.fraction)


def classify(client: BoardClient, x: npt.ArrayLike, progress: Progress | None = None) -> Outcome:
    """Run inputs (N, *input shape) of real numbers through a board.

    Raises:
        BoardError: the board fails, or the line to it, or holds a design of several inputs or outputs.
    """
    identity = client.identity
    require_one_stream(client.where, identity)
    inputs = quantise(x, identity.input_type)
    begin = time.perf_counter()
    results = client.run(inputs, np.full(len(inputs), identity.steps), progress=progress)
    seconds = time.perf_counter() - begin
    return Outcome(identity, inputs, results if identity.per_step else results[:, 0], seconds)


@dataclass(frozen=True)
class SeveralOutcome:
    """Results of a board that holds a design of several ports.

    Attributes:
        identity: of its design.
        inputs, results: integers of each port (N, *shape in the graph), by their tensors' names.
        outputs: the results as real numbers.
        seconds: from the first byte sent to the last one received.
    """

    identity: Identity
    inputs: dict[str, Integers]
    results: dict[str, Integers]
    outputs: dict[str, npt.NDArray[np.float64]]
    seconds: float


def several_ports(project: Path) -> tuple[list[Tensor], list[Tensor]] | None:
    """Return inputs and outputs of a written project's design that has several of either; None where it has one each.

    Raises:
        OutputError: there is no project, or a file of it was changed.
    """
    facts = read_facts(project)
    if "inputs" not in facts:
        return None
    knobs, graph = Knobs(**facts["knobs"]), read_graph(project)
    shapes = [x.type.shape[-1:] if knobs.sliding_window else x.type.shape for x in graph.inputs]
    inputs = [Tensor(name, shape) for name, shape in zip(facts["inputs"], shapes, strict=True)]
    return inputs, [Tensor(name, y.type.shape) for name, y in zip(facts["outputs"], graph.outputs, strict=True)]


def classify_several(
    client: BoardClient, project: Path, x: Sequence[npt.ArrayLike], progress: Progress | None = None
) -> SeveralOutcome:
    """Run real numbers through a board that holds a written project's design, an array (N, *shape) for each input.

    Raises:
        BoardError: the board fails, or the line to it.
        OutputError: there is no project, or a file of it was changed.
    """
    facts, graph = read_facts(project), read_graph(project)
    inputs, outputs = Side.of(facts["inputs"]), Side.of(facts["outputs"])
    integers = [quantise(array, port.type) for array, port in zip(x, inputs.ports, strict=True)]
    data = inputs.together(integers)
    begin = time.perf_counter()
    received = client.run(data.astype(np.int64), np.full(len(data), inputs.beats), progress=progress)
    seconds = time.perf_counter() - begin
    results = outputs.apart(received.astype(np.uint8).reshape(len(data), outputs.beats, outputs.bytes))
    found = {}
    for port, value, array in zip(outputs.ports, graph.outputs, results, strict=True):
        found[port.name] = array.reshape(len(array), *value.type.shape)
    reals = {port.name: to_real(found[port.name], port.type.fraction) for port in outputs.ports}
    given = {port.name: array for port, array in zip(inputs.ports, integers, strict=True)}
    return SeveralOutcome(client.identity, given, found, reals, seconds)


def require_equal_several(where: str, outcome: SeveralOutcome, project: Path) -> None:
    """Compare every bit of all results with the emulator's.

    Raises:
        BoardError: one differs.
        OutputError: the project's graph cannot be read.
    """
    emulated = _emulated(tuple(outcome.inputs.values()), project)
    for (name, found), due in zip(outcome.results.items(), emulated, strict=True):
        different = np.argwhere(due.reshape(found.shape) != found)
        if len(different):
            place = tuple(int(k) for k in different[0])
            raise BoardError(
                where,
                f"result {place[0]} of {name!r} differs from the emulator's: element {place[1:]} is {found[place]}",
                DIFFERS,
            )


def require_one_stream(where: str, identity: Identity) -> None:
    """Refuse a design of several inputs or outputs, whose project is not at hand.

    Raises:
        BoardError: it is one.
    """
    if identity.several:
        name = identity.name.removesuffix(f"_{ONE_STREAM}")
        raise BoardError(
            where,
            f"it holds {name}, which has several inputs or outputs; only its project says how these are packed "
            "into beats",
            "Give --project with the folder that the bitstream was built from",
        )


def require_design(where: str, identity: Identity, project: Path) -> None:
    """Compare the design on a board with that of a written project.

    Raises:
        BoardError: they differ.
        OutputError: there is no project, or a file of it was changed.
    """
    facts = read_facts(project)
    digest = sources_digest(facts)
    if digest != identity.digest:
        raise BoardError(
            where,
            f"it holds {identity.name} {identity.digest}, not {facts['top']} {digest} of {project}",
            "Load the bitstream of this project, or give the project of this bitstream",
        )


def require_equal(where: str, outcome: Outcome, project: Path) -> None:
    """Compare every bit of a board's results with the emulator's.

    Raises:
        BoardError: one differs.
        OutputError: the project's graph cannot be read.
    """
    given = outcome.results
    (due,) = _emulated((outcome.inputs,), project)
    expected = due.reshape(given.shape)
    different = np.argwhere(expected != given)
    if len(different):
        first = tuple(int(k) for k in different[0])
        raise BoardError(
            where,
            f"result {first[0]} differs from the emulator's: element {first[1:]} is {given[first]}, "
            f"not {expected[first]}, steps of {outcome.identity.output_type}",
            DIFFERS,
        )


def _emulated(inputs: Sequence[Integers], project: Path) -> tuple[Integers, ...]:
    """Return the results of a written project's graph for full sequences, as after a reset."""
    facts, graph = read_facts(project), read_graph(project)
    knobs = Knobs(**facts["knobs"])
    none = np.zeros(len(inputs[0]), np.bool_)
    shapes = [x.type.shape[-1:] if knobs.sliding_window else x.type.shape for x in graph.inputs]
    given = tuple(array.reshape(len(array), *shape) for array, shape in zip(inputs, shapes, strict=True))
    if knobs.stateful:
        return evaluate_calls(evaluate_integers, graph, given, none, knobs.channels)
    if knobs.sliding_window:
        given = seen_of(graph, given, none, knobs.channels)
    emulator = try_build(graph)
    if emulator is not None:
        return emulator(graph, given, None)
    starts = range(0, len(none), EMULATED_AT_ONCE)
    parts = [evaluate_integers(graph, [array[k : k + EMULATED_AT_ONCE] for array in given]) for k in starts]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
