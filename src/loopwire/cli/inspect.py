"""`loopwire inspect`: a model as it was read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopwire.cli.console import JSON, next_step, print_json, print_table
from loopwire.cli.failures import errors_reported
from loopwire.cli.settings import MODEL, how_to_read

if TYPE_CHECKING:
    from loopwire.layers.model import Model

TARGETS = ("verilog", "vitis_hls")


@click.command("inspect", short_help="Show how Loopwire reads MODEL: layers, shapes, parameters.")
@MODEL
@how_to_read
@JSON
def inspect_command(model_path: Path, as_json: bool, trust: bool, weights: Path | None, steps: int | None) -> None:
    """Show MODEL as Loopwire reads it: layers, shapes, parameters, states, and what cannot be compiled."""
    with errors_reported():
        from rich.console import Console

        from loopwire.compiler import load
        from loopwire.layers.inspection import COLUMNS, inspect

        model = load(model_path, trust, weights=weights, steps=steps)
        inspection = inspect(model, {target: _refusal(model, target) for target in TARGETS})
        if as_json:
            print_json(inspection.to_dict())
            return
        console = Console()
        print_table(console, inspection.name, ("", ""), inspection.facts())
        print_table(console, "Layers", COLUMNS, [call.row() for call in inspection.calls])
        next_step("loopwire", "init", model_path)


def _refusal(model: Model, target: str) -> str | None:
    """Return what of a model a target cannot compile, with default settings."""
    from dataclasses import replace

    from loopwire.compiler import compile_silently
    from loopwire.config import CompileConfig
    from loopwire.errors import LoopwireError

    try:
        compile_silently(model, replace(CompileConfig(), target=target))
    except LoopwireError as error:
        return str(error)
    return None
