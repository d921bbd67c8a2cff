"""Sliding windows: what each sample's window holds, the numbers and the hardware, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import loopwire
from loopwire.cli import main
from loopwire.config import CompileConfig
from loopwire.emulator.windows import windows
from loopwire.errors import ConfigError, DataError, LoopwireError, UnsupportedError
from loopwire.knobs import Knobs
from loopwire.layers.dense import Dense
from loopwire.layers.model import Model, chain
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.verification import verify
from random_models import Weights

STEPS, FEATURES, CHANNELS = 3, 2, 4
w = Weights(6)
random = np.random.default_rng(7)


RNN, HEAD = SimpleRnn("rnn", w(3, FEATURES), w(3, 3), w(3)), Dense("head", w(2, 3), w(2))


def model(**options: Any) -> Model:
    return chain("net", (STEPS, FEATURES), (replace(RNN, **options), HEAD), "net.keras")


def sliding(**options: Any) -> CompileConfig:
    return CompileConfig(sliding_window=True, channels=CHANNELS, **options)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 5), st.integers(1, 7))
def test_a_window_holds_what_its_channel_has_had(fresh: list[bool], steps: int, channels: int) -> None:
    samples = np.arange(1, len(fresh) + 1).reshape(-1, 1)
    expected = []
    history: list[list[int]] = [[] for _ in range(channels)]
    for k, anew in enumerate(fresh):
        own = history[k % channels]
        if anew:
            own.clear()
        own.append(k + 1)
        expected.append(([0] * steps + own)[-steps:])
    found = windows(samples, np.array(fresh), steps, channels)
    np.testing.assert_array_equal(found[..., 0], expected)
    rows = slice(len(fresh) // 3, len(fresh) // 2)
    np.testing.assert_array_equal(windows(samples, np.array(fresh), steps, channels, rows), found[rows])


def test_a_sample_gives_the_result_of_its_window() -> None:
    design, plain = loopwire.compile(model(), sliding()), loopwire.compile(model())
    x, fresh = random.normal(0, 1, (30, FEATURES)), np.arange(30) % 11 == 9
    seen = windows(x, fresh, STEPS, CHANNELS)
    np.testing.assert_array_equal(design.predict(x, fresh=fresh), plain.predict(seen))
    np.testing.assert_array_equal(design.predict_float(x, fresh=fresh), plain.predict_float(seen))
    unmarked = windows(x, np.zeros(30, np.bool_), STEPS, CHANNELS)
    assert design.profile(x) == plain.profile(unmarked)


def test_hardware_is_verified_and_told_how_to_be_driven(tmp_path: Path) -> None:
    design = loopwire.compile(model(), sliding())
    x, fresh = design.random_inputs(60), np.arange(60) % 7 == 0
    assert verify(design, x, 60).sequences == 60
    np.testing.assert_array_equal(design.simulate(x, fresh=fresh).outputs, design.predict(x, fresh=fresh))
    readme = (design.write(tmp_path / "net", x) / "README.md").read_text()
    assert "| `s_axis_tuser` | 1 | with a sample: high to begin its channel anew" in readme
    assert "the 4 channel(s) take turns" in readme
    assert "| `s_axis_tlast` | 1 | has no meaning: each beat is a sample |" in readme
    assert "Channels, each with a sliding window | 4" in design.report().to_markdown()


def test_the_command_line_slides_windows(tmp_path: Path) -> None:
    path, data, out = tmp_path / "net.keras", tmp_path / "samples.npy", tmp_path / "net"
    keras.Sequential([keras.Input((STEPS, 1)), keras.layers.SimpleRNN(2)]).save(path)
    np.save(data, random.normal(0, 1, (60, 1)))
    command = ["compile", str(path), "--data", str(data), "--out", str(out), "--simulate", "60"]
    result = CliRunner().invoke(main, [*command, "--sliding-window", "--channels", "4", "--copies", str(STEPS)])
    assert result.exit_code == 0, result.output
    report = json.loads((out / "report.json").read_text())
    assert report["predicted"]["initiation_interval_cycles"] == 1
    assert report["agreement"]["sequences"] == 60 and report["knobs"]["sliding_window"]
    if shutil.which("iverilog") is not None:
        sources = [*(out / "testbench").glob("*.sv"), *(out / "rtl").glob("*.sv")]
        subprocess.run(["iverilog", "-g2012", "-o", "simulate", *sources], cwd=out / "testbench", check=True)
        ran = subprocess.run(["vvp", "simulate"], cwd=out / "testbench", capture_output=True, text=True)
        assert ran.stdout.splitlines()[-1] == "PASS: 32 sequences, 0 errors"


def refusals() -> dict[str, tuple[Any, type[LoopwireError], str]]:
    return {
        "stateful": (
            lambda: Knobs(sliding_window=True, stateful=True),
            ConfigError,
            "sliding_window: it contradicts 'stateful': each window starts from the initial states. Set one of them: "
            "windows for networks trained on T samples, states for those trained on streams",
        ),
        "parallel": (
            lambda: Knobs(sliding_window=True, io="parallel"),
            ConfigError,
            "io: 'parallel' contradicts 'sliding_window': a beat holds one sample. Leave 'io' out",
        ),
        "bus": (
            lambda: Knobs(sliding_window=True, bus_bits=64),
            ConfigError,
            "bus_bits: 64 contradicts 'sliding_window': a beat holds one sample. Leave 'bus_bits' out",
        ),
        "no sequence": (
            lambda: loopwire.compile(chain("net", (2,), (Dense("d", w(2, 2), w(2)),), "net.keras"), sliding()),
            UnsupportedError,
            "sliding_window: the model's input, of shape (2,), is not a sequence of several steps. Leave "
            "'sliding_window' out",
        ),
        "a result a step": (
            lambda: loopwire.compile(model(return_sequences=True), sliding()),
            UnsupportedError,
            "sliding_window: the model gives a result of shape (3, 2) for each window, not one vector. Let its last "
            "recurrent layer return the last step alone",
        ),
        "HLS": (
            lambda: loopwire.compile(model(), sliding(target="vitis_hls")),
            UnsupportedError,
            "sliding_window: HLS C++ does not carry it: a call takes a whole sequence. Leave it out, or take target "
            "= 'verilog'",
        ),
        "sequences": (
            lambda: loopwire.compile(model(), sliding()).predict(np.zeros((5, STEPS, FEATURES))),
            DataError,
            "x: it has shape (5, 3, 2). The model takes (N, 2)",
        ),
    }


@pytest.mark.parametrize("which", refusals())
def test_what_is_refused(which: str) -> None:
    call, error, text = refusals()[which]
    with pytest.raises(error) as refused:
        call()
    assert str(refused.value) == text
