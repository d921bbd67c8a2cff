"""`loopwire run`: data to a board, results back."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.cli.board import BAUD
from loopwire.cli.console import JSON, next_step, print_json, print_table, progress_bars, step
from loopwire.cli.failures import errors_reported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.progress import Progress

    from loopwire.boards.client import BoardClient
    from loopwire.boards.identity import Identity
    from loopwire.data import Data, Port
    from loopwire.report.agreement import ClassAuc


@click.command("run", short_help="Send DATA through a board, and compare the results.")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--port", required=True, help="Serial port of the board, such as /dev/ttyUSB0.")
@click.option("--baud", type=click.IntRange(min=1), default=BAUD, show_default=True, help="Speed of the serial line.")
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    help="Project of the bitstream; a board that holds another design is refused.",
)
@click.option("--check", is_flag=True, help="Compare every bit with the emulator of --project.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write, .npz: array 'outputs', or one array per output.",
)
@JSON
def run_command(
    data: Path, port: str, baud: int, project: Path | None, check: bool, out: Path | None, as_json: bool
) -> None:
    """Send DATA, .npz (array X, labels y) or .npy, through a board.

    A design with several inputs or outputs needs --project, and DATA with one array per input, named like it, and its
    labels as y.<output>.
    """
    from rich.console import Console

    with errors_reported():
        ran = _run(data, port, baud, project, check, out)
        if as_json:
            print_json(ran.facts())
            return
        print_table(Console(), "On the board", ("Quantity", "Value"), ran.rows())
        if not check:
            next_step("loopwire", "run", data, "--port", port, "--project", project or "PROJECT", "--check")


@dataclass(frozen=True)
class RightOutput:
    """How right one output is by its labels; `name` is empty where there is no other."""

    name: str
    accuracy: float | None
    aucs: tuple[ClassAuc, ...]

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON holds it."""
        return {"accuracy": self.accuracy, "aucs": {auc.name: auc.fixed for auc in self.aucs}}

    def rows(self) -> list[tuple[str, str]]:
        """Return (quantity, value)."""
        of = self.name and f"{self.name}: "
        return [
            *([] if self.accuracy is None else [(f"{of}Right class", f"{self.accuracy:.2%}")]),
            *((f"{of}AUC of {auc.name}", f"{auc.fixed:.4f}") for auc in self.aucs if auc.fixed is not None),
        ]


@dataclass(frozen=True)
class Ran:
    """What a board did: how many sequences, in which time, whether each bit was compared, and how right it was."""

    identity: Identity
    sequences: int
    seconds: float
    is_checked: bool
    right: tuple[RightOutput, ...]

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON holds it; `differing_bits` is null where nothing was compared."""
        by_name = {output.name: output.facts() for output in self.right}
        return {
            "design": {"name": self.identity.name, "digest": self.identity.digest},
            "sequences": self.sequences,
            "seconds": self.seconds,
            "differing_bits": 0 if self.is_checked else None,
            **({"outputs": by_name} if self.identity.several else by_name[""]),
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return (quantity, value)."""
        return [
            ("Design", f"{self.identity.name} {self.identity.digest}"),
            ("Sequences", str(self.sequences)),
            ("Rate, with the serial line", f"{self.sequences / self.seconds:.0f} sequences/s"),
            *([("Bits that differ from the emulator's", "0")] if self.is_checked else []),
            *(row for output in self.right for row in output.rows()),
        ]


def _run(data_path: Path, port_name: str, baud: int, project: Path | None, check: bool, out: Path | None) -> Ran:
    from rich.console import Console

    from loopwire.boards.client import BoardClient, timeout_s
    from loopwire.boards.link import open_port
    from loopwire.boards.session import classify, require_design, require_equal, require_one_stream, several_ports
    from loopwire.data import read_data
    from loopwire.errors import ConfigError
    from loopwire.layers.model import Tensor
    from loopwire.system.outputs import check_file

    if check and project is None:
        raise ConfigError("--check", "there is nothing to compare with", "Give --project as well")
    if out is not None:
        check_file(out)
    with progress_bars(Console()) as progress:
        with open_port(port_name, baud) as port:
            client = BoardClient(port, timeout_s(baud))
            if project is not None:
                require_design(port_name, client.identity, project)
                if ports := several_ports(project):
                    return _run_several(progress, client, data_path, ports, project, check, out)
            require_one_stream(port_name, client.identity)
            ports = [Tensor("X", client.identity.input_shape)], [Tensor("y", (client.identity.output.count,))]
            data = read_data(data_path, *ports)
            with step(progress, "Classifying") as update:
                outcome = classify(client, data.inputs, update)
        if check and project is not None:
            with step(progress, "Emulating"):
                require_equal(port_name, outcome, project)
    if out is not None:
        _write(out, {"outputs": outcome.outputs})
    return Ran(outcome.identity, len(data.inputs), outcome.seconds, check, _right(data, {"": outcome.outputs}))


def _run_several(
    progress: Progress,
    client: BoardClient,
    data_path: Path,
    ports: tuple[Sequence[Port], Sequence[Port]],
    project: Path,
    check: bool,
    out: Path | None,
) -> Ran:
    """Run data through a design of several inputs or outputs."""
    from loopwire.boards.session import classify_several, require_equal_several
    from loopwire.data import read_data

    data = read_data(data_path, *ports)
    with step(progress, "Classifying") as update:
        outcome = classify_several(client, project, data.arrays, update)
    if check:
        with step(progress, "Emulating"):
            require_equal_several(client.where, outcome, project)
    if out is not None:
        _write(out, outcome.outputs)
    return Ran(outcome.identity, len(data.inputs), outcome.seconds, check, _right(data, outcome.outputs))


def _write(out: Path, arrays: Mapping[str, Any]) -> None:
    """Write a .npz file of arrays of any names."""
    import numpy as np

    from loopwire.system.outputs import write_file

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array)
    write_file(out, content.getvalue())


def _right(data: Data, outputs: Mapping[str, Any]) -> tuple[RightOutput, ...]:
    """Compare results with labels, where there are some."""
    from loopwire.report.agreement import class_aucs

    found = []
    for name, values in outputs.items():
        labels = data.labels_of(name)
        if labels is None or values.ndim != 2:
            found.append(RightOutput(name, None, ()))
            continue
        accuracy = float((values.argmax(axis=1) == labels.classes).mean()) if values.shape[1] > 1 else None
        found.append(RightOutput(name, accuracy, class_aucs(labels.classes, values, values, labels.names)))
    return tuple(found)
