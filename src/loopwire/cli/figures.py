"""`loopwire figures`: ROC curves, confusion matrix and profile as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loopwire.cli.console import JSON, next_step, print_json, print_table, progress_bars, step
from loopwire.cli.failures import errors_reported
from loopwire.cli.settings import DATA, LABELS, MODEL, PRECISION, how_to_read, read_settings


@click.command("figures", short_help="Plot ROC curves, confusion matrix and profile of MODEL.")
@MODEL
@how_to_read
@DATA
@LABELS
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file with settings.")
@PRECISION
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write. [default: build/<name of MODEL>-figures]"
)
@JSON
def figures_command(model_path: Path, **options: Any) -> None:
    """Plot ROC curves, confusion matrix and profile of MODEL, floating against fixed point, as PNG and PDF."""
    with errors_reported():
        _figures(model_path, **options)


def _figures(
    model_path: Path,
    data: Path,
    labels: Path | None,
    config_path: Path | None,
    precision: str | None,
    out: Path | None,
    weights: Path | None,
    steps: int | None,
    trust: bool,
    as_json: bool,
) -> None:
    from rich.console import Console

    from loopwire.compiler import compile, load
    from loopwire.data import read_data
    from loopwire.judgement import judged_outputs, outputs
    from loopwire.report.figures import save
    from loopwire.report.plain import plain
    from loopwire.report.profile import profile_figure
    from loopwire.report.roc import confusion_figure, roc_figure
    from loopwire.report.summary import AUCS
    from loopwire.system.outputs import check_file
    from loopwire.text.identifiers import word

    config = read_settings(model_path, config_path, precision=precision, steps=steps, weights=weights, trust=trust)
    out = out or Path("build") / f"{model_path.stem}-figures"
    check_file(out / "profile.png")
    written: list[Path] = []
    with progress_bars(Console()) as progress:
        with step(progress, "Reading"):
            design = compile(load(model_path, trust, weights=weights, steps=config.steps), config)
            given = read_data(data, design.ports, design.model.outputs, labels)
        judged = []
        if given.labels is not None or given.by_output:
            with step(progress, "Emulating"):
                judged = judged_outputs(design, given, outputs(design, given))
        with step(progress, "Drawing"):
            for output, evidence in judged:
                of = f"-{word(output.name)}" if output.name else ""
                if output.aucs:
                    with roc_figure(evidence.rocs) as drawn:
                        written += save(drawn, out / f"roc{of}")
                if output.confusion:
                    with confusion_figure(output.confusion, evidence.class_names) as drawn:
                        written += save(drawn, out / f"confusion{of}")
        with step(progress, "Profiling"):
            profile = design.profile(given.inputs)
            with profile_figure(profile) as drawn:
                written += save(drawn, out / "profile")
    if as_json:
        by_output = {output.name: plain(output.aucs) for output, _ in judged}
        aucs = by_output if len(design.model.outputs) > 1 else by_output.get("", [])
        facts = {"aucs": aucs, "profile": plain(tuple(profile))}
        print_json({**facts, "figures": list(map(str, written))})
        return
    without_ratio = slice(-1)
    if rows := [row[without_ratio] for output, _ in judged for row in output.auc_rows()]:
        print_table(Console(), "Area under the ROC curve", AUCS[without_ratio], rows)
    shown = profile.table()
    print_table(Console(), shown.title, shown.head, shown.rows)
    for path in written:
        click.echo(f"Figure: {path}")
    next_step("loopwire", "precision", model_path, "--data", data)
