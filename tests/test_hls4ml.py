"""What hls4ml's configuration means here, each remark and each error in one, and the methods its users call.

hls4ml_1_3_0.json holds what `config_from_keras_model` of hls4ml 1.3.0 returned for the bundled jet tagger and for the
model of `mixed`.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import loopwire
from keras_models import inputs_for, predict, randomise, sequential
from loopwire import hls4ml
from loopwire.cli import main
from loopwire.config import DEFAULT_TYPE
from loopwire.errors import ConfigError, FixedTypeError, LoopwireError, OutputError, ToolError
from loopwire.hls4ml.conversion import read_conversion, read_yaml
from loopwire.hls4ml.notes import Notes
from loopwire.hls4ml.settings import HlsConfig
from loopwire.ir.types import FixedType
from loopwire.layers.roles import Role
from loopwire.project.written import add_built
from loopwire.report.built import Built

JETS = Path(__file__).parents[1] / "examples" / "jets"
TAGGER = JETS / "jet_lstm20.keras"
DICTIONARIES = json.loads((Path(__file__).parent / "hls4ml_1_3_0.json").read_text())
EXACT = "fixed<16,6,RND,SAT>"


def converted(hls_config: Any, model: Any = TAGGER, **options: Any) -> hls4ml.HlsModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hls4ml.Hls4mlWarning)
        return hls4ml.converters.convert_from_keras_model(model, hls_config=hls_config, **options)


def notes_of(hls_config: Any, model: Any = TAGGER, **top: Any) -> list[str]:
    return list(read_conversion({"HLSConfig": hls_config, **top}, model).notes.lines())


def types_of(project: hls4ml.HlsModel, layer: str) -> dict[str, str]:
    return {role.value: str(type) for role, type in project.design.config.layer[layer].types.items()}


def in_all(precision: str = EXACT) -> dict[str, Any]:
    """Return a configuration without anything to remark."""
    return {"Model": {"Precision": precision}}


@pytest.fixture(scope="module")
def mixed() -> Any:
    layers = [
        keras.Input((5, 3), name="input_layer"),
        keras.layers.GRU(4, return_sequences=True, name="gru"),
        keras.layers.SimpleRNN(4, name="rnn"),
        keras.layers.BatchNormalization(name="bn"),
        keras.layers.Dense(4, activation="relu", name="d"),
        keras.layers.LeakyReLU(name="lr"),
        keras.layers.Dense(3, name="out"),
        keras.layers.Softmax(name="sm"),
    ]
    return randomise(keras.Sequential(layers))


def test_a_type_for_everything_is_what_ap_fixed_means() -> None:
    project = converted(DICTIONARIES["jets"]["model"])
    assert set(types_of(project, "lstm").values()) == set(types_of(project, "classes").values()) == {"fixed<16,6>"}
    assert Role.PREACTIVATION.value not in types_of(project, "lstm")
    assert project.design.config.model.types[Role.INPUT] == FixedType(16, 6)
    same = loopwire.CompileConfig.from_dict({"model": {"precision": "ap_fixed<16,6>"}})
    x = np.load(JETS / "jets_test2k.npz")["X"][:100]
    np.testing.assert_array_equal(project.predict(x), loopwire.compile(loopwire.load(TAGGER), same).predict(x))


@pytest.mark.parametrize("granularity", ["type", "name"])
def test_dictionaries_of_hls4ml(granularity: str) -> None:
    project = converted(DICTIONARIES["jets"][granularity])
    types = types_of(project, "lstm")
    assert types.pop("gate") == "fixed<18,8>"
    assert set(types.values()) == {"fixed<16,6>"}
    assert {group.table_size for group in project.design.config.layer.values()} == {1024}


def test_remarks_on_a_dictionary_of_hls4ml() -> None:
    softmax = [f"LayerName.classes_softmax.Precision.{key}" for key in ("exp_table", "inv_table", "inv_inp", "table")]
    inside = "no effect: a softmax takes the types inside it from those of its input and its result"
    assert notes_of(DICTIONARIES["jets"]["name"]) == [
        f"{', '.join(softmax)}, LayerName.classes_softmax.Precision.accum: {inside}",
        "LayerName.lstm, LayerName.classes, LayerName.classes_softmax, LayerName.constituents: "
        "a type of 'auto' is the model's default, fixed<16,6>",
        "fixed<16,6>, fixed<18,8>: truncates and wraps, as ap_fixed does without modes; "
        "',RND,SAT' would round and saturate",
    ]


@pytest.mark.parametrize("granularity", ["type", "name"])
def test_a_dictionary_of_many_kinds(mixed: Any, granularity: str) -> None:
    project = converted(DICTIONARIES["mix"][granularity], mixed)
    assert types_of(project, "gru")["gate"] == "fixed<18,8>"
    assert types_of(project, "rnn").keys() == {"weight", "recurrent_weight", "bias", "state", "result"}
    assert types_of(project, "sm") == {"result": "fixed<16,6>"}
    assert project.predict(inputs_for(mixed)).shape == (8, 3)


def test_hls4ml_names_stand_for_roles() -> None:
    lstm = {
        "weight": "fixed<8,1>",
        "recurrent_weight": "fixed<9,1>",
        "bias": "fixed<10,1>",
        "result": "fixed<11,1>",
        "accum": "fixed<12,1>",
        "table": "fixed<13,1>",
    }
    classes = {"weight": "fixed<8,2>", "bias": "fixed<9,2>", "result": "fixed<10,2>"}
    names = {
        "constituents": {"Precision": {"result": "fixed<7,7>"}},
        "lstm": {"Precision": lstm, "TableSize": 64, "ReuseFactor": 4},
        "classes": {"Precision": classes, "ReuseFactor": 8},
        "classes_softmax": {"Precision": "fixed<11,2>", "TableSize": 32},
    }
    project = converted({"Model": {"Precision": EXACT, "ReuseFactor": 4}, "LayerName": names})
    assert types_of(project, "lstm") == {
        "weight": "fixed<8,1>",
        "recurrent_weight": "fixed<9,1>",
        "bias": "fixed<10,1>",
        "state": "fixed<11,1>",
        "cell": "fixed<11,1>",
        "result": "fixed<11,1>",
        "preactivation": "fixed<12,1>",
        "gate": "fixed<13,1>",
    }
    assert types_of(project, "classes") == {
        "weight": "fixed<8,2>",
        "bias": "fixed<9,2>",
        "preactivation": "fixed<10,2>",
        "result": "fixed<11,2>",
    }
    config = project.design.config
    assert (config.reuse_factor, config.layer_reuse_factor) == (4, {"classes": 8})
    assert (config.layer["lstm"].table_size, config.layer["classes"].table_size) == (64, 32)
    assert config.model.types[Role.INPUT] == FixedType(7, 7)


def test_spellings_of_older_versions() -> None:
    names = {
        "lstm": {"table_size": 128, "table_t": "ap_fixed<18,8>", "Precision": "ap_fixed<12,4>", "static": True},
        "LSTM_Sigmoid": {"Precision": "ap_fixed<10,2>"},
    }
    project = converted({"Model": {"Precision": EXACT}, "LayerName": names})
    types = types_of(project, "lstm")
    assert (types.pop("gate"), set(types.values())) == ("fixed<10,2>", {"fixed<12,4>"})
    assert project.design.config.layer["lstm"].table_size == 128


def test_without_a_type_it_is_loopwires_default() -> None:
    assert set(types_of(converted({}), "lstm").values()) == {str(DEFAULT_TYPE)}
    assert notes_of({}) == []


def test_hardware() -> None:
    options = {"part": "xcku115-flvb2104-2-i", "clock_period": 4, "io_type": "io_parallel", "backend": "vitis_hls"}
    config = converted(in_all(), project_name="tagger", **options).design.config
    assert (config.part, config.clock_period_ns, config.io) == ("xcku115-flvb2104-2-i", 4.0, "parallel")
    assert (config.name, config.target) == ("tagger", "vitis_hls")
    assert converted(in_all(), io_type="io_stream").design.config.io == "stream"
    strategy = {"Model": {"Precision": EXACT, "Strategy": "distributed_arithmetic"}}
    assert converted(strategy).design.config.multipliers == "shift_add"


TENSORS = ("result", "weight", "table")
PRECISIONS = st.one_of(
    st.integers(2, 30).map(lambda width: f"fixed<{width},1>"),
    st.dictionaries(st.sampled_from((*TENSORS, "default")), st.integers(2, 30).map(lambda w: f"fixed<{w},1>")),
)
GROUPS = st.fixed_dictionaries({}, optional={"Precision": PRECISIONS})


@settings(max_examples=200, deadline=None)
@given(GROUPS, GROUPS, GROUPS)
def test_the_most_specific_type_decides(model: Any, by_type: Any, by_name: Any) -> None:
    """As hls4ml looks it up: one table of name_tensor keys after another."""
    config = HlsConfig.parse({"Model": model, "LayerType": {"LSTM": by_type}, "LayerName": {"a": by_name}}, Notes())
    settings = config.of("A", ["lstm"], DEFAULT_TYPE)
    flat: dict[str, str] = {}
    for group in (model, by_type, by_name):
        given = group.get("Precision", {})
        given = {"default": given} if isinstance(given, str) else given
        if "default" in given:
            flat = dict.fromkeys(TENSORS, given["default"])
        flat |= given
    for tensor in TENSORS:
        assert settings.type_of(tensor) == FixedType.parse(flat.get(tensor, str(DEFAULT_TYPE)))


@pytest.mark.parametrize(
    ("hls_config", "line"),
    [
        ({"Optimizers": ["x"]}, "HLSConfig.Optimizers: no effect: Loopwire always runs all of its passes"),
        (
            {"Model": {"Precision": EXACT, "BramFactor": 100}},
            "Model.BramFactor: no effect: weights are in ROMs wherever the reuse factor is above 1",
        ),
        (
            {"Model": {"Precision": {"default": EXACT, "maximum": "fixed<20,8>"}}},
            "Model.Precision.maximum: no effect: types are never wider than asked for",
        ),
        (
            {"Model": {"Precision": EXACT, "Strategy": "Resource"}},
            "Model.Strategy: no effect: the reuse factors alone decide how multipliers are shared",
        ),
        (
            {"LayerName": {"classes": {"Strategy": "da"}}},
            "LayerName.classes.Strategy: no effect: how products are made is one choice for the model",
        ),
        (
            {"LayerName": {"lstm": {"RecurrentReuseFactor": 3}}},
            "LayerName.lstm.RecurrentReuseFactor: no effect: "
            "both kernels are used in the same cycles of a step, so ReuseFactor is for both",
        ),
        (
            {"LayerName": {"lstm": {"Precision": {"recurrent_bias": "fixed<8,2,RND,SAT>"}}}},
            "LayerName.lstm.Precision.recurrent_bias: no effect: all biases have the type of `bias`, fixed<16,6,RND,",
        ),
        (
            {"LayerName": {"classes": {"Precision": {"result": EXACT, "accum": EXACT}}}},
            "LayerName.classes.Precision.accum: no effect: the sum is exact and is cast once, to the layer's `result`",
        ),
        (
            {"LayerName": {"classes_softmax": {"Strategy": "Argmax"}}},
            "LayerName.classes_softmax.Strategy: no effect: a softmax is always computed in full, from the distances",
        ),
        (
            {"LayerName": {"classes_softmax": {"exp_table_t": "ap_fixed<18,8>", "inv_table_t": "ap_fixed<18,4>"}}},
            "LayerName.classes_softmax.exp_table_t, LayerName.classes_softmax.inv_table_t: no effect: a softmax takes",
        ),
        (
            {"LayerName": {"classes_softmax": {"inv_table_size": 2048}}},
            "LayerName.classes_softmax.inv_table_size: no effect: a softmax has tables of the layer's TableSize",
        ),
        (
            {"LayerName": {"classes_softmax": {"Skip": True}}},
            "LayerName.classes_softmax.Skip: no effect: a softmax that is in the model is computed",
        ),
        *(
            ({"LayerName": {name: group}}, f"LayerName.{name}.{place}: no effect: no layer needs it, or more specific")
            for name, group, place in (
                ("flatten", {"Precision": {"result": EXACT}}, "Precision.result"),
                ("classes", {"Precision": {"recurrent_weight": EXACT}}, "Precision.recurrent_weight"),
                ("classes_softmax", {"ReuseFactor": 5}, "ReuseFactor"),
            )
        ),
        (
            {"LayerType": {"LSTM": {"TableSize": 64}}, "LayerName": {"lstm": {"TableSize": 32}}},
            "LayerType.LSTM.TableSize: no effect: no layer needs it, or more specific settings decide",
        ),
    ],
)
def test_what_has_no_effect_is_told(hls_config: dict[str, Any], line: str) -> None:
    (found,) = notes_of({**in_all(), **hls_config})
    assert found.startswith(line)


@pytest.mark.parametrize("strategy", ["Stable", "Latency"])
def test_what_is_done_anyway_is_not_told(strategy: str) -> None:
    assert notes_of({**in_all(), "LayerName": {"classes_softmax": {"Strategy": strategy}}}) == []


def test_what_of_the_rest_has_no_effect() -> None:
    top = {"Backend": "Vitis", "ClockUncertainty": "27%", "Version": "1.0.0", "Stamp": "a04edfb8", "InputData": None}
    assert notes_of(in_all(), **top) == [
        "ClockUncertainty: no effect: the delay model has its own margin; a smaller ClockPeriod leaves more",
        "Version, Stamp: no effect: hls4ml writes it for itself",
        "Backend: the firmware is SystemVerilog, which all vendors' tools read; 'vitis_hls' gives HLS C++",
    ]


def test_a_cell_for_each_step(mixed: Any) -> None:
    assert converted({**in_all(), "LayerName": {"lstm": {"Static": False}}}).design.config.copies == 20
    assert converted({**in_all(), "LayerType": {"GRU": {"Static": False}}}, mixed).design.config.copies == 1
    (line,) = notes_of({**in_all(), "LayerType": {"GRU": {"Static": False}}}, mixed)
    assert line == (
        "LayerType.GRU.Static: no effect: "
        "there is a cell for each step (`copies`) only if all recurrent layers ask for it"
    )


def test_a_merged_normalisation_has_no_types(mixed: Any) -> None:
    (line,) = notes_of({**in_all(), "LayerName": {"bn": {"Precision": {"scale": EXACT}}}}, mixed)
    assert line == "LayerName.bn.Precision.scale: no effect: no layer needs it, or more specific settings decide"


def test_a_table_of_a_simple_rnn_has_its_results_type(mixed: Any) -> None:
    (line,) = notes_of({**in_all(), "LayerName": {"rnn": {"Precision": {"table": EXACT}}}}, mixed)
    assert line == "LayerName.rnn.Precision.table: no effect: a table's values have the type of the result"


def test_remarks_are_warnings_at_the_users_line() -> None:
    with pytest.warns(hls4ml.Hls4mlWarning, match="truncates and wraps") as caught:
        hls4ml.convert_from_keras_model(TAGGER, hls_config=in_all("ap_fixed<16,6>"))
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(hls4ml.Hls4mlWarning, match="max_precision: no effect") as caught:
        hls4ml.config_from_keras_model(TAGGER, max_precision="fixed<8,2>")
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("hls_config", "text"),
    [
        (
            {"Modell": {}},
            "hls4ml configuration, HLSConfig: 'Modell' is not a key of hls4ml. "
            "Did you mean 'Model'? Choose from Model, LayerType, LayerName, Flows, Optimizers, SkipOptimizers",
        ),
        ({"LayerName": {"lstm": {"ReuseFaktor": 2}}}, "'ReuseFaktor' is not a key of hls4ml"),
        ({"LayerName": {"lstm": {"Precision": {"weigth": "fixed<8,2>"}}}}, "Did you mean 'weight'?"),
        (
            {"LayerName": {"lstn": {}}},
            "hls4ml configuration, LayerName.lstn: the model has no layer of this name. "
            "Did you mean 'lstm' or 'lstm_tanh'? It has constituents, lstm, flatten, classes, lstm_tanh, ",
        ),
        ({"LayerType": {"GRU": {}}}, "LayerType.GRU: the model has no layer of this type"),
        ({"LayerName": []}, "hls4ml configuration, LayerName: [] is not a table"),
        ({"LayerName": {"lstm": 3}}, "hls4ml configuration, LayerName.lstm: 3 is not a table of settings"),
        (
            {"Model": {"Strategy": "Latancy"}},
            "hls4ml configuration, Model.Strategy: 'Latancy' is not a strategy of hls4ml. "
            "Did you mean 'latency' or 'legacy'? Choose from latency, stable, legacy, argmax, "
            "distributed_arithmetic, resource, unrolled, resource_unrolled, compressed",
        ),
        (
            {"Model": {"ReuseFactor": 0}},
            "hls4ml configuration, Model.ReuseFactor: 0 is not a whole number of 1 or more. Give one, such as 4",
        ),
        ({"LayerName": {"lstm": {"TableSize": "big"}}}, "LayerName.lstm.TableSize: 'big' is not a whole number"),
        (
            {"Model": {"Precision": "ap_fixed<16;6>"}},
            "hls4ml configuration, Model.Precision: type 'ap_fixed<16;6>': it has 1 parameter",
        ),
    ],
)
def test_errors_in_hls_config(hls_config: dict[str, Any], text: str) -> None:
    with pytest.raises((ConfigError, FixedTypeError)) as caught:
        converted(hls_config)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"KerasH5": str(TAGGER), "IOType": "io_serial"},
            "hls4ml configuration, IOType: 'io_serial' is unknown. "
            "Did you mean 'io_stream' or 'io_parallel'? Choose from io_stream, io_parallel",
        ),
        ({"KerasH5": str(TAGGER), "ClockPeriod": "5ns"}, "ClockPeriod: '5ns' is not a number. Give nanoseconds"),
        ({"KerasH5": str(TAGGER), "ClockPerod": 5}, "'ClockPerod' is not a key of hls4ml"),
        (
            {"HLSConfig": {}},
            "hls4ml configuration: it names no model. Give the path of a .keras or .h5 file as KerasModel",
        ),
        (
            {"OnnxModel": "m.onnx"},
            "hls4ml configuration, OnnxModel: this kind of model is not read. Give a whole Keras model as KerasModel",
        ),
    ],
)
def test_errors_in_a_configuration(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        hls4ml.convert_from_config(values)
    assert text in str(caught.value)


def test_errors_of_the_functions() -> None:
    with pytest.raises(ConfigError, match=r"granularity: 'layer' is unknown. Choose from model, type, name"):
        hls4ml.config_from_keras_model(TAGGER, granularity="layer")
    with pytest.raises(FixedTypeError, match="this is not a fixed-point type"):
        hls4ml.config_from_keras_model(TAGGER, default_precision="auto")
    with pytest.raises(ConfigError, match=r"'clock_perod' is not an option of hls4ml.* Did you mean 'clock_period'"):
        converted(None, clock_perod=5)


@pytest.mark.parametrize("granularity", ["model", "type", "name"])
def test_our_dictionaries_say_nothing_without_meaning(mixed: Any, granularity: str) -> None:
    for model in (TAGGER, mixed):
        config = hls4ml.utils.config_from_keras_model(model, granularity, "Vitis", EXACT, default_reuse_factor=2)
        with warnings.catch_warnings():
            warnings.simplefilter("error", hls4ml.Hls4mlWarning)
            project = hls4ml.converters.convert_from_keras_model(model, hls_config=config)
        plain = loopwire.compile(loopwire.load(model), loopwire.CompileConfig(reuse_factor=2))
        x = plain.random_inputs(50)
        np.testing.assert_array_equal(project.predict(x), plain.predict(x))
        assert (project.design.config.reuse_factor, project.design.config.layer_reuse_factor) == (2, {})


def test_our_dictionary_has_hls4mls_layout(mixed: Any) -> None:
    for granularity, table in (("type", "LayerType"), ("name", "LayerName")):
        ours = hls4ml.config_from_keras_model(mixed, granularity)[table]
        theirs = DICTIONARIES["mix"][granularity][table]
        assert theirs.keys() - ours.keys() == {"BatchNormalization" if granularity == "type" else "bn"}
        for name, group in ours.items():
            assert group.keys() <= theirs[name].keys()
            assert group["Precision"].keys() <= theirs[name]["Precision"].keys()


def test_trace(mixed: Any) -> None:
    project = converted(in_all("fixed<20,8,RND,SAT>"), mixed)
    x = inputs_for(mixed, 600) / 3
    y, layers = project.trace(x)
    assert list(layers) == ["gru", "rnn", "d", "d_relu", "lr", "out", "sm"]
    np.testing.assert_array_equal(layers["sm"], y)
    np.testing.assert_array_equal(project.predict(x), y)
    np.testing.assert_array_equal(layers["d_relu"], np.floor(np.maximum(layers["d"], 0) * 2.0**12 + 0.5) / 2.0**12)
    real = keras.Model(mixed.inputs, [mixed.get_layer(name).output for name in ("gru", "d")])
    gru, d = (keras.ops.convert_to_numpy(part) for part in real(x))
    np.testing.assert_allclose(layers["gru"], gru, atol=1e-3)
    np.testing.assert_allclose(layers["d_relu"], d, atol=1e-2)


def test_trace_of_a_step_by_step_dense() -> None:
    dense = keras.layers.Dense(3, activation="sigmoid", name="head")
    model = sequential((4, 2), [keras.layers.LSTM(3, return_sequences=True, name="lstm"), dense])
    config = {**in_all(), "LayerName": {"head": {"Precision": {"result": "fixed<9,4,RND,SAT>"}}}}
    y, layers = converted(config, model).trace(inputs_for(model))
    assert {name: array.shape for name, array in layers.items()} == dict.fromkeys(layers, (8, 4, 3))
    np.testing.assert_array_equal(layers["head"], np.round(layers["head"] * 2**5) / 2**5)
    np.testing.assert_allclose(1 / (1 + np.exp(-layers["head"])), y, atol=2**-9)
    np.testing.assert_allclose(predict(model, inputs_for(model)), y, atol=0.05)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.keras"
    sequential((3, 2), [keras.layers.GRU(2), keras.layers.Dense(2, activation="softmax")]).save(path)
    return path


def test_build_gives_verified_firmware(small: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 3, 2)))
    options = {"output_dir": str(tmp_path / "out"), "input_data_tb": str(tmp_path / "x.npy")}
    project = converted(in_all(), small, **options)
    project.compile()
    report = project.build(csim=True)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["verification"]["sequences"] == 30
    assert report["predicted"] == report["verification"]["simulated"]
    with pytest.warns(hls4ml.Hls4mlWarning, match="build, synth: no effect: synthesis is the vendor tool's"):
        unverified = project.build(reset=True, csim=False, synth=True)
    assert unverified["verification"] is None
    synthesised = Built("Tool 1.0", "synthesised")
    assert add_built(tmp_path / "out", synthesised).built == (synthesised,)


def test_build_never_destroys(small: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(OutputError, match="it holds something else"):
        converted(in_all(), small, output_dir=str(tmp_path)).build()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def yaml_file(folder: Path, text: str) -> Path:
    path = folder / "hls4ml_config.yml"
    path.write_text(text)
    return path


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_yaml(small: Path, tmp_path: Path) -> None:
    text = f"KerasModel: !keras_model '{small}'\nOutputDir: {tmp_path / 'out'}\nHLSConfig:\n  Model:\n"
    path = yaml_file(tmp_path, f"{text}    Precision: {EXACT}\n    ReuseFactor: 2\n")
    project = hls4ml.convert_from_config(path)
    assert project.output_dir == tmp_path / "out"
    assert project.design.config.reuse_factor == 2
    assert hls4ml.convert_from_config(read_yaml(path)).design.config == project.design.config
    project.write()
    assert (tmp_path / "out" / "design.json").exists()


def test_compile_reads_yaml(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = (
        f"KerasH5: {small}\nOutputDir: {out}\nProjectName: top\nHLSConfig: {{Model: {{Precision: 'ap_fixed<16,6>'}}}}"
    )
    path = yaml_file(tmp_path, text)
    result = command("compile", "--config", path, "--simulate", 0)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        "note: fixed<16,6>: truncates and wraps, as ap_fixed does without modes; ',RND,SAT' would round and saturate",
        f"next: loopwire synth {out}",
    ]
    assert json.loads((out / "report.json").read_text())["model"] == "top"
    assert f"--config {path} --simulate 0" in (out / "report.html").read_text()


def test_the_command_line_overrides_yaml(small: Path, tmp_path: Path) -> None:
    path = yaml_file(
        tmp_path, f"KerasH5: missing.h5\nOutputDir: elsewhere\nHLSConfig: {{Model: {{Precision: '{EXACT}'}}}}"
    )
    out = tmp_path / "mine"
    result = command("compile", small, "--config", path, "--out", out, "--clock-ns", 4, "--simulate", 0)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "report.json").read_text())["clock_period_ns"] == 4.0


def test_compile_without_a_model() -> None:
    result = command("compile")
    assert result.exit_code == 2
    assert "Missing argument 'MODEL', which only an hls4ml file in --config may name instead." in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "it is not YAML: while parsing a flow node"),
        ("- a", "it is not a table of settings. Its keys are KerasModel, KerasJson, KerasH5"),
        ("a: !!python/object/apply:os.system [true]", "it is not YAML: could not determine a constructor"),
    ],
)
def test_errors_in_yaml(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        hls4ml.convert_from_config(yaml_file(tmp_path, text))
    assert expected in str(caught.value)


def test_a_missing_yaml_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it cannot be read"):
        hls4ml.convert_from_config(tmp_path / "none.yml")


def test_without_pyyaml_one_line_tells_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = yaml_file(tmp_path, "{}")
    expected = f"{path}: the Python package 'yaml' is missing. Install it: pip install 'loopwire[hls4ml]'"
    with pytest.raises(ToolError) as caught:
        hls4ml.convert_from_config(path)
    assert str(caught.value) == expected
    result = command("compile", "--config", path)
    assert (result.exit_code, result.stderr) == (1, f"error: {expected}\n")
    assert issubclass(ToolError, LoopwireError)


def test_the_flow_of_a_tutorial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Configure, look, convert, plot, compile, predict, trace, compare, build, read the report."""
    pytest.importorskip("mplhep", reason="the profile needs matplotlib and mplhep (pip install loopwire[plots])")
    model = sequential(
        (4, 3), [keras.layers.LSTM(3, name="lstm"), keras.layers.Dense(2, activation="softmax", name="out")]
    )
    randomise(model)
    x = inputs_for(model, 20)
    config = hls4ml.utils.config_from_keras_model(model, granularity="name", default_precision=f"ap_{EXACT}")
    config["LayerName"]["lstm"]["Precision"]["weight"] = "ap_fixed<8,2>"
    for layer in config["LayerName"]:
        config["LayerName"][layer]["Trace"] = True
    hls4ml.utils.print_dict(config)
    printed = capsys.readouterr().out
    assert "Model\n  Precision\n    default:" in printed and "ap_fixed<8,2>" in printed
    folder = tmp_path / "prj"
    project = converted(config, model, output_dir=str(folder), part="xcku115", clock_period=6)
    assert project.config is not None and project.config.get_output_dir() == str(folder)
    assert project.config.get_config_value("Part") == "xcku115"
    assert [(one.name, one.class_name, one.output_shape) for one in project.get_layers()] == [
        ("lstm", "LSTM", (3,)),
        ("out", "Dense", (2,)),
    ]
    assert project.get_layers()[0].precision["W"] == "fixed<8,2>"
    picture = hls4ml.utils.plot_model(project, show_shapes=True, show_precision=True, to_file=tmp_path / "model.svg")
    assert (tmp_path / "model.svg").read_text() == picture.svg and "lstm: LSTM" in picture.svg
    project.compile()
    y, trace = project.predict(x), project.trace(x)[1]
    assert "<svg" in hls4ml.model.profiling.numerical(model=model, hls_model=project, X=x).svg
    real = hls4ml.model.profiling.get_ymodel_keras(model, x)
    assert real.keys() == trace.keys() and "out_softmax" in real
    np.testing.assert_allclose(real["out_softmax"], predict(model, x), atol=1e-5)
    np.testing.assert_array_equal(trace["out_softmax"], y)
    rows = hls4ml.model.profiling.compare(model, project, x)
    assert max(row.max_error for row in rows if row.layer == "out") >= np.abs(y - real["out_softmax"]).max() > 0
    with pytest.warns(hls4ml.Hls4mlWarning, match="synth"):
        built = project.build(csim=False, synth=True)
    capsys.readouterr()
    assert hls4ml.report.read_vivado_report(str(folder)) == built == hls4ml.report.parse_vivado_report(folder)
    assert "Initiation interval" in capsys.readouterr().out


