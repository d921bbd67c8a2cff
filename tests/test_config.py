"""What a configuration means, and the text of every error in one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import loopwire
from loopwire.config import DEFAULT_TYPE, CompileConfig, PrecisionConfig
from loopwire.errors import ConfigError, FixedTypeError, LoopwireError
from loopwire.ir import ops
from loopwire.ir.types import FixedType
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer, Model, chain
from loopwire.layers.roles import LayerTypes, Role
from loopwire.layers.shape import Flatten
from loopwire.type_choice import TypeChoice


def dense(name: str, rows: int, columns: int, function: str = "linear") -> Dense:
    return Dense(name, np.ones((rows, columns)), np.zeros(rows), Function(function))


def lstm(name: str, units: int, features: int) -> Lstm:
    return Lstm(name, np.ones((4 * units, features)), np.ones((4 * units, units)), np.zeros(4 * units))


MODEL = chain("m", (3, 2), (lstm("first", 4, 2), dense("hidden", 3, 4, "relu"), dense("last", 2, 3)), "m.keras")


def types_of(config: CompileConfig, name: str, model: Model = MODEL) -> LayerTypes:
    (layer,) = (layer for layer in model.layers if layer.name == name)
    return TypeChoice(config, model).layer_types(layer)


def parsed(**groups: object) -> CompileConfig:
    return CompileConfig.from_dict(groups)


def test_defaults() -> None:
    types = types_of(CompileConfig(), "first")
    assert set(types.types.values()) == {DEFAULT_TYPE} == {FixedType.parse("fixed<16,6,RND,SAT>")}
    assert Role.PREACTIVATION not in types.types
    assert (types.max_error_steps, types.table_size) == (1.0, None)
    assert TypeChoice(CompileConfig(), MODEL).input_type() == DEFAULT_TYPE


def test_hls4ml_type_means_what_it_says_in_cpp() -> None:
    config = parsed(model={"precision": "ap_fixed<16,6>"})
    assert types_of(config, "last").types[Role.RESULT] == FixedType(16, 6)
    assert str(FixedType(16, 6).rounding) == "TRN" and str(FixedType(16, 6).overflow) == "WRAP"


def test_the_most_specific_group_decides() -> None:
    config = parsed(
        model={"precision": "fixed<10,1>", "weight": "fixed<10,2>", "input": "fixed<10,9>"},
        kind={"Dense": {"precision": "fixed<10,3>", "weight": "fixed<10,4>"}, "LSTM": {"cell": "fixed<10,8>"}},
        layer={"last": {"precision": "fixed<10,5>", "bias": "fixed<10,6>"}},
    )
    integers = {
        name: {role.value: type.integer for role, type in types_of(config, name).types.items()}
        for name in ("first", "hidden", "last")
    }
    assert integers == {
        "first": {"weight": 2, "recurrent_weight": 1, "bias": 1, "gate": 1, "cell": 8, "state": 1, "result": 1},
        "hidden": {"weight": 4, "bias": 3, "result": 3},
        "last": {"weight": 5, "bias": 6, "result": 5},
    }
    assert TypeChoice(config, MODEL).input_type().integer == 9


def test_preactivation_is_exact_unless_its_own_type_is_given() -> None:
    config = parsed(kind={"LSTM": {"precision": "fixed<8,3>"}}, layer={"last": {"preactivation": "fixed<12,5>"}})
    assert Role.PREACTIVATION not in types_of(config, "first").types
    assert types_of(config, "last").types[Role.PREACTIVATION] == FixedType(12, 5)


def test_table_settings_of_the_most_specific_group() -> None:
    config = parsed(model={"max_error_steps": 2.5}, kind={"LSTM": {"table_size": 512}})
    assert types_of(config, "first").table_size == 512
    assert types_of(config, "last") == LayerTypes(types_of(config, "last").types, 2.5, None)


def test_toml_and_python_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(
        """
        part = "xcvu13p"
        clock_period_ns = 4
        interleave = 3
        multipliers = "dsp"
        name = "tagger"
        simulate_sequences = 20
        [model]
        precision = "ap_fixed<18,8,AP_RND,AP_SAT>"
        [kind.LSTM]
        state = "fixed<12,2>"
        table_size = 256
        [layer.last]
        weight = "fixed<8,2>"
        """
    )
    precision = FixedType.parse("fixed<18,8,RND,SAT>")
    assert CompileConfig.from_toml(path) == CompileConfig(
        part="xcvu13p",
        clock_period_ns=4.0,
        interleave=3,
        multipliers="dsp",
        name="tagger",
        simulate_sequences=20,
        model=PrecisionConfig(precision),
        kind={"LSTM": PrecisionConfig(types={Role.STATE: FixedType(12, 2)}, table_size=256)},
        layer={"last": PrecisionConfig(types={Role.WEIGHT: FixedType(8, 2)})},
    )


def test_types_reach_the_graph() -> None:
    config = parsed(layer={"first": {"recurrent_weight": "fixed<7,3>"}}, model={"input": "fixed<9,5>"})
    graph = loopwire.compile(MODEL, config).graph
    constants = [node for node in graph.walk() if isinstance(node.op, ops.Const)]
    assert graph.inputs[0].type.element == FixedType(9, 5)
    assert {str(node.op.type) for node in constants if node.result.name == "first.U"} == {"fixed<7,3>"}


BAD_VALUES = [
    ({"clok": 5}, "configuration: 'clok' is not a setting. Choose from 'target', 'part'"),
    ({"max_luts": 5}, "'max_luts' is not a setting. It bounds a design: loopwire.choose(design, max_luts=...), or in"),
    ({"multiplier": "dsp"}, "Did you mean 'multipliers'?"),
    ({"clock_period_ns": "5"}, "configuration, clock_period_ns: '5' is not a number. Give a number, such as 5.0"),
    ({"clock_period_ns": -1}, "clock_period_ns: -1.0 is not a period. Give nanoseconds above 0, such as 5"),
    ({"clock_period_ns": float("nan")}, "clock_period_ns: nan is not a period"),
    ({"interleave": 2.5}, "configuration, interleave: 2.5 is not a whole number. Give a whole number, such as 8"),
    ({"interleave": True}, "configuration, interleave: True is not a whole number"),
    ({"interleave": 0}, "interleave: 0 sequences are out of range. Give 1 or more"),
    ({"simulate_sequences": -3}, "simulate_sequences: -3 sequences are out of range. Give 0 or more"),
    (
        {"multipliers": "dsps"},
        "multipliers: 'dsps' is unknown. Did you mean 'dsp'? Choose from auto, shift_add, dsp",
    ),
    ({"part": 115}, "configuration, part: 115 is not a text. Give it in quotes"),
    (
        {"model": "fixed<16,6>"},
        "configuration, model: 'fixed<16,6>' is not a table of settings. Its keys are 'precision'",
    ),
    ({"kind": ["LSTM"]}, "configuration, kind: ['LSTM'] is not a table. Give one table a name, such as [kind.LSTM]"),
    (
        {"layer": {"last": {"wieght": "fixed<8,2>"}}},
        "configuration, layer.last: 'wieght' is not a setting. Did you mean 'weight'?",
    ),
    (
        {"model": {"max_error_steps": 0}},
        "configuration, model, max_error_steps: 0 is not above 0. Give a number above 0",
    ),
]


@pytest.mark.parametrize(("values", "text"), BAD_VALUES)
def test_bad_values(values: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        CompileConfig.from_dict(values)
    assert text in str(error.value)


def test_impossible_type_tells_where_it_stands() -> None:
    with pytest.raises(FixedTypeError) as error:
        parsed(kind={"LSTM": {"cell": "ap_fixed<0,3>"}})
    assert str(error.value) == (
        "configuration, kind.LSTM, cell: type fixed<0,3>: a width of 0 bits is out of range. "
        "Give a width from 1 to 1024, as in 'fixed<16,6>'"
    )


MISFITS: list[tuple[dict[str, object], str]] = [
    (
        {"layer": {"lst": {"weight": "fixed<8,2>"}}},
        "configuration, [layer.lst]: the model has no layer of this name. Did you mean 'last'? "
        "It has 'first', 'hidden', 'last'",
    ),
    (
        {"kind": {"GRU": {"weight": "fixed<8,2>"}}},
        "configuration, [kind.GRU]: the model has no layer of this kind. It has 'LSTM', 'Dense'",
    ),
    (
        {"kind": {"Dense": {"recurrent_weight": "fixed<8,2>"}}},
        "configuration, [kind.Dense]: a Dense layer has no 'recurrent_weight'. "
        "It has 'weight', 'bias', 'preactivation', 'result'",
    ),
    (
        {"layer": {"last": {"cell": "fixed<8,2>"}}},
        "configuration, [layer.last]: a Dense layer has no 'cell'. It has 'weight', 'bias', 'preactivation', 'result'",
    ),
    (
        {"layer": {"first": {"input": "fixed<8,2>"}}},
        "configuration, [layer.first]: 'input' is the type of the model's input. Give it in [model]",
    ),
    (
        {"model": {"table_size": 512, "max_error_steps": 2}},
        "configuration, [model]: 'table_size' and 'max_error_steps' contradict each other. "
        "Bound the size or the error, not both",
    ),
    (
        {"layer": {"last": {"table_size": 512}}},
        "configuration, [layer.last]: 'table_size' has no effect: no layer needs it, "
        "or more specific settings decide everywhere. Remove it",
    ),
    (
        {"kind": {"LSTM": {"max_error_steps": 2}}, "layer": {"first": {"table_size": 512}}},
        "configuration, [kind.LSTM]: 'max_error_steps' has no effect",
    ),
    (
        {"model": {"recurrent_weight": "fixed<8,2>"}, "kind": {"LSTM": {"precision": "fixed<8,2>"}}},
        "configuration, [model]: 'recurrent_weight' has no effect",
    ),
    ({"part": "xcku1155"}, "part 'xcku1155': this part is not known. Did you mean 'xcku115' "),
]


@pytest.mark.parametrize(("values", "text"), MISFITS)
def test_settings_that_do_not_fit_the_model(values: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        loopwire.compile(MODEL, CompileConfig.from_dict(values))
    assert text in str(error.value)


def test_role_that_no_layer_of_the_model_has() -> None:
    layers: tuple[Layer, ...] = (Flatten("flat"), dense("last", 2, 6))
    model = chain("m", (3, 2), layers, "m.keras")
    with pytest.raises(ConfigError, match=r"\[model\]: 'cell' has no effect"):
        loopwire.compile(model, parsed(model={"cell": "fixed<8,2>"}))
    with pytest.raises(ConfigError, match=r"a Flatten layer has no 'weight'. It has no tensors of its own"):
        loopwire.compile(model, parsed(layer={"flat": {"weight": "fixed<8,2>"}}))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"none.toml: it cannot be read \(No such file or directory\). Check the path"
    ):
        CompileConfig.from_toml(tmp_path / "none.toml")
    for content in (b"part = ", b"\xff\xfe", b"a = 1\na = 2"):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(LoopwireError, match=r"bad.toml: it is not TOML: .* See docs/configuration.md"):
            CompileConfig.from_toml(tmp_path / "bad.toml")
    (tmp_path / "typo.toml").write_text("[model]\nprecison = 'fixed<8,2>'")
    with pytest.raises(ConfigError, match=r"typo.toml, model: 'precison' is not a setting.*Did you mean 'precision'"):
        CompileConfig.from_toml(tmp_path / "typo.toml")
