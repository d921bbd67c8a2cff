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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """Compile trained recurrent neural networks into verified, ultra-low-latency FPGA firmware."""


COMMANDS = (
    compile_command,
    inspect_command,
    init_command,
    parts_command,
    doctor_command,
    build_command,
    synth_command,
    route_command,
    board_command,
    run_command,
    precision_command,
    finetune_command,
    scan_command,
    explore_command,
    figures_command,
)
with_verbosity(main)
for command in COMMANDS:
    main.add_command(with_verbosity(command))
