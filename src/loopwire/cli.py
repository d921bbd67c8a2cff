"""The command line."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.errors import LoopwireError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from loopwire.config import CompileConfig
    from loopwire.data import Data
    from loopwire.design import Design
    from loopwire.report.html import Evidence
    from loopwire.report.summary import Report

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
CHUNKS = 40
"""Updates of a progress bar."""
PROFILED_SEQUENCES = 2000
"""Of the data, looked at tensor by tensor: seconds for the largest models."""


class _Failure(click.ClickException):
    """One red line on standard error, exit status 1."""

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.secho(f"error: {' '.join(self.message.split())}", fg="red", err=True)


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except LoopwireError as error:
        raise _Failure(str(error)) from error
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        place = error.filename or "temporary files"
        raise _Failure(
            f"{place}: {error.strerror}. Free some space, or set TMPDIR to a folder that has some"
        ) from error


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


@main.command("compile")
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Inputs, .npz (X, and labels y) or .npy.")
@click.option("--out", type=click.Path(path_type=Path), help="Project folder. [default: build/<name of MODEL>]")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="TOML file of settings; options given here override it.",
)
@click.option("--part", help="FPGA. [default: xcku115-flvb2104-2-i]")
@click.option("--clock-ns", type=float, help="Clock period in ns. [default: 5]")
@click.option("--precision", help="Type of all tensors. [default: fixed<16,6,RND,SAT>]")
@click.option("--reuse-factor", type=int, help="Products that a multiplier serves in each step. [default: 1]")
@click.option("--interleave", type=int, help="Sequences in the loop at once. [default: as many as fill it]")
@click.option("--multipliers", help="auto, shift_add or dsp. [default: auto]")
@click.option(
    "--simulate", "sequences", type=click.IntRange(min=0), help="Sequences to verify; 0: none. [default: 1000]"
)
def compile_command(model_path: Path, data: Path | None, out: Path | None, **options: Any) -> None:
    """Compile MODEL, a Keras .h5 or .keras file, to verified SystemVerilog."""
    with _errors_told():
        _compile(model_path, data, out, **options)


_MODEL = click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
_LABELS = click.option(
    "--labels", type=click.Path(path_type=Path), help="Labels, .npy or .npz (y), if not in the data."
)


@main.command("precision")
@_MODEL
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Inputs, .npz (X, and labels y) or .npy.")
@_LABELS
@click.option("--keep", help="What to keep. [default: auc>=0.995 with labels, else top1>=0.99]")
@click.option(
    "--check", type=click.Path(path_type=Path), help="Data for the final check. [default: a quarter of --data]"
)
@click.option("--integers", default="data", help="Integer bits from 'data' or from 'proof'. [default: data]")
@click.option("--seed", default=1, help="Chooses the quarter. [default: 1]")
@click.option("--out", type=click.Path(path_type=Path), help="TOML file to write. [default: <name of MODEL>.toml]")
def precision_command(model_path: Path, **options: Any) -> None:
    """Find the cheapest types for MODEL that keep its physics.

    Writes a file for `loopwire compile --config`. Stopped with Ctrl-C, the same command goes on where it was.
    """
    with _errors_told():
        _precision(model_path, **options)


@main.command("scan")
@_MODEL
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Inputs, .npz (X, and labels y) or .npy.")
@_LABELS
@click.option("--metric", default="auc", help="auc, mean_auc, top1 or mae. [default: auc]")
@click.option("--integer", "integers", default="4,6,8", help="Integer bits. [default: 4,6,8]")
@click.option("--fraction", "fractions", default="2-12", help="Fraction bits. [default: 2-12]")
@click.option("--out", type=click.Path(path_type=Path), help="Figure, .png and .pdf. [default: <name of MODEL>-scan]")
def scan_command(model_path: Path, **options: Any) -> None:
    """Draw a metric of MODEL against fraction bits, for several integer widths."""
    with _errors_told():
        _scan(model_path, **options)


@main.command("figures")
@_MODEL
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Inputs, .npz (X, and labels y) or .npy.")
@_LABELS
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option("--precision", help="Type of all tensors. [default: fixed<16,6,RND,SAT>]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder. [default: build/<name of MODEL>-figures]")
def figures_command(model_path: Path, **options: Any) -> None:
    """Draw ROC curves, confusion matrix and profile of MODEL, float against fixed, as PNG and PDF."""
    with _errors_told():
        _figures(model_path, **options)


def _compile(model_path: Path, data_path: Path | None, out: Path | None, sequences: int | None, **options: Any) -> None:
    # One step's matrices are small: more threads would spend their time waiting. Read when numpy is first imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from rich.console import Console

    from loopwire.report.html import page
    from loopwire.report.summary import AUCS, FACTS

    console = Console()
    out = out or Path("build") / model_path.stem
    config = _config(model_path.stem, **options)
    sequences = config.simulate_sequences if sequences is None else sequences
    _check_early(out, sequences)
    with _progress(console) as progress:
        design, data = _read(progress, model_path, data_path, config)
        report, evidence = _report(progress, design, data, sequences)
        with _step(progress, "Writing"):
            inputs = None if data is None else data.inputs
            command = " ".join(map(shlex.quote, _command()))
            reports = {
                "report.json": report.to_json(),
                "report.md": report.to_markdown(),
                "report.html": page(report, design.firmware, command, evidence),
            }
            design.write(out, inputs, reports)
    if report.aucs:
        _print_table(console, "Area under the ROC curve", AUCS, report.auc_rows())
    _print_table(console, report.model, FACTS, report.rows())
    click.echo(f"Project: {out}")
    click.echo(f"Report: {out / 'report.html'}")


def _precision(
    model_path: Path,
    data: Path,
    labels: Path | None,
    keep: str | None,
    check: Path | None,
    integers: str,
    seed: int,
    out: Path | None,
) -> None:
    from rich.console import Console

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from loopwire.compiler import load
    from loopwire.explore.criterion import Criterion
    from loopwire.explore.events import read_events
    from loopwire.explore.precision import Progress as Search
    from loopwire.explore.precision import find_precision
    from loopwire.explore.precision_file import summary, write_toml

    out = out or Path(f"{model_path.stem}.toml")
    state = out.with_name(f"{out.name}.state")
    criterion = None if keep is None else Criterion.parse(keep)
    with _progress(Console()) as progress:
        with _step(progress, "Reading"):
            model = load(model_path)
            events = read_events(model, data, labels)
            checked = None if check is None else read_events(model, check)
        if criterion is None:
            criterion = Criterion.parse("top1>=0.99" if events.labels is None else "auc>=0.995")
        task = progress.add_task("Searching", total=None)

        def update(search: Search) -> None:
            share = f"{search.cost / search.baseline_cost:.0%} of fixed<16,6>"
            progress.update(task, description=f"{search.judged:4} tried, {share}: {search.trying}")

        try:
            found = find_precision(
                model, events, criterion, check=checked, integers=integers, seed=seed, state=state, progress=update
            )
        except KeyboardInterrupt:
            raise click.ClickException(f"stopped; the same command goes on from {state}") from None
        progress.update(task, completed=1, total=1)
    write_toml(found, out)
    for line in summary(found):
        click.echo(line)
    click.echo(f"Types: {out}")


def _scan(
    model_path: Path, data: Path, labels: Path | None, metric: str, integers: str, fractions: str, out: Path | None
) -> None:
    from rich.console import Console

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from loopwire.compiler import load
    from loopwire.explore.events import read_events
    from loopwire.explore.scan import numbers, scan, scan_figure
    from loopwire.report.figures import save

    widths, steps = numbers("--integer", integers), numbers("--fraction", fractions)
    out = out or Path(f"{model_path.stem}-scan")
    with _progress(Console()) as progress:
        with _step(progress, "Reading"):
            model = load(model_path)
            events = read_events(model, data, labels)
        with _step(progress, "Emulating") as update:
            found = scan(model, events, widths, steps, metric, update)
        with _step(progress, "Drawing"), scan_figure(found) as drawn:
            written = save(drawn, out)
    table = out.with_suffix(".json")
    table.write_text(found.to_json())
    for path in (*written, table):
        click.echo(f"Scan: {path}")


def _figures(
    model_path: Path, data: Path, labels: Path | None, config_path: Path | None, precision: str | None, out: Path | None
) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from rich.console import Console

    from loopwire.compiler import compile, load
    from loopwire.explore.events import read_events
    from loopwire.report.figures import save
    from loopwire.report.profile import profile_figure
    from loopwire.report.roc import class_rocs, confusion, confusion_figure, roc_figure

    config = _config(model_path.stem, config_path=config_path, precision=precision)
    out = out or Path("build") / f"{model_path.stem}-figures"
    written: list[Path] = []
    with _progress(Console()) as progress:
        with _step(progress, "Reading"):
            model = load(model_path)
            events = read_events(model, data, labels)
            design = compile(model, config)
        if events.labels is not None:
            with _step(progress, "Emulating"):
                real, fixed = design.predict_float(events.inputs), design.predict(events.inputs)
            names = events.class_names or [str(k) for k in range(max(real.shape[-1], 2))]
            with _step(progress, "Drawing"):
                with roc_figure(class_rocs(events.labels, real, fixed, names)) as drawn:
                    written += save(drawn, out / "roc")
                with confusion_figure(confusion(events.labels, fixed), names) as drawn:
                    written += save(drawn, out / "confusion")
        with _step(progress, "Profiling"), profile_figure(design.profile(events.inputs)) as drawn:
            written += save(drawn, out / "profile")
    for path in written:
        click.echo(f"Figure: {path}")


def _config(
    name: str,
    config_path: Path | None,
    part: str | None = None,
    clock_ns: float | None = None,
    precision: str | None = None,
    interleave: int | None = None,
    reuse_factor: int | None = None,
    multipliers: str | None = None,
) -> CompileConfig:
    """Return the file's settings with the options' in their place."""
    from dataclasses import replace

    from loopwire.config import CompileConfig
    from loopwire.ir.types import FixedType

    config = CompileConfig() if config_path is None else CompileConfig.from_toml(config_path)
    options = {
        "part": part,
        "clock_period_ns": clock_ns,
        "interleave": interleave,
        "reuse_factor": reuse_factor,
        "multipliers": multipliers,
    }
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if precision is not None:
        given["model"] = replace(config.model, precision=FixedType.parse(precision))
    return replace(config, name=config.name or name, **given)


def _check_early(out: Path, sequences: int) -> None:
    """Meet what would stop the command after minutes in its first second."""
    from loopwire.project import check_project
    from loopwire.synth.verilator import cxx_compiler

    check_project(out)
    if sequences:
        cxx_compiler()


def _read(
    progress: Progress, model_path: Path, data_path: Path | None, config: CompileConfig
) -> tuple[Design, Data | None]:
    from loopwire.compiler import compile, load
    from loopwire.data import read_data

    with _step(progress, "Reading"):
        model = load(model_path)
        data = None
        if data_path is not None:
            data = read_data(data_path, model.input_shape, model.output_shape()[-1])
        return compile(model, config), data


def _report(progress: Progress, design: Design, data: Data | None, sequences: int) -> tuple[Report, Evidence]:
    """Judge the design with the data, plan its hardware, and simulate it."""
    from dataclasses import replace

    from loopwire.report.html import Evidence
    from loopwire.verification import verify

    judged, evidence = ({}, Evidence()) if data is None else _judge(progress, design, data)
    with _step(progress, "Solving"):
        report = replace(design.report(), **judged)
    if not sequences:
        return report, evidence
    with _step(progress, "Building the simulation"):
        _ = design.simulator
    inputs = design.random_inputs(sequences) if data is None else data.inputs
    with _step(progress, "Simulating") as update:
        return replace(report, verification=verify(design, inputs, sequences, progress=update)), evidence


def _judge(progress: Progress, design: Design, data: Data) -> tuple[dict[str, Any], Evidence]:
    """Compare fixed point with float, and look at the range of every tensor."""
    import numpy as np

    from loopwire.report.agreement import agreement, class_aucs
    from loopwire.report.clipping import ClippingMeter
    from loopwire.report.html import Evidence
    from loopwire.report.roc import class_rocs, confusion, working_points
    from loopwire.report.summary import CLIPPING, clipping_rows

    meter = ClippingMeter()
    real, fixed = [], []
    with _step(progress, "Emulating") as update:
        done = 0
        for part in np.array_split(data.inputs, min(CHUNKS, len(data.inputs))):
            real.append(design.predict_float(part, meter=meter))
            fixed.append(design.predict(part))
            done += len(part)
            update(done, len(data.inputs))
    outputs = np.concatenate(real), np.concatenate(fixed)
    clipping = meter.rows(design.graph)
    if clipping:  # told now, since who sees it may want to stop and choose other types
        title = "Tensors that clip: some values do not fit their type"
        _print_table(progress.console, title, CLIPPING, clipping_rows(clipping))
    judged: dict[str, Any] = {"agreement": agreement(*outputs), "clipping": clipping}
    evidence = Evidence()
    if data.labels is not None and outputs[0].ndim == 2:
        rocs = class_rocs(data.labels, *outputs, data.class_names)
        evidence = Evidence(rocs, data.class_names or ())
        judged["aucs"] = class_aucs(data.labels, *outputs, data.class_names)
        judged["working_points"] = working_points(rocs)
        judged["confusion"] = tuple(map(tuple, confusion(data.labels, outputs[1]).tolist()))
    with _step(progress, "Profiling"):
        profiled = data.inputs[:PROFILED_SEQUENCES]
        judged["profiled_sequences"] = len(profiled)
        judged["profile"], judged["trace"] = design.profile(profiled), design.trace(profiled)
    return judged, evidence


def _command() -> list[str]:
    """Return the command line as it was given."""
    context = click.get_current_context()
    parameters = {parameter.name: parameter for parameter in context.command.params}
    words = ["loopwire", str(context.info_name)]
    for name, value in context.params.items():
        if isinstance(parameters[name], click.Argument):
            words.append(str(value))
        elif value is not None:
            words += [parameters[name].opts[0], str(value)]
    return words


def _progress(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=console
    )


@contextmanager
def _step(progress: Progress, name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while a step runs; it moves as the step calls the function it is given, else it pulses."""
    task = progress.add_task(name, total=None)
    yield lambda done, of: progress.update(task, completed=done, total=of)
    total = progress.tasks[task].total or 1
    progress.update(task, completed=total, total=total)


def _print_table(console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
