"""What a datapath computes, operation by operation, from the docstrings of `datapath.ops` alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwire.cmvm.adder_tree import evaluate
from loopwire.datapath import ops as dp
from loopwire.ir.fixed_point import Integers
from loopwire.ir.table_form import TableForm
from loopwire.ir.types import FixedType, Overflow, Rounding


def run_sequence(datapath: dp.Datapath, steps: Integers) -> list[dict[dp.Signal, list[int]]]:
    """Return every signal in each step of one sequence; `steps` is (T, elements of x)."""
    states = {ring.read: [int(v) for v in ring.initial] for ring in datapath.rings}
    history = []
    for t, x in enumerate(steps):
        known = states | {datapath.x: [int(v) for v in x]}
        for operation in datapath.operations:
            operands = [known[v] for v in operation.operands]
            result = apply(operation.kind, operands, operation.result.count, t)
            assert len(result) == operation.result.count, f"{operation.result.name} has {len(result)} elements"
            known[operation.result] = result
        for signal, values in known.items():
            assert signal.low <= min(values) and max(values) <= signal.high, f"{signal.name} leaves its range"
        states = {ring.read: known[ring.following] for ring in datapath.rings}
        history.append(known)
    return history


def apply(kind: dp.Kind, operands: list[list[int]], count: int, t: int) -> list[int]:
    match kind:
        case dp.Constant():
            return [int(v) for v in kind.integers]
        case dp.StepRom():
            return [int(v) for v in kind.rows[t]]
        case dp.Select():
            (choice,), a, b = operands
            return b if choice else a
        case dp.View():
            return operands[0][kind.start : kind.stop]
        case dp.Join():
            return [v for operand in operands for v in operand]
        case dp.ShiftAdd():
            return [int(v) for v in evaluate(kind.tree, np.array(operands[0], object))]
        case dp.Products():
            matrix, x = operands
            return [w * x[k % len(x)] for k, w in enumerate(matrix)]
        case dp.Multiply():
            return [a * b + kind.added for a, b in repeated(operands, count)]
        case dp.AddSub():
            sign = -1 if kind.subtract else 1
            return [(a << kind.left_shift) + sign * (b << kind.right_shift) for a, b in repeated(operands, count)]
        case dp.Extreme():
            choose = max if kind.largest else min
            return [choose(a << kind.left_shift, b << kind.right_shift) for a, b in repeated(operands, count)]
        case dp.Pairs():
            size = len(operands[0]) // kind.groups
            groups = [operands[0][k * size : (k + 1) * size] for k in range(kind.groups)]
            combine: Any = max if kind.largest else sum
            return [combine(group[k : k + 2]) for group in groups for k in range(0, size, 2)]
        case dp.Round():
            return [rounded(v, kind.dropped, kind.mode) for v in operands[0]]
        case dp.Bound():
            return [bounded(v, kind.to) for v in operands[0]]
        case dp.TableIndex(wraps=True):
            form = kind.form
            bits = (form.clamp_high - form.clamp_low).bit_length()
            return [(v - form.clamp_low) % (1 << bits) >> form.dropped_bits for v in operands[0]]
        case dp.TableIndex():
            return [cell_of(kind.form, v) for v in operands[0]]
        case dp.TableBeyond():
            return [(v < kind.form.clamp_low) + 2 * (v > kind.form.clamp_high) for v in operands[0]]
        case dp.TableEnds():
            first, last = (looked_up(kind.form, cell_of(kind.form, end)) for end in (-(1 << 60), 1 << 60))
            return [(a, first, last)[beyond] for a, beyond in zip(*operands, strict=True)]
        case dp.TableLookup():
            return [looked_up(kind.form, v) for v in operands[0]]


def repeated(operands: list[list[int]], count: int) -> list[tuple[int, int]]:
    a, b = (operand * count if len(operand) == 1 else operand for operand in operands)
    return list(zip(a, b, strict=True))


def rounded(value: int, dropped: int, mode: Rounding) -> int:
    if dropped <= 0:
        return value << -dropped
    floor, rest = divmod(value, 1 << dropped)
    if mode is Rounding.TRN or rest == 0:
        return floor
    if mode is Rounding.TRN_ZERO:
        return floor + (value < 0)
    if 2 * rest != 1 << dropped:
        return floor + (2 * rest > 1 << dropped)
    up = {
        Rounding.RND: True,
        Rounding.RND_MIN_INF: False,
        Rounding.RND_ZERO: value < 0,
        Rounding.RND_INF: value > 0,
        Rounding.RND_CONV: floor % 2 == 1,
    }
    return floor + up[mode]


def bounded(value: int, to: FixedType) -> int:
    low, high = to.min_integer, to.max_integer
    match to.overflow:
        case Overflow.WRAP:
            return (value - low) % (1 << to.width) + low
        case Overflow.SAT_ZERO:
            return value if low <= value <= high else 0
        case Overflow.SAT_SYM if to.signed and to.width > 1:
            return min(max(value, -high), high)
        case _:
            return min(max(value, low), high)


def cell_of(form: TableForm, value: int) -> int:
    return (min(max(value, form.clamp_low), form.clamp_high) - form.clamp_low) >> form.dropped_bits


def looked_up(form: TableForm, cell: int) -> int:
    total = form.base[cell >> form.low_bits]
    if form.offset:
        block = cell >> (form.low_bits + form.mid_bits) << form.low_bits
        total += form.offset[block + cell % (1 << form.low_bits)]
    return total >> form.guard_bits
