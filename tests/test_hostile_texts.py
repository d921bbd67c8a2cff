"""What hostile names become in reports, figures, scripts of tools and on the terminal; and that no tool runs them."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from elaboration import slang_accepts
from hostile_names import KEYWORDS, MARK, NAMES, OWN, UNPRINTABLE
from loopwire import CompileConfig, compile
from loopwire.cli.console import print_table
from loopwire.cli.failures import Failure
from loopwire.hdl import testbench
from loopwire.hdl.axi_stream import Sequences
from loopwire.report.agreement import ClassAuc
from loopwire.report.drawings import draw
from loopwire.report.figures import svg
from loopwire.report.html import page
from loopwire.report.roc import class_rocs, confusion_figure, roc_figure
from loopwire.report.stored import from_json
from loopwire.report.summary import Report
from loopwire.simulate import hls_compile, verilator
from loopwire.tools import harness, quartus, vivado
from loopwire.tools.fabrics import FABRICS
from loopwire.tools.rtl_files import RtlFiles
from loopwire.tools.yosys import find_yosys
from test_hostile_names import files_of, named

PLAIN = "plain_name"


def report_of(names: tuple[str, ...], model: str) -> Report:
    """Return the report of a chain of layers, whose classes have their names as well."""
    report = compile(named(names, model)).report()
    return replace(report, aucs=tuple(ClassAuc(name, 0.9, 0.9) for name in names), source=model)


class Tags(HTMLParser):
    """The tags of a page with their attributes, the place of pictures left out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def test_a_report_shows_names_as_text() -> None:
    plain = report_of(tuple(f"layer_{k}" for k in range(len(NAMES))), PLAIN)
    hostile = report_of(NAMES, "</title><script>alert(1)</script>")
    assert Tags(page(hostile, draw(hostile))).found == Tags(page(plain, draw(plain))).found
    assert from_json(hostile.to_json()) == hostile
    assert [row.name for row in hostile.layers] == [row["name"] for row in json.loads(hostile.to_json())["layers"]]

    def cells(text: str) -> list[int]:
        return [line.replace("\\\\", "").replace("\\|", "").count("|") for line in text.splitlines()]

    assert cells(hostile.to_markdown()) == cells(plain.to_markdown())
    for line in hostile.to_markdown().splitlines():
        assert not re.search(r"(?<!\\)(<[a-zA-Z/!?]|\]\(|`)", line), line


def test_figures_draw_names_as_they_are() -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib and mplhep (pip install loopwire[plots])")
    pytest.importorskip("mplhep")
    names = [name for name in NAMES if set(name) & set("$_^\\%{&<循")][:24]
    labels = np.arange(3 * len(names)) % len(names)
    scores = np.random.default_rng(1).random((len(labels), len(names)))
    with roc_figure(class_rocs(labels, scores, scores, names)) as drawn:
        assert ElementTree.fromstring(svg(drawn)) is not None
        (legend,) = drawn.legends
        assert len(legend.get_texts()) == 2 * len(names)
    with confusion_figure(np.eye(len(names), dtype=np.int64), names) as drawn:
        shown = [label.get_text().replace(r"\$", "$").strip() for label in drawn.axes[0].get_yticklabels()]
        assert shown == [name.strip() for name in names]


def test_a_terminal_gets_no_commands(capsys: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    console = Console(file=text, width=4000, color_system=None)
    print_table(console, UNPRINTABLE[10] + "[red]", ("name",), [(name,) for name in (*NAMES, *UNPRINTABLE)])
    printed = text.getvalue()
    assert all(line.isprintable() for line in printed.split("\n"))
    assert all(name in printed for name in NAMES) and "[red]" in printed
    for name in UNPRINTABLE:
        Failure(f"model.h5: {name}").show()
        told = capsys.readouterr().err.removeprefix("\x1b[31m").removesuffix("\x1b[0m\n").removesuffix("\n")
        assert told.isprintable(), name


def test_scripts_of_tools_differ_by_the_name_of_the_top_module_only(tmp_path: Path) -> None:
    def scripts(name: str) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        (folder / "rtl").mkdir(parents=True)
        firmware = compile(named(("layer",), name)).firmware
        files, top = firmware.files, firmware.top
        for path, text in files.items():
            (folder / "rtl" / path).write_text(text)
        ports = {port.name: {"direction": port.direction, "bits": port.bits} for port in firmware.ports}
        rtl = RtlFiles.read(folder, {"top": top, "ports": ports})
        texts = [*vivado.project_files(rtl, "xcku115-flvb2104-2-i", 5.0).values()]
        texts += quartus.project_files(rtl, "10ax115", 5.0).values()
        texts += [harness.harness_text(top, rtl.ports), *FABRICS["ecp5"].commands(top)]
        script = files_of(named(("layer",), name), "vitis_hls")["build_prj.tcl"]
        function = re.findall(r"^set_top (\w+)$", script, re.MULTILINE)
        texts.append(script.replace(*function, PLAIN))
        return sorted(line.replace(top, PLAIN) for text in texts for line in text.splitlines())

    plain = [line for line in scripts(PLAIN) if PLAIN not in line]
    for name in filter(lambda name: len(name) < 100, NAMES):  # names of files are shortened as well
        lines = [line for line in scripts(name) if PLAIN not in line]
        assert [line for line in lines if line not in plain] == [], name


def test_no_tool_runs_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    yosys = find_yosys()
    design = compile(named(NAMES, NAMES[1]))
    rtl = tmp_path / "rtl"
    rtl.mkdir()
    for path, text in design.firmware.files.items():
        (rtl / path).write_text(text)
    sources = sorted(rtl.glob("*.sv"))
    assert verilator.lint(design.firmware.top, sources) == ""
    read = f"read_verilog -sv -defer {' '.join(path.name for path in sources)}"
    yosys.run((read, f"hierarchy -check -top {design.firmware.top}"), rtl, ())
    small = compile(named(NAMES[:12], NAMES[0]))
    x = np.linspace(-1, 1, 8)[:, np.newaxis]
    assert (small.simulate(x).outputs == small.predict(x)).all()
    assert not list(tmp_path.rglob(f"*{MARK}")) and not Path(MARK).exists()


def test_tops_of_any_name_stand_in_a_testbench(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tops = []
    for name in (*KEYWORDS, *OWN):
        design = compile(named(("layer",), name))
        top, x = design.firmware.top, np.zeros((2, 1))
        if top in tops:
            continue
        for path, text in design.firmware.files.items():
            (tmp_path / path).write_text(text)
        lengths = np.ones(2, np.int64)
        sent, due = (
            [testbench.Vectors(port, Sequences(x.astype(np.int64), lengths))]
            for (port,) in (design.firmware.inputs, design.firmware.outputs)
        )
        bench = testbench.testbench_files(top, sent, due, 5.0, 1000, 100)[f"{top}_tb.sv"]
        (tmp_path / f"{top}_tb.sv").write_text(bench)
        tops.append(top)
    assert slang_accepts(tmp_path, [f"{top}_tb" for top in tops]), "".join(capfd.readouterr())[-3000:]


def test_functions_of_any_name_are_called(tmp_path: Path) -> None:
    names = ("x", "y", "beat", "input_t", "numbers", "results", "int64_t", "errno", "layer", "main", "std")
    projects = []
    for name in names:
        design = compile(named(("result_t", "input_t", name), name), CompileConfig(target="vitis_hls", io="stream"))
        projects.append(design.write(tmp_path / name))
    emulators = hls_compile.compile_all(projects, optimise=False)
    assert len(emulators) == len(names)
