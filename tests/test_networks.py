"""Graphs of layers in SystemVerilog: every bit and every cycle, for each form that Keras gives and each knob."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("torch")

import loopwire  # noqa: E402
from conformance import Case  # noqa: E402
from conformance import prove as prove_all  # noqa: E402
from keras_graphs import GRAPHS  # noqa: E402
from keras_models import randomise  # noqa: E402
from loopwire.config import CompileConfig  # noqa: E402
from loopwire.design import Design  # noqa: E402
from loopwire.design_targets import DesignTargets  # noqa: E402
from loopwire.devices import find_part  # noqa: E402
from loopwire.emulator.evaluate import evaluate_integers  # noqa: E402
from loopwire.emulator.fast_emulator import try_build  # noqa: E402
from loopwire.errors import ConfigError, DataError, UnsupportedError  # noqa: E402
from loopwire.knobs import Knobs  # noqa: E402
from loopwire.layers.dense import Dense  # noqa: E402
from loopwire.layers.model import ModelBuilder  # noqa: E402
from loopwire.layers.shape import RepeatVector, Reshape, Reversed  # noqa: E402
from loopwire.layers.simple_rnn import SimpleRnn  # noqa: E402
from loopwire.optimise.chooser import choose  # noqa: E402
from loopwire.schedule.plan import plan  # noqa: E402
from loopwire.simulate.verilator import run_testbench  # noqa: E402
from loopwire.verification import verify  # noqa: E402
from networks import prove  # noqa: E402
from random_models import Weights  # noqa: E402
from random_networks import random_network, residual  # noqa: E402

L = keras.layers
QUICK: dict[str, dict[str, Any]] = {
    "residuals": {"io": "parallel"},
    "bidirectional_states": {},
    "stacked_bidirectional": {"reuse_factor": 3, "bus_bits": 16},
    "encoder_decoder": {"interleave": 1},
    "conditioned": {},
    "conv_lstm": {},
    "self_attention": {},
    "attention_additive": {"io": "parallel"},
}
"""Forms that have everything between them."""
KNOBS: tuple[dict[str, Any], ...] = ({}, {"io": "parallel"}, {"interleave": 1}, {"bus_bits": 16}, {"bus_bits": 40})
CHAINS = ("functional_in_sequential",)
REFUSED = ("repeated",)


def design(network: Any, **settings: Any) -> Design:
    types = {"precision": "fixed<12,4,RND,SAT>"}
    return loopwire.compile(
        loopwire.load(network), CompileConfig.from_dict({"model": types, "name": "net", **settings})
    )


def form(name: str, seed: int = 1) -> Any:
    keras.backend.clear_session(free_memory=False)
    return randomise(GRAPHS[name](), seed)


@pytest.mark.parametrize("name", QUICK)
def test_hardware_of_graphs(name: str) -> None:
    prove(design(form(name), **QUICK[name]))


@pytest.mark.slow
@pytest.mark.parametrize("knobs", KNOBS, ids=str)
@pytest.mark.parametrize("name", [name for name in GRAPHS if name not in (*CHAINS, *REFUSED)])
def test_hardware_of_all_graphs(name: str, knobs: dict[str, Any]) -> None:
    prove(design(form(name, seed=len(name)), **knobs))


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed (apt install iverilog)")
@pytest.mark.parametrize("name", ["bidirectional_concat", "residuals", "encoder_decoder"])
def test_the_projects_testbench_passes_in_icarus_and_finds_a_wrong_bit(name: str, tmp_path: Path) -> None:
    bench = bench_of(name, tmp_path)
    command = ["iverilog", "-g2012", "-o", "simulate", "net_tb.sv", *map(str, bench.parent.glob("rtl/*.sv"))]
    subprocess.run(command, cwd=bench, check=True, capture_output=True)
    printed = subprocess.run(["vvp", "simulate"], cwd=bench, check=True, capture_output=True, text=True).stdout
    assert "PASS: 32 sequences, 0 errors" in printed
    due = next(file for file in bench.glob("net_*.hex") if "expected" in file.name or "m_axis" in file.name)
    lines = due.read_text().splitlines()
    lines[5] = f"{int(lines[5], 16) ^ 1:0{len(lines[5])}x}"
    due.write_text("\n".join(lines) + "\n")
    done = subprocess.run(["vvp", "simulate"], cwd=bench, capture_output=True, text=True)
    assert done.returncode != 0 and "a wrong beat of m_axis" in done.stdout


def test_the_projects_testbench_passes_in_verilator(tmp_path: Path) -> None:
    bench = bench_of("residuals", tmp_path)
    sources = [*bench.glob("*.sv"), *bench.parent.glob("rtl/*.sv")]
    assert run_testbench("net_tb", sources).startswith("PASS: 32 sequences, 0 errors")


def bench_of(name: str, folder: Path) -> Path:
    """Return the folder of the testbench of a project."""
    settings: dict[str, dict[str, Any]] = {"residuals": {"bus_bits": 16}, "encoder_decoder": {"io": "parallel"}}
    return design(form(name), **settings.get(name, {})).write(folder / name) / "testbench"


@pytest.mark.parametrize("seed", range(400, 412))
def test_emulators_agree_on_random_networks(seed: int) -> None:
    made = random_design(seed)
    fast = try_build(made.graph)
    assert fast is not None
    integers, _ = made.input_integers(made.random_inputs(8), None)
    lengths = np.random.default_rng(seed).integers(1, made.steps, 8, endpoint=True) if made.may_be_short else None
    for given in (None, lengths):
        due = evaluate_integers(made.graph, integers.arrays, given)
        for found, expected in zip(fast(made.graph, integers.arrays, given), due, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_vector_that_is_repeated_and_an_initial_state_enters_once() -> None:
    timing = random_design(39).firmware.timing
    ends = {(channel.feed, channel.reader, channel.to_port) for channel in timing.channels}
    assert len(ends) == len(timing.channels)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_hardware_of_random_networks(seed: int) -> None:
    try:
        made = random_design(seed)
        _ = made.firmware
    except UnsupportedError as error:
        assert re.search("only repeats a vector|no channel gives other steps", str(error))
        return
    prove(made, seed)


@pytest.mark.parametrize("seed", [500, *range(502, 509), 510, 511])
def test_emulators_agree_on_random_networks_that_attend(seed: int) -> None:
    test_emulators_agree_on_random_networks(seed)


@pytest.mark.parametrize("seed", [504, 507])
def test_hardware_of_random_networks_that_attend(seed: int) -> None:
    prove(random_design(seed), seed, count=10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(512, 560))
def test_hardware_of_all_random_networks_that_attend(seed: int) -> None:
    test_hardware_of_random_networks(seed)


def random_design(seed: int) -> Design:
    """Return the design of a seed; those from 500 on attend."""
    source = random.Random(seed)
    model = random_network(source, f"net_{seed}", attends=seed >= 500)
    knobs = source.choice(({}, {}, {"io": "parallel"}, {"interleave": 1}, {"bus_bits": 16}, {"multipliers": "dsp"}))
    types = {"precision": source.choice(("fixed<8,3,RND,SAT>", "fixed<9,3>"))}
    return loopwire.compile(model, CompileConfig.from_dict({"model": types, **knobs}))


def test_simulate_and_verify_take_inputs_by_name_or_in_order() -> None:
    made = design(form("residuals"))
    x = made.random_inputs(12)
    assert list(x) == ["x", "v"]
    simulated, predicted = made.simulate(x).outputs, made.predict(list(x.values()))
    assert list(simulated) == list(predicted) == ["dense", "time_distributed"]
    for name, outputs in simulated.items():
        np.testing.assert_array_equal(outputs, predicted[name])
    assert verify(made, x, 12).sequences == 12
    with pytest.raises(DataError, match=r"it lacks the input 'v'.*Give all of 'x', 'v'"):
        made.predict({"x": x["x"]})
    with pytest.raises(DataError, match=r"the model has no input 'w'.*It has 'x', 'v'"):
        made.predict({**x, "w": x["v"]})
    with pytest.raises(DataError, match=r"it is one array.*The model has 2 inputs: give 'x', 'v' by name, or in order"):
        made.predict(x["x"])
    with pytest.raises(DataError, match=r"different numbers of sequences, \{'x': 12, 'v': 11\}"):
        made.predict({"x": x["x"], "v": x["v"][:11]})


def test_a_bidirectional_layer_keeps_the_interval_of_one_direction() -> None:
    keras.backend.clear_session(free_memory=False)
    x = keras.Input((20, 6))
    settings = {"model": {"precision": "fixed<16,6,RND,SAT>"}, "clock_period_ns": 5.0, "part": "xcku115"}
    both = design(randomise(keras.Model(x, L.Bidirectional(L.LSTM(20))(x))), **settings).firmware
    one = design(randomise(keras.Model(x, L.LSTM(20)(x))), **settings).firmware
    assert both.initiation_interval_cycles == one.initiation_interval_cycles == 20
    assert both.latency_cycles <= 20 + 1.2 * one.latency_cycles


def test_an_autoencoder_keeps_the_interval_of_its_encoder() -> None:
    keras.backend.clear_session(free_memory=False)
    x = keras.Input((20, 6))
    encoder = L.LSTM(16)
    y = L.LSTM(16, return_sequences=True)(L.RepeatVector(20)(encoder(x)))
    whole = design(randomise(keras.Model(x, L.TimeDistributed(L.Dense(6))(y)))).firmware
    alone = design(randomise(keras.Model(x, encoder(x)))).firmware
    assert whole.initiation_interval_cycles == alone.initiation_interval_cycles == 20


def with_knobs(name: str, source: random.Random, **knobs: Any) -> Case:
    return Case(name, network=residual(name, Weights(source.getrandbits(30))), **knobs)


def test_knobs_of_chains_are_knobs_of_graphs(tmp_path: Path) -> None:
    source = random.Random(3)
    prove_all(
        [
            with_knobs("copies", source, copies=2, port_registers=True),
            with_knobs("copies_parallel", source, copies=3, io="parallel", user_bits=2, id_bits=1),
            with_knobs("channels", source, stateful=True, channels=3, id_bits=2),
            with_knobs("narrow", source, stateful=True, bus_bits=8, port_registers=True),
            with_knobs("slides", source, sliding_window=True, channels=2, user_bits=1),
        ],
        tmp_path,
    )


def test_what_two_channels_lead_to_is_copied() -> None:
    graph = with_knobs("model", random.Random(1)).graph()
    two = plan(graph, find_part("xcku115"), 5.0, Knobs(copies=2))
    # The head takes what the scan gives and an input; a result of the scan leaves beside it.
    assert two.copied == len(two.engines) == 2


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"fixed_latency": True},
            "fixed_latency: branches of the model wait for one another for a time that depends on all earlier "
            "sequences, "
            "so no greatest latency is known. Leave 'fixed_latency' out",
        ),
        ({"sliding_window": True}, r"sliding_window: the model gives a result of shape .5, 2. for each window"),
        ({"copies": 6}, "copies: 6 copies are more than the 5 steps of a sequence"),
    ],
)
def test_knobs_that_this_graph_cannot_have(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises((UnsupportedError, ConfigError), match=problem):
        design(form("residuals"), **settings)


def test_a_held_result_has_one_step_a_beat_or_all() -> None:
    b = ModelBuilder()
    w = Weights(5)
    (steps,) = b.call(SimpleRnn("rnn", w(3, 2), w(3, 3), w(3), return_sequences=True), b.input("x", (6, 2)))
    model = b.model("steps", (steps,), "test")
    with pytest.raises(UnsupportedError) as caught:
        loopwire.compile(model, CompileConfig(fixed_latency=True, bus_bits=128))
    assert str(caught.value) == (
        "fixed_latency: a beat of the result %rnn.h_sequence has 2 of its 6 steps: it leaves when the last of them is "
        "complete, but 'fixed_latency' delays only the first beat of a sequence. Set 'bus_bits' so that a beat has one "
        "step, or all, or leave 'fixed_latency' out"
    )
    for bus_bits in (48, 288):
        prove(loopwire.compile(model, CompileConfig(fixed_latency=True, bus_bits=bus_bits)))


def test_a_label_that_may_come_after_its_result_is_refused() -> None:
    b = ModelBuilder()
    x, v = b.input("x", (3, 2)), b.input("v", (2,))
    w = Weights(4)
    (last,) = b.call(SimpleRnn("rnn", w(2, 2), w(2, 2), w(2)), x)
    (other,) = b.call(Dense("other", w(2, 2), w(2)), v)
    with pytest.raises(UnsupportedError) as caught:
        loopwire.compile(b.model("apart", (last, other), "test"), CompileConfig(user_bits=3))
    assert str(caught.value) == (
        "user_bits: a label comes with the first input, %x, but the result %other.y does not depend on that input: "
        "it may "
        "leave before its label arrives. Leave 'user_bits' out, or make an input on which all results depend the "
        "first one"
    )


def test_a_computed_initial_state_is_taken_in_chunks() -> None:
    """c of the decoder's LSTM, beside h whole for its matrix."""
    prove(design(form("encoder_decoder"), reuse_factor=4))


