"""What a datapath computes, operation by operation, from the docstrings of `datapath.ops` alone."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np

from loopwire.cmvm.adder_tree import evaluate
from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.sharing import Sharing
from loopwire.datapath.signals import Signal
from loopwire.ir.fixed_point import Integers
from loopwire.ir.table_form import TableForm
from loopwire.ir.types import FixedType, Overflow, Rounding

Words = list[list[int]]
"""A signal's elements in each word of a step: in each of the cycles over which its products are spread."""


def run_sequence(datapath: Datapath, steps: Integers) -> list[dict[Signal, Words]]:
    """Return every signal in each word of each step of one sequence; `steps` is (T, elements of x)."""
    sharing = datapath.sharing
    states = {feedback.read: [int(v) for v in feedback.initial] for feedback in datapath.feedbacks}
    history = []
    for t, x in enumerate(steps):
        known: dict[Signal, Words] = {datapath.x: [[int(v) for v in x]] * sharing.cycles}
        for feedback in datapath.feedbacks:
            known[feedback.read] = _state_words(feedback, states[feedback.read], sharing)
        for operation in datapath.operations:
            operands = [known[v] for v in operation.operands]
            known[operation.result] = _kept(operation.result, run_step(operation, operands, t, sharing), sharing)
        for feedback in datapath.feedbacks:
            states[feedback.read] = _all_chunks(known[feedback.following], sharing)
            if feedback.gathered:
                states[feedback.read] = states[feedback.read][: feedback.read.count]
        history.append(known)
    return history


def outputs(datapath: Datapath, steps: Integers) -> list[list[int]]:
    """Return the output in each step, the same in all of its words."""
    found = [known[datapath.output] for known in run_sequence(datapath, steps)]
    assert all(word == words[0] for words in found for word in words)
    return [words[0] for words in found]


