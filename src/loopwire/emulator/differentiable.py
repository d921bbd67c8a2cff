"""The graph's arithmetic in PyTorch: the emulator's numbers forward, gradients backward.

A network trained through this machine is trained on exactly the numbers that its firmware computes. Values are real
tensors, counted in steps of their types without remainder, so that floating point holds each of them exactly: float32
where every type has at most 23 bits, else float64.

Gradients: a `Cast` hands on the gradient where it saturates nothing and 0 where it does (the straight-through
estimator, Ref: arXiv:1308.3432, section 4), a `Table` has its real function's derivative, every other op its own. A
`Scan` is differentiated through time. The fraction bits of a type have a surrogate gradient, by the rounding error that
more of them would take away (Ref: arXiv:2405.00645, section III).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.functions import TABULATED
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import table_form
from loopwire.ir.lengths import short_values
from loopwire.ir.types import FixedType, Overflow, Rounding

EXACT = {torch.float32: (23, 100), torch.float64: (52, 900)}
"""Bits and |fraction bits| of a type whose numbers and the remainders of their rounding a dtype holds exactly."""
MOST_KNOWN_BITS = 14
"""Of a table's input, whose numbers are all evaluated once."""
DIFFERENCE = 2.0**-12
"""Half the distance of the two points whose difference gives a function's derivative, to about its square."""


