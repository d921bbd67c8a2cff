"""The groups of tensors that get a type each: the model's input, and the roles of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from loopwire.compiler import compile_silently, lowered
from loopwire.config import CompileConfig, PrecisionConfig
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.model import Model
from loopwire.layers.roles import Role

WEIGHTS = (Role.WEIGHT, Role.RECURRENT_WEIGHT, Role.BIAS)
PROBE_INTEGER_BITS = 64
"""Of the types in which tensors are looked for: no value is beyond them."""
LEAST_WIDTH = 2
"""Bits of the narrowest type that a search or a training tries."""


@dataclass(frozen=True)
class Group:
    """Roles of one layer that share a type; `layer` is empty for the model's input.

    A configuration names the roles so.
    """

    layer: str
    roles: tuple[str, ...]

    @property
    def is_weights(self) -> bool:
        """Whether it holds constants, not values that depend on the input."""
        return self.roles[0] in WEIGHTS

    def __str__(self) -> str:
        return f"{self.layer}.{'+'.join(self.roles)}" if self.layer else str(self.roles[0])


Types = Mapping[Group, FixedType]


def configuration(types: Types, base: CompileConfig | None = None) -> CompileConfig:
    """Return a configuration with these types, and all that is not a type from `base`."""
    layers: dict[str, dict[str, FixedType]] = {}
    model: dict[str, FixedType] = {}
    for group, type in types.items():
        of_layer = layers.setdefault(group.layer, {}) if group.layer else model
        of_layer.update(dict.fromkeys(group.roles, type))
    return replace(
        base or CompileConfig(),
        model=PrecisionConfig(types=model),
        layer={name: PrecisionConfig(types=roles) for name, roles in layers.items()},
    )


def fixed(width: int, integer: int) -> FixedType:
    """Return a type that rounds and saturates."""
    return FixedType(width, integer, rounding=Rounding.RND, overflow=Overflow.SAT)


class Probe:
    """A model lowered with another type for every group, so that each rounds what it is given to its own."""

    def __init__(self, model: Model) -> None:
        self.model = compile_silently(model).model
        groups = [Group("", (Role.INPUT,))]
        for layer in self.model.layers:
            tied = Role.STATE in layer.roles and Role.RESULT in layer.roles
            for role in layer.roles:
                if tied and role == Role.RESULT:
                    continue
                tied_roles = (Role.STATE, Role.RESULT) if tied and role == Role.STATE else (role,)
                groups.append(Group(layer.name, tied_roles))
        self._lower(groups)
        self._lower(self._tied())

    def _lower(self, groups: list[Group]) -> None:
        types = {group: fixed(2 * PROBE_INTEGER_BITS + index, PROBE_INTEGER_BITS) for index, group in enumerate(groups)}
        self._group_of = {(group.layer, role): group for group in groups for role in group.roles}
        _, self.graph = lowered(self.model, configuration(types))
        found = {group for _, _, group in self.typed()}
        self.groups = [group for group in groups if group in found]

    def typed(self) -> list[tuple[Value, ops.Op | None, Group]]:
        """Return every value that gets its type from a group, with the op that makes it; None for the input."""
        nodes = [node for node in self.graph.walk() if isinstance(node.op, ops.Const | ops.Cast | ops.Table)]
        made = [(node.result, node.op) for node in nodes]
        every: list[tuple[Value, ops.Op | None]] = [*((value, None) for value in self.graph.inputs), *made]
        return [(value, op, group) for value, op in every if (group := self.group_of(value)) is not None]

    def group_of(self, value: Value) -> Group | None:
        """Return the group that decides a value's type, if any: that of its role in its layer."""
        return self._group_of.get((value.layer, value.role))

    def elements(self) -> dict[Group, int]:
        """Return how many numbers each group holds: of one step, within a sequence; initial states are left out."""
        count = dict.fromkeys(self.groups, 0)
        for value, op, group in self.typed():
            if isinstance(op, ops.Const) and not group.is_weights:
                continue
            count[group] += value.type.size if op is not None else value.type.shape[-1]
        return count

    def _tied(self) -> list[Group]:
        """Return the groups, those that would only be cast into one another made one."""
        partner: dict[Group, Group] = {}
        for graph in _graphs(self.graph):
            users = graph.users()
            for node in graph.nodes:
                into = [user for user in users.get(node.results[0], []) if isinstance(user.op, ops.Cast)]
                if isinstance(node.op, ops.Cast) and len(into) == len(users.get(node.results[0], [])) == 1:
                    a, b = self.group_of(node.result), self.group_of(into[0].result)
                    if a is not None and b is not None and a.layer == b.layer:
                        partner[a] = b
        tied = {a: Group(a.layer, a.roles + b.roles) for a, b in partner.items()}
        merged = set(partner.values())
        return [tied.get(group, group) for group in self.groups if group not in merged]


def _graphs(graph: Graph) -> list[Graph]:
    inner = [g for node in graph.nodes if isinstance(node.op, ops.Scan) for g in _graphs(node.op.body)]
    return [graph, *inner]
