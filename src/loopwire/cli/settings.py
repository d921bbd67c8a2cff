"""Arguments and options that several commands share, and the configuration they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        "--trust-file",
        "trust",
        is_flag=True,
        help="Read MODEL in this process, without limits on time and memory. Only for files you trust.",
    ),
    click.option(
        "--weights", type=click.Path(path_type=Path), help="File with the weights, if MODEL is a .json architecture."
    ),
    click.option("--steps", type=int, help="Steps in a sequence, if MODEL leaves their number open."),
)
BOUNDS = (
    click.option(
        "--min-clock-ns",
        type=float,
        help="Also choose the clock period, from this value upwards. [default with --clock-ns auto: 2]",
    ),
    click.option("--max-latency-ns", type=float, metavar="NS", help="Choose the smallest design within this latency."),
    click.option(
        "--max-interval",
        "max_interval_cycles",
        type=float,
        help="Choose the smallest design within this initiation interval.",
    ),
    click.option("--max-luts", type=int, metavar="N", help="Use at most N look-up tables (estimated)."),
    click.option("--max-ffs", type=int, metavar="N", help="Use at most N flip-flops (estimated)."),
    click.option("--max-dsps", type=int, metavar="N", help="Use at most N DSP blocks (estimated)."),
    click.option("--max-brams", type=int, metavar="N", help="Use at most N 18-kbit block RAMs (estimated)."),
    click.option(
        "--max-share",
        help="Use at most this share of the part, such as 60%. Without a bound on time, choose the fastest design.",
    ),
)
DATA = click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Inputs: .npz (array X, labels y) or .npy."
)
LABELS = click.option(
    "--labels", type=click.Path(path_type=Path), help="Labels, .npy or .npz (array y), if --data does not hold them."
)
PRECISION = click.option("--precision", help="Type of all tensors. [default: fixed<16,6,RND,SAT>]")
HLS4ML_SUFFIXES = (".yml", ".yaml")
WORKERS = (
    click.option("--workers", "processes", type=click.IntRange(min=1), help="Worker processes on this machine."),
    click.option("--scheduler", help="Address of a Dask scheduler whose workers are used instead."),
)
AUTO, LEAST_CLOCK_NS = "auto", 2.0


def how_to_read(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of how MODEL is read."""
    return _with(MODEL_OPTIONS, command)


def bounds(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of what a design shall not exceed."""
    return _with(BOUNDS, command)


def where_to_run(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of where independent tasks run."""
    return _with(WORKERS, command)


def _with(options: Sequence[Callable[..., Any]], command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
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
    return model, data, out or Path("build") / own_name(model)


def own_name(model: Path) -> str:
    """Return what a model is called by its path; `.` and `..` by that of the folder."""
    return (model.resolve() if model.name in ("", "..") else model).stem


class ClockPeriod(click.ParamType[float | str]):
    """A number of nanoseconds, or 'auto' for one that is chosen."""

    name = "ns|auto"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float | str:
        """Return the number, or 'auto'."""
        if value == AUTO:
            return AUTO
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is not a period. Give nanoseconds, such as 5, or auto", param, context)


def read_settings(
    model_path: Path,
    config_path: Path | None,
    weights: Path | None = None,
    trust: bool = False,
    precision: str | None = None,
    **options: Any,
) -> CompileConfig:
    """Return the file's settings with the options' in their place; one is called as its setting, and None if not given.

    Args:
        model_path: of the model.
        config_path: the file.
        weights, trust: of the model.
        precision: of all tensors.
        options: other settings of `CompileConfig`, among them `steps`, and bounds of `DesignTargets`.
    """
    from dataclasses import fields, replace

    from loopwire.config import CompileConfig
    from loopwire.design_targets import DesignTargets, read_share
    from loopwire.frontends.reading import Reading

    reading = Reading(weights, options.get("steps"), trust)
    config = CompileConfig() if config_path is None else _read_file(config_path, model_path, reading)
    given = {key: value for key, value in options.items() if value is not None}
    if given.get("clock_period_ns") == AUTO:
        del given["clock_period_ns"]
        given.setdefault("min_clock_ns", LEAST_CLOCK_NS)
    targets = {bound.name: given.pop(bound.name) for bound in fields(DesignTargets) if bound.name in given}
    if targets:
        kept = {} if config.targets is None else config.targets.given()
        if "max_share" in targets:
            targets["max_share"] = read_share("--max-share", targets["max_share"])
        given["targets"] = DesignTargets(**{**kept, **targets})
    if precision is not None:
        config = config.changed("command line", precision=precision)
    return replace(config, name=config.name or own_name(model_path), **given)


def _read_file(path: Path, model_path: Path, reading: Reading) -> CompileConfig:
    """Read TOML, or an hls4ml file, and report what in it has no effect."""
    from loopwire.config import CompileConfig

    if path.suffix not in HLS4ML_SUFFIXES:
        return CompileConfig.from_toml(path)
    from loopwire.hls4ml.conversion import read_conversion, read_yaml

    conversion = read_conversion(read_yaml(path), model_path, reading)
    for line in conversion.notes.lines():
        click.echo(f"note: {printable(line)}", err=True)
    return conversion.config
