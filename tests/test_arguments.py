"""Wrong uses from Python: each ends in one error of ours that names the place, the value and what to give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_files import dense, input_layer, lstm, write_h5
from loopwire.config import CompileConfig, PrecisionConfig
from loopwire.design import Design
from loopwire.design_targets import DesignTargets
from loopwire.errors import LoopwireError
from loopwire.ir.types import FixedType, Overflow, Rounding

X = np.zeros((2, 4, 3))
Use = Callable[[Any, Path], object]
"""Takes a design and the path of its model."""

USES: dict[str, Use] = {
    "interleave: '3' is not a whole number. Give a whole number": lambda d, p: CompileConfig(interleave="3"),
    "interleave: True is not a whole number": lambda d, p: CompileConfig(interleave=True),
    "reuse_factor: None is not a whole number": lambda d, p: CompileConfig(reuse_factor=None),
    "reuse_factor: 1.5 is not a whole number": lambda d, p: CompileConfig(reuse_factor=1.5),
    "reuse_factor: -1 is out of range": lambda d, p: CompileConfig(reuse_factor=-1),
    "layer_reuse_factor: 4 is not a table": lambda d, p: CompileConfig(layer_reuse_factor=4),
    "layer_reuse_factor.lstm: '4' is not a whole number": lambda d, p: CompileConfig(layer_reuse_factor={"lstm": "4"}),
    "layer_reuse_factor, a name: 0 is not a text": lambda d, p: CompileConfig(layer_reuse_factor={0: 4}),
    "multipliers: None is not a text": lambda d, p: CompileConfig(multipliers=None),
    "copies: nan is not a whole number": lambda d, p: CompileConfig(copies=float("nan")),
    "io: 1 is not a text": lambda d, p: CompileConfig(io=1),
    "bus_bits: [] is not a whole number": lambda d, p: CompileConfig(bus_bits=[]),
    "stateful: 1 is neither true nor false": lambda d, p: CompileConfig(stateful=1),
    "fixed_latency: it contradicts 'port_registers'": lambda d, p: CompileConfig(
        fixed_latency=True, port_registers=True
    ),
    "fixed_latency: None is neither true nor false": lambda d, p: CompileConfig(fixed_latency=None),
    "channels: {} is not a whole number": lambda d, p: CompileConfig(channels={}),
    "user_bits: '8' is not a whole number": lambda d, p: CompileConfig(user_bits="8"),
    "target: None is not a text": lambda d, p: CompileConfig(target=None),
    "part: 115 is not a text": lambda d, p: CompileConfig(part=115),
    "clock_period_ns: '5' is not a number": lambda d, p: CompileConfig(clock_period_ns="5"),
    "clock_period_ns: True is not a number": lambda d, p: CompileConfig(clock_period_ns=True),
    "clock_period_ns: 1000000": lambda d, p: CompileConfig(clock_period_ns=10**400),
    "delay_factor: None is not a number": lambda d, p: CompileConfig(delay_factor=None),
    "name: 7 is not a text": lambda d, p: CompileConfig(name=7),
    "steps: -1 steps are out of range": lambda d, p: CompileConfig(steps=-1),
    "simulate_sequences: None is not a whole number": lambda d, p: CompileConfig(simulate_sequences=None),
    "targets: {'max_luts': 1} is not a DesignTargets": lambda d, p: CompileConfig(targets={"max_luts": 1}),
    "model: 'fixed<16,6>' is not a PrecisionConfig. Give a PrecisionConfig": lambda d, p: CompileConfig(
        model="fixed<16,6>"
    ),
    "layer.lstm: {} is not a PrecisionConfig": lambda d, p: CompileConfig(layer={"lstm": {}}),
    "precision: 'fixed<16,6>' is not a FixedType": lambda d, p: PrecisionConfig("fixed<16,6>"),
    "types: 'heavy' is not a role. Choose from input, weight": lambda d, p: PrecisionConfig(
        None, {"heavy": FixedType(8, 1)}
    ),
    "table_size: 2.0 is not a whole number": lambda d, p: PrecisionConfig(table_size=2.0),
    "max_luts: '9' is not a whole number": lambda d, p: DesignTargets(max_luts="9"),
    "max_latency_ns: [100] is not a number": lambda d, p: DesignTargets(max_latency_ns=[100]),
    "configuration: None is not a table of settings": lambda d, p: CompileConfig.from_dict(None),
    "path: None is not a path": lambda d, p: CompileConfig.from_toml(None),
    "type: its width is '16'. Give numbers of bits": lambda d, p: FixedType("16", 6),
    "type: its integer is 1.5": lambda d, p: FixedType(16, 1.5),
    "type: its width is True": lambda d, p: FixedType(True, 1),
    "type: its signed is 1": lambda d, p: FixedType(16, 6, 1),
    "type: its rounding is 'nearest'": lambda d, p: FixedType(16, 6, rounding="nearest"),
    "type None: this is not a fixed-point type": lambda d, p: FixedType.parse(None),
    "model: an object of class NoneType is not a model. Give a keras.Model": lambda d, p: loopwire.load(None),
    "trust: 'no' is neither true nor false": lambda d, p: loopwire.load(p, trust="no"),
    "weights: 3 is not a path": lambda d, p: loopwire.load(p, weights=3),
    "steps: '4' is not a whole number": lambda d, p: loopwire.load(p, steps="4"),
    "model: an object of class loopwire.design.Design is not a model. Give a keras.Model": lambda d, p: (
        loopwire.compile(d)
    ),
    "model: an object of class dict is not a model": lambda d, p: loopwire.compile({"layers": []}),
    "no_such.keras: there is no such file": lambda d, p: loopwire.compile("no_such.keras"),
    "config: 5 is not a CompileConfig. Give a dictionary of settings": lambda d, p: loopwire.compile(d.model, 5),
    "types.toml: it cannot be read": lambda d, p: loopwire.compile(d.model, "types.toml"),
    "configuration: 'reuse_factors' is not a setting. Did you mean 'reuse_factor' or": lambda d, p: loopwire.compile(
        d.model, {"reuse_factors": 4}
    ),
    "settings: 'clock_ns' is not a setting. Did you mean": lambda d, p: loopwire.compile(d.model, clock_ns=5),
    "settings, precision: type 'int8': this is not a fixed-point type": lambda d, p: loopwire.compile(
        d.model, precision="int8"
    ),
    "settings, reuse_factor: '4' is not a whole number": lambda d, p: loopwire.compile(d.model, reuse_factor="4"),
    "part 'xcku999': the data of kintex ultrascale (xcku025 …) lack this part": lambda d, p: loopwire.compile(
        d.model, part="xcku999"
    ),
    "design: 'tiny.h5' is not a Design. Give what loopwire.compile returns": lambda d, p: loopwire.choose("tiny.h5"),
    "choose, targets: 'max_lut' is not a setting. Did you mean 'max_luts'?": lambda d, p: loopwire.choose(d, max_lut=4),
    "targets, max_share: 6000% is more than the whole part. Give at most 100%. Did you mean 60%?": lambda d, p: (
        loopwire.choose(d, max_share="60")
    ),
    "model: a Design is not a Model. Give what loopwire.load returns": lambda d, p: loopwire.find_precision(
        d, X, "auc>=1"
    ),
    "keep: 0.99 is not a str or Criterion. Write it as 'auc>=0.995'": lambda d, p: loopwire.find_precision(
        d.model, X, 0.99
    ),
    "model: 'tiny.h5' is not a Model": lambda d, p: loopwire.scan("tiny.h5", X),
    "data: it has shape (2, 4). The model takes": lambda d, p: loopwire.scan(d.model, X[..., 0]),
    "data, labels: it has shape (3,)": lambda d, p: d.plot_roc((X, [0, 1, 1])),
    "data: they have no labels. Give (x, y)": lambda d, p: d.plot_roc(X),
    "x: 'x.npz' is not an array. Give the array: numpy.load(file)['X']": lambda d, p: d.plot_profile("x.npz"),
    "integers: 4 is not an Iterable. Give numbers of bits": lambda d, p: loopwire.scan(d.model, X, integers=4),
    "fractions: 'a' is not a whole number": lambda d, p: loopwire.scan(d.model, X, fractions="ab"),
    "data: it lacks the input": lambda d, p: d.to_html(p.parent / "r.html", {"inputs": X}),
    "figure.gif: it ends in '.gif'. Use a name that ends in .svg": lambda d, p: d.plot_bits().save("figure.gif"),
    "path: None is not a path. ": lambda d, p: d.plot_bits().save(None),
    "project: a Design is not a str or Path. Give the folder that Design.write has written": lambda d, p: (
        loopwire.synthesise(d)
    ),
    "path: a Design is not a path": lambda d, p: loopwire.load_project(d),
    "none: there is no such folder. Give the folder that loopwire compile": lambda d, p: loopwire.load_project("none"),
    "{folder}: it holds no design.json, so it is not a project. Give": lambda d, p: loopwire.load_project(p.parent),
    "{path}: it is a file. Compile a model first: loopwire compile": lambda d, p: loopwire.load_project(p),
    "{folder}: it is a folder. Loopwire reads Keras .h5": lambda d, p: loopwire.compile(p.parent),
    "timeout_minutes: 'soon' is not a number": lambda d, p: loopwire.route(p, timeout_minutes="soon"),
    "x: None is not an array": lambda d, p: d.predict(None),
    "{folder}: it is a folder. Name a file in it": lambda d, p: d.to_html(p.parent),
    "x: its elements are of dtype complex128": lambda d, p: d.predict(X + 1j),
    "x: its elements are of dtype <U3": lambda d, p: d.predict(X.astype("U3")),
    "x: the model has no input 'y'": lambda d, p: d.predict({"y": X}),
    "lengths: its shape is (2,), its dtype float64": lambda d, p: d.predict(X, [1.0, 2.0]),
    "lengths: it holds -1 to 2 steps": lambda d, p: d.predict(X, [-1, 2]),
    "meter: True is not a ClippingMeter": lambda d, p: d.predict_float(X, meter=True),
    "stimulus: [] is not a Stimulus": lambda d, p: d.simulate(X, stimulus=[]),
    "path: 1 is not a path": lambda d, p: d.write(1),
    "more: 'report' is not a table": lambda d, p: d.write(p.parent / "out", X, "report"),
    "more.a: 1 is not a text": lambda d, p: d.write(p.parent / "out", X, {"a": 1}),
    "shape: 'x' is not a whole number. Give": lambda d, p: loopwire.Input("x"),
    "shape: (0, 6) has no elements. Give (steps, features), such as (20, 6)": lambda d, p: loopwire.Input((0, 6)),
    "inputs: 5 is not a Tensor. Give what loopwire.Input": lambda d, p: loopwire.Model.of("m", 5, 6),
    "verification: 'PASS' is not a Verification": lambda d, p: d.report("PASS"),
    "count: -1 is out of range. Give 0 or more": lambda d, p: d.random_inputs(-1),
    "seed: None is not a whole number": lambda d, p: d.random_inputs(2, None),
    "design: a Model is not a Design. Give what loopwire.compile returns": lambda d, p: loopwire.verify(d.model, X),
    "sequences: '9' is not a whole number": lambda d, p: loopwire.verify(d, X, "9"),
    "verification: 0 sequences prove nothing": lambda d, p: loopwire.verify(d, X, 0),
    "seed: -1 is out of range": lambda d, p: loopwire.verify(d, X, 1, seed=-1),
    "progress: 1 is not a function": lambda d, p: loopwire.verify(d, X, 1, progress=1),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_h5(tmp_path_factory.mktemp("model") / "tiny.h5", [input_layer((4, 3)), lstm(), dense(2)])


@pytest.fixture(scope="module")
def design(path: Path) -> Design:
    return loopwire.compile(loopwire.load(path))


@pytest.mark.parametrize("text", USES)
def test_a_wrong_use_is_told(text: str, design: Design, path: Path) -> None:
    with pytest.raises(LoopwireError) as refused:
        USES[text](design, path)
    expected = text.replace("{path}", str(path)).replace("{folder}", str(path.parent))
    assert str(refused.value).startswith(expected)
    assert refused.value.remedy and len(str(refused.value)) < 500
    assert list(path.parent.iterdir()) == [path]


def test_numbers_of_numpy_and_names_of_modes_are_taken() -> None:
    assert CompileConfig(reuse_factor=np.int64(4), clock_period_ns=np.float32(2.5)) == CompileConfig(
        reuse_factor=4, clock_period_ns=2.5
    )
    taken = FixedType(np.int64(16), 6, np.bool_(True), "RND", "SAT")  # type: ignore[arg-type]
    assert taken == FixedType(16, 6, rounding=Rounding.RND, overflow=Overflow.SAT)
    assert (type(taken.width), type(taken.signed), type(taken.rounding)) == (int, bool, Rounding)
