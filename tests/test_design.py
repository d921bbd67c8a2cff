"""Designs: their numbers, their simulation and its verdict, and the folder they are written to."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from loopwire import quantised_model
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.errors import DataError, VerificationError
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.types import FixedType
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.model import chain
from loopwire.layers.shape import Flatten, Reshape
from loopwire.simulate.simulation import Stimulus
from loopwire.targets.verilog import hardware
from pass_through import FEATURES, HARDWARE, STEPS, firmware_of, pass_through

X = np.random.default_rng(0).normal(0.0, 2.0, (40, STEPS, FEATURES))


@pytest.fixture
def without_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "generate", firmware_of)


def tagger(config: CompileConfig | None = None) -> Design:
    random = np.random.default_rng(5)
    gru = Gru("gru", *(random.normal(0, 0.5, shape) for shape in ((9, 2), (9, 3), (9,), (9,))))
    head = Dense("head", random.normal(0, 0.5, (2, 3)), np.zeros(2), Function("softmax"))
    return loopwire.compile(chain("tagger", (STEPS, FEATURES), (gru, head), "tagger.keras"), config)


@pytest.fixture(scope="module")
def passing() -> Design:
    return loopwire.compile(pass_through())


def test_fixed_point_is_near_float() -> None:
    design = tagger()
    real, fixed = design.predict_float(X), design.predict(X)
    assert real.shape == fixed.shape == (40, 2)
    assert 0 < np.abs(real - fixed).max() < 0.01
    np.testing.assert_allclose(real.sum(axis=1), 1.0)


def test_the_definition_and_the_fast_emulator_predict_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = np.arange(40) % STEPS + 1
    fast = tagger().predict_integers(X, lengths)
    monkeypatch.setattr(quantised_model, "try_build", lambda graph: None)
    monkeypatch.setattr(quantised_model, "DEFINITION_BATCH", 7)
    np.testing.assert_array_equal(tagger().predict_integers(X, lengths), fast)


def test_what_lies_beyond_a_short_sequence_is_ignored() -> None:
    design, other = tagger(), X.copy()
    other[:, 2:] = 9.0
    lengths = np.full(40, 2)
    np.testing.assert_array_equal(design.predict(X, lengths), design.predict(other, lengths))
    np.testing.assert_array_equal(design.predict_float(X, lengths), design.predict_float(other, lengths))
    assert (design.predict(X) != design.predict(other)).any()


def test_inputs_that_do_not_fit() -> None:
    design = tagger()
    for predict in (design.predict, design.predict_float, design.clipping):
        with pytest.raises(DataError, match=r"x: it has shape \(40, 3, 2\). The model takes \(N, 4, 2\)"):
            predict(X[:, :3])
    with pytest.raises(DataError, match=r"lengths: it holds 5 to 5 steps. Give from 1 to 4"):
        design.predict(X, [5] * 40)


def test_simulation_gives_reals_and_cycles(passing: Design, without_generator: None) -> None:
    lengths = np.arange(40) % STEPS + 1
    simulation = passing.simulate(X, lengths, Stimulus(seed=3, ready_probability=0.5))
    type = FixedType.parse("fixed<16,6,RND,SAT>")
    expected = to_real(quantise(X, type), type.fraction)
    expected[np.arange(STEPS) >= lengths[:, np.newaxis]] = 0.0
    np.testing.assert_array_equal(simulation.outputs, expected)
    np.testing.assert_array_equal(passing.simulate(X[:3]).cycles.latency_cycles, [STEPS] * 3)


def test_verification_counts_what_it_did(passing: Design, without_generator: None) -> None:
    seen = []
    found = loopwire.verify(passing, X, progress=lambda done, of: seen.append((done, of)))
    assert (found.sequences, found.stressed_sequences, found.resets) == (40, 30, 9)
    assert 5 <= found.short_sequences <= 25
    assert (found.simulated.latency_cycles, found.simulated.initiation_interval_cycles) == (STEPS, STEPS)
    assert seen == [(10, 40), (20, 40), (30, 40), (40, 40)]
    assert loopwire.verify(passing, X, sequences=3).sequences == 3
    with pytest.raises(DataError, match=r"verification: 0 sequences prove nothing. Simulate at least 1"):
        loopwire.verify(passing, X, sequences=0)


def test_the_configuration_bounds_the_sequences(passing: Design, without_generator: None) -> None:
    design = replace(passing, config=CompileConfig(simulate_sequences=5))
    assert loopwire.verify(design, X).sequences == 5


FAULTS = {
    "wrong bit": (
        ("m_axis_tdata <= s_axis_tdata;", "m_axis_tdata <= s_axis_tdata ^ 32'(s_axis_tdata[15:0] == 16'hFC00);"),
        r"output beats( before reset \d)? of m_axis differ; the first is .*: element 0 is -1023, not -1024",
    ),
    "short sequences run on": (("s_axis_tlast || ", ""), "9 of 10 results were received"),
    "state survives a reset": (
        ("count_q <= 16'd0;\n    end", "end"),
        "a beat of m_axis belongs to no sequence|of a result there is no m_axis_tlast",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, without_generator: None) -> None:
    (old, new), message = FAULTS[fault]
    assert old in HARDWARE
    design = loopwire.compile(pass_through())
    text = design.firmware.files["pass_through.sv"]
    vars(design.hardware)["firmware"] = replace(design.firmware, files={"pass_through.sv": text.replace(old, new)})
    x = X.copy()
    x[37, 1, 0] = x[2, 0, 0] = -1.0
    with pytest.raises(VerificationError, match=message):
        loopwire.verify(design, x)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"latency_cycles": 9}, "simulation of pass_through: it has a latency of 4 cycles, not of 9"),
        ({"initiation_interval_cycles": 3.5}, "it has an initiation interval of 4 cycles, not of 3.5"),
    ],
)
def test_wrong_predictions_are_found(
    wrong: dict[str, Any], message: str, passing: Design, without_generator: None
) -> None:
    design = loopwire.compile(pass_through())
    vars(design.hardware).update(firmware=replace(design.firmware, **wrong), simulator=passing.hardware.simulator)
    with pytest.raises(VerificationError, match=message):
        loopwire.verify(design, X)


def test_a_model_without_sequences(without_generator: None) -> None:
    design = loopwire.compile(pass_through(steps=1))
    found = loopwire.verify(design, X[:, 0])
    assert (found.sequences, found.short_sequences, found.resets) == (40, 0, 9)
    assert design.simulate(X[:3, 0]).outputs.shape == (3, FEATURES)


def test_a_flat_input_comes_in_one_beat_in_order(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    layers = (Reshape("r", (3, 2)), Gru("g", *(random.normal(size=s) for s in ((9, 2), (9, 3), 9, 9)), True))
    flat = chain("flat", (6,), layers, "test")
    x = random.normal(size=(40, 6))
    design = loopwire.compile(flat)
    beats = design.firmware.input
    assert (beats.vectors_per_beat, beats.count, design.steps, design.config.io) == (3, 2, 3, "parallel")
    integers, lengths = design.input_integers(x, None)
    (sent,) = design.hardware.sent(integers, lengths, np.zeros(40, np.bool_))
    assert np.array_equal(sent.vectors.reshape(40, 6), quantise(x, design.graph.inputs[0].type.element))
    as_sequence = loopwire.compile(chain("flat", (3, 2), layers, "test"))
    assert np.array_equal(design.predict(x), as_sequence.predict(x.reshape(40, 3, 2)))
    narrow = loopwire.compile(flat, CompileConfig(bus_bits=32))
    assert (narrow.firmware.input.vectors_per_beat, narrow.config.io) == (1, "stream")
    for each in (design, narrow, loopwire.compile(flat, CompileConfig(target="vitis_hls", io="parallel"))):
        loopwire.verify(each, x)
    facts = json.loads((narrow.write(tmp_path / "flat", x) / "design.json").read_text())
    assert (facts["input"]["shape"], facts["input"]["steps"]) == ([6], 3)


def test_results_have_the_shape_of_the_models() -> None:
    random = np.random.default_rng(6)
    gru = Gru("g", *(random.normal(size=s) for s in ((6, 1), (6, 2), 6, 6)), True, return_sequences=True)
    design = loopwire.compile(chain("ends_flat", (3, 1), (gru, Flatten("f")), "test"))
    x = random.normal(size=(4, 3, 1))
    assert design.predict(x).shape == design.predict_float(x).shape == design.simulate(x).outputs.shape == (4, 6)
    assert np.array_equal(design.predict(x), design.simulate(x).outputs)


def test_written_project(passing: Design, without_generator: None, tmp_path: Path) -> None:
    path = passing.write(tmp_path / "out", X, {"report.md": "all is well\n"})
    files = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    bench = {f"testbench/pass_through_{end}" for end in ("tb.sv", "input.hex", "expected.hex")}
    bench |= {f"testbench/{name}" for name in ("Makefile", "cocotb.mk", "test_pass_through.py", "vectors.json")}
    around = {"pass_through.core", "pass_through.f"}
    around |= {f"doc/{name}" for name in ("blocks.svg", "timing.svg", "pass_through_instance.svh")}
    assert files == {"README.md", "design.json", "graph.txt", "report.md", "rtl/pass_through.sv", *bench, *around}
    facts = json.loads((path / "design.json").read_text())
    assert facts["predicted"] == {
        "latency_cycles": 4,
        "least_latency_cycles": 4,
        "greatest_latency_cycles": 4,
        "initiation_interval_cycles": 4,
        "loop_latency_cycles": 1,
    }
    assert facts["model"] == {"name": "pass through", "source": "same.keras", "input_shape": [4, 2]}
    assert facts["tensors"]["x"] == "fixed<16,6,RND,SAT>[4, 2]"
    readme = (path / "README.md").read_text()
    assert "| `s_axis_tdata` | 32 | one time step: 2 signed elements of 16 bits, 16 bits apart |" in readme
    assert "2^-10 for fixed<16,6,RND,SAT>" in readme and "$" not in readme


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("data", [X[:5], None])
def test_the_readme_tells_how_to_run_the_testbench(
    data: Any, passing: Design, without_generator: None, tmp_path: Path
) -> None:
    path = passing.write(tmp_path / "out", data)
    commands = [line.strip() for line in (path / "README.md").read_text().splitlines() if line.startswith("      ")]
    done = subprocess.run(" && ".join(commands), shell=True, cwd=path, capture_output=True, text=True)
    assert f"PASS: {32 if data is None else 5} sequences, 0 errors" in done.stdout, done


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_icarus_runs_what_is_generated(tmp_path: Path) -> None:
    bench = tagger().write(tmp_path / "out", X[:8]) / "testbench"
    command = "iverilog -g2012 -o simulate *.sv ../rtl/*.sv && vvp simulate"
    done = subprocess.run(command, shell=True, cwd=bench, capture_output=True, text=True, timeout=120)
    assert "PASS: 8 sequences, 0 errors" in done.stdout, done


def test_report_names_the_stage_of_each_number(passing: Design, without_generator: None) -> None:
    predicted = passing.report()
    assert ("Latency", "4 cycles, 20 ns", "predicted") in predicted.rows()
    assert ("Verification", "not verified", "") in predicted.rows()
    verified = passing.report(loopwire.verify(passing, X[:8]))
    assert ("Initiation interval", "4 cycles, 20 ns", "predicted and simulated") in verified.rows()
    assert json.loads(verified.to_json())["verification"]["simulated"]["latency_cycles"] == 4
    assert "| Clock | 5 ns on xcku115-flvb2104-2-i | delay model |" in verified.to_markdown()


def test_copies_and_whole_sequences_are_verified_and_told(tmp_path: Path) -> None:
    design = tagger(CompileConfig(copies=2, io="parallel"))
    found = loopwire.verify(design, X[:12])
    assert (found.sequences, found.resets) == (12, 9)
    assert found.simulated.initiation_interval_cycles == STEPS / 2
    rows = design.report(found).rows()
    assert ("Copies of the recurrent layers", "2", "scheduled") in rows
    assert ("Ports", "one whole sequence per beat", "scheduled") in rows
    np.testing.assert_array_equal(design.simulate(X[:5]).outputs, design.predict(X[:5]))
    path = design.write(tmp_path / "out", X[:8])
    readme = (path / "README.md").read_text()
    assert (
        "| `s_axis_tdata` | 128 | up to 4 times one time step: 2 signed elements of 16 bits, 16 bits apart |" in readme
    )
    assert "| `s_axis_tkeep` | 16 | read in a sequence's last beat" in readme
    facts = json.loads((path / "design.json").read_text())
    assert (facts["knobs"]["copies"], facts["knobs"]["io"]) == (2, "parallel")
    assert facts["input"]["vectors_per_beat"] == 4


def test_the_report_tells_the_width_of_a_bus() -> None:
    assert ("Ports", "16 bits per beat", "scheduled") in tagger(CompileConfig(bus_bits=16)).report().rows()
