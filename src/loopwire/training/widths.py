"""Trained widths: each weight of a matrix on a grid of its own, whose fraction bits are trained with it.

A product with a constant costs adders for the digits of the constant, and nothing where it is 0. So a weight whose low
bits are 0 is cheaper although its type is that of all, and pruning is the case of no bits at all.

Ref: Sun et al. 2024, arXiv:2405.00645 (HGQ), section III: the gradient of fraction bits by the rounding error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value

START_BITS = 0.5
"""Fraction bits beyond those of the type that a grid starts with: all grids are the type's until they are trained."""


class Widths:
    """The grids of the weights of all matrices.

    Attributes:
        fractions: fraction bits (rows, columns) of each matrix by its name, float64 leaves of autograd, used rounded.
    """

    def __init__(self, weights: Mapping[Value, Tensor]) -> None:
        """Take each matrix's type as its first grid; vectors keep their types."""
        matrices = {value: reals for value, reals in weights.items() if reals.ndim > 1}
        self._types = {value.name: value.type.element for value in matrices}
        self.fractions = {
            value.name: torch.full_like(reals, value.type.element.fraction + START_BITS).requires_grad_()
            for value, reals in matrices.items()
        }

    def on_grids(self, weights: Mapping[Value, Tensor]) -> dict[Value, Tensor]:
        """Return the weights, those of matrices rounded to their grids."""
        return {value: self._on_grid(value, reals) for value, reals in weights.items()}

    def _on_grid(self, value: Value, reals: Tensor) -> Tensor:
        if value.name not in self.fractions:
            return reals
        result: Tensor = _Grid.apply(reals, self.fractions[value.name])
        return result

    def mean_bits(self, weights: Mapping[Value, Tensor]) -> Tensor:
        """Return the mean bits of a weight, from its highest to the lowest of its grid; 0 for a weight of 0."""
        total = torch.zeros((), dtype=torch.float64)
        for value, reals in weights.items():
            if value.name in self.fractions:
                size = torch.log2(reals.detach().abs().clamp_min(2.0 ** -(value.type.element.fraction + 2)))
                total = total + torch.relu(self.fractions[value.name] + size + 1).sum()
        return total / max(sum(fractions.numel() for fractions in self.fractions.values()), 1)

    def clamp_(self) -> None:
        """Keep grids between that of the type and one on which every weight of it is 0."""
        with torch.no_grad():
            for name, fractions in self.fractions.items():
                element = self._types[name]
                fractions.clamp_(element.fraction - element.width - 1, element.fraction + START_BITS)


def by_step(graph: Graph) -> set[Value]:
    """Return the matrices that multiply a flattened sequence.

    Hardware multiplies by another part of them in each step, so that their weights are constants to no multiplier, and
    bits of theirs gain little.
    """
    producers = graph.producers()

    def is_flattened(vector: Value) -> bool:
        maker = producers.get(vector)
        return maker is not None and isinstance(maker.op, ops.Reshape) and len(maker.operands[0].type.shape) == 2

    products = (node for node in graph.nodes if isinstance(node.op, ops.MatVec))
    return {node.operands[0] for node in products if is_flattened(node.operands[1])}


def mean_weight_bits(graph: Graph) -> float:
    """Return the mean bits of a matrix's weight, from its highest to its lowest 1; 0 for a weight of 0."""
    matrices = [
        np.abs(node.op.integers).ravel().astype(np.int64)
        for node in graph.walk()
        if isinstance(node.op, ops.Const) and len(node.result.type.shape) > 1
    ]
    size = np.concatenate([np.zeros(0, np.int64), *matrices])
    used = size[size > 0]
    bits = np.floor(np.log2(used)) - np.log2(used & -used) + 1
    return float(bits.sum() / max(len(size), 1))


class _Grid(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, reals: Tensor, fractions: Tensor) -> Tensor:
        scale = torch.exp2(torch.floor(fractions))
        result = torch.floor(reals * scale + 0.5) / scale
        ctx.save_for_backward(reals - result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (error,) = ctx.saved_tensors
        return gradients[0], gradients[0] * error * math.log(2)