class DifferentiableGraph:
    """A graph that gives its outputs as the integer emulator does, and the gradients of its constants.

    Attributes:
        fractions: fraction bits of results of `Cast` and `Table`, numbers that gradients are handed to; none at first.
            The types themselves are the graph's.
        weights: the reals of each trained constant, float64 leaves of autograd. Each evaluation rounds them to their
            types.
        dtype: of all other tensors.
    """

    def __init__(self, graph: Graph, trained: Iterable[Value]) -> None:
        """Prepare a graph.

        Args:
            graph: any graph.
            trained: results of `Const` nodes, in scan bodies or outside, to make parameters of.

        Raises:
            UnsupportedError: a value has more than 52 bits.
        """
        self.graph = graph
        self._short = short_values(graph)
        self.dtype = _exact_dtype(graph)
        self.fractions: Mapping[Value, Tensor] = {}
        self.weights: dict[Value, Tensor] = dict.fromkeys(trained, torch.empty(0))
        self._constants: dict[Value, Tensor] = {}
        self._tables: dict[Node, _Slopes] = {}
        for node in graph.walk():
            match node.op:
                case ops.Const() if node.result in self.weights:
                    self.weights[node.result] = torch.tensor(node.op.reals, requires_grad=True)
                case ops.Const():
                    reals = np.ldexp(node.op.integers.astype(np.float64), -node.op.type.fraction)
                    self._constants[node.result] = torch.tensor(reals, dtype=self.dtype)[None]
                case ops.Table():
                    self._tables[node] = _Slopes(node.op, node.operands[0].type.element, self.dtype)

    def __call__(
        self, *inputs: Tensor, lengths: Tensor | None = None, weights: Mapping[Value, Tensor] | None = None
    ) -> tuple[Tensor, ...]:
        """Evaluate a batch.

        Args:
            inputs: reals (N, *shape) for each input, numbers of its type.
            lengths: (N,) steps of each sequence where some are shorter than T; what lies beyond counts as 0.
            weights: reals (of all of `self.weights`), evaluated as they are; `self.weights` rounded if None.

        Returns:
            Reals (N, *shape) for each output, numbers of its type.
        """
        constants = dict(self._constants)
        for value, reals in (self.rounded(self.weights) if weights is None else weights).items():
            constants[value] = reals.to(self.dtype)[None]
        given = [_shortened(x.to(self.dtype), lengths) for x in inputs]
        outputs = self._evaluate(self.graph, given, constants, lengths)
        batch = max((len(x) for x in inputs), default=1)
        return tuple(y.expand(batch, *y.shape[1:]) for y in outputs)

    def rounded(self, weights: Mapping[Value, Tensor]) -> dict[Value, Tensor]:
        """Return weights as numbers of their types."""
        return {value: cast(reals, value.type.element) for value, reals in weights.items()}

    def clamp_(self) -> None:
        """Bring the weights into the ranges of their types, where their gradients are not 0."""
        with torch.no_grad():
            for value, reals in self.weights.items():
                element = value.type.element
                reals.clamp_(element.min_integer * element.step, element.max_integer * element.step)

    def _evaluate(
        self, graph: Graph, inputs: Sequence[Tensor], constants: Mapping[Value, Tensor], lengths: Tensor | None
    ) -> tuple[Tensor, ...]:
        known = dict(zip(graph.inputs, inputs, strict=True))
        self._run(graph.nodes, known, constants, lengths)
        return tuple(known[value] for value in graph.outputs)

    def _run(
        self,
        nodes: Iterable[Node],
        known: dict[Value, Tensor],
        constants: Mapping[Value, Tensor],
        lengths: Tensor | None,
    ) -> None:
        """Evaluate nodes in order; `known` gains their results."""
        for node in nodes:
            operands = [known[value] for value in node.operands]
            match node.op:
                case ops.Const():
                    known[node.result] = constants[node.result]
                case ops.Scan():
                    ends = None if self._short.isdisjoint(node.operands[node.op.states :]) else lengths
                    known.update(zip(node.results, self._scan(node.op, operands, constants, ends), strict=True))
                case ops.Reverse():
                    known[node.result] = _reversed(operands[0], lengths if node.operands[0] in self._short else None)
                case ops.Table():
                    fraction = self.fractions.get(node.result)
                    known[node.result] = _Table.apply(operands[0], self._tables[node], fraction)
                case ops.Cast(to=to):
                    known[node.result] = _Cast.apply(operands[0], to, self.fractions.get(node.result))
                case op:
                    known[node.result] = _apply(op, operands)

    def _scan(
        self, scan: ops.Scan, operands: Sequence[Tensor], constants: Mapping[Value, Tensor], lengths: Tensor | None
    ) -> list[Tensor]:
        body = scan.body
        states, sequences = list(operands[: scan.states]), operands[scan.states :]
        ahead, inside = _ahead_of_states(scan)
        batch = max(len(x) for x in (*operands, *(() if lengths is None else (lengths,))))
        hoisted = self._hoisted(scan, ahead, sequences, constants, lengths, batch)
        # The gradient of a slice of each step would be as large as all steps.
        by_step = {value: x.unbind(1) for value, x in hoisted.items()}
        stacked: list[list[Tensor]] = [[] for _ in body.outputs[scan.states :]]
        for t in range(scan.length):
            known = {**constants, **{value: steps[t] for value, steps in by_step.items()}}
            known.update(zip(body.inputs[: scan.states], states, strict=True))
            self._run(inside, known, constants, lengths)
            outputs = [known[value] for value in body.outputs]
            if lengths is not None:
                ended = t >= lengths
                kept = [*states, *(torch.zeros_like(y) for y in outputs[scan.states :])]
                outputs = [torch.where(_expanded(ended, y), old, y) for old, y in zip(kept, outputs, strict=True)]
            states = outputs[: scan.states]
            for results, result in zip(stacked, outputs[scan.states :], strict=True):
                results.append(result)
        return [*states, *(torch.stack(torch.broadcast_tensors(*results), dim=1) for results in stacked)]

    def _hoisted(
        self,
        scan: ops.Scan,
        ahead: Sequence[Node],
        sequences: Sequence[Tensor],
        constants: Mapping[Value, Tensor],
        lengths: Tensor | None,
        batch: int,
    ) -> dict[Value, Tensor]:
        """Return (N, T, …) of all values of a body that need no state: all steps are one batch."""
        known = {
            value: x.expand(batch, *x.shape[1:]).flatten(0, 1)
            for value, x in zip(scan.body.inputs[scan.states :], sequences, strict=True)
        }
        self._run(ahead, known, constants, None if lengths is None else lengths.repeat_interleave(scan.length))
        return {
            value: x.expand(batch * scan.length, *x.shape[1:]).unflatten(0, (batch, scan.length))
            for value, x in known.items()
            if value not in constants
        }


def cast(x: Tensor, to: FixedType) -> Tensor:
    """Return x rounded and brought into range as `fixed_point.cast` does, with a straight-through gradient."""
    result: Tensor = _Cast.apply(x, to, None)
    return result


