"""`loopwire init`: a file of settings for a model, with what each means, to be changed."""

from __future__ import annotations

from pathlib import Path

import click

from loopwire.cli.console import JSON, next_step, print_json
from loopwire.cli.failures import errors_reported
from loopwire.cli.settings import MODEL, how_to_read


@click.command("init", short_help="Write a commented file of settings for MODEL.")
@MODEL
@how_to_read
@click.option("--part", help="FPGA part. [default: xcku115-flvb2104-2-i]")
@click.option("--out", type=click.Path(path_type=Path), help="File to write. [default: <name of MODEL>.toml]")
@JSON
def init_command(
    model_path: Path,
    part: str | None,
    out: Path | None,
    trust: bool,
    weights: Path | None,
    steps: int | None,
    as_json: bool,
) -> None:
    """Write a commented TOML file with settings for MODEL, its layers and their tensors."""
    with errors_reported():
        from loopwire.compiler import load
        from loopwire.config import CompileConfig
        from loopwire.errors import OutputError
        from loopwire.optimise.starting_file import starting_file
        from loopwire.system.outputs import write_file

        file = out or Path(f"{model_path.stem}.toml")
        if file.exists():
            raise OutputError(str(file), "it exists already", "Remove it, or name another with --out")
        model = load(model_path, trust, weights=weights, steps=steps)
        text = starting_file(model, CompileConfig() if part is None else CompileConfig(part=part))
        write_file(file, text.encode())
        if as_json:
            print_json({"settings": str(file)})
            return
        click.echo(f"Settings: {file}")
        next_step("loopwire", "compile", model_path, "--config", file)
