"""Some thirty designs whose firmware, cycles and estimates are kept as goldens: each cell, each knob, each family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from conformance import Case, types
from loopwire.devices import find_part
from loopwire.layers.activation import Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.merge import Concatenate
from loopwire.layers.model import ModelBuilder
from loopwire.layers.shape import Flatten
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.report.area import estimated_use
from loopwire.targets import vitis_hls
from random_models import SOFTMAX, Weights
from random_networks import residual

HLS_PART = "xcku115-flvb2104-2-i"
WIDE = types("fixed<16,6,RND,SAT>", 1.0)


@dataclass(frozen=True)
class Golden:
    """What a design becomes: its firmware's files, and facts that tell more than bytes do."""

    files: Mapping[str, str]
    facts: Mapping[str, float]


def verilog(case: Case) -> Golden:
    """Return the SystemVerilog of a case, with its cycles and its estimated use of the part."""
    firmware = case.firmware(case.graph())
    facts = {
        "latency_cycles": firmware.latency_cycles,
        "initiation_interval_cycles": firmware.initiation_interval_cycles,
        "loop_latency_cycles": firmware.loop_latency_cycles,
    }
    facts |= {use.name: use.used for use in estimated_use(firmware.areas, find_part(case.part))}
    return Golden(firmware.files, facts)


def hls(case: Case) -> Golden:
    """Return the HLS C++ of a case."""
    project = vitis_hls.generate(case.graph(), find_part(HLS_PART), case.clock_period_ns, case.name, case)
    return Golden(project.files, {})


def _cases() -> dict[str, Case]:
    w = Weights(15)
    steps: dict[str, Any] = {"return_sequences": True}

    def lstm(name: str, n: int, u: int, **options: Any) -> Lstm:
        return Lstm(name, w(4 * u, n), w(4 * u, u), w(4 * u), **options)

    def gru(name: str, n: int, u: int, after: bool = True, **options: Any) -> Gru:
        return Gru(name, w(3 * u, n), w(3 * u, u), w(3 * u), w(3 * u) * after, after, **options)

    def rnn(name: str, n: int, u: int, **options: Any) -> SimpleRnn:
        return SimpleRnn(name, w(u, n), w(u, u), w(u), **options)

    def dense(name: str, n: int, u: int, function: str = "linear") -> Dense:
        return Dense(name, w(u, n), w(u), SOFTMAX if function == "softmax" else Function(function))

    tagger = [lstm("lstm", 3, 4), dense("hidden", 4, 4, "relu"), dense("out", 4, 3, "softmax")]
    stack = [gru("first", 2, 3, **steps), lstm("second", 3, 2)]
    turned = [gru("a", 2, 2, **steps), rnn("b", 2, 2, go_backwards=True), dense("c", 2, 2)]
    each = [rnn("rnn", 2, 3, **steps), dense("out", 3, 2, "sigmoid")]
    case = partial(Case, input_shape=(5, 2))
    return {
        "lstm": case(name="lstm", input_shape=(5, 3), layers=tagger, types=WIDE, input_type="fixed<16,6>"),
        "gru_after": case(name="gru_after", layers=[gru("gru", 2, 3), dense("out", 3, 2)]),
        "gru_before": case(name="gru_before", layers=[gru("gru", 2, 3, after=False), dense("out", 3, 2)]),
        "rnn": case(name="rnn", layers=[rnn("rnn", 2, 3)]),
        "per_step": case(name="per_step", layers=each),
        "reversed": case(name="reversed", layers=[lstm("lstm", 2, 2, go_backwards=True)]),
        "turned": case(name="turned", layers=turned),
        "stacked": case(name="stacked", layers=stack),
        "flattened": case(name="flattened", layers=[gru("gru", 2, 2, **steps), Flatten("flat"), dense("out", 10, 2)]),
        "dense": case(
            name="dense", input_shape=(4,), layers=[BatchNormalization("bn", w(4), w(4)), dense("out", 4, 3, "softmax")]
        ),
        "dsp": case(name="dsp", layers=stack, multipliers="dsp"),
        "shift_add": case(name="shift_add", layers=stack, multipliers="shift_add"),
        "interleave": case(name="interleave", layers=stack, interleave=2),
        "copies": case(name="copies", input_shape=(5, 3), layers=tagger, copies=3),
        "copies_narrow": case(name="copies_narrow", layers=each, copies=2, bus_bits=8),
        "parallel": case(name="parallel", input_shape=(5, 3), layers=tagger, io="parallel"),
        "parallel_copies": case(name="parallel_copies", layers=each, io="parallel", copies=5),
        "wide": case(name="wide", layers=turned, bus_bits=40),
        "narrow": case(name="narrow", input_shape=(5, 3), layers=tagger, bus_bits=8),
        "folded": case(name="folded", input_shape=(5, 3), layers=tagger, reuse_factor=4),
        "folded_gru": case(name="folded_gru", layers=stack, layer_reuse_factor={"first": 3, "second": 2}),
        "folded_turned": case(name="folded_turned", layers=turned, reuse_factor=2, bus_bits=8),
        "stateful": case(name="stateful", layers=each, stateful=True),
        "channels": case(name="channels", layers=stack, stateful=True, channels=3),
        "channels_folded": case(name="channels_folded", layers=stack, stateful=True, channels=3, reuse_factor=2),
        "window": case(name="window", input_shape=(5, 3), layers=tagger, sliding_window=True, channels=2),
        "artix": case(name="artix", input_shape=(5, 3), layers=tagger, part="xc7a100t", clock_period_ns=10.0),
        "virtex": case(name="virtex", input_shape=(5, 3), layers=tagger, part="xcvu13p", clock_period_ns=2.5),
        "ecp5": case(name="ecp5", input_shape=(5, 3), layers=tagger, part="LFE5U-85F", clock_period_ns=20.0),
        "ecp5_folded": case(name="ecp5_folded", layers=stack, part="LFE5U-85F", clock_period_ns=20.0, reuse_factor=2),
    }


