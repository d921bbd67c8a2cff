"""`loopwire synth`: counts of a tiny design, how they add up, and errors that tell what to do."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner, Result

import loopwire
from keras_models import sequential
from loopwire.cli import main
from loopwire.devices import find_part, part_names
from loopwire.errors import ConfigError, ToolError
from loopwire.report.built import Built
from loopwire.report.stored import from_json
from loopwire.system.workers import workers
from loopwire.tools import synthesis, yosys
from loopwire.tools.fabrics import FABRICS, fabric_of, uses
from loopwire.tools.fit import require_fit

needs_yosys = pytest.mark.skipif(
    not any(importlib.util.find_spec(module) for module, _ in yosys.PACKAGES.values()),
    reason="Yosys is not installed: pip install 'loopwire[synthesis]'",
)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project of a folded network, whose two layers keep their weights in ROMs."""
    folder = tmp_path_factory.mktemp("projects")
    layers = [keras.layers.GRU(8, name="gru"), keras.layers.Dense(8, name="head")]
    sequential((3, 2), layers).save(folder / "tiny.keras")
    arguments = ("--reuse-factor", 64, "--part", "LFE5U-25F-6BG256C", "--clock-ns", 20, "--simulate", 0)
    result = command("compile", folder / "tiny.keras", *arguments, "--out", folder / "tiny")
    assert result.exit_code == 0, result.output
    return folder / "tiny"


@pytest.fixture
def project(compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one's own, and an empty cache."""
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(compiled, tmp_path / "project"))


@needs_yosys
def test_layers_are_counted_and_add_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = command("synth", project)
    assert result.exit_code == 0, result.output
    report = from_json((project / "report.json").read_text())
    (built,) = report.built
    assert (built.stage, built.part) == ("synthesised", "LFE5U-25F-6BG256C")
    assert [layer.layer for layer in built.layers] == ["gru", "head", synthesis.BETWEEN]
    for index, total in enumerate(built.resources):
        assert total.used == sum(layer.resources[index].used for layer in built.layers)
    totals = {use.name: use for use in built.resources}
    assert totals["LUTs"].available == 24288
    assert totals["LUTs"].used > 100
    assert totals["FFs"].used > 100
    assert totals["DSPs"].used > 0
    assert totals["BRAM 18k"].used > 0, "weights are not in block RAM"
    estimated = {use.name: use.used for use in report.estimated}
    assert all(estimated[name] == totals[name].used for name in ("DSPs", "BRAM 18k"))
    assert estimated["FFs"] == pytest.approx(totals["FFs"].used, rel=0.1)
    assert estimated["LUTs"] == pytest.approx(totals["LUTs"].used, rel=0.3)
    told = (project / "report.md").read_text()
    assert f"## Resources, synthesised, {built.tool}\n" in told
    assert "| between the layers |" in told
    assert "Resources, synthesised" in (project / "report.html").read_text()

    # A second time, and from a folder elsewhere, nothing is run.
    monkeypatch.setattr(yosys.Yosys, "run", lambda *_: pytest.fail("Yosys was run again"))
    assert command("synth", project).exit_code == 0
    assert from_json((project / "report.json").read_text()).built == (built,)


TABLE = """\
module table (input logic [4:0] cell_index, output logic [11:0] y);
  logic [11:0] base [0:31];
  initial $readmemh("base.hex", base);
  assign y = base[cell_index];
endmodule
module staged (input logic aclk, input logic [4:0] a, output logic [11:0] y);
  logic [4:0] a_q;
  always_ff @(posedge aclk) a_q <= a;
  table lookup (.cell_index(a_q), .y);
endmodule
"""


@needs_yosys
def test_workers_count_the_same(project: Path) -> None:
    pytest.importorskip("distributed", reason="workers need Dask (pip install loopwire[explore])")
    with workers(2) as several:
        built = loopwire.synthesise(project, workers=several)
    shutil.rmtree(project.parent / "cache")
    assert built == loopwire.synthesise(project)