def test_a_beat_holds_an_element() -> None:
    with pytest.raises(ConfigError, match="an element takes 16"):
        _ = design(form("residuals"), bus_bits=8).firmware


def test_what_no_hardware_keeps() -> None:
    with pytest.raises(UnsupportedError, match="only repeats a vector"):
        _ = design(form("repeated")).firmware


def test_what_takes_one_input_says_so() -> None:
    with pytest.raises(
        UnsupportedError, match=r"it has 2 inputs \('x', 'v'\), and this function takes models with one"
    ):
        _ = loopwire.load(form("residuals")).input_shape


@pytest.mark.parametrize("name", ["encoder_decoder", pytest.param("residuals", marks=pytest.mark.slow)])
def test_knobs_of_graphs_are_chosen(name: str) -> None:
    given = design(form(name))
    whole = given.firmware
    fast = choose(given, DesignTargets(max_share=0.5)).design.firmware
    small = choose(given, DesignTargets(max_latency_ns=1e6)).design.firmware
    assert fast.latency_cycles <= whole.latency_cycles < small.latency_cycles
    assert max(area.reuse_factor for area in small.areas) > 1
    bound = whole.latency_cycles * 2
    choice = choose(given, DesignTargets(max_latency_ns=5.0 * bound))
    assert whole.latency_cycles <= choice.design.firmware.latency_cycles <= bound
    with pytest.raises(
        ConfigError, match="no combination of reuse factors, interleave and copies has initiation interval ≤ 1"
    ):
        choose(given, DesignTargets(max_interval_cycles=1))


