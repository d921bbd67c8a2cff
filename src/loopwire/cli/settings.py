"""Arguments and options that several commands share, and the configuration they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.text.names import printable

if TYPE_CHECKING:
    from loopwire.config import CompileConfig
    from loopwire.frontends.reading import Reading

MODEL = click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
MODEL_OPTIONS = (
    click.option(
        "--trust-file", "trust", is_flag=True, help="Read MODEL in this process, without limits of time and memory."
    ),
    click.option("--weights", type=click.Path(path_type=Path), help="Weights of MODEL where that is a .json."),
    click.option("--steps", type=int, help="Steps of a sequence, where MODEL leaves their number open."),
)
LABELS = click.option("--labels", type=click.Path(path_type=Path), help="Labels, .npy or .npz (y), if not in the data.")


HLS4ML_SUFFIXES = (".yml", ".yaml")


def how_to_read(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of how MODEL is read."""
    for option in reversed(MODEL_OPTIONS):
        command = option(command)
    return command


def named_files(
    config_path: Path | None, model: Path | None, data: Path | None, out: Path | None
) -> tuple[Path, Path | None, Path]:
    """Return model, data and project folder: the command line's, else those that an hls4ml file names."""
    if config_path is not None and config_path.suffix in HLS4ML_SUFFIXES:
        from loopwire.hls4ml.conversion import Paths, read_yaml

        named = Paths.of(read_yaml(config_path))
        model, data, out = model or named.model, data or named.input_data, out or named.output_dir
    if model is None:
        raise click.UsageError("Missing argument 'MODEL', which only an hls4ml file in --config may name instead.")
    return model, data, out or Path("build") / model.stem


def read_settings(
    model_path: Path,
    config_path: Path | None,
    target: str | None = None,
    part: str | None = None,
    clock_ns: float | None = None,
    delay_factor: float | None = None,
    precision: str | None = None,
    interleave: int | None = None,
    reuse_factor: int | None = None,
    multipliers: str | None = None,
    copies: int | None = None,
    io: str | None = None,
    bus_bits: int | None = None,
    stateful: bool | None = None,
    sliding_window: bool | None = None,
    channels: int | None = None,
    steps: int | None = None,
    weights: Path | None = None,
    require_tlast: bool | None = None,
    user_bits: int | None = None,
    id_bits: int | None = None,
    port_registers: bool | None = None,
    fixed_latency: bool | None = None,
    trust: bool = False,
    **bounds: Any,
) -> CompileConfig:
    """Return the file's settings with the options' in their place."""
    from dataclasses import replace

    from loopwire.config import CompileConfig
    from loopwire.design_targets import DesignTargets, read_share
    from loopwire.frontends.reading import Reading
    from loopwire.ir.types import FixedType

    config = (
        CompileConfig() if config_path is None else _read_file(config_path, model_path, Reading(weights, steps, trust))
    )
    options = {
        "target": target,
        "part": part,
        "clock_period_ns": clock_ns,
        "delay_factor": delay_factor,
        "interleave": interleave,
        "reuse_factor": reuse_factor,
        "multipliers": multipliers,
        "copies": copies,
        "io": io,
        "bus_bits": bus_bits,
        "stateful": stateful,
        "sliding_window": sliding_window,
        "channels": channels,
        "steps": steps,
        "require_tlast": require_tlast,
        "user_bits": user_bits,
        "id_bits": id_bits,
        "port_registers": port_registers,
        "fixed_latency": fixed_latency,
    }
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    targets = {name: bound for name, bound in bounds.items() if bound is not None}
    if targets:
        kept = {} if config.targets is None else config.targets.given()
        if "max_share" in targets:
            targets["max_share"] = read_share("--max-share", targets["max_share"])
        given["targets"] = DesignTargets(**{**kept, **targets})
    if precision is not None:
        given["model"] = replace(config.model, precision=FixedType.parse(precision))
    return replace(config, name=config.name or model_path.stem, **given)


def _read_file(path: Path, model_path: Path, reading: Reading) -> CompileConfig:
    """Read TOML, or an hls4ml file, and tell what of it has no effect."""
    from loopwire.config import CompileConfig

    if path.suffix not in HLS4ML_SUFFIXES:
        return CompileConfig.from_toml(path)
    from loopwire.hls4ml.conversion import read_conversion, read_yaml

    conversion = read_conversion(read_yaml(path), model_path, reading)
    for line in conversion.notes.lines():
        click.echo(f"note: {printable(line)}", err=True)
    return conversion.config
