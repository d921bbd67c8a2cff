"""What `loopwire route --retime` does with a clock that was missed: compile again with slower delays, and route."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.text.names import printable

if TYPE_CHECKING:
    from loopwire.implementation import Routed

ROUNDS = 3


@dataclass(frozen=True)
class Compilation:
    """How a project was made.

    Attributes:
        project: its folder.
        options: of `loopwire compile`, by the names of its parameters.
        clock_period_ns: what it was asked to reach.
        delay_factor: what the delay model was multiplied by.
    """

    project: Path
    options: Mapping[str, Any]
    clock_period_ns: float
    delay_factor: float


def compilation_of(project: Path) -> Compilation:
    """Return how a project was made.

    Raises:
        OutputError: there is no project.
        ConfigError: it is not one that this version's `loopwire compile` has written.
    """
    from loopwire.cli.compile import compile_command
    from loopwire.errors import ConfigError
    from loopwire.project.written import read_report, read_verilog_facts

    if "board" in read_verilog_facts(project):
        raise ConfigError("--retime", f"{project} is a board's project", "Retime the project that it was made from")
    report = read_report(project)
    if not report.command:
        raise ConfigError(
            "--retime",
            f"{project} does not record how it was compiled",
            "Write it with loopwire compile, on a command line",
        )
    try:
        with compile_command.make_context("compile", shlex.split(report.command)[2:]) as context:
            options = context.params
    except (click.UsageError, ValueError):
        problem = f"{project} was compiled by a command that this version does not take: {printable(report.command)}"
        raise ConfigError("--retime", problem, "Compile the model again") from None
    return Compilation(project, options, report.clock_period_ns, report.delay_factor)


def retimed(compilation: Compilation, routed: Routed, route: Callable[[Path], Routed]) -> Routed:
    """Compile for slower delays and route, until the clock is met, `ROUNDS` designs missed it, or none can be made.

    Returns the fastest design.

    Args:
        compilation: of the design that missed its clock.
        routed: this design.
        route: routes a project.
    """
    from loopwire.cli.compile import compile_as
    from loopwire.errors import LoopwireError

    project, factor = compilation.project, compilation.delay_factor
    designs = {project: routed}
    for number in range(1, ROUNDS + 1):
        factor *= (compilation.clock_period_ns - routed.slack_ns) / compilation.clock_period_ns
        folder = project.with_name(f"{project.name}_retimed_{number}")
        click.echo(f"\nCompiling for delays {factor:.3g} times as long, in {folder}")
        changed = {"delay_factor": float(f"{factor:.4g}"), "out": folder, "as_json": False, "opens": False}
        try:
            compile_as({**compilation.options, **changed})
        except LoopwireError as error:
            click.echo(f"No such design: {printable(str(error))}")
            break
        routed = designs[folder] = route(folder)
        if routed.slack_ns >= 0:
            click.echo(f"The clock is met in {folder}")
            return routed
    best = max(designs, key=lambda folder: designs[folder].slack_ns)
    click.echo(f"The clock is missed after {len(designs) - 1} rounds. The fastest is in {best}")
    return designs[best]