def test_each_latency_at_random_times_is_predicted() -> None:
    made = design(form("conditioned"))
    found = verify(made, made.random_inputs(8), 8).simulated
    assert found is not None and found.least_latency_cycles is not None
    assert found.least_latency_cycles <= made.firmware.latency_cycles <= found.greatest_latency_cycles


def test_graphs_that_only_turn_or_cut_and_that_end_so(tmp_path: Path) -> None:
    w = Weights(2)
    rnn = SimpleRnn("rnn", w(2, 2), w(2, 2), w(2), return_sequences=True)
    prove_all(
        [
            Case("turns", (4, 2), [Reversed("turned")]),
            Case("cuts", (4, 2), [Reshape("cut", (2, 4))]),
            Case("ends_turned", (4, 2), [rnn, Reversed("turned")]),
            Case("ends_cut", (4, 2), [rnn, Reshape("cut", (2, 4))], io="parallel"),
            Case(
                "repeats_all", (3, 2), [Reshape("flat", (6,)), RepeatVector("again", 2), replace(rnn, kernel=w(2, 6))]
            ),
        ],
        tmp_path,
    )


def test_a_vector_tells_its_reader_that_a_sequence_starts_afresh(tmp_path: Path) -> None:
    """What leaves with the last step, or is the last of several vectors, knows what came with the first."""
    w = Weights(3)
    encoder, again, decoder = (
        SimpleRnn("encoder", w(2, 2), w(2, 2), w(2)),
        RepeatVector("again", 3),
        SimpleRnn("decoder", w(2, 2), w(2, 2), w(2), return_sequences=True),
    )
    b = ModelBuilder()
    steps, last = b.call(replace(encoder, return_sequences=True, return_state=True), b.input("x", (4, 2)))
    (repeated,) = b.call(again, last)
    (decoded,) = b.call(decoder, repeated)
    both = b.model("both", (steps, decoded), "test")
    prove_all(
        [
            Case("vector", (4, 2), [encoder, again, decoder], stateful=True, channels=2),
            Case("vector_shared", (4, 2), [encoder, again, decoder], stateful=True, reuse_factor=2, bus_bits=16),
            Case("last_of_several", network=both, stateful=True, channels=3),
        ],
        tmp_path,
    )


def test_graphs_that_require_tlast_drop_what_is_beyond_a_sequence() -> None:
    made = design(form("conditioned"), require_tlast=True)
    assert verify(made, made.random_inputs(24), 24).sequences == 24