class _Cast(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Tensor, to: FixedType, fraction: Tensor | None) -> Tensor:
        rounded = _round(x * 2.0**to.fraction, to.rounding)
        result, inside = _overflow(rounded, to)
        result.mul_(to.step)
        ctx.save_for_backward(inside, *(() if fraction is None else (x - result,)))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inside, *error = ctx.saved_tensors
        passed = gradients[0] * inside
        return passed, None, _of_fraction(passed, *error)


def _of_fraction(gradients: Tensor, error: Tensor | None = None) -> Tensor | None:
    """Return the gradient of fraction bits from those of the numbers and their rounding errors, where they are kept."""
    return None if error is None else (gradients * error).sum(dtype=torch.float64) * math.log(2)


def _round(x: Tensor, rounding: Rounding) -> Tensor:
    """Return whole numbers, x rounded to them."""
    if rounding is Rounding.RND:
        return (x * 2).floor_().add_(1).mul_(0.5).floor_()  # floor(x + 1/2) of any x, where that sum would round
    floor = torch.floor(x)
    if rounding is Rounding.TRN:
        return floor
    rest = x - floor
    match rounding:
        case Rounding.TRN_ZERO:
            up = (x < 0) & (rest != 0)
        case Rounding.RND_ZERO:
            up = (rest > 0.5) | ((rest == 0.5) & (x < 0))
        case Rounding.RND_INF:
            up = (rest > 0.5) | ((rest == 0.5) & (x >= 0))
        case Rounding.RND_MIN_INF:
            up = rest > 0.5
        case Rounding.RND_CONV:
            up = (rest > 0.5) | ((rest == 0.5) & (floor % 2 == 1))
        case _:
            assert_never(rounding)
    return floor + up


def _overflow(x: Tensor, to: FixedType) -> tuple[Tensor, Tensor]:
    """Return whole numbers brought into the range of `to`, and where a gradient passes."""
    low, high = float(to.min_integer), float(to.max_integer)
    match to.overflow:
        case Overflow.WRAP:
            return torch.remainder(x - low, 2.0**to.width) + low, torch.ones_like(x, dtype=torch.bool)
        case Overflow.SAT:
            result = x.clamp(low, high)
        case Overflow.SAT_ZERO:
            result = x * ((x >= low) & (x <= high))
        case Overflow.SAT_SYM:
            result = x.clamp(max(low, -high) if to.width > 1 else low, high)
        case _:
            assert_never(to.overflow)
    return result, result == x


class _Slopes:
    """The values and slopes of a table; of all numbers of its input at once where these are few."""

    def __init__(self, table: ops.Table, element: FixedType, dtype: torch.dtype) -> None:
        self._form, self._first, self._dtype = table_form(table, element), element.min_integer, dtype
        few = element.width <= MOST_KNOWN_BITS
        self._known = self._at(np.arange(element.min_integer, element.max_integer + 1)) if few else None

    def __call__(self, x: Tensor, wanted: int = 2) -> Sequence[Tensor]:
        """Return value, slope and rounding error, or the first ones of these, for numbers of the input's type."""
        steps = x * 2.0**self._form.fraction_in
        if self._known is None:
            return self._at(steps.long().numpy())[:wanted]
        index = (steps - self._first).int().flatten()
        return [known.index_select(0, index).view(x.shape) for known in self._known[:wanted]]

    def _at(self, steps: npt.NDArray[np.int64]) -> Sequence[Tensor]:
        values = np.ldexp(self._form.evaluate(steps).astype(np.float64), -self._form.out.fraction)
        function = TABULATED[self._form.function]
        at = np.ldexp(steps.astype(np.float64), -self._form.fraction_in)
        low = np.maximum(at - DIFFERENCE, np.minimum(at, function.defined_above + DIFFERENCE * DIFFERENCE))
        high = at + DIFFERENCE
        slopes = (function.real(high) - function.real(low)) / (high - low)
        errors = (function.real(np.maximum(at, low)) - values).clip(-self._form.out.step, self._form.out.step)
        return [torch.from_numpy(reals).to(self._dtype) for reals in (values, slopes, errors)]