def _graphs() -> dict[str, Case]:
    w = Weights(16)
    units = 2
    kernels = w(4 * units, 3), w(4 * units, units), w(4 * units)
    build = ModelBuilder()
    x = build.input("x", (5, 3))
    (forwards,) = build.call(Lstm("forwards", *kernels), x)
    (backwards,) = build.call(Lstm("backwards", *kernels, go_backwards=True), x)
    (both,) = build.call(Concatenate("both"), forwards, backwards)
    (out,) = build.call(Dense("out", w(2, 2 * units), w(2), Function("linear")), both)
    network = residual("residual", w)
    return {
        "both_ways": Case("both_ways", network=build.model("both_ways", (out,), "test")),
        "graph": Case("graph", network=network, bus_bits=16),
        "graph_copies": Case("graph_copies", network=network, copies=2, io="parallel", user_bits=2, id_bits=1),
        "graph_channels": Case("graph_channels", network=network, stateful=True, channels=2, port_registers=True),
        "graph_folded": Case("graph_folded", network=network, reuse_factor=2, sliding_window=True, channels=2),
    }


HLS_KNOBS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "both_ways": {},
    "graph": {"bus_bits": None, "io": "parallel"},
    "gru_before": {"io": "parallel"},
    "turned": {},
    "flattened": {"reuse_factor": 4},
    "dense": {},
    "stacked": {"interleave": 2},
    "per_step": {"copies": 5, "io": "parallel"},
}
"""The knobs with which these designs become HLS C++ too."""


def designs() -> dict[str, Golden]:
    """Return all designs by name; those of HLS C++ begin with 'hls_'."""
    cases = _cases() | _graphs()
    made = {name: verilog(case) for name, case in cases.items()}
    made |= {f"hls_{name}": hls(replace(cases[name], **knobs)) for name, knobs in HLS_KNOBS.items()}
    return made
