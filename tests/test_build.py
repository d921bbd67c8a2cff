"""`loopwire build`: a tool on PATH is run, its figures join the report; everything else is one clear line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

from keras_models import sequential
from loopwire.cli import main
from loopwire.errors import OutputError, ToolError
from loopwire.project.folder import replace_files
from loopwire.project.written import add_built, read_report
from loopwire.report.built import Built, ResourceUse
from loopwire.report.stored import from_json
from loopwire.tools import hls_tool

CSYNTH = """<?xml version="1.0" encoding="UTF-8"?>
<profile>
  <section name="Vitis HLS Report for 'tagger'" level="0"/>
  <ReportVersion><Version>2023.1</Version></ReportVersion>
  <UserAssignments>
    <unit>ns</unit><ProductFamily>kintexu</ProductFamily><Part>xcku115-flvb2104-2-i</Part>
    <TopModelName>tagger</TopModelName><TargetClockPeriod>5.00</TargetClockPeriod>
    <ClockUncertainty>1.35</ClockUncertainty><FlowTarget>vivado</FlowTarget>
  </UserAssignments>
  <PerformanceEstimates>
    <PipelineType>dataflow</PipelineType>
    <SummaryOfTimingAnalysis><unit>ns</unit><EstimatedClockPeriod>3.612</EstimatedClockPeriod></SummaryOfTimingAnalysis>
    <SummaryOfOverallLatency>
      <unit>clock cycles</unit>
      <Best-caseLatency>12</Best-caseLatency><Average-caseLatency>60</Average-caseLatency>
      <Worst-caseLatency>110</Worst-caseLatency><Worst-caseRealTimeLatency>0.550 us</Worst-caseRealTimeLatency>
      <Interval-min>13</Interval-min><Interval-max>101</Interval-max>
    </SummaryOfOverallLatency>
  </PerformanceEstimates>
  <AreaEstimates>
    <Resources><BRAM_18K>2</BRAM_18K><DSP>7</DSP><FF>900</FF><LUT>6632</LUT><URAM>0</URAM></Resources>
    <AvailableResources>
      <BRAM_18K>4320</BRAM_18K><DSP>5520</DSP><FF>1326720</FF><LUT>663360</LUT><URAM>0</URAM>
    </AvailableResources>
  </AreaEstimates>
</profile>
"""
"""In the form of a csynth report of Vitis HLS, with numbers made up."""

TOOL = """#!/bin/sh
[ "$*" = "{arguments}" ] || exit 7
[ -f build_prj.tcl ] || exit 8
mkdir -p tagger_prj/solution1/syn/report
cp "$(dirname "$0")/report.xml" tagger_prj/solution1/syn/report/tagger_csynth.xml
"""


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def put_tool(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch, program: str = "vitis_hls") -> None:
    """Put a program on PATH, and nothing else but the system's."""
    folder.mkdir()
    (folder / program).write_text(script)
    (folder / program).chmod(0o755)
    (folder / "report.xml").write_text(CSYNTH)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the projects of one model for both targets."""
    folder = tmp_path_factory.mktemp("projects")
    layers = [keras.layers.GRU(3), keras.layers.Dense(3, activation="softmax")]
    sequential((4, 2), layers).save(folder / "tagger.keras")
    np.savez(folder / "x.npz", X=np.random.default_rng(0).normal(0, 9, (300, 4, 2)), y=np.arange(300) % 3)
    for target in ("verilog", "vitis_hls"):
        arguments = ("--data", folder / "x.npz", "--target", target, "--out", folder / target, "--simulate", 0)
        result = command("compile", folder / "tagger.keras", *arguments)
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def project(compiled: Path, tmp_path: Path) -> Path:
    """An HLS project of one's own."""
    return Path(shutil.copytree(compiled / "vitis_hls", tmp_path / "project"))


def state(project: Path) -> dict[str, bytes]:
    return {str(file.relative_to(project)): file.read_bytes() for file in project.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("program", "arguments", "name"),
    [
        ("vitis_hls", "-f build_prj.tcl csim=1 synth=1", "Vitis HLS"),
        ("vitis-run", "--mode hls --tcl build_prj.tcl", "Vitis HLS"),
        ("vivado_hls", "-f build_prj.tcl csim=1 synth=1", "Vivado HLS"),
    ],
)
def test_the_tool_on_path_is_run_and_reported(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, arguments: str, name: str
) -> None:
    before = state(project)
    put_tool(tmp_path / "bin", TOOL.format(arguments=arguments), monkeypatch, program)
    result = command("build", project)
    assert result.exit_code == 0, result.output
    assert result.stderr.endswith("next: loopwire explore MODEL --data DATA --part xcku115-flvb2104-2-i\n")
    told = (project / "report.md").read_text()
    for row in (
        f"| Latency | 110 cycles, 550 ns | synthesised, {name} 2023.1 |",
        f"| Initiation interval | 101 cycles, 505 ns | synthesised, {name} 2023.1 |",
        f"| Clock period | 3.612 ns of 5 ns | synthesised, {name} 2023.1 |",
        f"| LUTs | 6 632 of 663 360 (1%) | synthesised, {name} 2023.1 |",
        f"| URAMs | 0 | synthesised, {name} 2023.1 |",
    ):
        assert row in told
    assert "not known" not in told
    facts = json.loads((project / "report.json").read_text())
    assert facts["built"][0]["initiation_interval_cycles"] == 101
    page = (project / "report.html").read_text()
    assert page.count("<svg") == before["report.html"].count(b"<svg") and "110 cycles, 550 ns" in page
    changed = {name for name, content in state(project).items() if before.get(name) != content}
    assert {"report.json", "report.md", "report.html", "design.json"} <= changed
    assert not any(name.startswith("firmware") for name in changed)
    once = state(project)
    assert command("build", project).exit_code == 0  # it is still a whole project, and the same comes out
    assert state(project) == once