class _Table(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Tensor, slopes: _Slopes, fraction: Tensor | None) -> Tensor:
        value, *of_backward = slopes(x.detach(), 2 if fraction is None else 3)
        ctx.save_for_backward(*of_backward)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        slope, *error = ctx.saved_tensors
        return gradients[0] * slope, None, _of_fraction(gradients[0], *error)


def _apply(op: ops.Op, operands: Sequence[Tensor]) -> Tensor:
    match op:
        case ops.MatVec():
            matrix, vector = operands
            return vector @ matrix[0].T if len(matrix) == 1 else (matrix @ vector[..., None])[..., 0]
        case ops.Where():
            condition, a, b = _with_axes(operands)
            return torch.where(condition != 0, a, b)
        case ops.Lookup():
            (table,), index = operands
            beyond = (index < 0) | (index >= len(table))
            found = table[index.masked_fill(beyond, 0).long()]
            return found.masked_fill(beyond[:, None], 0)
        case ops.Add() | ops.Sub() | ops.Mul() | ops.Max() | ops.Min() | ops.Greater():
            a, b = _with_axes(operands)
            match op:
                case ops.Add():
                    return a + b
                case ops.Sub():
                    return a - b
                case ops.Mul():
                    return a * b
                case ops.Max():
                    return torch.maximum(a, b)
                case ops.Min():
                    return torch.minimum(a, b)
                case ops.Greater():
                    return (a > b).to(a.dtype)
        case ops.ReduceSum():
            return operands[0].sum(dim=1)
        case ops.ReduceMax():
            return operands[0].amax(dim=1)
        case ops.Slice():
            return operands[0][:, op.start : op.stop]
        case ops.Concat():
            batch = max(len(x) for x in operands)
            return torch.cat([x.expand(batch, *x.shape[1:]) for x in operands], dim=1)
        case ops.Reshape():
            return operands[0].reshape(len(operands[0]), *op.shape)
        case ops.Transpose():
            return operands[0].reshape(len(operands[0]), op.rows, -1).transpose(1, 2).reshape(operands[0].shape)
        case ops.Const() | ops.Cast() | ops.Table() | ops.Reverse() | ops.Scan():
            raise AssertionError(f"{op} is applied by the caller")
        case _:
            assert_never(op)


def _with_axes(operands: Sequence[Tensor]) -> list[Tensor]:
    axes = max(x.ndim for x in operands)
    return [x.reshape(x.shape + (1,) * (axes - x.ndim)) for x in operands]


def _ahead_of_states(scan: ops.Scan) -> tuple[list[Node], list[Node]]:
    """Return the nodes of a scan's body that need no state, and the others."""
    behind = set(scan.body.inputs[: scan.states])
    ahead, inside = [], []
    for node in scan.body.nodes:
        if behind.isdisjoint(node.operands):
            ahead.append(node)
        else:
            inside.append(node)
            behind.update(node.results)
    return ahead, inside


def _exact_dtype(graph: Graph) -> torch.dtype:
    values = [*graph.inputs, *(value for node in graph.walk() for value in node.results)]
    for dtype, (bits, point) in EXACT.items():
        beyond = [v for v in values if v.type.element.width > bits or abs(v.type.element.fraction) > point]
        if not beyond:
            return dtype
    raise UnsupportedError(
        f"tensor {beyond[0].name!r}",
        f"floating point does not hold its type {beyond[0].type.element} exactly",
        f"Give the tensors that it is computed from narrower types: it may have {bits} bits",
    )


def _shortened(x: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None or x.ndim < 3:
        return x
    return x * _expanded(torch.arange(x.shape[1]) < lengths[:, None], x)


def _reversed(sequence: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return sequence.flip(1)
    steps = torch.arange(sequence.shape[1])
    order = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    sequence = sequence.expand(len(order), *sequence.shape[1:])
    return torch.take_along_dim(sequence, _expanded(order, sequence), dim=1)


def _expanded(x: Tensor, like: Tensor) -> Tensor:
    """Append axes of length 1 until x has as many as `like`."""
    return x.reshape(x.shape + (1,) * (like.ndim - x.ndim))
