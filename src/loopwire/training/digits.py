"""Weights of few signed digits: a product with a constant costs an adder for each digit, and nothing for 0.

Weights are real numbers at first. How many digits each may have is chosen again and again, so that all matrices
together keep within a budget and the loss grows least, by the squared gradient of each weight (LeCun et al. 1990,
Optimal Brain Damage); one that may have none is 0. The budget shrinks to what is wanted. Then the weights settle one
after another, the most important ones first, on the nearest number of their digits, while those that are still real
make up for it (Zhou et al. 2017, arXiv:1702.03044): no weight goes to and fro between two numbers. One that has settled
changes no more, unless it may have no digit at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from loopwire.emulator.differentiable import cast
from loopwire.ir.graph import Value
from loopwire.ir.types import FixedType

MOST_DIGITS = 3
"""Of a weight."""
SHRINKING = 0.08, 0.4
"""Shares of a training between which the budget shrinks."""
SETTLING = 0.42, 0.92
"""Shares of a training between which weights settle."""
EVERY = 10
"""Steps after which digits are chosen anew."""
BISECTIONS = 40


class Digits:
    """The signed digits of all matrices in one training; vectors keep all numbers of their types."""

    def __init__(self, weights: Mapping[Value, Tensor], free: Collection[Value], budget: float, steps: int) -> None:
        """Take the weights, and what they may cost.

        Args:
            weights: the reals of all trained constants; they are changed in place.
            free: matrices whose digits cost nothing; their weights settle on any number of their types.
            budget: mean digits of a weight of the other matrices at the end; a few more where allowances have changed
                after a weight settled.
            steps: of the training.
        """
        self._weights = {value: reals for value, reals in weights.items() if reals.ndim > 1}
        self._numbers = {value: _numbers(value.type.element) for value in self._weights if value not in free}
        self._settled = {value: torch.zeros_like(reals, dtype=torch.bool) for value, reals in self._weights.items()}
        self._at = {value: reals.detach().clone() for value, reals in self._weights.items()}
        self._most = {value: torch.full(self._weights[value].shape, MOST_DIGITS) for value in self._numbers}
        self._budget, self._first = budget, 0.0
        self._steps, self._done = steps, 0

    @property
    def is_complete(self) -> bool:
        """Whether all weights have settled."""
        return all(bool(settled.all()) for settled in self._settled.values())

    def numbers(self, weights: Mapping[Value, Tensor]) -> dict[Value, Tensor]:
        """Return the weights as a step evaluates them: vectors rounded, matrices as they are."""
        return {value: w if value in self._weights else cast(w, value.type.element) for value, w in weights.items()}

    def step_(self, squares: Mapping[Value, Tensor]) -> None:
        """Choose digits, and let weights settle, in place; `squares` are the weights' mean squared gradients."""
        self._done += 1
        share = self._done / self._steps
        is_due = self._done % EVERY == 0 or self._done == self._steps
        with torch.no_grad():
            for value, reals in self._weights.items():
                reals.copy_(torch.where(self._settled[value], self._at[value], reals))
            if is_due and share >= SHRINKING[0]:
                self._choose(squares, _passed(share, SHRINKING))
            for value, most in self._most.items():
                self._weights[value].masked_fill_(most == 0, 0.0)
            if is_due and share >= SETTLING[0]:
                part = 1 - (1 - _passed(share, SETTLING)) ** 1.5
                for value in self._weights:
                    self._settle(value, squares[value], part)

    def _choose(self, squares: Mapping[Value, Tensor], passed: float) -> None:
        """Choose the most digits of each weight, so that the mean keeps within the budget of now."""
        losses = {value: self._losses(value, squares[value]) for value in self._numbers}
        if not losses:
            return
        counts = torch.arange(MOST_DIGITS + 1.0, dtype=torch.float64)
        everything = torch.cat([loss.flatten(1) for loss in losses.values()], dim=1)

        def mean(price: float) -> float:
            return float((everything + price * counts[:, None]).argmin(dim=0).double().mean())

        self._first = self._first or max(mean(0.0), self._budget)
        budget = self._budget + (self._first - self._budget) * (1 - passed) ** 3
        low, high = -60.0, 20.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if mean(2.0**middle) > budget else (low, middle)
        for value, loss in losses.items():
            self._most[value] = (loss + 2.0**high * counts[:, None, None]).argmin(dim=0)

    def _losses(self, value: Value, squares: Tensor) -> Tensor:
        """Return what each number of digits would add to the loss for each weight."""
        reals = self._weights[value]
        sensitivity = squares + 1e-3 * squares.mean()
        return torch.stack([sensitivity * (reals - _nearest(reals, n)).square() / 2 for n in self._numbers[value]])

    def _settle(self, value: Value, squares: Tensor, part: float) -> None:
        """Settle the most important weights that are still real, until this part of a matrix has settled."""
        reals, settled = self._weights[value], self._settled[value]
        step = value.type.element.step
        harm = ((squares + 1e-3 * squares.mean()) * (reals.square() + step * step)).masked_fill(settled, -1.0)
        missing = round(part * reals.numel()) - int(settled.sum())
        if missing <= 0:
            return
        chosen = torch.zeros(reals.numel(), dtype=torch.bool)
        chosen[harm.flatten().topk(missing).indices] = True
        chosen = chosen.reshape(reals.shape)
        aim = self._aim(value)
        self._at[value] = torch.where(chosen, aim, self._at[value])
        self._settled[value] = settled | chosen
        reals.copy_(torch.where(chosen, aim, reals))

    def _aim(self, value: Value) -> Tensor:
        """Return the number on which each weight of a matrix would settle now."""
        reals = self._weights[value]
        if value not in self._numbers:
            return cast(reals, value.type.element)
        choices = torch.stack([_nearest(reals, numbers) for numbers in self._numbers[value]])
        return choices.gather(0, self._most[value][None])[0]


def _numbers(element: FixedType) -> list[Tensor]:
    """Return the numbers of a type that have at most 0, 1, … digits, in order."""
    found, powers = [{0}], [sign << k for k in range(element.width + 1) for sign in (1, -1)]
    for _ in range(MOST_DIGITS):
        found.append(found[-1] | {n + power for n in found[-1] for power in powers})
    held = ([n for n in sorted(each) if element.min_integer <= n <= element.max_integer] for each in found)
    return [torch.tensor(numbers, dtype=torch.float64) * element.step for numbers in held]


def _nearest(reals: Tensor, numbers: Tensor) -> Tensor:
    """Return the nearest of some ascending numbers to each real one."""
    middles = (numbers[1:] + numbers[:-1]) / 2
    return numbers[torch.bucketize(reals.contiguous(), middles, right=True)]


def _passed(share: float, between: tuple[float, float]) -> float:
    """Return which share of the time between two shares has passed."""
    begin, end = between
    return min(max((share - begin) / (end - begin), 0.0), 1.0)
