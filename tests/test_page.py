"""The report page: complete, self-contained, rendered by a browser without an error, and its facts in report.json."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import loopwire
from keras_models import sequential
from loopwire import Design
from loopwire.cli import main
from loopwire.datapath.sharing import Sharing
from loopwire.errors import ToolError
from loopwire.report import drawings
from loopwire.report.agreement import Agreement, ClassAuc
from loopwire.report.built import Built, ResourceUse
from loopwire.report.drawings import draw
from loopwire.report.html import page
from loopwire.report.resources import stage_table
from loopwire.report.stored import drawings_from_json, from_json
from loopwire.report.summary import Report
from loopwire.report.timeline import LABEL, MOST_TURNS, WIDTH, occupancy_svg, sequences_svg, stages_by_layer
from loopwire.schedule.cycles import run

X = np.random.default_rng(0).normal(0.0, 1.0, (300, 4, 2))
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "link", "line", "rect", "br"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of a model whose layer has a name that is markup."""
    folder = tmp_path_factory.mktemp("page")
    layers = [keras.layers.GRU(3, name="g<b>&u"), keras.layers.Dense(3, activation="softmax", name="classes")]
    sequential((4, 2), layers).save(folder / "tagger.keras")
    np.savez(folder / "x.npz", X=X, y=np.arange(300) % 3, classes=np.array(["up", "<i>down", "charm"]))
    arguments = ["compile", folder / "tagger.keras", "--data", folder / "x.npz", "--out", folder / "out"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--simulate", "0"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"Report: {folder / 'out' / 'report.html'}"
    return folder / "out"


@pytest.fixture(scope="module")
def design(folder: Path) -> Design:
    return loopwire.compile(loopwire.load(folder.parent / "tagger.keras"))


class Tags(HTMLParser):
    """Collects what a page names, and refuses tags that are not closed in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.linked: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.linked += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.linked += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    return tags


def test_it_is_self_contained(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    assert all(link.startswith(("#", "data:")) for link in parsed(text).linked)
    assert "@import" not in text and "url(http" not in text and "<script" not in text


def test_it_tells_what_was_compiled(folder: Path) -> None:
    text = " ".join(parsed((folder / "report.html").read_text()).text.split())
    for fact in (
        "g<b>&u",
        "<i>down",
        "h' = (1 - z)∘n + z∘h",
        "cannot overflow, for any input",
        "Not verified: no sequence was simulated",
        "loopwire compile",
        "tagger.keras",
        "--simulate 0",
        "initiation interval",
    ):
        assert fact in text, fact


def test_figures_are_in_the_page(folder: Path) -> None:
    pytest.importorskip("mplhep")
    assert (folder / "report.html").read_text().count("<svg") == 4 + 3  # model, bits, two of the schedule; plots


def test_the_same_facts_in_json(folder: Path, design: Design) -> None:
    facts = json.loads((folder / "report.json").read_text())
    assert facts["model"] == "tagger" and facts["source"] == "tagger.keras"
    assert facts["predicted"]["latency_cycles"] == design.firmware.latency_cycles
    first = facts["layers"][0]
    assert (first["name"], first["kind"], first["output_shape"], first["weights"]) == ("g<b>&u", "GRU", [3], 63)
    assert first["inputs"] == [facts["inputs"][0]["name"]] and facts["layers"][1]["inputs"] == first["results"]
    assert np.sum(facts["confusion"]) == 300 == facts["profiled_sequences"]
    assert {row["tensor"] for row in facts["range_proofs"]} <= {row["tensor"] for row in facts["profile"]}
    assert [point["name"] for point in facts["working_points"][::2]] == ["up", "<i>down", "charm"]
    assert facts["trace"][0]["type"] == "fixed<16,6,RND,SAT>"


def test_the_same_input_gives_the_same_page(folder: Path, design: Design) -> None:
    report = design.report()
    pages = [page(report, draw(report, design.target.pictures(design.hardware))) for _ in range(2)]
    assert pages[0] == pages[1]


def test_the_card_tells_the_routed_time(design: Design) -> None:
    report = design.report()
    cycles, interval = report.predicted.latency_cycles, report.predicted.initiation_interval_cycles
    asked, synthesised = (page(replace(report, built=built)) for built in ((), (Built("y", "synthesised", 4.0),)))
    assert f"<b>{cycles * 5 / 1e3:.3g} µs</b><span>latency, " in asked and asked.count("routed clock of") == 0
    assert synthesised.count("routed clock of") == 0
    routed = (Built("n", "routed", 9.0), Built("n", "routed", 8.0, part="other"))
    text = page(replace(report, built=routed))
    assert f"<b>{cycles * 8 / 1e3:.3g} µs</b><span>latency at the routed clock of 8 ns, " in text
    assert f"{1e3 / (interval * 8):.3g} million sequences a second at the routed clock of 8 ns<" in text
    assert f"<b>{cycles * 5 / 1e3:.3g} µs</b>" not in text
    assert "latency at the routed clock of 8 ns" in text and "<span>latency, " not in text


def test_without_matplotlib(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> None:
        raise ToolError("figures", "the Python package 'mplhep' is missing", "Install it")

    monkeypatch.setattr(drawings, "_profiles", missing)
    report = design.report()
    text = parsed(page(report, draw(report, design.target.pictures(design.hardware)))).text
    assert "Without figures: figures: the Python package 'mplhep' is missing. Install it" in text


def test_pictures_of_the_schedule(design: Design) -> None:
    (pipeline,), (timing,) = design.firmware.pipelines, design.firmware.engines
    layers = dict(stages_by_layer(pipeline))
    assert set(layers) == {"g<b>&u", "classes"}
    assert min(layers["g<b>&u"]) == 0 and max(layers["classes"]) == pipeline.depth
    picture = occupancy_svg(pipeline, timing)
    bars = dict(re.findall(r'x="([0-9.]+)" y="20.0"[^>]*fill="([^"]+)"', picture))
    cells = [bars[x] for x in sorted(bars, key=float)]
    assert cells[: timing.round_cycles] == cells[timing.round_cycles : 2 * timing.round_cycles]
    assert len(set(cells[: timing.round_cycles])) == timing.slots
    sequences = parsed(sequences_svg(design.firmware.timing)).text
    first = run(design.firmware.timing, 1)[0]
    assert f"{first.last_output - first.first_input} cycles" in sequences


def test_an_idle_stage_has_no_bar(design: Design) -> None:
    """A slot of 63 cycles whose step takes 4: the picture of a stage is 4 cycles wide, and no more."""
    pipeline = design.firmware.pipelines[0]
    shared = replace(pipeline, datapath=replace(pipeline.datapath, sharing=Sharing(4, 4, 1)))
    timing = replace(design.firmware.engines[0], round_cycles=63, slots=1, spacing=63)
    picture = occupancy_svg(shared, timing)
    cycle = (WIDTH - LABEL) / (MOST_TURNS * 63)
    widths = [float(width) for width in re.findall(r'<rect x="[0-9.]+" y="20.0" width="([0-9.]+)"', picture)]
    assert len(widths) == MOST_TURNS and all(3 * cycle < width <= 4 * cycle for width in widths)


def test_a_picture_of_many_stages_and_cycles_stays_small(design: Design) -> None:
    pipeline = design.firmware.pipelines[0]
    (operation, placement), *_ = ((o, p) for o, p in pipeline.placements.items() if p.first_stage >= 0)
    long = replace(pipeline, placements={operation: replace(placement, first_stage=0, time=(62, *placement.time[1:]))})
    timing = replace(design.firmware.engines[0], steps=100, round_cycles=6500, slots=1, spacing=6500)
    picture = occupancy_svg(long, timing)
    height = float(re.findall(r'viewBox="0 0 [0-9]+ ([0-9.]+)"', picture)[0])
    assert height < 500 and picture.count("<rect") < 63 * (MOST_TURNS + 1) and "stages 0 to 62" in picture


def built(stage: str, clock_period_ns: float | None = None, luts: int = 5) -> Built:
    return Built("Tool", stage, clock_period_ns, resources=(ResourceUse("LUTs", luts, 10),))


VERDICTS = {
    (): ("Clock not proven", "Fits the part", "Not verified"),
    (built("routed", 4.0),): ("Clock met", "Fits the part"),
    (built("routed", 6.5),): ("Clock missed", "Fits the part"),
    (built("synthesised", luts=9),): ("Clock not proven", "Nearly fills the part"),
    (built("synthesised", luts=16),): ("Clock not proven", "Too large for the part"),
    (built("synthesised", 5.5),): ("Clock missed", "Fits the part"),
    (built("synthesised", 4.5),): ("Clock not proven", "Fits the part"),
    (built("routed", 4.0, luts=16), built("synthesised", 5.5)): ("Clock met", "Too large for the part"),
}
STATES = {
    "Physics not judged": "doubtful",
    "Clock met": "good",
    "Clock not proven": "doubtful",
    "Clock missed": "bad",
    "Fits the part": "good",
    "Nearly fills the part": "doubtful",
    "Too large for the part": "bad",
    "Not verified": "doubtful",
}


@pytest.mark.parametrize("tools", VERDICTS)
def test_verdicts_follow_from_the_last_stage_and_read_the_same_everywhere(
    tools: tuple[Built, ...], design: Design
) -> None:
    report = replace(design.report(), built=tools)
    answers = [verdict.answer for verdict in report.verdicts]
    assert answers[1 : 1 + len(VERDICTS[tools])] == list(VERDICTS[tools])
    assert [verdict.state for verdict in report.verdicts] == [STATES[answer] for answer in answers]
    assert from_json(report.to_json()) == report
    assert [verdict["answer"] for verdict in json.loads(report.to_json())["verdicts"]] == answers
    for verdict in report.verdicts:
        assert f'<div class="{verdict.state}"><b>{verdict.answer}</b>' in page(report)
        assert f"* **{verdict.answer}**: " in report.to_markdown()
        assert f"{verdict.answer}</b>" in report._repr_html_()


def test_the_physics_is_judged_by_its_worst_class(design: Design) -> None:
    report = replace(design.report(), agreement=Agreement(100, 0.999, 0.01, 0.001))
    lost = replace(report, aucs=(ClassAuc("a", 0.9, 0.9), ClassAuc("b", 0.9, 0.88)))
    assert [one.verdicts[0].answer for one in (report, lost)] == ["Physics kept", "Physics lost"]
    assert (
        lost.verdicts[0].why
        == "largest loss of AUC: 0.0200; same class as in float: 99.90%; at most 0.01 of AUC may be lost"
    )
    apart = replace(report, agreement=Agreement(100, 0.9, 0.01, 0.001), doubts=("Float and fixed point differ",))
    assert apart.verdicts[0].why == "same class as in float: 90.00%, less than 95%"
    alike = replace(apart, aucs=(ClassAuc("a", 0.9, 0.9),))
    assert (apart.verdicts[0].state, alike.verdicts[0].state) == ("bad", "doubtful")
    assert replace(report, doubts=("It is coarse",)).verdicts[0].answer == "Physics in doubt"


def test_resources_stand_side_by_side(design: Design) -> None:
    built = (Built("Yosys", "synthesised", resources=(ResourceUse("LUTs", 1234, 5000),)),)
    table = stage_table((ResourceUse("LUTs", 1500, 5000), ResourceUse("DSPs", 3, 60)), built)
    assert table.stages == ("estimated", "synthesised, Yosys")
    (name, available, (estimated, synthesised)), (_, _, (_, none)) = table.rows
    assert (name, available, none) == ("LUTs", "5 000", None) and estimated is not None and synthesised is not None
    assert (estimated.count, synthesised.percent) == ("1 500", "25%")
    text = page(replace(design.report(), built=built))
    assert "1\u00a0234" in text and "width:24.7%" in text  # thousands do not part at the end of a line


def states(report: Report) -> dict[str, Report]:
    """Return a report as it is, routed, and missed."""
    uses = (ResourceUse("LUTs", 1234567, 1400000), ResourceUse("FFs", 10, 2000))
    routed, missed = (Built("nextpnr-ecp5", "routed", ns, resources=uses, critical_path=("a" * 99,)) for ns in (4.9, 9))
    return {"asked": report, "routed": replace(report, built=(routed,)), "missed": replace(report, built=(missed,))}


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this computer")
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("state", ["asked", "routed", "missed"])
def test_in_a_browser(folder: Path, tmp_path: Path, state: str, width: int) -> None:
    """Nothing is asked of the network, no console error; the page is no wider than its window, a frame."""
    report = states(from_json((folder / "report.json").read_text()))[state]
    text = page(report, drawings_from_json((folder / "drawings.json").read_text()))
    script = (
        "addEventListener('load', () => { const page = frames[0].document, root = page.documentElement;"
        "const loaded = frames[0].performance.getEntriesByType('resource').length;"
        "const anchors = [...page.querySelectorAll('nav a')];"
        "const lost = anchors.filter(a => !page.getElementById(a.hash.slice(1))).length;"
        "document.title = `${root.scrollWidth} wide, ${loaded} loaded, ${lost} of ${anchors.length} lost`; })"
    )
    probe = tmp_path / "page.html"
    frame = f'<iframe width="{width}" height="900" style="border:0" srcdoc="{escape(text)}"></iframe>'
    probe.write_text(f"<!DOCTYPE html><title>not run</title>{frame}<script>{script}</script>")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
    flags += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    run = subprocess.run([str(BROWSER), *flags, "--dump-dom", f"file://{probe}"], capture_output=True, text=True)
    title = re.findall("<title>(.*?)</title>", run.stdout)[0]
    assert title == f"{width} wide, 0 loaded, 0 of 9 lost"
    assert "CONSOLE" not in run.stderr
