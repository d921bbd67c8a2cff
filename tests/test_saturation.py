"""Values that do not fit their types: warnings from Python, once a tensor, and none from what reports them itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import loopwire
from keras_models import sequential
from loopwire.cli import main
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.data import Data
from loopwire.design import Design
from loopwire.errors import LoopwireWarning
from loopwire.layers.activation import LINEAR, Function
from loopwire.layers.dense import Dense
from loopwire.layers.model import Model, chain
from loopwire.optimise.scan import scan
from loopwire.report.saturation import LOOKED_AT, MOST_LOOKED_AT, OVERFLOWS, SAMPLED
from loopwire.targets.verilog import hardware
from loopwire.verification import verify
from pass_through import FEATURES, STEPS, firmware_of, pass_through

TYPE = "fixed<16,6,RND,SAT>"


def doubling(activation: Function = LINEAR) -> Model:
    """A vector, doubled and then times ten."""
    layers = (Dense("two", np.eye(2) * 2, np.zeros(2), LINEAR), Dense("ten", np.eye(2) * 10, np.zeros(2), activation))
    return chain("m", (2,), layers, "m.keras")


def told(design: Design, *arguments: Any, **options: Any) -> list[str]:
    """Return what predicting warns of, each from this file's line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        design.predict(*arguments, **options)
    assert all(warning.category is LoopwireWarning and warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


@contextmanager
def silence() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LoopwireWarning)
        yield


def test_inputs_results_and_what_lies_between_are_named_once() -> None:
    design = loopwire.compile(doubling())
    assert told(design, [[1.0, -1.5]] * 4) == []
    assert told(design, [[1.0, -1.0], [-40.0, 2.0]]) == [
        f"input 'x': 25.00% of its values in 2 sequences do not fit {TYPE} and saturate: they lie between -40 and 2. "
        "fixed<17,7,RND,SAT> would hold them",
        f"layer 'two', y (y = linear(a)): 25.00% of its values in 2 of 2 sequences do not fit {TYPE} and saturate: "
        "they lie between -80 and 4. fixed<18,8,RND,SAT> would hold them",
        f"layer 'ten', y (y = linear(a)): 50.00% of its values in 2 of 2 sequences do not fit {TYPE} and saturate: "
        "they lie between -800 and 40. fixed<21,11,RND,SAT> would hold them",
    ]
    assert told(design, [[-50.0, 50.0]]) == []


def test_simulating_warns_as_predicting_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "generate", firmware_of)
    x = np.ones((2, STEPS, FEATURES))
    x[1, 0, 0] = 33.0
    with pytest.warns(LoopwireWarning, match=r"^input 'x': 6.25% of its values in 2 sequences do not fit") as caught:
        loopwire.compile(pass_through()).simulate(x)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(("mode", "fate"), [("WRAP", "wrap"), ("SAT_ZERO", "become 0"), ("SAT_SYM", "saturate")])
def test_it_says_what_becomes_of_them(mode: str, fate: str) -> None:
    config = CompileConfig.from_dict({"model": {"precision": f"fixed<16,6,RND,{mode}>"}})
    (text,) = told(loopwire.compile(doubling(), config), [[5.0, 1.0]])
    assert (
        f"layer 'ten', y (y = linear(a)): 50.00% of its values in 1 of 1 sequences do not fit fixed<16,6,RND,{mode}> "
        in text
    )
    assert f" and {fate}: they lie between 20 and 100. fixed<18,8,RND,{mode}> would hold them" in text


