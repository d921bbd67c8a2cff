"""`loopwire precision`: the cheapest types that keep the physics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loopwire.cli.console import JSON, OPEN, next_step, open_page, print_json, progress_bars, step
from loopwire.cli.failures import errors_reported, report_kept
from loopwire.cli.settings import DATA, LABELS, MODEL, how_to_read, where_to_run


@click.command("precision", short_help="Find the cheapest types that keep the physics of MODEL.")
@MODEL
@how_to_read
@DATA
@LABELS
@click.option(
    "--keep",
    multiple=True,
    help="Criterion to keep, 'output:auc>=0.99' of one output. Can be repeated. "
    "[default: auc>=0.995 with labels, otherwise top1>=0.99]",
)
@click.option(
    "--check", type=click.Path(path_type=Path), help="Data for the final check. [default: a quarter of --data]"
)
@click.option(
    "--integers", default="data", help="Choose integer bits from the data, or by proof: data or proof. [default: data]"
)
@click.option("--seed", default=1, help="Random seed, which selects the quarter for the check. [default: 1]")
@click.option("--out", type=click.Path(path_type=Path), help="TOML file to write. [default: <name of MODEL>.toml]")
@where_to_run
@JSON
@OPEN
def precision_command(model_path: Path, **options: Any) -> None:
    """Find the cheapest fixed-point types that keep the physics of MODEL.

    Writes a file for `loopwire compile --config`. After Ctrl-C, the same command resumes the search.
    """
    with errors_reported():
        _precision(model_path, **options)


def _precision(
    model_path: Path,
    data: Path,
    labels: Path | None,
    keep: tuple[str, ...],
    check: Path | None,
    integers: str,
    seed: int,
    out: Path | None,
    weights: Path | None,
    steps: int | None,
    trust: bool,
    processes: int | None,
    scheduler: str | None,
    as_json: bool,
    opens: bool,
) -> None:
    from rich.console import Console

    from loopwire.compiler import load
    from loopwire.data import read_data
    from loopwire.optimise.model_judge import usual_criteria
    from loopwire.optimise.precision import Progress as Search
    from loopwire.optimise.precision import find_precision
    from loopwire.optimise.precision_file import facts, summary, write_toml
    from loopwire.optimise.precision_page import precision_page
    from loopwire.project.folder import reserved
    from loopwire.system.outputs import check_file, write_file
    from loopwire.system.workers import workers

    out = out or Path(f"{model_path.stem}.toml")
    check_file(out)
    state = out.with_name(f"{out.name}.state")
    with reserved(out), progress_bars(Console()) as progress:
        with step(progress, "Reading"):
            model = load(model_path, trust, weights=weights, steps=steps)
            events = read_data(data, model.inputs, model.outputs, labels)
            checked = None if check is None else read_data(check, model.inputs, model.outputs)
        with step(progress, "Searching") as update:

            def tell(search: Search) -> None:
                share = f"{search.cost / search.baseline_cost:.0%} of fixed<16,6>"
                update(search.judged, doing=f"{search.judged:4} tried, {share}: {search.trying}")

            report_kept(f"what was tried, in {state}: the same command goes on from there")
            with workers(processes, scheduler) as several:
                found = find_precision(
                    model,
                    events,
                    keep or usual_criteria(model.outputs, events),
                    check=checked,
                    integers=integers,
                    seed=seed,
                    state=state,
                    progress=tell,
                    workers=several,
                )
    write_toml(found, out)
    page = out.with_suffix(".html")
    write_file(page, precision_page(found, model).encode())
    if opens:
        open_page(page)
    if as_json:
        print_json(facts(found))
        return
    for line in summary(found):
        click.echo(line)
    click.echo(f"Types: {out}")
    click.echo(f"Page: {page}")
    next_step("loopwire", "compile", model_path, "--data", data, "--config", out)
