"""`loopwire compile`: a model file to verified firmware."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwire.cli.console import JSON, OPEN, next_step, open_page, print_report, print_table, progress_bars, step
from loopwire.cli.failures import errors_reported, report_kept
from loopwire.cli.settings import PRECISION, ClockPeriod, bounds, how_to_read, named_files, read_settings
from loopwire.text.names import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from loopwire.config import CompileConfig
    from loopwire.data import Data
    from loopwire.design import Design
    from loopwire.judgement import Judgement
    from loopwire.report.drawings import Evidence
    from loopwire.report.summary import Report

FITTING_SHARE = "80%"
"""Of a part, by estimate: what tools place and route without trouble."""


@click.command("compile", short_help="Compile MODEL to verified SystemVerilog or HLS C++.")
@click.argument("model_path", metavar="MODEL", required=False, type=click.Path(path_type=Path))
@how_to_read
@click.option("--data", type=click.Path(path_type=Path), help="Inputs: .npz (array X, labels y) or .npy.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Project folder to write. [default: build/<name of MODEL>]"
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="TOML file with settings, or an hls4ml YAML file, which may name MODEL. Options override it.",
)
@click.option("--target", help="Language to write: verilog or vitis_hls. [default: verilog]")
@click.option("--part", help="FPGA part. [default: xcku115-flvb2104-2-i]")
@click.option(
    "--clock-ns", "clock_period_ns", type=ClockPeriod(), help="Clock period in ns, or auto to choose it. [default: 5]"
)
@click.option("--delay-factor", type=float, help="Multiply the delays of the delay model by this. [default: 1]")
@click.option(
    "--logits",
    is_flag=True,
    default=None,
    help="Leave out the softmax or sigmoid at the end: outputs are its operands.",
)
@PRECISION
@click.option("--reuse-factor", type=int, help="Products that share a multiplier in each step. [default: 1]")
@click.option(
    "--interleave", type=int, help="Sequences processed in the loop at the same time. [default: as many as fit]"
)
@click.option("--multipliers", help="How products with weights are built: auto, shift_add or dsp. [default: auto]")
@click.option(
    "--lut-product-bits",
    type=int,
    metavar="N",
    help="Build a product from look-up tables if one factor has at most N bits. [default: by family]",
)
@click.option(
    "--copies", type=int, help="Copies of the recurrent layers, which take turns with the sequences. [default: 1]"
)
@click.option("--io", help="stream (one step per beat) or parallel (one sequence per beat). [default: stream]")
@click.option(
    "--bus-bits",
    type=int,
    help="Width of the data ports: several steps per beat, or several beats per step. [default: one step]",
)
@click.option("--stateful", is_flag=True, default=None, help="Keep the states from one sequence to the next.")
@click.option(
    "--sliding-window",
    is_flag=True,
    default=None,
    help="Give a result for each new sample, computed from the last T samples.",
)
@click.option("--channels", type=int, help="Streams that take turns, each with its own states or window. [default: 1]")
@click.option(
    "--require-tlast", is_flag=True, default=None, help="End a sequence at TLAST only, and truncate longer ones."
)
@click.option(
    "--user-bits", type=int, help="Width of TUSER, which is copied from each sequence to its result. [default: 0]"
)
@click.option(
    "--id-bits", type=int, help="Width of TID, which is copied likewise, and selects the channel. [default: 0]"
)
@click.option(
    "--port-registers", is_flag=True, default=None, help="Put register slices at the ports and between engines."
)
@click.option(
    "--fixed-latency", is_flag=True, default=None, help="Delay each result so that all have the greatest latency."
)
@bounds
@click.option(
    "--simulate", "sequences", type=click.IntRange(min=0), help="Sequences to simulate, 0 for none. [default: 1000]"
)
@JSON
@OPEN
def compile_command(**options: Any) -> None:
    """Compile MODEL (Keras, PyTorch .pt2 or ONNX) to verified SystemVerilog or HLS C++."""
    with errors_reported():
        compile_as(options)


def compile_as(options: Mapping[str, Any]) -> None:
    """Compile a model, write its project and print the report.

    Args:
        options: what `loopwire compile` was given, by the names of its parameters; None, or False, is not given.
    """
    rest = dict(options)
    files = (rest.pop(name) for name in ("model_path", "data", "out"))
    _compile(_command(options), *files, **rest)


def _compile(
    command: Sequence[str],
    given_model: Path | None,
    given_data: Path | None,
    given_out: Path | None,
    sequences: int | None,
    as_json: bool,
    opens: bool,
    **options: Any,
) -> None:
    from dataclasses import replace

    from rich.console import Console

    from loopwire.optimise.config_file import to_toml
    from loopwire.project.folder import reserved
    from loopwire.project.written import report_files
    from loopwire.report.drawings import draw
    from loopwire.report.summary import AUCS

    console = Console()
    model_path, data_path, out = named_files(options["config_path"], given_model, given_data, given_out)
    config = read_settings(model_path, **options)
    is_asked = sequences is not None
    sequences = config.simulate_sequences if sequences is None else sequences
    _check_early(out, sequences)
    with reserved(out), progress_bars(console) as progress:
        design, data = _read(progress, model_path, data_path, config, options["trust"], options["weights"])
        design, chosen = _chosen(progress, design, config)
        report, evidence = _report(progress, design, data, sequences, is_asked, command)
        report = replace(report, command=printable(shlex.join(command)), **chosen)
        with step(progress, "Writing"):
            inputs = None if data is None else data.inputs
            reports = report_files(report, draw(report, design.pictures(), evidence))
            if chosen:
                reports["chosen.toml"] = to_toml(design.config)
            design.write(out, inputs, reports)
            report_kept(f"the project, {out}")
    if opens:
        open_page(out / "report.html")
    if as_json:
        click.echo(report.to_json(), nl=False)
        return
    if aucs := report.auc_rows():
        print_table(console, "Area under the ROC curve", AUCS, aucs)
    print_report(console, report)
    click.echo(f"Project: {out}")
    click.echo(f"Report: {out / 'report.html'}")
    if data_path is not None and options["precision"] is None and options["config_path"] is None:
        next_step("loopwire", "precision", model_path, "--data", data_path)
    else:
        _next_tool(out, config)


def _next_tool(out: Path, config: CompileConfig) -> None:
    """Name the command that reports what a written project uses of its part."""
    from loopwire.devices import find_part

    if config.target != "verilog":
        next_step("loopwire", "build", out)
    elif find_part(config.part).synthesis == "ecp5":
        next_step("loopwire", "route", out)
    else:
        next_step("loopwire", "synth", out)


def _check_early(out: Path, sequences: int) -> None:
    """Fail in the first second rather than after minutes."""
    from loopwire.project.folder import check_project
    from loopwire.system.cxx import cxx_compiler

    check_project(out)
    if sequences:
        cxx_compiler()


def _read(
    progress: Progress,
    model_path: Path,
    data_path: Path | None,
    config: CompileConfig,
    trust: bool,
    weights: Path | None,
) -> tuple[Design, Data | None]:
    from dataclasses import replace

    from loopwire.compiler import compile, load
    from loopwire.data import read_data

    with step(progress, "Reading"):
        design = compile(load(model_path, trust, weights=weights, steps=config.steps), replace(config, targets=None))
        data = None
        if data_path is not None:
            data = read_data(data_path, design.ports, design.model.outputs)
        return design, data


def _chosen(progress: Progress, design: Design, config: CompileConfig) -> tuple[Design, dict[str, Any]]:
    """Return the design with knobs chosen where there are targets, and what to report of these."""
    from loopwire.optimise.chooser import choose

    if config.targets is None:
        return design, {}
    with step(progress, "Choosing") as update:
        choice = choose(design, config.targets, update)
        return choice.design, {"targets": choice.targets, "chosen": choice.knobs}


def _report(
    progress: Progress,
    design: Design,
    data: Data | None,
    sequences: int,
    is_asked: bool,
    command: Sequence[str],
) -> tuple[Report, tuple[Evidence, ...]]:
    """Judge the design with the data, plan its hardware, and simulate it; one that does not fit only if asked for."""
    from dataclasses import replace

    from loopwire.errors import ConfigError, LoopwireWarning
    from loopwire.judgement import NOT_JUDGED
    from loopwire.tools.fit import shortage
    from loopwire.verification import verify

    judged = NOT_JUDGED if data is None else _judge(progress, design, data)
    evidence = judged.evidence
    with step(progress, "Solving"):
        report = replace(design.report(), **judged.facts)
    found = shortage(report.estimated)
    if found is not None:  # printed now: who sees it may want to stop
        problem, remedy = found
        if not is_asked:
            remedy = f"To compile it all the same, add --simulate {sequences}. To make it fit: {_fitting(command)}"
            raise ConfigError(f"part {report.part}", f"it is too small, by the estimate: {problem}", remedy)
        warnings.warn(f"{report.part} is too small, by the estimate: {problem}. {remedy}", LoopwireWarning, 1)
    if not sequences:
        return report, evidence
    with step(progress, "Building the simulation"):
        design.target.build(design.hardware)
    inputs = design.random_inputs(sequences) if data is None else data.inputs
    with step(progress, "Simulating") as update:
        return replace(report, verification=verify(design, inputs, sequences, progress=update)), evidence


def _judge(progress: Progress, design: Design, data: Data) -> Judgement:
    """Compare fixed point with float, and look at the range of every tensor."""
    from loopwire.judgement import judge, outputs
    from loopwire.report.doubts import doubts
    from loopwire.report.summary import CLIPPING, clipping_rows

    with step(progress, "Emulating") as update:
        found = outputs(design, data, update)
    if found.clipping:  # printed now, since who sees it may want to stop and choose other types
        title = "Tensors that clip: some values do not fit their type"
        print_table(progress.console, title, CLIPPING, clipping_rows(found.clipping))
    with step(progress, "Profiling"):
        judged = judge(design, data, found)
    # A warning has already named the weights, for which no data are needed.
    rows = [row for row in judged.facts["profile"] if not row.is_weights]
    for doubt in doubts(judged.outputs, rows):
        click.secho(f"warning: {printable(doubt)}", fg="red", err=True)
    return judged


def _fitting(command: Sequence[str]) -> str:
    """Return a command with knobs chosen for the part, in place of those that were given."""
    words = [*command]
    for knob in ("--reuse-factor", "--copies", "--interleave"):
        if knob in words:
            del words[words.index(knob) : words.index(knob) + 2]
    return shlex.join([*words, "--max-share", FITTING_SHARE])


def _command(options: Mapping[str, Any]) -> list[str]:
    """Return the command line that gives these options."""
    parameters = {parameter.name: parameter for parameter in compile_command.params}
    words = ["loopwire", str(compile_command.name)]
    for name, value in options.items():
        if value is None or value is False:
            continue
        if not isinstance(parameters[name], click.Argument):
            words.append(parameters[name].opts[0])
        if value is not True:
            words.append(str(value))
    return words