def test_names_that_stand_for_something_else(small: Path, tmp_path: Path) -> None:
    for call, text in (
        (
            hls4ml.converters.convert_from_pytorch_model,
            "hls4ml's convert_from_pytorch_model: Loopwire does not have it. Use loopwire",
        ),
        (hls4ml.converters.convert_from_onnx_model, "Use loopwire.compile('model.onnx'"),
        (hls4ml.utils.config_from_pytorch_model, "Use loopwire.compile(loopwire.load(module"),
        (hls4ml.utils.fetch_example_model, "Use loopwire.load('examples/jets/jet_lstm20.keras')"),
        (hls4ml.report.read_quartus_report, "Use hls4ml.report.read_vivado_report(folder)"),
        (lambda _: hls4ml.model.profiling.numerical(small), "hls_model: none is given. Convert the model first"),
        (lambda _: hls4ml.utils.plot_model(small), "model: a PosixPath is not a HlsModel. Give what hls4ml.converters"),
        (
            lambda _: hls4ml.utils.plot_model(converted(in_all(), small), "m.png"),
            "m.png: it ends in '.png'. Use a name that ends in .svg",
        ),
        (lambda _: hls4ml.report.read_vivado_report(tmp_path), "it holds no design.json, so it is not a project"),
    ):
        with pytest.raises(LoopwireError) as refused:
            call(small)
        assert text in str(refused.value)
