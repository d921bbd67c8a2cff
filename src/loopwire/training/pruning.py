"""Pruning: the smallest weights of a matrix become 0, more and more of them while the others are trained.

Each row loses as many, so that all sums have as many terms and none is slower than the others. The rest of a training
keeps that many: a weight that was 0 comes back where it would outgrow one that is left (iterative hard thresholding).

Ref: Zhu and Gupta 2017, arXiv:1710.01878, equation 1, from a share of 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from loopwire.errors import ConfigError, nearest
from loopwire.ir.graph import Value


class Pruning:
    """The pruning of one training.

    Attributes:
        is_complete: whether all weights that are to be 0 are.
    """

    def __init__(self, weights: Mapping[Value, Tensor], shares: Mapping[str, float], steps: int) -> None:
        """Take the weights, and the share of each matrix, by layer and role, that is 0 after `steps` steps.

        Raises:
            ConfigError: a share names no matrix of trained weights.
        """
        matrices = {f"{value.layer}.{value.role}": reals for value, reals in weights.items() if reals.ndim > 1}
        if (unknown := next((name for name in shares if name not in matrices), None)) is not None:
            remedy = f"{nearest(unknown, matrices)}Choose from {', '.join(sorted(matrices))}"
            raise ConfigError("finetune, pruned", f"{unknown!r} is not a matrix of trained weights", remedy)
        self._shares = [(matrices[name], share) for name, share in shares.items()]
        self._steps, self._done = steps, 0

    @property
    def is_complete(self) -> bool:
        return not self._shares or self._done >= self._steps

    def step_(self) -> None:
        """Set the smallest weights of each row to 0, in place."""
        self._done += 1
        left = 1 - min(self._done / self._steps, 1)
        with torch.no_grad():
            for reals, share in self._shares:
                count = int(share * (1 - left**3) * reals.shape[-1])
                reals.scatter_(-1, reals.abs().topk(count, largest=False).indices, 0.0)