def test_few_sequences_of_many_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    design = loopwire.compile(doubling())
    looked_at: list[int] = []
    predict_float = Design.predict_float
    monkeypatch.setattr(
        Design, "predict_float", lambda self, x, *a: looked_at.append(len(x)) or predict_float(self, x, *a)
    )
    x = np.ones((5000, 2))
    for _ in range(2 * SAMPLED // LOOKED_AT):
        assert told(design, x) == []
    assert looked_at == [LOOKED_AT] * (SAMPLED // LOOKED_AT)
    x[4321] = 4.0
    (text,) = told(design, x)
    assert "layer 'ten'" in text and "in 1 of 5000 sequences" in text
    for _ in range(2 * MOST_LOOKED_AT // LOOKED_AT):
        assert told(design, x * 4) == []
    assert sum(looked_at) < MOST_LOOKED_AT + LOOKED_AT


def test_results_at_0_are_not_suspicious() -> None:
    config = CompileConfig.from_dict({"layer": {"ten": {"result": "ufixed<12,6,RND,SAT>"}}})
    design = loopwire.compile(doubling(Function("relu")), config)
    told(design, np.ones((SAMPLED, 2)))
    for _ in range(SAMPLED // LOOKED_AT):
        assert told(design, np.full((LOOKED_AT, 2), -1.0)) == []
    assert design._saturation._looked_at == SAMPLED
    assert len(told(design, [[8.0, 8.0]])) == 1


def recurrent(config: dict[str, Any] | None = None) -> Design:
    layers = [keras.layers.GRU(3, name="g"), keras.layers.Dense(1, name="y")]
    return loopwire.compile(loopwire.load(sequential((4, 2), layers)), CompileConfig.from_dict(config or {}))


def test_what_lies_beyond_a_sequence_counts_for_nothing() -> None:
    x = np.ones((3, 4, 2))
    x[:, 2:] = -999.0
    assert told(recurrent(), x, [1, 2, 2]) == []
    (text, *_) = told(recurrent(), x, [1, 2, 3])
    assert text.startswith("input 'x': 8.33% of its values in 3 sequences do not fit")


@pytest.mark.parametrize("config", [{"stateful": True, "channels": 2}, {"sliding_window": True, "channels": 2}])
def test_designs_that_remember(config: dict[str, Any]) -> None:
    design = recurrent(config)
    x = np.ones((9, *design.input_shape))
    assert told(design, x, fresh=np.arange(9) % 4 == 0) == []
    x[5, ..., 0] = 77.0
    (text,) = (text for text in told(design, x, fresh=np.arange(9) % 4 == 0) if text.startswith("input"))
    assert text.endswith(
        "in 9 sequences do not fit fixed<16,6,RND,SAT> and saturate: they lie between 1 and 77. "
        "fixed<18,8,RND,SAT> would hold them"
    )


def test_several_inputs_and_results() -> None:
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    double = keras.layers.Dense(2, use_bias=False, kernel_initializer="identity", name="same")
    model = keras.Model([a, b], [double(a), keras.layers.Dense(1, kernel_initializer="ones", name="sum")(b)])
    design = loopwire.compile(loopwire.load(model))
    texts = told(design, {"a": np.ones((3, 2)), "b": np.full((3, 3), 33.0)})
    assert [text.partition(":")[0] for text in texts] == ["input 'b'", "layer 'sum', y (y = linear(a))"]


def test_a_network_beyond_double_precision() -> None:
    layers = tuple(Dense(f"dense{k}", np.full((3, 3), 3e38), np.zeros(3), LINEAR) for k in range(9))
    design = compile_silently(chain("deep", (3,), layers, "live"))
    assert told(design, [[1.0, 2.0, 3.0]]) == [OVERFLOWS]
    assert told(design, [[1.0, 2.0, 3.0]]) == []


def test_what_reports_of_clipping_itself_is_silent(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(0, 30, (40, 2))
    design = loopwire.compile(doubling())
    with silence():
        assert np.array_equal(design.emulate(x), design.predict_integers(x) / 1024)
        assert design.clipping(x) and design.profile(x) and design.trace(x)
        scan(doubling(), Data(x), [2], [2], "mae")
        verify(design, x[:4], 4)
    sequential((2,), [keras.layers.Dense(2, name="d")]).save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", x)
    arguments = (
        "compile",
        tmp_path / "m.keras",
        "--data",
        tmp_path / "x.npy",
        "--out",
        tmp_path / "o",
        "--simulate",
        0,
    )
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0 and "Tensors that clip" in result.stdout and "fit" not in result.stderr, result.output
