"""The command line: a file a command; each imports what is heavy when it runs."""

from __future__ import annotations

import click

from loopwire.cli.board import board_command
from loopwire.cli.build import build_command
from loopwire.cli.compile import compile_command
from loopwire.cli.console import with_verbosity
from loopwire.cli.doctor import doctor_command
from loopwire.cli.explore import explore_command
from loopwire.cli.figures import figures_command
from loopwire.cli.finetune import finetune_command
from loopwire.cli.init import init_command
from loopwire.cli.inspect import inspect_command
from loopwire.cli.parts import parts_command
from loopwire.cli.precision import precision_command
from loopwire.cli.route import route_command
from loopwire.cli.run import run_command
from loopwire.cli.scan import scan_command
from loopwire.cli.synth import synth_command


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"loopwire {version('loopwire')}")
        context.exit()


class Commands(click.Group):
    """Commands, in help texts in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names as they were added."""
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """Compile trained recurrent neural networks into verified, ultra-low-latency FPGA firmware."""


COMMANDS = (
    inspect_command,
    init_command,
    precision_command,
    scan_command,
    finetune_command,
    compile_command,
    explore_command,
    figures_command,
    synth_command,
    route_command,
    build_command,
    board_command,
    run_command,
    parts_command,
    doctor_command,
)
with_verbosity(main)
for command in COMMANDS:
    main.add_command(with_verbosity(command))
