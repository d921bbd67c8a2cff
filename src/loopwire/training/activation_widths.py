"""Trained types of activations: the fraction bits of each role of each layer, fewer than they begin with.

A network is always evaluated with whole bits, those of its graph: after each epoch the types follow what was trained,
and the graph is made anew. So its numbers stay those of the firmware. Integer bits stay, since a range that is halved
is no small change.

Ref: Sun et al. 2024, arXiv:2405.00645 (HGQ), section III, by the surrogate gradients of `DifferentiableGraph`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from loopwire.config import CompileConfig, PrecisionConfig
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value
from loopwire.ir.types import FixedType
from loopwire.layers.model import Model
from loopwire.optimise.groups import LEAST_WIDTH, WEIGHTS
from loopwire.training.widths import START_BITS

Key = tuple[str, str]
"""A layer and a role of it."""


class ActivationWidths:
    """The types of all activations that some values depend on; those of the model's inputs stay.

    Attributes:
        fractions: fraction bits of each layer and role, float64 leaves of autograd, used rounded down.
    """

    def __init__(self, model: Model, graph: Graph, scores: Iterable[Value]) -> None:
        """Begin with the types of a graph."""
        roles = {layer.name: set(layer.roles) - set(WEIGHTS) for layer in model.layers}
        self._types: dict[Key, FixedType] = {}
        self._elements: dict[Key, int] = {}
        for value in _made_for(graph, scores):
            if value.role in roles.get(value.layer, ()):
                key = value.layer, value.role
                self._types[key] = value.type.element
                self._elements[key] = self._elements.get(key, 0) + value.type.size
        self.fractions = {
            key: torch.tensor(element.fraction + START_BITS, dtype=torch.float64, requires_grad=True)
            for key, element in self._types.items()
        }

    def of(self, graph: Graph) -> dict[Value, Tensor]:
        """Return the fraction bits of a graph's values."""
        results = {value: (value.layer, value.role) for node in graph.walk() for value in node.results}
        return {value: self.fractions[key] for value, key in results.items() if key in self.fractions}

    def mean_bits(self) -> Tensor:
        """Return the mean bits of an activation, all elements of a step counted."""
        total = torch.zeros((), dtype=torch.float64)
        for key, fraction in self.fractions.items():
            total = total + self._elements[key] * (self._types[key].integer + fraction - START_BITS)
        return total / max(sum(self._elements.values()), 1)

    def clamp_(self) -> None:
        """Keep the types between those at first and ones of few bits."""
        with torch.no_grad():
            for key, fraction in self.fractions.items():
                first = self._types[key]
                fraction.clamp_(min(LEAST_WIDTH - first.integer, first.fraction), first.fraction + START_BITS)

    def configured(self, config: CompileConfig) -> CompileConfig:
        """Return a configuration with the trained types in place of its own."""
        layers = dict(config.layer)
        for (layer, role), bits in self.fractions.items():
            first, own = self._types[layer, role], layers.get(layer, PrecisionConfig())
            trained = replace(first, width=first.integer + int(bits.floor()))
            layers[layer] = replace(own, types={**own.types, role: trained})
        return replace(config, layer=layers)


def _made_for(graph: Graph, values: Iterable[Value]) -> list[Value]:
    """Return the results of all casts and tables that some values of a graph depend on."""
    needed, made = set(values), list[Value]()
    for node in reversed(graph.nodes):
        if needed.isdisjoint(node.results):
            continue
        needed.update(node.operands)
        if isinstance(node.op, ops.Scan):
            made += _made_for(node.op.body, node.op.body.outputs)
        elif isinstance(node.op, ops.Cast | ops.Table):
            made += node.results
    return made
