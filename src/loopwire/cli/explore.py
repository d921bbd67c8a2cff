"""`loopwire explore`: what a nanosecond, a share of the part and a loss of accuracy cost one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loopwire.cli.console import JSON, OPEN, next_step, open_page, print_json, progress_bars, step
from loopwire.cli.failures import errors_reported, report_kept
from loopwire.cli.settings import DATA, LABELS, LEAST_CLOCK_NS, MODEL, bounds, how_to_read, read_settings, where_to_run


@click.command("explore", short_help="Search the trade-off of latency, area and accuracy.")
@MODEL
@how_to_read
@DATA
@LABELS
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="TOML file with settings that all designs share."
)
@click.option(
    "--keep",
    multiple=True,
    default=("auc>=0.99",),
    help="Criterion that all designs keep, 'output:auc>=0.99' of one output. Can be repeated. [default: auc>=0.99]",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    default=("latency", "share", "loss"),
    help="latency, interval, share or loss. Can be repeated. [default: latency, share, loss]",
)
@click.option(
    "--part", "parts", multiple=True, help="FPGA part to try. Can be repeated. [default: xcku115-flvb2104-2-i]"
)
@click.option(
    "--clock-ns",
    "clock_period_ns",
    type=float,
    help="Fixed clock period. [default: periods from 2 ns upwards are tried]",
)
@bounds
@click.option("--trials", type=int, help="Number of designs to try, including those in the journal. [default: 500]")
@click.option("--minutes", type=float, help="Stop after this time, instead of or in addition to --trials.")
@click.option("--seed", default=1, help="Random seed. [default: 1]")
@where_to_run
@click.option(
    "--verify", "verified", type=click.IntRange(min=0), default=0, help="Number of designs of the front to simulate."
)
@click.option(
    "--synth",
    "synthesised",
    type=click.IntRange(min=0),
    default=0,
    help="Number of designs of the front to synthesise.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write. [default: build/<name of MODEL>-explore]"
)
@JSON
@OPEN
def explore_command(model_path: Path, **options: Any) -> None:
    """Search the trade-off of latency, area and accuracy of MODEL.

    Writes a page with the Pareto front, a configuration for each of its designs, and a journal: after Ctrl-C, the same
    command resumes the search.
    """
    with errors_reported():
        _explore(model_path, **options)


def _explore(
    model_path: Path,
    data: Path,
    labels: Path | None,
    config_path: Path | None,
    weights: Path | None,
    steps: int | None,
    trust: bool,
    out: Path | None,
    trials: int | None,
    minutes: float | None,
    verified: int,
    synthesised: int,
    as_json: bool,
    opens: bool,
    **options: Any,
) -> None:
    from dataclasses import replace

    from rich.console import Console

    from loopwire.compiler import load
    from loopwire.data import read_data
    from loopwire.project.folder import reserved
    from loopwire.report.plain import plain
    from loopwire.system.workers import workers
    from loopwire.tradeoff.exploration import explore
    from loopwire.tradeoff.page import settings_file, write
    from loopwire.tradeoff.proofs import prove

    out = out or Path("build") / f"{model_path.stem}-explore"
    given = {name: options.pop(name) for name in list(options) if name.startswith(("min_", "max_", "clock_"))}
    if given["clock_period_ns"] is None and given["min_clock_ns"] is None:
        given["min_clock_ns"] = LEAST_CLOCK_NS
    config = read_settings(model_path, config_path, weights, trust, steps=steps, **given)
    parts = options.pop("parts")
    if len(parts) == 1:
        config, parts = replace(config, part=parts[0]), ()
    trials = 500 if trials is None and minutes is None else trials
    console = Console()
    with reserved(out), progress_bars(console) as progress:
        out.mkdir(parents=True, exist_ok=True)
        with step(progress, "Reading"):
            model = load(model_path, trust, weights=weights, steps=steps)
            events = read_data(data, model.inputs, model.outputs, labels)
        journal = out / "journal.log"
        with step(progress, "Trying designs") as update:
            report_kept(f"what was tried, in {journal}: the same command goes on from there")
            found = explore(
                model,
                events,
                replace(config, targets=None),
                targets=config.targets,
                parts=parts,
                trials=trials,
                minutes=minutes,
                journal=journal,
                progress=lambda done, total: update(done, total or None),
                **options,
            )
        files = write(found, out, model_path)
        proofs = []
        if verified or synthesised:
            x, sequences = events.inputs, config.simulate_sequences
            where = options["processes"], options["scheduler"]
            with workers(*where) as several, step(progress, "Proving") as update:
                proofs = prove(found, x, out / "designs", verified, synthesised, sequences, update, several)
    if opens:
        open_page(files[0])
    if as_json:
        print_json({**found.facts(), "proofs": [plain(proof) | {"folder": str(proof.folder)} for proof in proofs]})
        return
    click.echo(repr(found.table()))
    for proof in proofs:
        built = (
            "" if proof.built is None else "; " + ", ".join(f"{use.name} {use.used}" for use in proof.built.resources)
        )
        click.echo(f"{proof.folder}: {proof.verification}{built}{' (synthesised)' if built else ''}")
    click.echo(f"Front: {files[0]}")
    if found.front:
        next_step("loopwire", "compile", model_path, "--data", data, "--config", settings_file(out, 0))
