"""Settings made to swell or crash what reads them end in an error of ours, soon."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

import loopwire
from keras_files import dense, input_layer, lstm, write_h5
from loopwire.errors import ConfigError, LoopwireError
from loopwire.hls4ml.conversion import read_yaml

TEXTS = {
    "a." * 50_000 + "b = 1": "it is not TOML: a line has more than 100 dots",
    "x = " + "[" * 20_000: "it is not TOML: it nests deeper than 100 levels",
    "[a.b.c]\n" * 40_000: "more than the 262144 bytes that are read",
    "x = 1" + "0" * 400: "a whole number of 401 digits",
    "x = 1" + "0" * 5000: "it is not TOML",
    'x = "\\uD800"': "it is not TOML",
    "clock_period_ns = 1e308": "1e.308 is too large",
    "clock_period_ns = inf": "inf is not a period",
    "clock_period_ns = true": "True is not a number",
    "interleave = 1000000000000": "1000000000000 is too large. Give at most 1000000000",
    "channels = 0x7fffffffffffffff": "9223372036854775807 is too large",
    "simulate_sequences = -1": "-1 sequences are out of range",
    'name = ["x"]': "is not a text",
    "name = 1979-05-27": "is not a text",
    '[model]\nprecision = "fixed<16,100000>"': "fraction bits are out of range",
    '[model]\nprecision = "fixed<99999999999,6>"': "bits is out of range",
    "[model]\ntable_size = 1000000000": "1000000000 entries are too many to search. Allow at most 65536",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> loopwire.layers.model.Model:  # type: ignore[name-defined]
    path = write_h5(tmp_path_factory.mktemp("model") / "m.h5", [input_layer((5, 3)), lstm(), dense(2)])
    return loopwire.load(path, trust=True)


@pytest.mark.parametrize("text", TEXTS, ids=[text[:30] for text in TEXTS])
def test_hostile_toml(text: str, model: object, tmp_path: Path) -> None:
    path, begin = tmp_path / "settings.toml", time.monotonic()
    path.write_text(text)
    with pytest.raises(LoopwireError, match=TEXTS[text]) as caught:
        loopwire.compile(model, loopwire.CompileConfig.from_toml(path))  # type: ignore[arg-type]
    assert len(str(caught.value)) < 1000 and time.monotonic() - begin < 5


def test_gates_of_one_bit_compile(model: object) -> None:
    config = loopwire.CompileConfig.from_dict({"kind": {"LSTM": {"gate": "fixed<1,1>"}}})
    assert loopwire.compile(model, config).firmware.latency_cycles > 0  # type: ignore[arg-type]


LAUGHS = "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghi"))
YAMLS = {
    f"a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n{LAUGHS}": "it holds more than 100000 values",
    "a: &a [*a]\n": "it nests deeper than 100 levels",
    "[" * 30_000: "it is not YAML",
    "!!python/object/apply:os.system ['touch pwned']\n": "it is not YAML",
    "x: " + "1" * 5000: "it is not YAML",
    "\x00": "it is not YAML",
    "[1, 2]": "it is not a table of settings",
}


@pytest.mark.parametrize("text", YAMLS, ids=[text[:20] for text in YAMLS])
def test_hostile_yaml(text: str, tmp_path: Path) -> None:
    path, begin = tmp_path / "settings.yml", time.monotonic()
    path.write_text(text)
    with pytest.raises(ConfigError, match=YAMLS[text]):
        read_yaml(path)
    assert time.monotonic() - begin < 5 and list(tmp_path.iterdir()) == [path]
