"""The fast path of the emulator: the integers of `evaluate_integers`, by a compiled vector machine on all cores."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.emulator import native_library
from loopwire.emulator.evaluate import evaluate_integers, shortened
from loopwire.emulator.vector_assembler import LANES, TILE_ROWS, Opcode, Program
from loopwire.emulator.vector_program import build_program
from loopwire.emulator.vector_words import UnsuitableError
from loopwire.ir.graph import Graph

_SOURCE = Path(__file__).with_suffix(".cpp")


class FastEmulator:
    """A graph ready to run on batches of sequences. `try_build` makes one.

    Building takes milliseconds: the machine is compiled once a computer, a graph is only a program for it. Several
    threads may run it at a time.
    """

    def __init__(self, graph: Graph, program: Program, machine: ctypes.CDLL) -> None:
        self._inputs, self._outputs = graph.inputs, graph.outputs
        self._program = program
        self._machine = machine

    def opcodes(self) -> set[Opcode]:
        """Return the kinds of instruction that the graph became."""
        return {Opcode(word) for word in self._program.instructions[:, 0]}

    def __call__(
        self, graph: Graph, inputs: Sequence[npt.NDArray[Any]], lengths: npt.NDArray[np.int64] | None = None
    ) -> tuple[npt.NDArray[np.int64], ...]:
        """Do what `evaluate_integers` does, for a graph that this one has the inputs and outputs of.

        A graph without inputs, such as the start of a stateful graph's states, is left to that.
        """
        if not graph.inputs:
            return evaluate_integers(graph, inputs, lengths)
        return self.run_all(inputs, lengths)

    def run(
        self, x: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64] | None = None, threads: int | None = None
    ) -> npt.NDArray[np.int64]:
        """Evaluate a batch of a graph of one input and one output (`run_all`)."""
        (result,) = self.run_all((x,), lengths, threads)
        return result

    def run_all(
        self,
        inputs: Sequence[npt.NDArray[Any]],
        lengths: npt.NDArray[np.int64] | None = None,
        threads: int | None = None,
    ) -> tuple[npt.NDArray[np.int64], ...]:
        """Evaluate a batch, bit for bit as `evaluate_integers` does.

        Beside inputs and results, memory depends on the graph and on `threads` only, not on the number of sequences.

        Args:
            inputs: of each input, integers (N, *shape), counted in steps of its type.
            lengths: (N,) steps of each sequence, from 1 to T; None: all T.
            threads: how many to run on; None: as many as $OMP_NUM_THREADS says, else as this process may use cores.

        Returns:
            Of each output, integers (N, *shape), counted in steps of its type.
        """
        count = len(inputs[0])
        for x, value in zip(inputs, self._inputs, strict=True):
            assert x.shape == (count, *value.type.shape), f"input {x.shape} for {value!r}"
        if lengths is not None:
            lengths = np.ascontiguousarray(lengths, np.int64)
            steps = max(value.type.shape[0] for value in self._inputs if value.type.shape)
            assert lengths.shape == (count,) and (count == 0 or 1 <= lengths.min() <= lengths.max() <= steps)
        numbers = _joined([shortened(x, lengths) for x in inputs])
        sizes = [value.type.size for value in self._outputs]
        result = np.empty((count, sum(sizes)), np.int64)
        program = self._program
        status = self._machine.loopwire_run(
            _address(program.instructions),
            ctypes.c_int64(len(program.instructions)),
            _address(program.constants),
            ctypes.c_int64(program.workspace_bytes),
            _address(numbers),
            ctypes.c_int64(numbers.shape[1]),
            _address(result),
            ctypes.c_int64(result.shape[1]),
            None if lengths is None else _address(lengths),
            ctypes.c_int64(count),
            ctypes.c_int64(threads or threads_to_use()),
        )
        assert status == 0, f"an input lies outside {', '.join(str(value.type.element) for value in self._inputs)}"
        ends = np.cumsum(sizes)
        return tuple(
            result[:, end - size : end].reshape(count, *value.type.shape)
            for value, size, end in zip(self._outputs, sizes, ends, strict=True)
        )


def try_build(graph: Graph) -> FastEmulator | None:
    """Return the fast path for a graph.

    None where there is none, and `evaluate_integers` is to be used: the graph has numbers beyond 64 bits or a table of
    more than 2**20 cells, or the computer has no working C++ compiler.
    """
    machine = native_library.load(_SOURCE)
    if machine is None:
        return None
    assert (machine.loopwire_lanes(), machine.loopwire_tile_rows()) == (LANES, TILE_ROWS)
    try:
        return FastEmulator(graph, build_program(graph), machine)
    except UnsuitableError:
        return None


def _joined(inputs: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Return the numbers (N, elements) of all inputs, one after another."""
    parts = [np.ascontiguousarray(x.reshape(len(x), math.prod(x.shape[1:])), np.int64) for x in inputs]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def threads_to_use() -> int:
    """Return how many threads to run on: as OpenMP does, as on workers that share a machine.

    Ref: OpenMP 5.2, OMP_NUM_THREADS; of a list for nested regions the first number counts.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(wanted) if wanted.isdecimal() and int(wanted) > 0 else cores


def _address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
