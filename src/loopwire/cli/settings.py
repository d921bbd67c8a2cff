"""Arguments and options that several commands share, and the configuration they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from loopwire.config import CompileConfig

MODEL = click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
LABELS = click.option("--labels", type=click.Path(path_type=Path), help="Labels, .npy or .npz (y), if not in the data.")


def read_settings(
    name: str,
    config_path: Path | None,
    target: str | None = None,
    part: str | None = None,
    clock_ns: float | None = None,
    precision: str | None = None,
    interleave: int | None = None,
    reuse_factor: int | None = None,
    multipliers: str | None = None,
    copies: int | None = None,
    io: str | None = None,
    bus_bits: int | None = None,
    stateful: bool | None = None,
    channels: int | None = None,
) -> CompileConfig:
    """Return the file's settings with the options' in their place."""
    from dataclasses import replace

    from loopwire.config import CompileConfig
    from loopwire.ir.types import FixedType

    config = CompileConfig() if config_path is None else CompileConfig.from_toml(config_path)
    options = {
        "target": target,
        "part": part,
        "clock_period_ns": clock_ns,
        "interleave": interleave,
        "reuse_factor": reuse_factor,
        "multipliers": multipliers,
        "copies": copies,
        "io": io,
        "bus_bits": bus_bits,
        "stateful": stateful,
        "channels": channels,
    }
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if precision is not None:
        given["model"] = replace(config.model, precision=FixedType.parse(precision))
    return replace(config, name=config.name or name, **given)
