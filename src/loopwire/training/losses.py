"""What a training makes small, computed on logits where the model ends in a softmax or a sigmoid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwire.errors import DataError
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value


class Loss(StrEnum):
    """How far outputs are from what they should be."""

    DISTILLATION = "distillation"
    """From the float model's outputs: needs no labels."""
    LABELS = "labels"
    """From labels: classes where the model ends in a softmax or a sigmoid, numbers where not."""


class End(StrEnum):
    """What a model's last operations are."""

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    NUMBERS = "numbers"


@dataclass(frozen=True)
class Scored:
    """The value that a loss is computed of, and what the model makes of it at its end."""

    value: Value
    end: End


def scored(graph: Graph, output: Value) -> Scored:
    """Return the logits of an output of a graph; the output itself where it ends in something else."""
    producers = graph.producers()

    def operand_of(value: Value | None, kind: type[ops.Op], function: str | None = None) -> Value | None:
        """Return what makes a value by an op of one kind: its first operand."""
        node = None if value is None else producers.get(value)
        if node is None or not isinstance(node.op, kind):
            return None
        if function is not None and not (isinstance(node.op, ops.Table) and node.op.function == function):
            return None
        return node.operands[0]

    end = output
    while (before := operand_of(end, ops.Cast) or operand_of(end, ops.Reshape)) is not None:
        end = before
    if (logit := operand_of(end, ops.Table, "sigmoid")) is not None:
        return Scored(logit, End.SIGMOID)
    exponential = operand_of(end, ops.Mul)
    logits = operand_of(operand_of(exponential, ops.Table, "exp_nonpositive"), ops.Sub)
    return Scored(output, End.NUMBERS) if logits is None else Scored(logits, End.SOFTMAX)


def loss_of(end: End, loss: Loss, scale: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the mean loss of scores (N, …) against targets.

    Targets are the float model's outputs (N, …) for a distillation; else classes (N,) after a softmax, 0 or 1 after a
    sigmoid, numbers (N, …) otherwise. `scale` is the spread of numbers, so that their loss is about 1 before training.
    """
    match end:
        case End.SOFTMAX if loss is Loss.LABELS:
            return lambda scores, target: torch.nn.functional.cross_entropy(scores, target.long())
        case End.SOFTMAX:
            return lambda scores, target: -(target * torch.log_softmax(scores, dim=-1)).sum(dim=-1).mean()
        case End.SIGMOID:
            return lambda scores, target: torch.nn.functional.binary_cross_entropy_with_logits(
                scores, target.to(scores.dtype).reshape(scores.shape)
            )
        case End.NUMBERS:
            return lambda scores, target: ((scores - target.reshape(scores.shape)) / scale).square().mean()


class OutputLoss:
    """The loss of one output."""

    def __init__(
        self, score: Scored, loss: Loss, target: npt.ArrayLike, count: int, order: npt.NDArray[np.int64]
    ) -> None:
        """Take what the output should be, and the order of the events.

        Raises:
            DataError: the target is not a finite number for each of `count` events.
        """
        classes = loss is Loss.LABELS and score.end is not End.NUMBERS
        reals = np.asarray(target, np.float64)
        if len(reals) != count or not np.isfinite(reals).all():
            raise DataError(
                "labels", f"they are not a finite number for each of the {count} events", "Check the labels"
            )
        self._target = torch.from_numpy(reals[order].astype(np.int64 if classes else np.float64))
        self._loss = loss_of(score.end, loss, 1.0 if score.end is not End.NUMBERS else max(float(reals.std()), 1e-9))

    def __call__(self, scores: Tensor, rows: Tensor) -> Tensor:
        """Return the mean loss of some events."""
        return self._loss(scores, self._target[rows])
