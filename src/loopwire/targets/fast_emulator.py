"""The fast path of the emulator: the integers of `evaluate_integers`, by a compiled vector machine on all cores."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.ir.graph import Graph
from loopwire.targets import native_library
from loopwire.targets.evaluate import shortened
from loopwire.targets.vector_assembler import LANES, TILE_ROWS, Opcode, Program
from loopwire.targets.vector_program import UnsuitableError, build_program

_SOURCE = Path(__file__).with_suffix(".cpp")


class FastEmulator:
    """A graph of one input and one output, ready to run on batches of sequences. `try_build` makes one.

    Building takes milliseconds: the machine is compiled once a computer, a graph is only a program for it. Several
    threads may run it at a time.
    """

    def __init__(self, graph: Graph, program: Program, machine: ctypes.CDLL) -> None:
        (self._input,), (self._output,) = graph.inputs, graph.outputs
        self._program = program
        self._machine = machine

    def opcodes(self) -> set[Opcode]:
        """Return the kinds of instruction that the graph became."""
        return {Opcode(word) for word in self._program.instructions[:, 0]}

    def run(
        self,
        x: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64] | None = None,
        threads: int | None = None,
    ) -> npt.NDArray[np.int64]:
        """Evaluate a batch, bit for bit as `evaluate_integers` does.

        Beside input and result, memory depends on the graph and on `threads` only, not on the number of sequences.

        Args:
            x: integers (N, *input shape), counted in steps of the input's type.
            lengths: (N,) steps of each sequence, from 1 to T; None: all T.
            threads: how many to run on; None: as many as this process may use cores.

        Returns:
            Integers (N, *output shape), counted in steps of the output's type.
        """
        count = len(x)
        x = np.ascontiguousarray(x, np.int64)
        assert x.shape[1:] == self._input.type.shape, f"input {x.shape} for {self._input!r}"
        if lengths is not None:
            lengths = np.ascontiguousarray(lengths, np.int64)
            steps = self._input.type.shape[0]
            assert lengths.shape == (count,) and (count == 0 or 1 <= lengths.min() <= lengths.max() <= steps)
            x = shortened(x, lengths)
        result = np.empty((count, *self._output.type.shape), np.int64)
        program = self._program
        status = self._machine.loopwire_run(
            _address(program.instructions),
            ctypes.c_int64(len(program.instructions)),
            _address(program.constants),
            ctypes.c_int64(program.workspace_bytes),
            _address(x),
            ctypes.c_int64(self._input.type.size),
            _address(result),
            ctypes.c_int64(self._output.type.size),
            None if lengths is None else _address(lengths),
            ctypes.c_int64(count),
            ctypes.c_int64(threads or _cores()),
        )
        assert status == 0, f"an input lies outside {self._input.type.element}"
        return result


def try_build(graph: Graph) -> FastEmulator | None:
    """Return the fast path for a graph.

    None where there is none, and `evaluate_integers` is to be used: the graph has numbers beyond 64 bits or a table of
    more than 2**20 cells, or the computer has no working C++ compiler.
    """
    machine = native_library.load(_SOURCE)
    if machine is None or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    assert (machine.loopwire_lanes(), machine.loopwire_tile_rows()) == (LANES, TILE_ROWS)
    try:
        return FastEmulator(graph, build_program(graph), machine)
    except UnsuitableError:
        return None


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