@needs_yosys
def test_a_worker_with_another_yosys_is_refused() -> None:
    other = synthesis.Work(yosys.Yosys("pyosys", "0.1"), FABRICS["ecp5"], None)
    with pytest.raises(
        ToolError, match=r"a worker has Yosys .*, and the command Yosys 0.1 \(pyosys\). Install the same"
    ):
        synthesis.cell_counts(other, synthesis.Piece("layer", "top", {}, {}))


@needs_yosys
@pytest.mark.parametrize("name", ["xcup", "ecp5"])
def test_a_register_before_a_table_stays_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has 5 bits; the register behind the table that Yosys would make of it has 12."""
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))
    memory = "".join(f"{0xA5A * n % 4093:03x}\n" for n in range(32))
    piece = synthesis.Piece("layer", "staged", {"staged.sv": TABLE.encode()}, {"base.hex": memory.encode()})
    fabric = FABRICS[name]
    used = fabric.resources(synthesis.cell_counts(synthesis.Work(yosys.find_yosys(), fabric, None), piece))
    assert (used["FFs"], used["BRAM 18k"]) == (5, 0)


@needs_yosys
@pytest.mark.parametrize(("bits", "dsps"), [(5, 0), (6, 1)])
def test_narrow_products_are_made_of_luts(
    bits: int, dsps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPWIRE_CACHE", str(tmp_path / "cache"))
    source = (
        f"module product (input logic [{bits - 1}:0] a, input logic [6:0] b, output logic [15:0] y);\n"
        "  assign y = 16'($signed(a)) * 16'($signed(b));\nendmodule\n"
    )
    fabric = FABRICS["ecp5"]
    piece = synthesis.Piece("layer", "product", {"product.sv": source.encode()}, {})
    used = fabric.resources(synthesis.cell_counts(synthesis.Work(yosys.find_yosys(), fabric, None), piece))
    assert used["DSPs"] == dsps


@pytest.mark.parametrize("name", FABRICS)
def test_cells_of_every_fabric_are_known(name: str) -> None:
    cells = {
        "xc7": {"LUT6": 3, "RAM32M": 1, "SRL16E": 2, "FDRE": 5, "DSP48E1": 1, "RAMB36E1": 1, "CARRY4": 9, "MUXF7": 1},
        "xcu": {"LUT6": 3, "RAM64M": 1, "SRLC32E": 2, "FDSE": 5, "DSP48E2": 1, "RAMB18E2": 2},
        "xcup": {"LUT1": 9, "FDCE": 5, "DSP48E2": 1, "RAMB36E2": 1, "URAM288": 4},
        "ecp5": {"LUT4": 1, "CCU2C": 1, "TRELLIS_DPR16X4": 1, "TRELLIS_FF": 5, "MULT18X18D": 1, "DP16KD": 2},
        "nexus": {"LUT4": 3, "WIDEFN9": 3, "FD1P3IX": 5, "MULTADDSUB18X18": 1, "PDPSC16K": 2},
        "cyclonev": {"MISTRAL_ALUT4": 8, "MISTRAL_NOT": 1, "MISTRAL_FF": 5, "MISTRAL_MUL18X18": 1, "MISTRAL_M10K": 2},
    }[name]
    urams = 4 if name == "xcup" else 0
    expected = {"LUTs": 9, "FFs": 5, "DSPs": 1, "BRAM 18k": 2, "URAMs": urams}
    assert FABRICS[name].resources(cells) == expected


def test_every_family_of_the_device_data_can_be_synthesised() -> None:
    for part in part_names():
        assert fabric_of(find_part(part)).name in FABRICS


def test_a_family_that_yosys_does_not_know() -> None:
    unknown = replace(find_part("xcku115"), synthesis="", family="other")
    with pytest.raises(ConfigError) as refused:
        fabric_of(unknown)
    text = "part 'xcku115': Yosys does not know the cells of other. Give --family, of xc7, xcu, xcup, ecp5, "
    assert str(refused.value) == f"{text}nexus, cyclonev"


@pytest.mark.parametrize(
    ("used", "text"),
    [
        (
            {"LUTs": 48576, "FFs": 24289},
            "part LFE5U-25F: the design is too large: it takes 48576 LUTs, 2.00 times the 24288 of the part. To "
            "make it "
            "fit, compile with a reuse factor about 2.0 times as large (--reuse-factor), narrower types (loopwire "
            "precision) or --multipliers dsp",
        ),
        (
            {"LUTs": 1, "DSPs": 42},
            "part LFE5U-25F: the design is too large: it takes 42 DSPs, 1.50 times the 28 of the part. To make it fit, "
            "compile with a reuse factor about 1.5 times as large (--reuse-factor) or --multipliers shift_add",
        ),
        (
            {"URAMs": 2},
            "part LFE5U-25F: the design is too large: it takes 2 URAMs, and the part has none. To make it fit, compile "
            "with narrower weights (loopwire precision), or choose a part with more UltraRAM",
        ),
    ],
)
def test_a_design_too_large(used: dict[str, int], text: str) -> None:
    device = find_part("LFE5U-25F")
    with pytest.raises(ToolError) as caught:
        require_fit(Built("Yosys", "synthesised", resources=uses(used, device), part="LFE5U-25F"))
    assert str(caught.value) == text


def test_a_design_that_fits() -> None:
    require_fit(Built("Yosys", "synthesised", resources=uses({"LUTs": 24288, "URAMs": 0}, find_part("LFE5U-25F"))))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--part", "LFE5U-85X"), "part 'LFE5U-85X': this part is not known. Did you mean 'lfe5u-85'"),
        (
            ("--family", "ecp6"),
            "--family: 'ecp6' is unknown. Did you mean 'ecp5'? Choose from xc7, xcu, xcup, ecp5, nexus, cyclonev",
        ),
        (
            ("--family", "nexus", "--part", "xcku115"),
            "--family: it is for a part that Loopwire does not know, and --part is given too. Give one of them",
        ),
    ],
)
def test_options_that_cannot_be(project: Path, arguments: tuple[str, ...], text: str) -> None:
    result = command("synth", project, *arguments)
    assert result.exit_code == 1
    assert f"error: {text}" in result.output


def test_no_project(tmp_path: Path) -> None:
    result = command("synth", tmp_path)
    assert result.exit_code == 1
    assert (
        "it holds no design.json, so it is not a project. Give the folder that loopwire compile has written"
        in result.output
    )


def test_a_model_is_no_project(tmp_path: Path) -> None:
    model = tmp_path / "tagger.keras"
    model.touch()
    for name in ("synth", "route", "build"):
        result = command(name, model)
        assert result.exit_code == 1
        assert f"{model}: it is a file. Compile a model first: loopwire compile {model}" in result.output


def test_yosys_is_missing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yosys.find_yosys.cache_clear()
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)
    result = command("synth", project)
    assert result.exit_code == 1
    line = "error: synthesis: Yosys is not installed. Install it: pip install 'loopwire[synthesis]'"
    assert line in result.output


@needs_yosys
def test_yosys_fails_and_the_next_run_starts_afresh(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (project / "report.json").read_text()
    broken = "import sys; print('ERROR: out of luck'); sys.exit(1)"
    monkeypatch.setitem(yosys.PACKAGES, yosys.find_yosys().package, ("", broken))
    result = command("synth", project)
    assert result.exit_code == 1
    assert "error: Yosys: it failed: ERROR: out of luck. Read its log, " in result.output
    log = Path(result.output.split("Read its log, ")[1].strip())
    assert "out of luck" in log.read_text()
    assert (project / "report.json").read_text() == before
    assert not list((project.parent / "cache").iterdir())


@needs_yosys
def test_yosys_takes_too_long(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(yosys.PACKAGES, yosys.find_yosys().package, ("", "import time; time.sleep(60)"))
    result = command("synth", project, "--timeout-minutes", "0.005")
    assert result.exit_code == 1
    assert (
        "error: Yosys: it did not finish within 0.3 s. Allow it more with --timeout-minutes, or read" in result.output
    )
