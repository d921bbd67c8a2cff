"""The study's table and its page, from the JSON files of the stages."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

import loopwire
from loopwire.report.figures import figure
from loopwire.report.figures import save as save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Facts = Mapping[str, Any]

HEAD = (
    "network",
    "parameters",
    "AUC, float",
    "worst AUC, fixed / float: ap_fixed<16,6>",
    "default",
    "found",
    "bits a weight",
    "design",
    "latency",
    "interval",
    "LUT",
    "FF",
    "DSP",
    "BRAM 18k",
)
STAGES = (
    "AUC: emulated on the test events. Cycles: predicted, and equal in simulation (Verilator). "
    "Resources: estimated without synthesis. Clock: by the delay model; routed only where a row says so."
)
MEASURED = "top-1 agreement with float in C simulation, ap_fixed<16,6>"
QUOTED = (
    ("hls4ml, LSTM(20) top tagger", "80 ns a step", "quoted from arXiv:2207.00559, synthesised"),
    ("hls4ml 1.3.0, top-tagging LSTM(20)", "89.0 %", MEASURED),
    ("hls4ml 1.3.0, top-tagging GRU(20)", "97.6 %", MEASURED),
    ("hls4ml 1.3.0, flavour LSTM(64)", "76.8 %", MEASURED),
    ("hls4ml 1.3.0, QuickDraw LSTM(128)", "98.3 %", MEASURED),
)


def rows(studies: Mapping[str, Facts]) -> list[tuple[str, ...]]:
    """Return the table's rows: one a design that was proven."""
    table = []
    for key, facts in studies.items():
        curves = facts["curves"]
        float_aucs = " ".join(f"{name} {value:.3f}" for name, value in facts["training"]["auc"].items())
        first = (
            key,
            f"{facts['training']['parameters']:,}".replace(",", " "),
            float_aucs,
            *(f"{_worst(curves[name]):.4f}" for name in ("ap_fixed<16,6>", "default", "found")),
            f"{facts['types']['weight_bits']:.1f}",
        )
        for name, design in _measured(facts["goals"]).items():
            cycles, period = design["latency_cycles"], design["clock_period_ns"]
            resources = design["resources"]
            table.append(
                (
                    *first,
                    f"{name}, {design['part'].split('-')[0]}",
                    f"{cycles} cycles, {cycles * period:.4g} ns",
                    f"{design['interval_cycles']:g} cycles, {1e3 / (design['interval_cycles'] * period):.3g} MHz",
                    *(_use(resources.get(kind)) for kind in ("LUTs", "FFs", "DSPs", "BRAM 18k")),
                )
            )
            first = ("",) * len(first)
    return table


def markdown(studies: Mapping[str, Facts], command: str) -> str:
    """Return the table as Markdown, with what it rests on."""
    lines = [_line(HEAD), _line(("---",) * len(HEAD)), *(_line(row) for row in rows(studies))]
    sources = [f"* {key}: {facts['source']}" for key, facts in studies.items()]
    quoted = [_line(("figure", "value", "stage")), _line(("---",) * 3), *(_line(row) for row in QUOTED)]
    parts = [
        f"Made by `{command}`, Loopwire {loopwire.__version__}. {STAGES}",
        "\n".join(lines),
        "Events:",
        "\n".join(sources),
        "For comparison:",
        "\n".join(quoted),
    ]
    return "\n\n".join(parts) + "\n"


def write_page(studies: Mapping[str, Facts], folder: Path, command: str) -> Path:
    """Write `index.html` and `study.md`; return the page's path."""
    figures = {}
    for key, facts in studies.items():
        with knobs_figure(key, facts["knobs"]) as drawn:
            save_figure(drawn, folder / key / "knobs.png")
        names = ["roc_ap_fixed_16_6_", "roc_default", "roc_found", "bits", "knobs"]
        figures[key] = [_embedded(folder / key / f"{name}.png") for name in names]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    page = environment.from_string(PAGE).render(
        head=HEAD,
        rows=rows(studies),
        quoted=QUOTED,
        stages=STAGES,
        command=command,
        version=loopwire.__version__,
        studies=studies,
        figures=figures,
        titles=CAPTIONS,
        knobs={key: _knob_rows(facts["knobs"]) for key, facts in studies.items()},
    )
    path = folder / "index.html"
    path.write_text(page)
    (folder / "study.md").write_text(markdown(studies, command))
    return path


@contextmanager
def knobs_figure(key: str, knobs: Facts) -> Iterator[Figure]:
    """Draw latency and the largest resources against the reuse factor: static, interleaved, copies."""
    with figure((11.0, 4.2)) as drawn:
        panels = drawn.subplots(1, 3)
        for axes, (title, of) in zip(panels, _QUANTITIES.items(), strict=True):
            for index, kind in enumerate(("static", "interleaved", "copies")):
                points = [point for point in knobs["points"] if point["kind"] == kind]
                places = [point["config"]["reuse_factor"] / point["config"]["copies"] for point in points]
                axes.plot(places, [of(point) for point in points], "o-", markersize=4, color=f"C{index}", label=kind)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xlabel("reuse factor / copies")
            axes.set_title(title)
            axes.grid(alpha=0.3)
        panels[0].legend(frameon=True)
        drawn.suptitle(f"{key} on {knobs['part'].split('-')[0]}, default types")
        yield drawn


_QUANTITIES = {
    "latency, ns": lambda point: point["latency_cycles"] * point["clock_period_ns"],
    "interval, cycles": lambda point: point["interval_cycles"],
    "LUTs, estimated": lambda point: point["resources"]["LUTs"][0],
}
CAPTIONS = (
    "ROC, float solid, ap_fixed<16,6> dash-dotted",
    "ROC, Loopwire's default type",
    "ROC, types found",
    "AUC ratio against fraction bits",
    "Latency, interval and area against the reuse factor",
)


def _knob_rows(knobs: Facts) -> list[tuple[str, ...]]:
    return [
        (
            point["kind"],
            str(point["config"]["reuse_factor"]),
            str(point["config"]["copies"]),
            str(point["latency_cycles"]),
            f"{point['interval_cycles']:g}",
            *(_use(point["resources"].get(kind)) for kind in ("LUTs", "DSPs")),
            point.get("proven", ""),
        )
        for point in knobs["points"]
    ]


def _measured(facts: Facts) -> dict[str, Facts]:
    """Return the entries of a stage without what the study keeps beside them."""
    return {name: value for name, value in facts.items() if isinstance(value, Mapping)}


def _worst(curves: Facts) -> float:
    return min(curves["fixed"][name] / real for name, real in curves["float"].items())


def _use(use: list[int] | None) -> str:
    if use is None:
        return "0"
    used, available = use
    return f"{used} ({used / available:.1%})" if available else str(used)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.is_file() else ""


PAGE = Path(__file__).with_name("page.html.j2").read_text()