def run_step(operation: Operation, operands: list[Words], t: int, sharing: Sharing) -> Words:
    """Return an operation's result in each word of step `t`."""
    words = range(sharing.cycles)
    match operation.kind:
        case dp.Hold():
            return [operands[0][0]] * sharing.cycles
        case dp.WordRom() as kind:
            first = t * sharing.cycles // kind.cycles if kind.by_step else 0
            return [[int(v) for v in kind.rows[first + word // kind.cycles]] for word in words]
        case dp.Columns() as kind:
            (x,) = operands
            starts = [word % sharing.passes * kind.count for word in words]
            padded = [x[word] + [0] * (sharing.passes * kind.count - len(x[word])) for word in words]
            return [padded[word][start : start + kind.count] for word, start in zip(words, starts, strict=True)]
        case dp.Tile() as kind:
            return [_tile(kind, operands[0][word], word, sharing) for word in words]
        case dp.Chunk():
            size = operation.result.count
            padded = [word + [0] * (sharing.chunks * size - len(word)) for word in operands[0]]
            chunks_of = [word // sharing.passes * size for word in words]
            return [padded[word][start : start + size] for word, start in zip(words, chunks_of, strict=True)]
        case dp.Accumulate() as kind:
            begins = words[:: sharing.passes]
            chunks = [operands[0][start : start + sharing.passes] for start in begins]
            sums = [[sum(elements) << kind.shift for elements in zip(*chunk, strict=True)] for chunk in chunks]
            count = operation.result.count
            firsts = [[v << kind.first_shift for v in operands[1][start]] for start in begins] if operands[1:] else None
            added = firsts or [[kind.added] * count] * len(begins)
            sums = [[a + b for a, b in zip(*both, strict=True)] for both in zip(sums, added, strict=True)]
            return [sums[word // sharing.passes] for word in words]
        case dp.Gather():
            return [_all_chunks(operands[0], sharing)[: operation.result.count]] * sharing.cycles
        case _:
            return [apply(operation, [operand[word] for operand in operands], t) for word in words]


def _tile(kind: dp.Tile, matrix: list[int], word: int, sharing: Sharing) -> list[int]:
    """Return rows of a chunk of every block, and of each the columns of a pass, with zeros beyond the last of both."""
    width = len(matrix) // kind.rows
    chunk, turn = divmod(word, sharing.passes)
    blocks = kind.rows // sharing.units
    units = range(chunk * sharing.lanes, (chunk + 1) * sharing.lanes)
    columns = range(turn * kind.columns, (turn + 1) * kind.columns)
    return [
        matrix[(block * sharing.units + unit) * width + column] if unit < sharing.units and column < width else 0
        for block in range(blocks)
        for unit in units
        for column in columns
    ]


def _state_words(feedback: Feedback, state: list[int], sharing: Sharing) -> Words:
    """Return what a state is read as: the whole, or a chunk in each of the chunk's words."""
    if feedback.gathered:
        return [state] * sharing.cycles
    size = feedback.read.count
    return [state[chunk * size : (chunk + 1) * size] for chunk in range(sharing.chunks) for _ in range(sharing.passes)]


def _all_chunks(words: Words, sharing: Sharing) -> list[int]:
    """Return the elements of all chunks, what pads the last one included."""
    return [v for chunk in words[:: sharing.passes] for v in chunk]


def _kept(signal: Signal, words: Words, sharing: Sharing) -> Words:
    """Return what a signal's bits keep: all, but of units that pad the last chunk, which nothing reads."""
    for word, values in enumerate(words):
        assert len(values) == signal.count, f"{signal.name} has {len(values)} elements"
        if word // sharing.passes < sharing.chunks - 1 or sharing.units == sharing.chunks * sharing.lanes:
            assert signal.low <= min(values) and max(values) <= signal.high, f"{signal.name} leaves its range"
    low = signal.type.min_integer
    return [[(v - low) % (1 << signal.width) + low for v in values] for values in words]


def apply(operation: Operation, operands: list[list[int]], t: int) -> list[int]:
    """Return the result of an operation on the operands of its own word alone."""
    kind, result, count = operation.kind, operation.result, operation.result.count
    match kind:
        case dp.Constant():
            return [int(v) for v in kind.integers]
        case dp.StepRom():
            return [int(v) for v in kind.rows[t]]
        case dp.Select():
            choice, a, b = (operand * count if len(operand) == 1 else operand for operand in operands)
            return [y if chosen else x for chosen, x, y in zip(choice, a, b, strict=True)]
        case dp.Compare():
            return [int(a << kind.left_shift > b << kind.right_shift) for a, b in repeated(operands, count)]
        case dp.IndexedRom():
            ((index,),) = operands
            return [int(v) for v in kind.rows[index]] if index < len(kind.rows) else [0] * count
        case dp.View():
            return operands[0][kind.start : kind.stop]
        case dp.Join():
            return [v for operand in operands for v in operand]
        case dp.Transpose():
            columns = count // kind.rows
            return [operands[0][row * columns + column] for column in range(columns) for row in range(kind.rows)]
        case dp.MatVec():
            matrix, x = operands
            rows = (matrix[start : start + len(x)] for start in range(0, len(matrix), len(x)))
            return [sum(w * v for w, v in zip(row, x, strict=True)) for row in rows]
        case dp.ShiftAdd():
            return [int(v) for v in evaluate(kind.tree, np.array(operands[0], object))]
        case dp.Products():
            matrix, x = operands
            rows = [matrix[start : start + len(x)] for start in range(0, len(matrix), len(x))]
            products = [[w * v for w, v in zip(row, x, strict=True)] for row in rows]
            starts = range(0, len(x), kind.cascaded)
            return [sum(row[start : start + kind.cascaded]) + kind.added for row in products for start in starts]
        case dp.Multiply():
            return [a * b + kind.added for a, b in repeated(operands, count)]
        case dp.MultiplyAdd():
            return [
                a * b + (c << kind.shift) for (a, b), c in zip(repeated(operands[:2], count), operands[2], strict=True)
            ]
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
        case dp.PackRows(rows=size, columns=n, bits=bits):
            rows = [operands[0][k : k + n] for k in range(0, len(operands[0]), n)]
            packed = []
            for k in range(0, len(rows), size):
                for *lower, upper in zip(*rows[k : k + size], strict=True):
                    places = enumerate([*(a % (1 << bits) for a in lower), upper])
                    packed.append(sum(a << place * bits for place, a in places))
            return packed
        case dp.UnpackRows(rows=size, columns=n, bits=bits):
            found = []
            for k in range(0, len(operands[0]), n):
                row = operands[0][k : k + n]
                for j in range(size - 1):
                    found += [(a >> j * bits) % (1 << bits) - (1 << bits - 1) for a in row]
                found += [a >> (size - 1) * bits for a in row]
            return found
        case dp.UnpackPairs(bits=bits):
            half = 1 << bits - 1
            lows = [(a + half) % (2 * half) - half for a in operands[0]]
            return [v for a, low in zip(operands[0], lows, strict=True) for v in (low, (a - low) >> bits)]
        case dp.Triples():
            size = len(operands[0]) // kind.groups
            groups = [operands[0][k * size : (k + 1) * size] for k in range(kind.groups)]
            (addends,) = operands[1:] or [[kind.added] * kind.groups]
            assert not any(addends) or size % 3, "nothing is added to a sum of three"
            last = size - 1 - (size - 1) % 3
            return [
                sum(group[k : k + 3]) + (k == last) * addend
                for group, addend in zip(groups, addends, strict=True)
                for k in range(0, size, 3)
            ]
        case dp.Differences():
            return [a - b for a in operands[0] for b in operands[0]]
        case dp.ToLargest():
            rows = [operands[0][k : k + count] for k in range(0, len(operands[0]), count)]
            largest = next(j for j, row in enumerate(rows) if min(row) >= 0)
            return [row[largest] for row in rows]
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
            return [looked_up(kind.form, min(v, kind.form.last_cell)) for v in operands[0]]
        case dp.Unpack():
            low, width = result.type.min_integer, result.width
            starts = range(kind.start, kind.start + result.bits, width)
            elements = [sum(bit << k for k, bit in enumerate(operands[0][start : start + width])) for start in starts]
            return [(v - low) % (1 << width) + low for v in elements]
        case dp.Pack():
            parts = zip(operation.operands, operands, strict=True)
            return [v >> k & 1 for signal, values in parts for v in values for k in range(signal.width)]
        case dp.Hold() | dp.WordRom() | dp.Columns() | dp.Chunk() | dp.Tile() | dp.Accumulate() | dp.Gather():
            raise AssertionError(f"{kind} looks beyond its word")
        case _:
            assert_never(kind)


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
