"""What is varied: bits of every group of tensors, reuse factors, copies, ports, clock and part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.data import Data
from loopwire.datapath.reuse import layer_of, reuse_factors
from loopwire.errors import ConfigError
from loopwire.knobs import IO, Knobs
from loopwire.layers.model import Model
from loopwire.optimise.groups import LEAST_WIDTH, Group, Probe, Types, configuration, fixed
from loopwire.optimise.integer_bits import bits_from_data
from loopwire.schedule.plan import network_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Values = Mapping[str, Any]
"""Of each variable by name: bits.<group>, reuse.<layer>, copies, interleave, io, ..."""
MOST_FRACTION_BITS = 12
MOST_COPIES = 16
MOST_LUT_PRODUCT_BITS = 8
INTERLEAVES = ("as many as fit", "1")
CLOCK_STEP_NS, SLOWEST_NS = 0.05, 20.0


@dataclass(frozen=True)
class Space:
    """All designs that may be tried.

    Attributes:
        base: settings that stay, and the clock and part where these are not varied.
        integer_bits: of each group of tensors.
        reuse_factors: that each layer may have.
        parts: FPGAs.
        least_clock_ns: the shortest clock period; None: the base's is kept.
        copies: of the recurrent layers, at most.
    """

    base: CompileConfig
    integer_bits: Mapping[Group, int]
    reuse_factors: Mapping[str, tuple[int, ...]]
    parts: tuple[str, ...]
    least_clock_ns: float | None
    copies: int

    @classmethod
    def of(
        cls, model: Model, events: Data, base: CompileConfig, parts: Sequence[str], least_clock_ns: float | None
    ) -> Space:
        """Return the space of a model: integer bits hold all values that the events cause."""
        probe = Probe(model)
        _, network = network_of(compile_silently(model, base).graph, Knobs(reuse_factor=2))
        factors = {layer_of(engine): tuple(reuse_factors(engine)) for engine in network.engines}
        steps = max((x.shape[0] for x in model.inputs if len(x.shape) > 1), default=1)
        copies = 1 if base.remembers else min(steps, MOST_COPIES)
        integer_bits = bits_from_data(probe, events.arrays)
        varied = {layer: found for layer, found in factors.items() if len(found) > 1}
        return cls(base, integer_bits, varied, tuple(parts) or (base.part,), least_clock_ns, copies)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the variables as optuna takes them."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {
            f"bits.{group}": IntDistribution(*_fraction_bits(integer)) for group, integer in self.integer_bits.items()
        }
        found |= {
            f"reuse.{layer}": IntDistribution(0, len(factors) - 1) for layer, factors in self.reuse_factors.items()
        }
        if self.copies > 1:
            found["copies"] = IntDistribution(1, self.copies)
        found["lut_product_bits"] = IntDistribution(1, MOST_LUT_PRODUCT_BITS)
        if not self.base.remembers:
            found |= {"interleave": CategoricalDistribution(INTERLEAVES)}
        if not self.base.sliding_window and self.base.bus_bits is None:
            found |= {"io": CategoricalDistribution(IO)}
        if self.least_clock_ns is not None:
            steps = math.floor((SLOWEST_NS - self.least_clock_ns) / CLOCK_STEP_NS)
            slowest = round(self.least_clock_ns + steps * CLOCK_STEP_NS, 4)
            found["clock_period_ns"] = FloatDistribution(self.least_clock_ns, slowest, step=CLOCK_STEP_NS)
        if len(self.parts) > 1:
            found["part"] = CategoricalDistribution(self.parts)
        return found

    def config(self, values: Values) -> CompileConfig:
        """Return the configuration of a choice."""
        types: Types = {
            group: fixed(integer + values[f"bits.{group}"], integer) for group, integer in self.integer_bits.items()
        }
        factors = {layer: known[values[f"reuse.{layer}"]] for layer, known in self.reuse_factors.items()}
        changed: dict[str, Any] = {
            "layer_reuse_factor": factors if any(factor > 1 for factor in factors.values()) else {},
            "copies": values.get("copies", self.base.copies),
            "part": values.get("part", self.parts[0]),
        }
        if "interleave" in values:
            changed["interleave"] = None if values["interleave"] == INTERLEAVES[0] else int(values["interleave"])
        for name in ("io", "clock_period_ns", "lut_product_bits"):
            if name in values:
                changed[name] = values[name]
        return replace(configuration(types, self.base), **changed)

    def values(self, config: CompileConfig, fraction_bits: int) -> dict[str, Any]:
        """Return the choice nearest to a configuration, with this many fraction bits where it gives a group no type."""
        found: dict[str, Any] = {}
        for group, integer in self.integer_bits.items():
            known = config.layer.get(group.layer) if group.layer else config.model
            type = None if known is None else known.types.get(group.roles[0])
            bits = fraction_bits if type is None else type.fraction
            fewest, most = _fraction_bits(integer)
            found[f"bits.{group}"] = min(max(bits, fewest), most)
        for layer, factors in self.reuse_factors.items():
            wanted = config.reuse_factor_of(layer)
            found[f"reuse.{layer}"] = min(range(len(factors)), key=lambda k: abs(math.log(factors[k] / wanted)))
        known_values = {
            "copies": min(config.copies, self.copies),
            "interleave": INTERLEAVES[config.interleave == 1],
            "io": config.io,
            "lut_product_bits": min(config.lut_product_bits or 1, MOST_LUT_PRODUCT_BITS),
            "part": config.part,
        }
        if self.least_clock_ns is not None:
            steps = round((max(config.clock_period_ns, self.least_clock_ns) - self.least_clock_ns) / CLOCK_STEP_NS)
            known_values["clock_period_ns"] = round(self.least_clock_ns + steps * CLOCK_STEP_NS, 4)
        names = self.distributions()
        return found | {name: value for name, value in known_values.items() if name in names}


def _fraction_bits(integer_bits: int) -> tuple[int, int]:
    """Return how few fraction bits a group may have, and how many: those of zeros have one width."""
    fewest = max(LEAST_WIDTH - integer_bits, 0)
    return fewest, max(fewest, MOST_FRACTION_BITS)


def check_parts(parts: Sequence[str]) -> None:
    """Refuse parts that are not known, or given twice.

    Raises:
        ConfigError: one is.
    """
    from loopwire.devices import find_part

    for part in parts:
        find_part(part)
        if parts.count(part) > 1:
            raise ConfigError("parts", f"{part} is given twice", "Give each part once")
