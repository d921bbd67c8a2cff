"""`loopwire doctor`: which tools and packages are there, in which version, and how to install those that are not."""

from __future__ import annotations

import click

from loopwire.cli.console import JSON, next_step, print_json, print_table
from loopwire.cli.failures import errors_reported

HEAD = ("", "Found", "For", "To install it")


@click.command("doctor", short_help="List tools and packages, and how to install them.")
@JSON
def doctor_command(as_json: bool) -> None:
    """List tools and packages: version, purpose, and how to install those that are missing."""
    with errors_reported():
        from rich.console import Console

        from loopwire.tools.installed import installed

        found = installed()
        if as_json:
            print_json([vars(tool) for tool in found])
        else:
            rows = [(t.name, t.version or "-", t.purpose, "" if t.version else t.remedy) for t in found]
            print_table(Console(), "Tools and packages", HEAD, rows)
        missing = [tool for tool in found if tool.is_needed and not tool.version]
        for tool in missing:
            click.secho(f"missing: {tool.name}. {tool.remedy}", fg="red", err=True)
        if missing:
            click.get_current_context().exit(1)
        next_step("loopwire", "inspect", "MODEL")
