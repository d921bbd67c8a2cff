"""Mutated settings: Loopwire's TOML and hls4ml's YAML."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

import loopwire
from fuzz.files import FileCampaign, Files
from fuzz.mutations import Mutator, mutate_bytes, mutate_text
from keras_files import dense, input_layer, lstm, write_h5
from loopwire.config import CompileConfig
from loopwire.frontends.reading import Reading
from loopwire.hls4ml.conversion import read_conversion, read_yaml
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain

TOMLS = (
    """\
part = "xcku115"
clock_period_ns = 5.0
interleave = 1
multipliers = "auto"
copies = 2
io = "stream"
bus_bits = 16
name = "tagger"
simulate_sequences = 100

[model]
precision = "fixed<8,3,RND,SAT>"
input = "fixed<8,3>"
max_error_steps = 2.0

[kind.LSTM]
gate = "ufixed<8,1>"
cell = "fixed<9,4>"

[layer.head]
precision = "fixed<10,4>"
result = "ufixed<6,0,RND_CONV,SAT>"
""",
    """\
target = "verilog"
part = "LFE5U-85F"
clock_period_ns = 12
reuse_factor = 2
stateful = true
channels = 3
delay_factor = 1.2

[layer_reuse_factor]
head = 4

[model]
precision = "fixed<8,3>"
table_size = 64
""",
    """\
target = "vitis_hls"
io = "parallel"

[model]
precision = "ufixed<6,2>"
preactivation = "fixed<9,4>"
""",
)
YAML = """\
KerasModel: model.h5
OutputDir: build
ProjectName: tagger
XilinxPart: xcku115-flvb2104-2-i
ClockPeriod: 5
IOType: io_stream
Backend: Vivado
HLSConfig:
  Model:
    Precision: ap_fixed<8,3>
    ReuseFactor: 1
    Strategy: Latency
  LayerType:
    LSTM:
      Precision:
        default: ap_fixed<8,3>
        weight: ap_fixed<6,2>
  LayerName:
    head:
      Precision: ap_fixed<8,3,AP_RND,AP_SAT>
"""
MODEL = "model.h5"


class Configurations(FileCampaign):
    """Each is read and compiles a small model, which then predicts."""

    name = "configurations"

    @cached_property
    def originals(self) -> Sequence[Files]:
        """Every key somewhere."""
        tomls = [{"settings.toml": text.encode()} for text in TOMLS]
        with tempfile.TemporaryDirectory() as folder:
            layers = [input_layer((4, 2)), lstm(2, 2), dense(2, 2, name="head")]
            model = write_h5(Path(folder, MODEL), layers).read_bytes()
        return [*tomls, {"hls4ml.yml": YAML.encode(), MODEL: model}]

    def mutators(self, file: str) -> Sequence[Mutator]:
        """Words more often than bytes; the model that the YAML file is about stays."""
        return () if file == MODEL else (mutate_text, mutate_text, mutate_text, mutate_bytes)

    def check(self, folder: Path) -> None:
        """Read, compile, predict, and plan the hardware."""
        settings = folder / "settings.toml"
        if settings.exists():
            model, config = small_model(), CompileConfig.from_toml(settings)
        else:
            conversion = read_conversion(read_yaml(folder / "hls4ml.yml"), folder / MODEL, Reading(trust=True))
            model, config = conversion.model, conversion.config
        design = loopwire.compile(model, config)
        y = design.predict(np.linspace(-2, 2, 16).reshape(2, 4, 2))
        assert np.isfinite(y).all()
        if config.target == "verilog":
            assert design.firmware.latency_cycles > 0
        else:
            assert design.hls.files


def small_model() -> Model:
    rng = np.random.default_rng(1)
    first = Lstm("first", rng.normal(size=(8, 2)), rng.normal(size=(8, 2)), rng.normal(size=8))
    head = Dense("head", rng.normal(size=(2, 2)), rng.normal(size=2))
    return chain("model", (4, 2), (first, head), "test")


CAMPAIGN = Configurations()
