"""`loopwire finetune`: trains a model's weights on the numbers that its firmware computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.cli.console import JSON, next_step, print_json, progress_bars, step
from loopwire.cli.failures import errors_reported
from loopwire.cli.settings import LABELS, MODEL, how_to_read, read_settings
from loopwire.text.names import printable

if TYPE_CHECKING:
    from loopwire.data import Data
    from loopwire.design import Design
    from loopwire.optimise.criterion import Measure


@click.command("finetune", short_help="Train the weights of MODEL with the firmware's arithmetic.")
@MODEL
@how_to_read
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Training inputs: .npz (array X, labels y)."
)
@LABELS
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="TOML file with the types of the tensors."
)
@click.option("--precision", help="Type of all tensors, such as 'fixed<8,3,RND,SAT>'.")
@click.option(
    "--loss",
    type=click.Choice(["distillation", "labels"]),
    default="distillation",
    help="What is minimised. [default: distillation]",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Model file whose outputs distillation imitates; of several, their mean. Can be repeated. [default: MODEL]",
)
@click.option("--epochs", default=20, help="Maximum number of passes over the training events. [default: 20]")
@click.option("--learning-rate", default=1e-3, help="Initial learning rate of Adam. [default: 0.001]")
@click.option("--batch", default=256, help="Events in a batch. [default: 256]")
@click.option("--patience", default=5, help="Stop after this many epochs without improvement. [default: 5]")
@click.option(
    "--bit-price",
    default=0.0,
    help="Loss added for each bit of the mean width of the weights; above 0, their widths are trained. [default: 0]",
)
@click.option(
    "--prune",
    multiple=True,
    metavar="LAYER.ROLE=SHARE",
    help="Share of the weights to set to 0 in each row of a matrix: lstm.recurrent_weight=0.75. Can be repeated.",
)
@click.option(
    "--digits",
    type=float,
    help="Mean signed digits of a weight at the end, each of which costs an adder: 0.7. [default: no limit]",
)
@click.option(
    "--narrow",
    type=click.Path(path_type=Path),
    metavar="TOML",
    help="TOML file to write; --bit-price then trains the types of activations too, and this file holds them.",
)
@click.option("--seed", default=1, help="Random seed. [default: 1]")
@click.option(
    "--check", type=click.Path(path_type=Path), help="Data for the comparison of both models. [default: that of --data]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Model file to write. [default: <name>_tuned.<suffix>]")
@JSON
def finetune_command(model_path: Path, **options: Any) -> None:
    """Fine-tune the weights of MODEL with exactly the arithmetic of its firmware.

    Writes a model file of the same format; compile it with the same types. Needs PyTorch.
    """
    with errors_reported():
        _finetune(model_path, **options)


def _finetune(
    model_path: Path,
    data: Path,
    labels: Path | None,
    config_path: Path | None,
    precision: str | None,
    loss: str,
    teachers: tuple[Path, ...],
    epochs: int,
    learning_rate: float,
    batch: int,
    patience: int,
    bit_price: float,
    prune: tuple[str, ...],
    digits: float | None,
    narrow: Path | None,
    seed: int,
    check: Path | None,
    out: Path | None,
    weights: Path | None,
    steps: int | None,
    trust: bool,
    as_json: bool,
) -> None:
    from rich.console import Console

    from loopwire.compiler import compile_silently
    from loopwire.data import read_data
    from loopwire.frontends.reading import Reading
    from loopwire.frontends.registry import read
    from loopwire.optimise.config_file import to_toml
    from loopwire.project.folder import reserved
    from loopwire.report.plain import plain
    from loopwire.system.outputs import check_file, write_file
    from loopwire.training.finetune import finetune
    from loopwire.training.losses import Loss
    from loopwire.training.schedule import Schedule
    from loopwire.training.trainer import Epoch
    from loopwire.training.tuned_file import refuse_other_files, tuned_file
    from loopwire.training.widths import mean_weight_bits

    source = model_path if weights is None else weights
    out = out or Path(f"{source.stem}_tuned{source.suffix}")
    check_file(out)
    if narrow is not None:
        check_file(narrow)
    refuse_other_files(model_path)
    schedule = Schedule(
        epochs=epochs,
        learning_rate=learning_rate,
        batch=batch,
        patience=patience,
        seed=seed,
        bit_price=bit_price,
        narrow=narrow is not None,
        pruned=dict(map(_share, prune)),
        digits=digits,
    )
    reading = Reading(weights, steps, trust)
    config = read_settings(model_path, config_path, precision=precision, weights=weights, steps=steps, trust=trust)
    with reserved(out), progress_bars(Console()) as progress:
        with step(progress, "Reading"):
            model = read(model_path, reading)
            events = read_data(data, model.inputs, model.outputs, labels)
            judged = events if check is None else read_data(check, model.inputs, model.outputs)
            of_outputs = {name: given.classes for name, given in events.by_output.items()}
            before = compile_silently(model, config)
        with step(progress, "Training") as update:

            def tell(epoch: int, losses: Epoch) -> None:
                update(epoch + 1, epochs, f"epoch {epoch + 1}, held-out loss {losses.held_out_loss:.5f}")

            tuned = finetune(
                model,
                config,
                events.inputs,
                events.labels if len(model.outputs) == 1 else of_outputs or None,
                loss=Loss(loss),
                schedule=schedule,
                teacher=[read(teacher, Reading(None, steps, trust)) for teacher in teachers],
                progress=tell,
            )
        with step(progress, "Writing"):
            content = tuned_file(model_path, tuned, reading)
        write_file(out, content)
        if narrow is not None:
            write_file(narrow, to_toml(tuned.design.config).encode())
    found = {
        name: Judged(mean_weight_bits(design.graph), *_measures(before, design, judged))
        for name, design in (("rounded", before), ("tuned", tuned.design))
    }
    if as_json:
        facts = {"start_loss": tuned.start_loss, "epochs": plain(tuned.history), "kept_epoch": tuned.kept}
        print_json({**facts, **plain(found), "model": str(out)})
        return
    kept = (
        "no epoch was better than the rounded weights, which are kept"
        if tuned.kept < 0
        else (f"{tuned.history[tuned.kept].held_out_loss:.5f} after epoch {tuned.kept + 1} of {len(tuned.history)}")
    )
    click.echo(f"Held-out loss: {tuned.start_loss:.5f} with rounded weights, {kept}")
    for name, one in found.items():
        click.echo(f"{name:8} {one}")
    click.echo(f"Model: {printable(str(out))}")
    if narrow is not None:
        click.echo(f"Types: {printable(str(narrow))}")
    typed_by = narrow or config_path
    given = () if typed_by is None else ("--config", typed_by)
    typed = () if precision is None or narrow is not None else ("--precision", precision)
    next_step("loopwire", "compile", out, *given, *typed)


@dataclass(frozen=True)
class Judged:
    """A design's mean bits a weight, and its measures: of what, empty where their names say it."""

    weight_bits: float
    of: str
    measures: tuple[Measure, ...]

    def __str__(self) -> str:
        of = self.of and f"{self.of}: "
        return f"{of}{', '.join(map(str, self.measures))}; {self.weight_bits:.2f} bits a weight"


def _share(text: str) -> tuple[str, float]:
    """Return the matrix and the share that an option gives."""
    from loopwire.errors import ConfigError

    name, _, share = text.partition("=")
    try:
        return name, float(share)
    except ValueError:
        remedy = "Give a layer, a role and a share, such as lstm.recurrent_weight=0.75"
        raise ConfigError("--prune", f"{printable(text)} is not a share of a matrix", remedy) from None


def _measures(before: Design, design: Design, events: Data) -> tuple[str, tuple[Measure, ...]]:
    """Return how near a design's outputs are to those of the float model before training, and what measures it."""
    from loopwire.optimise.model_judge import ModelJudge, criteria_of

    outputs, keep = design.model.outputs, []
    for output in outputs:
        unlabelled = "top1>=0.5" if output.shape[-1] > 1 else "mae<=1e9"
        keep.append(f"{output.name}:{unlabelled if events.labels_of(output.name) is None else 'auc>=0.5'}")
    judge = ModelJudge(criteria_of(keep, outputs), before.predict_float(events.inputs), events)
    is_labelled = any(events.labels_of(output.name) is not None for output in outputs)
    of = "AUC over that of the float model" if is_labelled else ""
    return of, judge.judge(design.emulate(events.inputs)).measures
