"""States that last from call to call: against Keras, against one long sequence, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import loopwire
from loopwire.cli import main
from loopwire.config import CompileConfig
from loopwire.emulator.calls import evaluate_calls
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import ConfigError, DataError, LoopwireError, UnsupportedError
from loopwire.frontends.keras.model import read_keras
from loopwire.ir import ops
from loopwire.ir.fixed_point import quantise
from loopwire.ir.graph import Graph
from loopwire.ir.interval import Range, ranges
from loopwire.ir.text import parse_graph, print_graph
from loopwire.ir.types import FixedType
from loopwire.knobs import Knobs
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain
from loopwire.layers.shape import Flatten
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.passes.carry_states import expose_states
from loopwire.targets.verilog import proof
from loopwire.verification import verify
from random_models import Weights

STEPS, FEATURES, CHANNELS = 4, 2, 3
w = Weights(3)
random = np.random.default_rng(4)


def model(steps: int = STEPS, **options: Any) -> Model:
    lstm = Lstm("lstm", w(12, FEATURES), w(12, 3), w(12), return_sequences=True)
    gru = Gru("gru", w(6, 3), w(6, 2), w(6), w(6), True, **options)
    return chain("net", (steps, FEATURES), (lstm, gru), "net.keras")


def stateful(channels: int = 1) -> CompileConfig:
    return CompileConfig(stateful=True, channels=channels)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_calls_equal_those_of_stateful_keras_layers(kind: str) -> None:
    def network(stateful: bool) -> Any:
        cell = getattr(keras.layers, kind)
        return keras.Sequential(
            [
                keras.Input(batch_shape=(CHANNELS, STEPS, FEATURES)),
                cell(4, stateful=stateful, return_sequences=True),
                cell(3, stateful=stateful),
                keras.layers.Dense(2),
            ]
        )

    kept, plain = network(stateful=True), network(stateful=False)
    weights = [random.normal(0, 0.7, array.shape) for array in kept.get_weights()]
    kept.set_weights(weights)
    plain.set_weights(weights)
    x = random.normal(0, 1, (5, CHANNELS, STEPS, FEATURES))
    expected = []
    for call, part in enumerate(x):
        if call == 3:
            for layer in kept.layers[:2]:
                layer.reset_state()
        expected.append(kept.predict(part, batch_size=CHANNELS, verbose=0))
    design = loopwire.compile(read_keras(plain), stateful(CHANNELS))
    fresh = np.repeat(np.arange(5) == 3, CHANNELS)
    found = design.predict_float(x.reshape(-1, STEPS, FEATURES), fresh=fresh)
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-5, atol=1e-5)
    fixed = design.predict(x.reshape(-1, STEPS, FEATURES), fresh=fresh)
    assert 0 < np.abs(fixed - found).max() < 0.05


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_calls_of_a_channel_are_one_long_sequence(channels: int) -> None:
    lengths = random.integers(1, STEPS, 4 * channels, endpoint=True)
    layers = model(return_sequences=True)
    design = loopwire.compile(layers, stateful(channels))
    x = random.normal(0, 1, (len(lengths), STEPS, FEATURES))
    found = design.predict_integers(x, lengths)
    for channel in range(channels):
        calls = range(channel, len(lengths), channels)
        long = np.concatenate([x[call, : lengths[call]] for call in calls])
        whole = loopwire.compile(chain("net", long.shape, layers.layers, "net.keras"))
        expected = np.split(whole.predict_integers(long[np.newaxis])[0], np.cumsum(lengths[channel::channels])[:-1])
        for call, due in zip(calls, expected, strict=True):
            np.testing.assert_array_equal(found[call, : lengths[call]], due)
            assert not found[call, lengths[call] :].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_fast_path_gives_the_bits_of_the_definition(channels: int) -> None:
    rnn = SimpleRnn("rnn", w(2, 4), w(2, 2), w(2), return_sequences=True)
    whole = Dense("head", w(2, 2 * STEPS), w(2))
    layers = (Dense("before", w(4, FEATURES), w(4)), rnn, Flatten("flat"), whole)
    narrow = {"model": {"input": "fixed<11,2>", "state": "fixed<9,3>", "result": "fixed<13,7>"}}
    config = CompileConfig.from_dict({"stateful": True, "channels": channels, **narrow})
    for network in (model(), chain("flat", (STEPS, FEATURES), layers, "flat.keras")):
        design = loopwire.compile(network, config)
        fast = try_build(expose_states(design.graph)[0])
        assert fast is not None
        x = quantise(random.normal(0, 1, (20, STEPS, FEATURES)), design.graph.inputs[0].type.element)
        lengths, fresh = random.integers(1, STEPS, 20, endpoint=True), random.random(20) < 0.2
        found = evaluate_calls(fast, design.graph, (x,), fresh, channels, lengths)
        due = evaluate_calls(evaluate_integers, design.graph, (x,), fresh, channels, lengths)
        np.testing.assert_array_equal(found, due)


def test_fresh_calls_forget_what_came_before() -> None:
    design = loopwire.compile(model(), stateful())
    x = random.normal(0, 1, (6, STEPS, FEATURES))
    alone = loopwire.compile(design.model).predict(x)
    np.testing.assert_array_equal(design.predict(x, fresh=np.ones(6, np.bool_)), alone)
    fresh = np.arange(6) == 4
    found = design.predict(x, fresh=fresh)
    same = (found == alone).all(axis=1)
    assert same[[0, 4]].all() and not same[[1, 2, 3, 5]].any()


def test_a_state_without_end_may_take_all_of_its_type() -> None:
    layers = (Lstm("a", w(4, 1), w(4, 1), w(4), return_sequences=True),)
    short = loopwire.compile(chain("short", (2, 1), layers, "short.keras")).graph
    endless = loopwire.compile(chain("endless", (2, 1), layers, "endless.keras"), stateful()).graph

    def states(graph: Graph) -> list[Range]:
        (scan,) = (node.op for node in graph.nodes if isinstance(node.op, ops.Scan))
        return [ranges(graph)[value] for value in scan.body.inputs[: scan.states]]

    one, all_of_it = 1 << 10, Range.of_type(FixedType(16, 6))
    (hidden, cell), (endless_hidden, endless_cell) = states(short), states(endless)
    assert cell.within(Range(-2 * one, 2 * one)), "a step adds at most 1"
    assert (endless_cell.low, endless_cell.high) == (all_of_it.low, all_of_it.high)
    assert hidden.within(Range(-one, one)) and endless_hidden.within(Range(-one, one))


def test_text_tells_what_is_carried() -> None:
    text = print_graph(loopwire.compile(model(), stateful()).graph)
    assert " carried=0 carried=1 {" in text
    assert print_graph(parse_graph(text)) == text


def test_hardware_is_verified_and_told_how_to_be_driven(tmp_path: Path) -> None:
    design = loopwire.compile(model(), stateful(CHANNELS))
    x = design.random_inputs(60)
    proof = verify(design, x, 60)
    assert proof.sequences == 60
    fresh = np.arange(60) % 7 == 0
    simulated = design.simulate(x, fresh=fresh)
    np.testing.assert_array_equal(simulated.outputs, design.predict(x, fresh=fresh))
    readme = (design.write(tmp_path / "net", x) / "README.md").read_text()
    assert "| `s_axis_tuser` | 1 | with a sequence's first beat: high to start afresh" in readme
    assert "The 3 channel(s) take turns" in readme
    labelled = loopwire.compile(model(), replace(stateful(CHANNELS), user_bits=4))
    readme = (labelled.write(tmp_path / "labelled", x) / "README.md").read_text()
    assert "| `s_axis_tuser[0]` | 1 | with" in readme and "| `s_axis_tuser[4:1]` | 4 | handed on" in readme


def test_each_run_of_a_verification_has_several_calls_a_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    monkeypatch.setattr(proof, "_measure_cycles", lambda design, one: None)
    monkeypatch.setattr(proof, "_simulate", lambda design, part, *_: runs.append(len(part)))

    def sizes(channels: int, sequences: int) -> list[int]:
        runs.clear()
        design = loopwire.compile(model(), stateful(channels))
        verify(design, np.zeros((sequences, STEPS, FEATURES)), sequences)
        return runs

    assert sizes(1, 1000) == [250] * 4
    assert sizes(3, 40) == [14, 13, 13]
    assert sizes(100, 1000) == [500, 500]
    assert sizes(384, 1000) == [1000]
    with pytest.raises(DataError) as refused:
        sizes(28, 28)
    text = "28 sequences on 28 channel(s) are too few to show that states last. Simulate more, at least 112"
    assert str(refused.value) == f"verification: {text}"


def refusals() -> dict[str, tuple[Any, type[LoopwireError], str]]:
    dense = chain("dense", (FEATURES,), (Dense("d", w(2, FEATURES), w(2)),), "dense.keras")
    design = loopwire.compile(dense)
    return {
        "no state": (
            lambda: loopwire.compile(dense, stateful()),
            ConfigError,
            "stateful: no layer of this model has a state. Leave 'stateful' out",
        ),
        "backwards": (
            lambda: loopwire.compile(model(go_backwards=True), stateful()),
            UnsupportedError,
            "layer 'gru': it reads each sequence backwards, so the next sequence of a stream has no state to "
            "continue from. "
            "Leave 'stateful' out, or use layers that read forwards",
        ),
        "interleave": (
            lambda: Knobs(stateful=True, channels=4, interleave=2),
            ConfigError,
            "interleave: 2 sequences in a loop contradict 'stateful': the next one of a channel needs the states that "
            "the last one leaves. Leave 'interleave' out: the 4 channels share the loop",
        ),
        "copies": (
            lambda: Knobs(stateful=True, copies=2),
            ConfigError,
            "copies: 2 copies contradict 'stateful': a copy would hold states that the next sequence, in another copy, "
            "needs. Set 'copies' to 1",
        ),
        "channels alone": (
            lambda: Knobs(channels=4),
            ConfigError,
            "channels: 4 channels have no effect without states or a window, which each channel has of its own. Set "
            "'stateful' or 'sliding_window', or leave 'channels' out: sequences of any origin may follow one another",
        ),
        "no channel": (
            lambda: Knobs(channels=0),
            ConfigError,
            "channels: 0 channels are out of range. Give 1 or more",
        ),
        "HLS": (
            lambda: loopwire.compile(model(), CompileConfig(stateful=True, target="vitis_hls")),
            UnsupportedError,
            "stateful: HLS C++ does not carry it: a call starts from the initial states. Leave it out, "
            "or take target = 'verilog'",
        ),
        "fresh without states": (
            lambda: design.predict(np.zeros((3, FEATURES)), fresh=np.ones(3, np.bool_)),
            DataError,
            "fresh: this design keeps no state from one sequence to the next. Compile it with 'stateful' or "
            "'sliding_window'",
        ),
        "fresh of another length": (
            lambda: loopwire.compile(model(), stateful()).predict(np.zeros((3, STEPS, FEATURES)), fresh=[True]),
            DataError,
            "fresh: its shape is (1,), its dtype bool. Give 3 Booleans",
        ),
        "no flag": (
            lambda: CompileConfig.from_dict({"stateful": 1}),
            ConfigError,
            "configuration, stateful: 1 is neither true nor false. Give true or false",
        ),
    }


@pytest.mark.parametrize("which", refusals())
def test_what_is_refused(which: str) -> None:
    call, error, text = refusals()[which]
    with pytest.raises(error) as refused:
        call()
    assert str(refused.value) == text


def test_the_command_line_makes_stateful_firmware(tmp_path: Path) -> None:
    path, out = tmp_path / "net.keras", tmp_path / "net"
    keras.Sequential([keras.Input((2, 1)), keras.layers.GRU(2)]).save(path)
    command = ["compile", str(path), "--out", str(out), "--stateful", "--channels", "5", "--simulate", "20"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "--stateful --channels 5" in (out / "report.html").read_text()
    assert "Channels, each with states that last | 5" in (out / "report.md").read_text()
