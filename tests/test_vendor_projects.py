"""Vivado and Quartus: scripts that hold together without the tools, and reports read back."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner, Result

from keras_models import sequential
from loopwire.cli import main
from loopwire.errors import ConfigError, ToolError
from loopwire.hdl.module_port import ModulePort
from loopwire.project.written import read_verilog_facts
from loopwire.report.built import ResourceUse
from loopwire.simulate import verilator
from loopwire.tools import quartus, vivado, vivado_reports
from loopwire.tools.rtl_files import RtlFiles

UTILIZATION = """\
| Tool Version : Vivado v.2023.2 (lin64) Build 4029153 Fri Oct 13 20:13:54 MDT 2023
| Command      : report_utilization -file reports/utilization.rpt
| Design       : tagger
| Device       : xcku115-flvb2104-2-i
| Design State : Routed

1. CLB Logic
------------

+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| CLB LUTs                   |  4711 |     0 |          0 |    663360 |  0.71 |
|   LUT as Logic             |  4700 |     0 |          0 |    663360 |  0.71 |
| CLB Registers              |  1655 |     0 |          0 |   1326720 |  0.12 |
| CARRY8                     |    18 |     0 |          0 |     82920 |  0.02 |
+----------------------------+-------+-------+------------+-----------+-------+

2. CLB Logic Distribution
-------------------------

+--------------------------------------------+-------+-------+------------+-----------+-------+
|                  Site Type                 |  Used | Fixed | Prohibited | Available | Util% |
+--------------------------------------------+-------+-------+------------+-----------+-------+
| CLB Registers                              |  1655 |     0 |          0 |   1326720 |  0.12 |
|   Register driven from within the CLB      |   188 |       |            |           |       |
+--------------------------------------------+-------+-------+------------+-----------+-------+

3. BLOCKRAM
-----------

+-------------------+------+-------+------------+-----------+-------+
|     Site Type     | Used | Fixed | Prohibited | Available | Util% |
+-------------------+------+-------+------------+-----------+-------+
| Block RAM Tile    |  2.5 |     0 |          0 |      2160 |  0.12 |
|   RAMB36/FIFO*    |    1 |     0 |          0 |      2160 |  0.05 |
|   RAMB18          |    3 |     0 |          0 |      4320 |  0.07 |
+-------------------+------+-------+------------+-----------+-------+

4. ARITHMETIC
-------------

+----------------+------+-------+------------+-----------+-------+
|    Site Type   | Used | Fixed | Prohibited | Available | Util% |
+----------------+------+-------+------------+-----------+-------+
| DSPs           |   36 |     0 |          0 |      5520 |  0.65 |
|   DSP48E2 only |   36 |       |            |           |       |
+----------------+------+-------+------------+-----------+-------+
"""
UTILIZATION_7 = """\
| Tool Version : Vivado v.2018.2 (lin64) Build 2258646 Thu Jun 14 20:02:38 MDT 2018
| Device       : 7a100tcsg324-1

+-------------------------+------+-------+-----------+-------+
|        Site Type        | Used | Fixed | Available | Util% |
+-------------------------+------+-------+-----------+-------+
| Slice LUTs*             |  501 |     0 |     63400 |  0.79 |
| Slice Registers         |  299 |     0 |    126800 |  0.24 |
+-------------------------+------+-------+-----------+-------+
"""
TIMING = """\
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints
    -------      -------  ---------------------  -------------------      -------      -------  ---------------------
     -0.221       -1.250                      4                  899        0.042        0.000                      0


Timing constraints are not met.


------------------------------------------------------------------------------------------------
| Clock Summary
| -------------
------------------------------------------------------------------------------------------------

Clock  Waveform(ns)         Period(ns)      Frequency(MHz)
-----  ------------         ----------      --------------
aclk   {0.000 2.500}        5.000           200.000
"""
HIERARCHY = """\
1. Utilization by Hierarchy
---------------------------

