"""What a user can choose: part, clock, and the fixed-point type of every tensor.

Types are given for the whole model, for every layer of one kind, or for one layer by name; in each group for all
tensors (`precision`) or for one role. docs/configuration.md lists every key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from loopwire import arguments
from loopwire.arguments import (
    Check,
    check_fields,
    flag,
    instance,
    number,
    positive,
    table,
    text,
    whole,
)
from loopwire.bounded import parse_toml, read_bounded
from loopwire.design_targets import DesignTargets, read_share
from loopwire.errors import ConfigError, FixedTypeError, nearest
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.knobs import KNOBS, Knobs
from loopwire.layers.roles import known_roles
from loopwire.plugins import TARGETS
from loopwire.text.names import take_in

DEFAULT_TYPE = FixedType(16, 6, rounding=Rounding.RND, overflow=Overflow.SAT)
"""The widths that hls4ml users start with, but rounded and saturated, so that no value is silently wrapped."""
SIMULATED_SEQUENCES = 1000
MAX_FILE_BYTES = 1 << 18
"""Of settings; some thousand layers have their own."""
LONGEST_PERIOD_NS = 1e6
"""A kilohertz, slower than any design is run."""
CHOSEN_KNOBS = ("reuse_factor", "layer_reuse_factor", "interleave", "copies")
"""What is chosen where targets are given."""


@dataclass(frozen=True)
class PrecisionConfig:
    """The types of a group of tensors.

    Attributes:
        precision: the type of every role that is not in `types`; `Role.PREACTIVATION` stays exact.
        types: the type of single roles.
        table_size: the most entries of an activation table; it is as exact as they allow.
        max_error_steps: the largest error of an activation table, in steps of its result's type; the table is as large
            as that takes. 1.0 where neither is given.
    """

    precision: FixedType | None = None
    types: Mapping[str, FixedType] = field(default_factory=dict)
    table_size: int | None = None
    max_error_steps: float | None = None

    def __post_init__(self) -> None:
        fixed_type = instance(FixedType, "Give FixedType.parse('fixed<16,6>')")
        checks = {"precision": fixed_type, "table_size": whole, "max_error_steps": positive}
        check_fields(self, {**checks, "types": lambda where, types: table(where, types, fixed_type)})
        for name in self.types:
            if name not in known_roles():
                raise ConfigError("types", f"{name!r} is not a role", f"Choose from {', '.join(known_roles())}")

    def given(self) -> list[str]:
        """Return the keys of all settings made."""
        others = [key for key in ("precision", "table_size", "max_error_steps") if getattr(self, key) is not None]
        return [*others, *map(str, self.types)]


@dataclass(frozen=True)
class CompileConfig(Knobs):
    """All choices of a compilation: the knobs of the hardware, and what follows.

    Attributes:
        target: what the model is compiled to.
        part: the FPGA, as `devices.find_part` knows it.
        clock_period_ns: what every stage must fit in.
        delay_factor: by how much the part's delays are taken to be longer than the delay model says, as a route taught.
        name: of the top module; None: the model's.
        logits: leave out a softmax or a sigmoid at the model's end; outputs are what it is computed of.
        steps: of a sequence, for a model that leaves their number open; None: the model's.
        simulate_sequences: how many sequences `Design.verify` simulates at most, unless another number is given.
        targets: bounds to which `optimise.chooser.choose` finds reuse factors, interleave, copies and the clock.
        model: types of all tensors.
        kind: types in every layer of one kind, such as 'LSTM'.
        layer: types in one layer, by its name.

    Raises:
        ConfigError: a value is out of range.
    """

    target: str = "verilog"
    part: str = "xcku115-flvb2104-2-i"
    clock_period_ns: float = 5.0
    delay_factor: float = 1.0
    name: str | None = None
    logits: bool = False
    steps: int | None = None
    simulate_sequences: int = SIMULATED_SEQUENCES
    targets: DesignTargets | None = None
    model: PrecisionConfig = PrecisionConfig()
    kind: Mapping[str, PrecisionConfig] = field(default_factory=dict)
    layer: Mapping[str, PrecisionConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fields(self, _CHOICES)
        TARGETS.require("target", self.target)
        if self.name is not None:
            take_in(self.name, "name", "the design", ConfigError)
        if not 0 < self.clock_period_ns <= LONGEST_PERIOD_NS:
            raise ConfigError(
                "clock_period_ns",
                f"{self.clock_period_ns} is not a period",
                f"Give nanoseconds above 0, such as 5, up to {LONGEST_PERIOD_NS:g}",
            )
        if not (math.isfinite(self.delay_factor) and self.delay_factor > 0):
            raise ConfigError(
                "delay_factor", f"{self.delay_factor} is not a factor", "Give a number above 0, such as 1.2"
            )
        if self.steps is not None and self.steps < 1:
            raise ConfigError("steps", f"{self.steps} steps are out of range", "Give 1 or more")
        if self.simulate_sequences < 0:
            raise ConfigError(
                "simulate_sequences", f"{self.simulate_sequences} sequences are out of range", "Give 0 or more"
            )
        if self.targets is not None and self.targets.bounds():
            self._check_targets()

    def _check_targets(self) -> None:
        """Refuse knobs that the targets are to decide."""
        default = Knobs()
        for knob in CHOSEN_KNOBS:
            if getattr(self, knob) != getattr(default, knob):
                raise ConfigError(
                    knob, "it is set, and 'targets' decide it too", "Leave one of the two out of the settings"
                )
        if self.dsp_budget is not None:
            raise ConfigError(
                "dsp_budget",
                f"{self.dsp_budget} DSP blocks are for given knobs, and 'targets' choose these",
                f"Give max_dsps = {self.dsp_budget} among the targets instead, or knobs in place of targets",
            )

    @property
    def knobs(self) -> Knobs:
        """The knobs alone."""
        return Knobs(**{knob.name: getattr(self, knob.name) for knob in fields(Knobs)})

    @classmethod
    def from_toml(cls, path: str | Path) -> CompileConfig:
        """Read a TOML file.

        Raises:
            ConfigError: the file cannot be read, is not TOML, or holds something unknown or impossible.
            FixedTypeError: a type in it cannot be read.
        """
        file = arguments.path("path", path)
        try:
            values = parse_toml(read_bounded(file, MAX_FILE_BYTES))
        except OSError as error:
            raise ConfigError(str(path), f"it cannot be read ({error.strerror})", "Check the path") from None
        except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError among them
            raise ConfigError(
                str(path), f"it is not TOML: {error}", "See docs/configuration.md for an example"
            ) from None
        return cls.from_dict(values, where=str(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "configuration") -> CompileConfig:
        """Read the same keys from a dictionary; types are strings or `FixedType`.

        Raises:
            ConfigError: a key is unknown or a value impossible.
            FixedTypeError: a type cannot be read.
        """
        return cls(**_read(where, values, _READERS))

    def changed(self, where: str, /, **settings: Any) -> CompileConfig:
        """Return the configuration with some settings in place of its own, given as in a dictionary.

        `precision`, of all tensors, may be given beside `model`.

        Raises:
            ConfigError: a setting is unknown or a value impossible.
            FixedTypeError: a type cannot be read.
        """
        given = _read(where, settings, {"precision": _type, **_READERS})
        if "precision" in given:
            given["model"] = replace(given.get("model", self.model), precision=given.pop("precision"))
        return replace(self, **given)


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _read(where: str, values: Any, readers: Mapping[str, Check]) -> dict[str, Any]:
    """Read a table with one reader a key."""
    if not isinstance(values, Mapping):
        raise ConfigError(where, f"{values!r} is not a table of settings", f"Its keys are {_list(readers)}")
    result = {}
    for key, value in values.items():
        if key not in readers:
            raise ConfigError(where, f"{key!r} is not a setting", _instead(str(key), readers))
        result[key] = readers[key](f"{where}, {key}", value)
    return result


def _instead(key: str, readers: Mapping[str, Check]) -> str:
    """Return what to set in place of a key that is no setting."""
    if "targets" in readers and key in _TARGETS_READERS:
        return f"It bounds a design: loopwire.choose(design, {key}=...), or in [targets]"
    return nearest(key, readers).strip() or f"Choose from {_list(readers)}"


def _type(where: str, value: Any) -> FixedType:
    if isinstance(value, FixedType):
        return value
    try:
        return FixedType.parse(text(where, value))
    except FixedTypeError as error:
        raise FixedTypeError(f"{where}: {error.where}", error.problem, error.remedy) from None


def _precision(where: str, values: Any) -> PrecisionConfig:
    readers = {"precision": _type, **dict.fromkeys(known_roles(), _type), **_TABLE_READERS}
    read = _read(where, values, readers)
    types = {role: read.pop(role) for role in known_roles() if role in read}
    return PrecisionConfig(types=types, **read)


def _groups(where: str, values: Any) -> dict[str, PrecisionConfig]:
    if not isinstance(values, Mapping):
        raise ConfigError(where, f"{values!r} is not a table", "Give one table a name, such as [kind.LSTM]")
    return {str(name): _precision(f"{where}.{name}", group) for name, group in values.items()}


def _targets(where: str, values: Any) -> DesignTargets:
    return DesignTargets(**_read(where, values, _TARGETS_READERS))


_TABLE_READERS: dict[str, Check] = {"table_size": whole, "max_error_steps": positive}

_TARGETS_READERS: dict[str, Check] = {
    "max_latency_ns": number,
    "max_interval_cycles": number,
    **dict.fromkeys(("max_luts", "max_ffs", "max_dsps", "max_brams"), whole),
    "max_share": read_share,
    "min_clock_ns": number,
}

_PLAIN: dict[str, Check] = {
    "target": text,
    "part": text,
    "clock_period_ns": number,
    "delay_factor": number,
    "name": text,
    "logits": flag,
    "steps": whole,
    "simulate_sequences": whole,
}

_READERS: dict[str, Check] = {
    **_PLAIN,
    **KNOBS,
    "targets": _targets,
    "model": _precision,
    "kind": _groups,
    "layer": _groups,
}

_GROUP = instance(PrecisionConfig, "Give a PrecisionConfig, or read all settings with CompileConfig.from_dict")
_CHOICES: dict[str, Check] = {
    **_PLAIN,
    "targets": instance(DesignTargets, "Give DesignTargets(max_latency_ns=...) or the like"),
    "model": _GROUP,
    **dict.fromkeys(("kind", "layer"), lambda where, groups: table(where, groups, _GROUP)),
}
"""Of `CompileConfig` itself, as Python gives them."""
