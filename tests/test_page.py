"""The report page: complete, self-contained, rendered by a browser without an error, and its facts in report.json."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
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
from loopwire.errors import ToolError
from loopwire.report import html
from loopwire.report.built import Built
from loopwire.report.html import page, with_facts_of
from loopwire.report.timeline import occupancy_svg, sequences_svg, stages_by_layer
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
    assert (folder / "report.html").read_text().count("<svg") == 2 + 3


def test_the_same_facts_in_json(folder: Path, design: Design) -> None:
    facts = json.loads((folder / "report.json").read_text())
    assert facts["model"] == "tagger" and facts["source"] == "tagger.keras"
    assert facts["predicted"]["latency_cycles"] == design.firmware.latency_cycles
    first = {"name": "g<b>&u", "kind": "GRU", "output_shape": [3], "weights": 63, "inputs": ["input_layer_1"]}
    assert facts["layers"][0] | {"inputs": []} == first | {"inputs": []} and len(facts["layers"][0]["inputs"]) == 1
    assert np.sum(facts["confusion"]) == 300 == facts["profiled_sequences"]
    assert {row["tensor"] for row in facts["range_proofs"]} <= {row["tensor"] for row in facts["profile"]}
    assert [point["name"] for point in facts["working_points"][::2]] == ["up", "<i>down", "charm"]
    assert facts["trace"][0]["type"] == "fixed<16,6,RND,SAT>"


def test_the_same_input_gives_the_same_page(folder: Path, design: Design) -> None:
    report = design.report()
    assert page(report, design.target.pictures(design.hardware)) == page(
        report, design.target.pictures(design.hardware)
    )


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
    again = with_facts_of(asked, replace(report, built=routed))
    assert "latency at the routed clock of 8 ns" in again and "<span>latency, " not in again


def test_without_matplotlib(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> None:
        raise ToolError("figures", "the Python package 'mplhep' is missing", "Install it")

    monkeypatch.setattr(html, "_profiles", missing)
    text = parsed(page(design.report(), design.target.pictures(design.hardware))).text
    assert "Without figures: figures: the Python package 'mplhep' is missing. Install it" in text


def test_pictures_of_the_schedule(design: Design) -> None:
    (pipeline,), (timing,) = design.firmware.pipelines, design.firmware.engines
    layers = dict(stages_by_layer(pipeline))
    assert set(layers) == {"g<b>&u", "classes"}
    assert min(layers["g<b>&u"]) == 0 and max(layers["classes"]) == pipeline.depth
    picture = occupancy_svg(pipeline, timing)
    cells = re.findall(r'y="18"[^>]*fill="([^"]+)"', picture)
    assert cells[: timing.ring] == cells[timing.ring : 2 * timing.ring]
    assert len(set(cells[: timing.ring])) == timing.slots
    sequences = parsed(sequences_svg(design.firmware.timing)).text
    first = run(design.firmware.timing, 1)[0]
    assert f"{first.last_output - first.first_input} cycles" in sequences


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this computer")
@pytest.mark.parametrize("width", [400, 1200])
def test_in_a_browser(folder: Path, tmp_path: Path, width: int) -> None:
    """Nothing is asked of the network, no console error; the page is no wider than the window."""
    probe = tmp_path / "page.html"
    script = (
        "<script>addEventListener('load', () => { const loaded = performance.getEntriesByType('resource').length;"
        "document.title = `wide ${document.documentElement.scrollWidth > innerWidth} loaded ${loaded}`; })</script>"
    )
    probe.write_text((folder / "report.html").read_text().replace("</body>", f"{script}</body>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    run = subprocess.run([str(BROWSER), *flags, "--dump-dom", f"file://{probe}"], capture_output=True, text=True)
    assert "<title>wide false loaded 0</title>" in run.stdout, run.stdout[:500]
    assert "CONSOLE" not in run.stderr