+---------------------+--------------------+------------+------------+---------+------+------+--------+--------+------+------------+
|       Instance      |       Module       | Total LUTs | Logic LUTs | LUTRAMs | SRLs |  FFs | RAMB36 | RAMB18 | URAM | DSP Blocks |
+---------------------+--------------------+------------+------------+---------+------+------+--------+--------+------+------------+
| tagger              |              (top) |       4711 |       4700 |      11 |    0 | 1655 |      1 |      3 |    0 |         36 |
|   (tagger)          |              (top) |          1 |          1 |       0 |    0 |   10 |      0 |      0 |    0 |          0 |
|   copy_0_i          |        tagger_copy |       4100 |       4100 |       0 |    0 | 1500 |      1 |      3 |    0 |         36 |
|     gru_i           |         tagger_gru |       2000 |       2000 |       0 |    0 |  700 |      1 |      1 |    0 |         20 |
|       (gru_i)       |         tagger_gru |       1900 |       1900 |       0 |    0 |  600 |      1 |      1 |    0 |         20 |
|       tree_i        |    tagger_gru_tree |        100 |        100 |       0 |    0 |  100 |      0 |      0 |    0 |          0 |
|     gru_i           |      tagger_gru__1 |       2000 |       2000 |       0 |    0 |  700 |      0 |      1 |    0 |         10 |
|   dense_i           |       tagger_dense |        500 |        500 |       0 |    0 |  100 |      0 |      0 |    0 |          4 |
+---------------------+--------------------+------------+------------+---------+------+------+--------+--------+------+------------+
"""  # noqa: E501
FITTER = """\
Fitter Status : Successful - Sun Jul  5 01:58:14 2026
Quartus Prime Version : 22.1std.2 Build 922 07/20/2023 SC Lite Edition
Revision Name : tagger
Top-level Entity Name : tagger
Family : Cyclone V
Device : 5CSEBA6U23I7
Timing Models : Final
Logic utilization (in ALMs) : 22,549 / 41,910 ( 54 % )
Total registers : 39317
Total pins : 1 / 314 ( < 1 % )
Total virtual pins : 180
Total block memory bits : 16,384 / 5,662,720 ( < 1 % )
Total RAM Blocks : 4 / 553 ( 1 % )
Total DSP Blocks : 18 / 112 ( 16 % )
"""
FMAX = """\
+---------------------------------------------------------------------------------------+
; Fmax Summary                                                                          ;
+-----------+-----------------+------------+----------------------------------------------+
; Fmax      ; Restricted Fmax ; Clock Name ; Note                                         ;
+-----------+-----------------+------------+----------------------------------------------+
; 128.2 MHz ; 125.0 MHz       ; aclk       ; limit due to minimum pulse width restriction ;
+-----------+-----------------+------------+----------------------------------------------+
; 131.0 MHz ; 131.0 MHz       ; aclk       ;                                              ;
; 61.39 MHz ; 61.39 MHz       ; other      ;                                              ;
"""
"""These excerpts are in the form of the tools' reports, with numbers made up."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projects")
    sequential((4, 2), [keras.layers.GRU(3), keras.layers.Dense(3)]).save(folder / "tagger.keras")
    out = folder / "tagger"
    result = run("compile", folder / "tagger.keras", "--out", out, "--simulate", 0, "--reuse-factor", 3)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def project(compiled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(compiled, tmp_path / "tagger"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_refused(result: Result, text: str) -> None:
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert text in line, line


def tool_commands(script: Path) -> list[list[str]]:
    """Run a script in tclsh, where each command that Tcl does not know is told, and gives its last word."""
    if shutil.which("tclsh") is None:
        pytest.skip("no tclsh on PATH")
    harness = 'proc unknown {args} { puts [join $args "\\t"]; return [lindex $args end] }; source [lindex $argv 0]'
    harness_file = script.parent / "harness.tcl"
    harness_file.write_text(harness)
    done = subprocess.run(
        ["tclsh", harness_file, script], capture_output=True, text=True, cwd=script.parents[2], check=False
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def files_read(commands: list[list[str]], *names: str) -> list[str]:
    """Return the last words of commands, which are paths of files that are there."""
    paths = [Path(command[-1]) for command in commands if command[0] in names]
    assert all(path.is_absolute() and path.is_file() for path in paths), paths
    return sorted(path.name for path in paths)


def without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


def test_ports_are_those_of_the_top(compiled: Path) -> None:
    files = RtlFiles.read(compiled, read_verilog_facts(compiled))
    assert files.ports[:4] == (
        ModulePort("input", "aclk"),
        ModulePort("input", "aresetn"),
        ModulePort("input", "s_axis_tdata", 32),
        ModulePort("input", "s_axis_tlast"),
    )
    assert [port.name for port in files.ports if port.direction == "output"] == [
        "s_axis_tready",
        "m_axis_tdata",
        "m_axis_tlast",
        "m_axis_tvalid",
        "status_framing_error",
        "status_overrun",
    ]
    assert sorted(files.sources + files.memories) == sorted(file.name for file in (compiled / "rtl").iterdir())
    assert any(name.endswith(".hex") for name in files.memories) and "tagger.sv" in files.sources


def test_without_vivado_the_scripts_are_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = (project / "report.json").read_text()
    with monkeypatch.context() as patch:
        without_tools(patch)
        result = run("build", project)
    assert_refused(
        result,
        "Vivado: vivado is not on PATH. The scripts are written. "
        f"On a machine that has it, run: cd {project}/vivado && vivado -mode batch -nojournal -nolog -source build.tcl",
    )
    assert (project / "report.json").read_text() == report
    rtl = RtlFiles.read(project, read_verilog_facts(project))
    build = tool_commands(project / "vivado" / "build.tcl")
    assert files_read(build, "read_verilog") == sorted(rtl.sources)
    assert files_read(build, "add_files") == sorted(rtl.memories)
    assert files_read(build, "read_xdc") == ["tagger.xdc"]
    assert {(project / "vivado" / name).read_text() for name in rtl.memories} == {
        (project / "rtl" / name).read_text() for name in rtl.memories
    }
    steps = ["synth_design", "opt_design", "place_design", "phys_opt_design", "route_design", "report_timing_summary"]
    assert [command[0] for command in build if command[0] in steps] == steps
    assert ["synth_design", "-top", "tagger", "-part", "xcku115-flvb2104-2-i", "-mode", "out_of_context"] in build
    assert tool_commands(project / "vivado" / "tagger.xdc") == [
        ["get_ports", "aclk"],
        ["create_clock", "-name", "aclk", "-period", "5", "aclk"],
        ["get_ports", "aclk"],
        ["set_property", "HD.CLK_SRC", "BUFGCE_X0Y0", "aclk"],
        ["get_ports", "-filter", "DIRECTION == IN && NAME != aclk"],
        ["set_input_delay", "-clock", "aclk", "1.25", "DIRECTION == IN && NAME != aclk"],
        ["get_ports", "-filter", "DIRECTION == OUT"],
        ["set_output_delay", "-clock", "aclk", "1.25", "DIRECTION == OUT"],
    ]


def test_the_script_fails_where_the_slack_is_negative(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("tclsh") is None:
        pytest.skip("no tclsh on PATH")
    with monkeypatch.context() as patch:
        without_tools(patch)
        run("build", project, "--tool", "vivado")
    slack = project / "vivado" / "slack.tcl"
    slack.write_text(
        "proc unknown {args} { return 0 }; proc get_property {args} { return $::env(SLACK) }\nsource build.tcl"
    )
    for slack_ns, status in (("0.012", 0), ("-0.221", 3)):
        environment = {"PATH": "/usr/bin:/bin", "SLACK": slack_ns}
        done = subprocess.run(["tclsh", slack], cwd=slack.parent, env=environment, capture_output=True, text=True)
        assert (done.returncode, "misses its clock by 0.221 ns" in done.stderr) == (status, status == 3), done.stderr


def test_the_packaged_ip_has_axi_stream_interfaces(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        without_tools(patch)
        run("build", project, "--tool", "vivado")
    rtl = RtlFiles.read(project, read_verilog_facts(project))
    package = tool_commands(project / "vivado" / "package_ip.tcl")
    assert files_read(package, "add_files") == sorted([*rtl.sources, *rtl.memories, "tagger_ip.v"])
    assert next(command[0] for command in package if command[0].startswith("ipx::")) == "ipx::package_project"
    wrapper = project / "vivado" / "tagger_ip.v"
    assert verilator.lint("tagger_ip", [wrapper, *(project / "rtl" / name for name in rtl.sources)]) == ""
    text = wrapper.read_text()
    assert 'X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axis:m_axis, ASSOCIATED_RESET aresetn"' in text
    streams = [port.name.rsplit("_", 1) for port in rtl.ports if "_axis_" in port.name]
    assert len(streams) == 8
    for stream, signal in streams:
        assert f'X_INTERFACE_INFO = "xilinx.com:interface:axis:1.0 {stream} {signal.upper()}"' in text


FAKE_VIVADO = """#!/bin/sh
[ "$*" = "-mode batch -nojournal -nolog -source build.tcl" ] || exit 7
[ -f build.tcl ] || exit 8
mkdir -p reports
cp "$(dirname "$0")"/*.rpt reports
exit 3  # as the script does where the slack is negative
"""
FAKE_QUARTUS = """#!/bin/sh
[ "$*" = "--flow compile tagger" ] || exit 7
[ -f tagger.qpf ] || exit 8
mkdir -p output_files
cp "$(dirname "$0")"/tagger.* output_files
"""


def put_tool(folder: Path, program: str, script: str, reports: dict[str, str], patch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    for name, text in {program: script, **reports}.items():
        (folder / name).write_text(text)
    (folder / program).chmod(0o755)
    patch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_vivado_on_path_is_run_and_reported(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = {"utilization.rpt": UTILIZATION, "timing.rpt": TIMING}
    put_tool(tmp_path / "bin", "vivado", FAKE_VIVADO, reports, monkeypatch)
    for _ in range(2):  # the folder of a run before is taken as it is
        result = run("build", project)
        assert result.exit_code == 0, result.output
    (built,) = json.loads((project / "report.json").read_text())["built"]
    assert built["stage"] == "routed" and built["clock_period_ns"] == 5.221
    told = (project / "report.md").read_text()
    assert "| LUTs | 4 711 of 663 360 (0.71%) | routed, Vivado 2023.2" in told
    assert "| BRAM 18k | 5 of 4 320 (0.12%) | routed, Vivado 2023.2" in told


def test_quartus_on_path_is_run_and_reported(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = {"tagger.fit.summary": FITTER, "tagger.sta.rpt": FMAX}
    put_tool(tmp_path / "bin", "quartus_sh", FAKE_QUARTUS, reports, monkeypatch)
    result = run("build", project, "--tool", "quartus", "--part", "5CSEBA6U23I7")
    assert result.exit_code == 0, result.output
    told = (project / "report.md").read_text()
    assert "| Clock period | 8 ns of 5 ns (125 MHz) | routed, Quartus Prime 22.1std.2" in told
    assert "| ALMs | 22 549 of 41 910 (54%) | routed, Quartus Prime 22.1std.2" in told


def test_without_quartus_the_project_is_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        without_tools(patch)
        result = run("build", project, "--tool", "quartus", "--part", "10AX115N2F45E1SG")
    assert_refused(
        result,
        "Quartus: quartus_sh is not on PATH. The project is written. "
        f"On a machine that has it, run: cd {project}/quartus && quartus_sh --flow compile tagger",
    )
    rtl = RtlFiles.read(project, read_verilog_facts(project))
    settings = tool_commands(project / "quartus" / "tagger.qsf")
    sources = [command[-1] for command in settings if "SYSTEMVERILOG_FILE" in command]
    assert sources == [f"../rtl/{name}" for name in rtl.sources]
    assert all((project / "quartus" / name).is_file() for name in sources)
    assert ["set_global_assignment", "-name", "FAMILY", "Arria 10"] in settings
    assert ["set_global_assignment", "-name", "DEVICE", "10AX115N2F45E1SG"] in settings
    virtual = {command[-1] for command in settings if "VIRTUAL_PIN" in command}
    assert virtual == {port.name for port in rtl.ports} - {"aclk"}
    assert ["create_clock", "-name", "aclk", "-period", "5", "aclk"] in tool_commands(
        project / "quartus" / "tagger.sdc"
    )


def test_what_a_person_changed_is_left_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_tools(monkeypatch)
    run("build", project)
    script = project / "vivado" / "build.tcl"
    script.write_text(script.read_text() + "# mine\n")
    (project / "vivado" / "notes.txt").write_text("mine")
    assert_refused(run("build", project), "vivado: 'build.tcl' was changed since Loopwire wrote it")
    assert script.read_text().endswith("# mine\n")
    script.write_text(script.read_text().removesuffix("# mine\n"))
    assert_refused(run("build", project, "--part", "xcvu13p-flga2577-2-e"), "vivado is not on PATH")
    assert "xcvu13p-flga2577-2-e" in script.read_text()
    assert (project / "vivado" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("part", ["xcku115", "LFE5U-85F-6BG381C", "10AX115N2F45E1SG"])
def test_parts_that_vivado_does_not_know(part: str, compiled: Path) -> None:
    text = f"part '{part}': Vivado does not know it by this name. Give an AMD part with package and speed grade, such"
    with pytest.raises(ConfigError, match=text):
        vivado.project_files(RtlFiles.read(compiled, read_verilog_facts(compiled)), part, 5.0)


def test_parts_that_quartus_does_not_know(compiled: Path) -> None:
    text = (
        "part 'xcku115': its family is not one that Loopwire builds with Quartus. Choose from Arria 10, Cyclone 10 GX"
    )
    with pytest.raises(ConfigError, match=text):
        quartus.project_files(RtlFiles.read(compiled, read_verilog_facts(compiled)), "xcku115", 5.0)


def test_an_hls_project_has_its_part(project: Path) -> None:
    facts = json.loads((project / "design.json").read_text())
    (project / "design.json").write_text(json.dumps({**facts, "target": "vitis_hls"}))
    text = "--part: HLS C++ is written for one part. Compile the model for it: --part"
    assert_refused(run("build", project, "--part", "xcvu13p-flga2577-2-e"), text)


def put_reports(folder: Path, reports: dict[str, str]) -> None:
    for name, text in reports.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_reports_of_vivado(tmp_path: Path) -> None:
    put_reports(tmp_path, {vivado_reports.UTILIZATION: UTILIZATION, vivado_reports.TIMING: TIMING})
    built = vivado_reports.read_reports(tmp_path, {})
    assert (built.tool, built.stage, built.part) == ("Vivado 2023.2", "routed", "xcku115-flvb2104-2-i")
    assert built.clock_period_ns == 5.221
    assert built.resources == (
        ResourceUse("LUTs", 4711, 663360),
        ResourceUse("FFs", 1655, 1326720),
        ResourceUse("BRAM 18k", 5, 4320),
        ResourceUse("DSPs", 36, 5520),
    )


def test_layers_of_vivado(tmp_path: Path) -> None:
    reports = {vivado_reports.UTILIZATION: UTILIZATION, vivado_reports.TIMING: TIMING}
    put_reports(tmp_path, {**reports, vivado_reports.HIERARCHY: HIERARCHY})
    modules = {"tagger_gru": "gru", "tagger_dense": "dense"}
    built = vivado_reports.read_reports(tmp_path, modules)
    counted = {layer.layer: {use.name: use.used for use in layer.resources} for layer in built.layers}
    assert counted == {
        "gru": {"LUTs": 4000, "FFs": 1400, "DSPs": 30, "BRAM 18k": 4, "URAMs": 0},
        "dense": {"LUTs": 500, "FFs": 100, "DSPs": 4, "BRAM 18k": 0, "URAMs": 0},
        "between the layers": {"LUTs": 211, "FFs": 155, "DSPs": 2, "BRAM 18k": 1, "URAMs": 0},
    }
    for use in built.resources:
        assert use.used == sum(counts[use.name] for counts in counted.values()), use


def test_reports_of_vivado_for_7_series(tmp_path: Path) -> None:
    put_reports(
        tmp_path, {vivado_reports.UTILIZATION: UTILIZATION_7, vivado_reports.TIMING: TIMING.replace("-0.221", " 1.500")}
    )
    built = vivado_reports.read_reports(tmp_path, {})
    assert built.resources == (ResourceUse("LUTs", 501, 63400), ResourceUse("FFs", 299, 126800))
    assert built.clock_period_ns == 3.5


def test_reports_of_quartus(tmp_path: Path) -> None:
    put_reports(tmp_path, {"output_files/tagger.fit.summary": FITTER, "output_files/tagger.sta.rpt": FMAX})
    built = quartus.read_reports(tmp_path, "tagger")
    assert (built.tool, built.stage, built.part) == ("Quartus Prime 22.1std.2", "routed", "5CSEBA6U23I7")
    assert built.clock_period_ns == 8.0, "the slower corner of aclk, restricted"
    assert built.resources == (
        ResourceUse("ALMs", 22549, 41910),
        ResourceUse("FFs", 39317),
        ResourceUse("RAM blocks", 4, 553),
        ResourceUse("DSPs", 18, 112),
    )


def test_reports_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"Vivado: it wrote no utilization report. Run it again in "):
        vivado_reports.read_reports(tmp_path, {})
    put_reports(tmp_path, {vivado_reports.UTILIZATION: UTILIZATION})
    with pytest.raises(ToolError, match=r"Vivado: it wrote no timing report for aclk. Run it again in "):
        vivado_reports.read_reports(tmp_path, {})
    with pytest.raises(ToolError, match=r"Quartus: it wrote no fitter summary. Read its log, "):
        quartus.read_reports(tmp_path, "tagger")
    put_reports(tmp_path, {"output_files/tagger.fit.summary": FITTER})
    with pytest.raises(ToolError, match=r"Quartus: it reported no Fmax of aclk. Read its log, "):
        quartus.read_reports(tmp_path, "tagger")
