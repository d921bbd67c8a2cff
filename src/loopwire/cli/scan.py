"""`loopwire scan`: a metric against fraction bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loopwire.cli.console import JSON, next_step, print_table, progress_bars, step
from loopwire.cli.failures import errors_reported
from loopwire.cli.settings import DATA, LABELS, MODEL, how_to_read, where_to_run


@click.command("scan", short_help="Plot a metric of MODEL against fraction bits.")
@MODEL
@how_to_read
@DATA
@LABELS
@click.option("--metric", default="auc", help="Metric: auc, mean_auc, top1 or mae. [default: auc]")
@click.option("--integer", "integers", default="4,6,8", help="Numbers of integer bits. [default: 4,6,8]")
@click.option("--fraction", "fractions", default="2-12", help="Numbers of fraction bits. [default: 2-12]")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Figure to write, as .png and .pdf. [default: <name of MODEL>-scan]"
)
@where_to_run
@JSON
def scan_command(model_path: Path, **options: Any) -> None:
    """Plot a metric of MODEL against fraction bits, for several numbers of integer bits."""
    with errors_reported():
        _scan(model_path, **options)


def _scan(
    model_path: Path,
    data: Path,
    labels: Path | None,
    metric: str,
    integers: str,
    fractions: str,
    out: Path | None,
    weights: Path | None,
    steps: int | None,
    trust: bool,
    processes: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    from rich.console import Console

    from loopwire.compiler import load
    from loopwire.data import read_data
    from loopwire.optimise.scan import numbers, scan, scan_figure
    from loopwire.report.figures import save
    from loopwire.system.outputs import check_file, write_file
    from loopwire.system.workers import workers

    widths, fraction_bits = numbers("--integer", integers), numbers("--fraction", fractions)
    out = out or Path(f"{model_path.stem}-scan")
    check_file(out.with_suffix(".png"))
    with progress_bars(Console()) as progress:
        with step(progress, "Reading"):
            model = load(model_path, trust, weights=weights, steps=steps)
            events = read_data(data, model.inputs, model.outputs, labels)
        with step(progress, "Emulating") as update, workers(processes, scheduler) as several:
            found = scan(model, events, widths, fraction_bits, metric, update, several)
        with step(progress, "Drawing"), scan_figure(found) as drawn:
            written = save(drawn, out)
    table = out.with_suffix(".json")
    write_file(table, found.to_json().encode())
    if as_json:
        click.echo(found.to_json(), nl=False)
        return
    shown = found.table()
    print_table(Console(), shown.title, shown.head, shown.rows)
    for path in (*written, table):
        click.echo(f"Scan: {path}")
    next_step("loopwire", "precision", model_path, "--data", data)
