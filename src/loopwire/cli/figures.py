"""`loopwire figures`: ROC curves, confusion matrix and profile as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loopwire.cli.console import JSON, next_step, print_json, print_table, progress_bars, step
from loopwire.cli.failures import errors_reported
from loopwire.cli.settings import LABELS, MODEL, how_to_read, read_settings


@click.command("figures")
@MODEL
@how_to_read
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Inputs: .npz (array X, labels y) or .npy."
)
@LABELS
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--precision", help="Type of all tensors. [default: fixed<16,6,RND,SAT>]")
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
    from loopwire.optimise.events import read_events
    from loopwire.report.agreement import class_aucs
    from loopwire.report.figures import save
    from loopwire.report.plain import plain
    from loopwire.report.profile import profile_figure
    from loopwire.report.roc import class_rocs, confusion, confusion_figure, roc_figure
    from loopwire.system.outputs import check_file

    config = read_settings(model_path, config_path, precision=precision, steps=steps, weights=weights, trust=trust)
    out = out or Path("build") / f"{model_path.stem}-figures"
    check_file(out / "profile.png")
    written: list[Path] = []
    with progress_bars(Console()) as progress:
        with step(progress, "Reading"):
            model = load(model_path, trust, weights=weights, steps=config.steps)
            events = read_events(model, data, labels)
            design = compile(model, config)
        if events.labels is not None:
            with step(progress, "Emulating"):
                real, fixed = design.predict_float(events.inputs), design.emulate(events.inputs)
            names = events.class_names or [str(k) for k in range(max(real.shape[-1], 2))]
            with step(progress, "Drawing"):
                with roc_figure(class_rocs(events.labels, real, fixed, names)) as drawn:
                    written += save(drawn, out / "roc")
                with confusion_figure(confusion(events.labels, fixed), names) as drawn:
                    written += save(drawn, out / "confusion")
        with step(progress, "Profiling"):
            profile = design.profile(events.inputs)
            with profile_figure(profile) as drawn:
                written += save(drawn, out / "profile")
    found = () if events.labels is None else class_aucs(events.labels, real, fixed, names)
    if as_json:
        facts = {"aucs": plain(found), "profile": plain(tuple(profile))}
        print_json({**facts, "figures": list(map(str, written))})
        return
    if found:
        rows = [(auc.name, *("-" if v is None else f"{v:.4f}" for v in (auc.real, auc.fixed))) for auc in found]
        print_table(Console(), "Area under the ROC curve", ("Class", "Float", "Fixed"), rows)
    shown = profile.table()
    print_table(Console(), shown.title, shown.head, shown.rows)
    for path in written:
        click.echo(f"Figure: {path}")
    next_step("loopwire", "precision", model_path, "--data", data)
