"""Real numbers to a board and back, and what they are checked against."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loopwire.boards.client import BoardClient, Progress
from loopwire.boards.identity import Identity, sources_digest
from loopwire.emulator.calls import evaluate_calls
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.emulator.windows import windows
from loopwire.errors import BoardError
from loopwire.ir.fixed_point import Integers, quantise, to_real
from loopwire.knobs import Knobs
from loopwire.project.written import read_facts, read_graph

EMULATED_AT_ONCE = 512


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
        BoardError: the board fails, or the line to it.
    """
    identity = client.identity
    inputs = quantise(x, identity.input_type)
    begin = time.perf_counter()
    results = client.run(inputs, np.full(len(inputs), identity.steps), progress=progress)
    seconds = time.perf_counter() - begin
    return Outcome(identity, inputs, results if identity.per_step else results[:, 0], seconds)


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
    expected = _emulated(outcome.inputs, project).reshape(given.shape)
    different = np.argwhere(expected != given)
    if len(different):
        first = tuple(int(k) for k in different[0])
        raise BoardError(
            where,
            f"result {first[0]} differs from the emulator's: element {first[1:]} is {given[first]}, "
            f"not {expected[first]}, steps of {outcome.identity.output_type}",
            "Check the routed clock of the bitstream, and its supply; else report it with the model",
        )


def _emulated(inputs: Integers, project: Path) -> Integers:
    """Return the results of a written project's graph for full sequences, as after a reset."""
    facts, graph = read_facts(project), read_graph(project)
    knobs = Knobs(**facts["knobs"])
    none, shape = np.zeros(len(inputs), np.bool_), graph.inputs[0].type.shape
    if not knobs.sliding_window:
        inputs = inputs.reshape(len(inputs), *shape)
    if knobs.stateful:
        return evaluate_calls(evaluate_integers, graph, inputs, none, knobs.channels)
    if knobs.sliding_window:
        inputs = windows(inputs, none, shape[0], knobs.channels)
    emulator = try_build(graph)
    if emulator is not None:
        return emulator.run(inputs, None)
    parts = range(0, len(inputs), EMULATED_AT_ONCE)
    return np.concatenate([evaluate_integers(graph, (inputs[k : k + EMULATED_AT_ONCE],))[0] for k in parts])
