"""The study's page, its Markdown, and the figure of the knobs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

import loopwire
from examples.study.tables import Facts, Studies, Table, tables
from loopwire.report.figures import figure
from loopwire.report.figures import save as save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = Path(__file__).with_name("page.html.j2").read_text()
FIGURES = {
    "roc_ap_fixed_16_6_": "ROC, float solid, ap_fixed<16,6> dash-dotted",
    "roc_default": "ROC, Loopwire's default type",
    "roc_found": "ROC, types found",
    "bits": "AUC ratio against fraction bits",
    "knobs": "Latency, interval and area against the reuse factor",
}


def markdown(studies: Studies, command: str) -> str:
    """Return all tables as Markdown, with what they rest on."""
    sources = [f"* {name}: {facts['source']}" for name, facts in studies.items()]
    parts = [f"Made by `{command}`, Loopwire {loopwire.__version__}.", "Events:", "\n".join(sources)]
    for table in tables(studies):
        parts += [f"## {table.title}", *([table.note] if table.note else []), _lines(table)]
    return "\n\n".join(parts) + "\n"


def write_page(studies: Studies, folder: Path, command: str) -> Path:
    """Write `index.html` and `study.md`; return the page's path."""
    figures = {}
    for name, facts in studies.items():
        with knobs_figure(name, facts["knobs"]) as drawn:
            save_figure(drawn, folder / name / "knobs.png")
        figures[name] = [(_embedded(folder / name / f"{file}.png"), title) for file, title in FIGURES.items()]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    page = environment.from_string(PAGE).render(
        tables=list(tables(studies)),
        command=command,
        version=loopwire.__version__,
        studies=studies,
        figures=figures,
    )
    path = folder / "index.html"
    path.write_text(page)
    (folder / "study.md").write_text(markdown(studies, command))
    return path


@contextmanager
def knobs_figure(name: str, knobs: Facts) -> Iterator[Figure]:
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
        drawn.suptitle(f"{name} on {knobs['part'].split('-')[0]}, default types")
        yield drawn


_QUANTITIES = {
    "latency, ns": lambda point: point["latency_cycles"] * point["clock_period_ns"],
    "interval, cycles": lambda point: point["interval_cycles"],
    "LUTs, estimated": lambda point: point["resources"]["LUTs"][0],
}


def _lines(table: Table) -> str:
    rows = (table.head, ("---",) * len(table.head), *table.rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.is_file() else ""
