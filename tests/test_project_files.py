"""What a written project holds beside the sources: each file is read, or run, by the tool that it is for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

import loopwire
from keras_files import dense, input_layer, lstm, write_h5

IVERILOG = shutil.which("iverilog")
needs_icarus = pytest.mark.skipif(IVERILOG is None, reason="no Icarus Verilog on this computer")
X = np.random.default_rng(1).normal(size=(6, 4, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design with three ROMs, of a beat for each two steps, so that it has TKEEP."""
    folder = tmp_path_factory.mktemp("project")
    path = write_h5(folder / "tiny.h5", [input_layer((4, 3)), lstm(), dense(2)])
    design = loopwire.compile(path, precision="fixed<12,4>", bus_bits=96, name="tiny")
    return design.write(folder / "out", X)


def run(command: list[str], place: Path) -> str:
    """Run a program with the tools of this Python first; return what it printed."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, env={**os.environ, "PATH": paths})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def listed(core: Any, fileset: str) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in core["filesets"][fileset]["files"]]


def test_the_core_file_lists_all_that_a_tool_reads(folder: Path) -> None:
    head, text = (folder / "tiny.core").read_text().split("\n", 1)
    core = yaml.safe_load(text)
    assert head == "CAPI=2:" and core["name"] == "loopwire:generated:tiny:0"
    rtl = {path.relative_to(folder).as_posix() for path in (folder / "rtl").iterdir()}
    assert {*listed(core, "rtl"), *listed(core, "memories")} == rtl
    assert "testbench/tiny_tb.sv" in listed(core, "testbench") and "testbench/tiny_input.hex" in listed(
        core, "testbench"
    )
    assert all((folder / name).is_file() for name in listed(core, "testbench"))
    assert set((folder / "tiny.f").read_text().split()) == {name for name in rtl if name.endswith(".sv")}


@needs_icarus
def test_the_makefile_runs_the_testbench_and_writes_waves(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "out")
    place = tmp_path / "out" / "testbench"
    assert "PASS: 6 sequences, 0 errors" in run(["make"], place) and not (place / "waves.vcd").exists()
    run(["make", "WAVES=1"], place)
    assert "$var wire" in (place / "waves.vcd").read_text()[:100_000]
    run(["make", "clean"], place)
    assert {path.name for path in place.iterdir()} == {path.name for path in (folder / "testbench").iterdir()}


@needs_icarus
def test_the_file_list_and_the_instance_elaborate(folder: Path, tmp_path: Path) -> None:
    instance = (folder / "doc" / "tiny_instance.svh").read_text()
    (tmp_path / "around.sv").write_text(f"module around;\n{instance}\nendmodule\n")
    command = [str(IVERILOG), "-g2012", "-Wall", "-s", "around", "-o", str(tmp_path / "made"), "-c", "tiny.f"]
    run([*command, str(tmp_path / "around.sv")], folder)


@needs_icarus
def test_the_cocotb_bench_passes_and_finds_a_wrong_bit(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("cocotb", reason="the bench needs cocotb and cocotbext-axi")
    pytest.importorskip("cocotbext.axi")
    shutil.copytree(folder, tmp_path / "out")
    place = tmp_path / "out" / "testbench"
    assert "TESTS=2 PASS=2 FAIL=0" in run(["make", "-f", "cocotb.mk"], place)
    vectors = place / "vectors.json"
    text = vectors.read_text()
    due = text.rindex('"', 0, text.rindex('"')) + 1
    vectors.write_text(f"{text[:due]}{int(text[due], 16) ^ 1:x}{text[due + 1 :]}")
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    wrong = subprocess.run(
        ["make", "-f", "cocotb.mk"], cwd=place, capture_output=True, text=True, env={**os.environ, "PATH": paths}
    )
    assert "TESTS=2 PASS=0 FAIL=2" in wrong.stdout and "result 5 at m_axis is" in wrong.stdout


def test_where_anything_lasts_there_is_no_cocotb_bench(folder: Path, tmp_path: Path) -> None:
    design = loopwire.compile(folder.parent / "tiny.h5", precision="fixed<12,4>", stateful=True)
    written = design.write(tmp_path / "out", X)
    assert not (written / "testbench" / "cocotb.mk").exists()
    assert "cocotb" not in (written / "README.md").read_text() and (written / "testbench" / "Makefile").exists()


def test_the_pictures_are_in_the_readme(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    pictures = re.findall(r"!\[[^]]+\]\((doc/\w+\.svg)\)", readme)
    assert pictures == ["doc/blocks.svg", "doc/timing.svg"]
    blocks, timing = (ElementTree.parse(folder / name) for name in pictures)
    texts = [[e.text for e in tree.iter("{http://www.w3.org/2000/svg}text")] for tree in (blocks, timing)]
    assert {"s_axis", "96 bits a beat, up to 2 a sequence", "lstm1, dense1: R = 1", "m_axis"} <= set(texts[0])
    design = loopwire.compile(folder.parent / "tiny.h5", precision="fixed<12,4>", bus_bits=96)
    latency = design.predicted_cycles.latency_cycles
    assert f"{latency} cycles from the first beat to the last of the result" in texts[1]