def test_without_a_tool_the_message_says_what_to_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    before = state(project)
    result = command("build", project)
    assert result.exit_code == 1 and state(project) == before
    assert result.stderr == (
        "error: HLS synthesis: none of vitis_hls, vitis-run, vivado_hls is on PATH. On a machine that has one, run: "
        f"cd {project} && vitis_hls -f build_prj.tcl (from 2024.2: vitis-run --mode hls --tcl build_prj.tcl)\n"
    )


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\necho ERROR: no licence; exit 1", "Vitis HLS: it failed: ERROR: no licence. Read its log, "),
        ("#!/bin/sh\ntrue", "Vitis HLS: it wrote no synthesis report. Read its log, "),
    ],
)
def test_a_tool_that_fails_changes_no_report(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    before = state(project)
    put_tool(tmp_path / "bin", script, monkeypatch)
    result = command("build", project)
    assert result.exit_code == 1 and result.stderr == f"error: {message}{project / hls_tool.LOG}\n"
    assert {name: content for name, content in state(project).items() if name != hls_tool.LOG} == before


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    result = command("build", tmp_path / "nothing")
    expected = (
        f"error: {tmp_path / 'nothing'}: there is no such folder. Give the folder that loopwire compile has written\n"
    )
    assert result.exit_code == 1 and result.stderr == expected


def test_a_project_that_was_changed(project: Path) -> None:
    (project / "build_prj.tcl").write_text("exit")
    result = command("build", project)
    assert result.exit_code == 1 and "'build_prj.tcl' was changed since Loopwire wrote it" in result.stderr


def test_a_report_of_another_version(project: Path) -> None:
    facts = json.loads((project / "report.json").read_text())
    replace_files(project, {"report.json": json.dumps({**facts, "colour": "blue"})})
    result = command("build", project)
    assert result.exit_code == 1
    assert "it is not this version's report (its facts are not those of a Report). Compile the model again" in (
        result.stderr
    )


def test_tools_and_targets_that_do_not_fit(compiled: Path) -> None:
    result = command("build", compiled / "verilog", "--tool", "vitis_hls")
    assert result.exit_code == 1 and "vitis_hls does not take a project of target 'verilog'" in result.stderr
    result = command("build", compiled / "vitis_hls", "--tool", "vitis")
    assert result.exit_code == 1
    assert "--tool: 'vitis' is unknown. Did you mean 'vitis_hls'" in result.stderr


@pytest.mark.parametrize("target", ["verilog", "vitis_hls"])
def test_a_report_is_read_back_as_it_was(compiled: Path, target: str) -> None:
    text = (compiled / target / "report.json").read_text()
    report = from_json(text)
    assert report.to_json() == text and report.clipping and report.trace and report.profile[0].real.quantiles
    assert report == read_report(compiled / target)


def test_stages_stand_side_by_side(project: Path) -> None:
    add_built(project, Built("first", "synthesised", resources=(ResourceUse("LUTs", 7),)))
    add_built(project, Built("second", "routed", 4.5))
    report = add_built(project, Built("third", "synthesised", latency_cycles=9))
    assert [built.tool for built in report.built] == ["second", "third"]
    assert ("Clock period", "4.5 ns of 5 ns (222.2 MHz)", "routed, second") in report.rows()


def test_files_are_replaced_all_or_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(project)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        replace_files(project, {"report.md": "new", "README.md": "new"})
    monkeypatch.undo()
    assert state(project) == before and [entry.name for entry in project.parent.iterdir()] == ["project"]


def test_what_a_tool_leaves_undefined_is_left_out(tmp_path: Path) -> None:
    text = CSYNTH.replace(">101<", ">undef<").replace(">110<", ">?<").replace("DSP>", "DSP48E>")
    (tmp_path / "x.xml").write_text(text.replace("3.612", "-"))
    found = hls_tool.read_report(tmp_path / "x.xml", "Vivado HLS")
    assert (found.clock_period_ns, found.latency_cycles, found.initiation_interval_cycles) == (None, None, None)
    assert ResourceUse("DSPs", 7, 5520) in found.resources
    assert [row[0] for row in found.rows(5.0)] == ["LUTs", "FFs", "DSPs", "BRAM 18k", "URAMs"]


def test_a_damaged_report(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text("<profile>")
    with pytest.raises(ToolError, match=re.escape(f"{tmp_path / 'x.xml'}: it is not a report of HLS synthesis")):
        hls_tool.read_report(tmp_path / "x.xml", "Vitis HLS")
