"""Assembles programs for the vector machine of fast_emulator.cpp: rows, constants, instructions, and where they lie.

A tensor is rows of LANES integers, one row a number, one lane a sequence. Rows lie in a thread's workspace, where
values that are not alive at the same time share memory; constants are numbers that hold for all lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.ir.fixed_point import Integers

LANES = 32
TILE_ROWS = 6
"""Both as in fast_emulator.cpp."""
ALIGNMENT_BYTES = 64
OPERANDS = 4
PARAMETERS = 8


class Opcode(IntEnum):
    """As in fast_emulator.cpp, which says what each does with its parameters."""

    LOAD, STORE, SCAN, COPY, CARRY, STACK, REVERSE, TRANSPOSE = range(8)
    ADD, SUBTRACT, MULTIPLY, MULTIPLY_ADD, MAX, MIN, SUM, LARGEST, CAST, LOOKUP = range(8, 18)
    MATVEC_INT16, MATVEC_INT32, MATVEC_FLOAT64, MATVEC_INT64, MATVEC_COMPUTED = range(18, 23)
    GREATER, WHERE, ROW = range(23, 26)


class _Space(IntEnum):
    WORKSPACE, CONSTANTS = range(2)


@dataclass(eq=False)
class Slot:
    """Memory of one value in the workspace; its `offset` in bytes is given when all instructions are known."""

    bytes: int
    first_use: int
    last_use: int
    offset: int = 0


@dataclass(frozen=True)
class Rows:
    """`size` rows of int32 or, if `wide`, of int64, from row `start` of a slot on.

    In step t of the innermost scan, `step`·t rows further.
    """

    slot: Slot
    wide: bool
    size: int
    start: int = 0
    step: int = 0


@dataclass(frozen=True, eq=False)
class Constant:
    """Integers; with `stepped`, their first axis is the step of a scan."""

    integers: Integers
    stepped: bool = False

    @property
    def size(self) -> int:
        """Numbers in a step."""
        return prod(self.integers.shape[self.stepped :])


@dataclass(frozen=True)
class Stored:
    """Bytes among the constants, `step_bytes` further in each step of a scan: a packed matrix or a table."""

    offset: int
    step_bytes: int = 0


View = Rows | Constant


@dataclass(frozen=True)
class Program:
    """What the machine runs: instructions (n, 32), all constants, and the workspace that each thread needs."""

    instructions: npt.NDArray[np.int64]
    constants: npt.NDArray[np.uint8]
    workspace_bytes: int


@dataclass
class _Instruction:
    opcode: Opcode
    count: int
    wide: bool
    result: Rows | None
    operands: Sequence[Rows | Stored | None]
    strides: Sequence[int]
    parameters: list[int]


class Assembler:
    """Collects instructions in the order in which they run."""

    def __init__(self) -> None:
        self._instructions: list[_Instruction] = []
        self._slots: list[Slot] = []
        self._constants = bytearray()
        self._stored: dict[bytes, int] = {}

    def rows(self, size: int, wide: bool) -> Rows:
        """Reserve rows in a slot of their own."""
        here = len(self._instructions)
        slot = Slot(size * _row_bytes(wide), here, here)
        self._slots.append(slot)
        return Rows(slot, wide, size)

    def store(self, array: npt.NDArray[Any], steps: int = 0) -> Stored:
        """Store an array among the constants, the same bytes only once.

        With `steps`, the length of the first axis, each step of a scan uses one part.
        """
        content = np.ascontiguousarray(array).tobytes()
        if content not in self._stored:
            self._constants.extend(bytes(-len(self._constants) % ALIGNMENT_BYTES))
            self._stored[content] = len(self._constants)
            self._constants.extend(content)
        return Stored(self._stored[content], len(content) // steps if steps else 0)

    def emit(
        self,
        opcode: Opcode,
        result: Rows | None,
        *operands: View | Stored | None,
        wide: bool,
        parameters: Sequence[int] = (),
        count: int | None = None,
        scratch: Rows | None = None,
    ) -> None:
        """Append an instruction that computes in rows of one width.

        Args:
            opcode: what it does.
            result: rows written.
            operands: up to three; one of a single number is repeated for each of `count` rows.
            wide: width of the operands' rows.
            parameters: up to eight, as the machine defines them.
            count: rows written, by default those of the result.
            scratch: rows that only this instruction uses.
        """
        if count is None:
            assert result is not None, "an instruction without a result says how many rows it handles"
            count = result.size
        located: list[Rows | Stored | None] = []
        strides = []
        for operand in operands:
            assert not isinstance(operand, Rows) or operand.wide == wide, "rows are of the width computed in"
            located.append(self._constant(operand, wide) if isinstance(operand, Constant) else operand)
            repeated = isinstance(operand, Rows | Constant) and operand.size == 1
            strides.append(0 if repeated and count > 1 else 1)
        missing = OPERANDS - 1 - len(operands)
        located += [None] * missing + [scratch]
        strides += [1] * (missing + 1)
        for rows in (result, *located):
            if isinstance(rows, Rows):
                rows.slot.last_use = len(self._instructions)
        self._instructions.append(_Instruction(opcode, count, wide, result, located, strides, list(parameters)))

    def begin_scan(self, length: int, whole: bool) -> int:
        """Begin the body of a scan, of all steps even of short sequences if `whole`; return what `end_scan` wants."""
        self.emit(Opcode.SCAN, None, wide=False, count=0, parameters=[0, length, whole])
        return len(self._instructions) - 1

    def end_scan(self, begin: int) -> None:
        """End the body. What was there before it and is used in it lives through all of its steps."""
        self._instructions[begin].parameters[0] = len(self._instructions)
        for slot in self._slots:
            if slot.first_use <= begin < slot.last_use:
                slot.last_use = len(self._instructions) - 1

    def program(self) -> Program:
        """Give all slots their memory and finish."""
        workspace_bytes = self._allocate()
        words = np.array([_encode(i) for i in self._instructions], np.int64)
        return Program(words, np.frombuffer(bytes(self._constants), np.uint8), workspace_bytes)

    def _constant(self, constant: Constant, wide: bool) -> Stored:
        array = constant.integers.astype(np.int64 if wide else np.int32)
        return self.store(array, len(array) if constant.stepped else 0)

    def _allocate(self) -> int:
        """Place the slots so that those alive at the same time do not meet; return how many bytes they take."""
        alive: list[Slot] = []
        for slot in sorted(self._slots, key=lambda slot: slot.first_use):
            alive = [other for other in alive if other.last_use >= slot.first_use]
            for other in sorted(alive, key=lambda other: other.offset):
                if slot.offset + slot.bytes <= other.offset:
                    break
                slot.offset = max(slot.offset, other.offset + other.bytes)
            alive.append(slot)
        return max((slot.offset + slot.bytes for slot in self._slots), default=0)


def _row_bytes(wide: bool) -> int:
    return LANES * (8 if wide else 4)


def _encode(i: _Instruction) -> list[int]:
    """Return an instruction as the machine's struct."""
    words = [i.opcode, i.count, i.wide, i.result is not None and i.result.wide, *_address(i.result, 1)]
    for operand, stride in zip(i.operands, i.strides, strict=True):
        words += _address(operand, stride)
    return [int(word) for word in words + i.parameters + [0] * (PARAMETERS - len(i.parameters))]


def _address(operand: Rows | Stored | None, stride: int) -> list[int]:
    match operand:
        case None:
            return [0, 0, 0, 0]
        case Stored():
            return [_Space.CONSTANTS, operand.offset, operand.step_bytes, stride]
        case Rows():
            row_bytes = _row_bytes(operand.wide)
            assert (operand.start + operand.size) * row_bytes <= operand.slot.bytes, "rows lie in their slot"
            offset = operand.slot.offset + operand.start * row_bytes
            return [_Space.WORKSPACE, offset, operand.step * row_bytes, stride]
