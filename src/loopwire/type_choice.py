"""Which type each tensor of a model gets by its configuration.

The most specific group that says anything about a tensor decides: layer, then kind, then model; within it the role,
then the group's precision.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from loopwire.config import DEFAULT_TYPE, CompileConfig, PrecisionConfig
from loopwire.errors import ConfigError, nearest
from loopwire.ir import ops
from loopwire.ir.graph import Graph
from loopwire.ir.types import FixedType
from loopwire.layers.model import Layer, Model
from loopwire.layers.quantised.quantised import Quantised, quantised_input_type
from loopwire.layers.roles import LayerTypes, Role


class TypeChoice:
    """Which type each tensor of one model gets, and which settings nothing has read."""

    def __init__(self, config: CompileConfig, model: Model) -> None:
        """Check every group against the model.

        Raises:
            ConfigError: a group names a layer or kind that the model lacks, or a role that its layers lack.
        """
        self._model = model
        self._read: set[tuple[str, str]] = set()
        self._tables: dict[str, tuple[str, str]] = {}
        by_kind: dict[str, Layer] = {layer.kind: layer for layer in model.layers}
        by_name: dict[str, Layer] = {layer.name: layer for layer in model.layers}
        _check_groups("kind", "kind", config.kind, by_kind)
        _check_groups("layer", "name", config.layer, by_name)
        multiplying = [name for name, layer in by_name.items() if _multiplies(layer)]
        for knob, known, missing in (
            ("layer_reuse_factor", multiplying, "no layer of this name multiplies"),
            ("layer_lut_product_bits", list(by_name), "the model has no layer of this name"),
        ):
            if (name := next((name for name in getattr(config, knob) if name not in known), None)) is not None:
                remedy = f"{nearest(name, known)}Choose from {', '.join(known)}" if known else "Leave it out"
                raise ConfigError(f"configuration, [{knob}] {name}", missing, remedy)
        self._groups = {
            "model": config.model,
            **{f"kind.{name}": group for name, group in config.kind.items()},
            **{f"layer.{name}": group for name, group in config.layer.items()},
        }
        for name, group in self._groups.items():
            if group.table_size is not None and group.max_error_steps is not None:
                raise ConfigError(
                    f"configuration, [{name}]",
                    "'table_size' and 'max_error_steps' contradict each other",
                    "Bound the size or the error, not both",
                )

    def input_type(self) -> FixedType:
        """Return the type of the model's input: the user's, or that of the model's own quantisers."""
        is_given = Role.INPUT in self._groups["model"].types
        own = None if is_given else quantised_input_type(self._model)
        return own or self._decide(Role.INPUT, ["model"]) or DEFAULT_TYPE

    def layer_types(self, layer: Layer) -> LayerTypes:
        """Return the types of a layer's tensors; none of one that has its own."""
        if isinstance(layer, Quantised):
            return LayerTypes({})
        groups = [name for name in (f"layer.{layer.name}", f"kind.{layer.kind}", "model") if name in self._groups]
        decided = {role: self._decide(role, groups) for role in layer.roles}
        types = {
            role: given or DEFAULT_TYPE
            for role, given in decided.items()
            if given is not None or role != Role.PREACTIVATION
        }
        for name in groups:
            group = self._groups[name]
            if group.table_size is not None:
                self._tables[layer.name] = (name, "table_size")
                return LayerTypes(types, table_size=group.table_size)
            if group.max_error_steps is not None:
                self._tables[layer.name] = (name, "max_error_steps")
                return LayerTypes(types, max_error_steps=group.max_error_steps)
        return LayerTypes(types)

    def refuse_unread(self, graph: Graph) -> None:
        """Refuse settings that had no effect, once `graph` has been lowered with these types.

        Raises:
            ConfigError: a setting is overridden everywhere, or no layer needs it.
        """
        with_tables = {node.result.layer for node in graph.walk() if isinstance(node.op, ops.Table)}
        read = self._read | {setting for layer, setting in self._tables.items() if layer in with_tables}
        for name, group in self._groups.items():
            for key in group.given():
                if (name, key) not in read:
                    raise ConfigError(
                        f"configuration, [{name}]",
                        f"{key!r} has no effect: no layer needs it, or more specific settings decide everywhere",
                        "Remove it",
                    )

    def _decide(self, role: str, groups: Sequence[str]) -> FixedType | None:
        for name in groups:
            group = self._groups[name]
            if role in group.types:
                self._read.add((name, str(role)))
                return group.types[role]
            if group.precision is not None and role != Role.PREACTIVATION:
                self._read.add((name, "precision"))
                return group.precision
        return None


def _multiplies(layer: Layer) -> bool:
    return layer.multiplies if isinstance(layer, Quantised) else Role.WEIGHT in layer.roles


def _check_groups(key: str, what: str, groups: Mapping[str, PrecisionConfig], present: Mapping[str, Layer]) -> None:
    """Refuse groups of layers that the model lacks, and roles that their layers lack."""
    for name, group in groups.items():
        where = f"configuration, [{key}.{name}]"
        if name not in present:
            raise ConfigError(where, f"the model has no layer of this {what}", _likely(name, present))
        kind, roles = present[name].kind, [str(role) for role in present[name].roles]
        for role in group.types:
            if role == Role.INPUT:
                raise ConfigError(where, "'input' is the type of the model's input", "Give it in [model]")
            if role not in roles:
                remedy = _likely(role, roles) if roles else "It has no tensors of its own"
                if isinstance(present[name], Quantised):
                    remedy = "Its types are trained, and the model file's: leave them out"
                raise ConfigError(where, f"a {kind} layer has no {str(role)!r}", remedy)


def _likely(name: str, names: Collection[str]) -> str:
    """Return which of some names was likely meant, and all of them."""
    return f"{nearest(name, names)}It has {', '.join(map(repr, names))}"
