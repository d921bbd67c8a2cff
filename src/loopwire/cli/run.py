"""`loopwire run`: data to a board, results back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.cli.board import BAUD
from loopwire.cli.console import print_table, progress_bars, step
from loopwire.cli.failures import errors_told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.progress import Progress

    from loopwire.boards.client import BoardClient
    from loopwire.boards.session import Outcome
    from loopwire.data import Data, Port


@click.command("run")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--port", required=True, help="Serial port of the board, such as /dev/ttyUSB0.")
@click.option("--baud", type=click.IntRange(min=1), default=BAUD, show_default=True, help="Of the serial line.")
@click.option(
    "--project", type=click.Path(path_type=Path), help="Refuse the board if it holds another design than this."
)
@click.option("--check", is_flag=True, help="Compare every bit with the emulator of --project.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the results to a .npz file, as 'outputs', or by name.",
)
def run_command(data: Path, port: str, baud: int, project: Path | None, check: bool, out: Path | None) -> None:
    """Classify DATA, .npz (X, and labels y) or .npy, on a board.

    For a design of several inputs or outputs, give --project, and DATA with an array for each input, under its name.
    """
    with errors_told():
        _run(data, port, baud, project, check, out)


def _run(data_path: Path, port_name: str, baud: int, project: Path | None, check: bool, out: Path | None) -> None:
    import numpy as np
    from rich.console import Console

    from loopwire.boards.client import BoardClient, timeout_s
    from loopwire.boards.link import open_port
    from loopwire.boards.session import classify, require_design, require_equal, require_one_stream, several_inputs
    from loopwire.data import read_data
    from loopwire.errors import ConfigError
    from loopwire.system.outputs import check_file, write_file

    if check and project is None:
        raise ConfigError("--check", "there is nothing to compare with", "Give --project as well")
    if out is not None:
        check_file(out)
    console = Console()
    with progress_bars(console) as progress:
        with open_port(port_name, baud) as port:
            client = BoardClient(port, timeout_s(baud))
            if project is not None:
                require_design(port_name, client.identity, project)
                if inputs := several_inputs(project):
                    _run_several(console, progress, client, data_path, inputs, project, check, out)
                    return
            require_one_stream(port_name, client.identity)
            data = read_data(data_path, client.identity.input_shape, client.identity.output.count)
            with step(progress, "Classifying") as update:
                outcome = classify(client, data.inputs, update)
        if check and project is not None:
            with step(progress, "Emulating"):
                require_equal(port_name, outcome, project)
    if out is not None:
        content = io.BytesIO()
        np.savez(content, outputs=outcome.outputs)
        write_file(out, content.getvalue())
    _tell(console, outcome, data, check)


def _run_several(
    console: Console,
    progress: Progress,
    client: BoardClient,
    data_path: Path,
    inputs: Sequence[Port],
    project: Path,
    check: bool,
    out: Path | None,
) -> None:
    """Run data through a design of several inputs or outputs."""
    from loopwire.boards.session import classify_several, require_equal_several
    from loopwire.data import read_batch
    from loopwire.system.outputs import write_file

    batch = read_batch(data_path, inputs, None).inputs
    with step(progress, "Classifying") as update:
        outcome = classify_several(client, project, batch.arrays, update)
    if check:
        with step(progress, "Emulating"):
            require_equal_several(client.where, outcome, project)
    if out is not None:
        write_file(out, _npz(outcome.outputs))
    rows = [
        ("Design", f"{outcome.identity.name} {outcome.identity.digest}"),
        ("Sequences", str(len(batch))),
        ("Rate, with the serial line", f"{len(batch) / outcome.seconds:.0f} sequences/s"),
        *([("Bits that differ from the emulator's", "0")] if check else []),
    ]
    print_table(console, "On the board", ("Quantity", "Value"), rows)


def _npz(arrays: Mapping[str, Any]) -> bytes:
    """Return a .npz file of arrays of any names."""
    import numpy as np

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array)
    return content.getvalue()


def _tell(console: object, outcome: Outcome, data: Data, check: bool) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    identity = outcome.identity
    rows = [
        ("Design", f"{identity.name} {identity.digest}"),
        ("Sequences", str(len(outcome.outputs))),
        ("Rate, with the serial line", f"{len(outcome.outputs) / outcome.seconds:.0f} sequences/s"),
    ]
    if check:
        rows.append(("Bits that differ from the emulator's", "0"))
    if data.labels is not None and outcome.outputs.ndim == 2:
        from loopwire.report.agreement import class_aucs

        if outcome.outputs.shape[1] > 1:
            correct = float((outcome.outputs.argmax(axis=1) == data.labels).mean())
            rows.append(("Right class", f"{correct:.2%}"))
        aucs = class_aucs(data.labels, outcome.outputs, outcome.outputs, data.class_names)
        rows += [(f"AUC of {auc.name}", f"{auc.fixed:.4f}") for auc in aucs if auc.fixed is not None]
    print_table(console, "On the board", ("Quantity", "Value"), rows)
