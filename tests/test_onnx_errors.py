"""What ONNX files are refused for: each error names the file, the node, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx

import loopwire
from loopwire.errors import ConfigError, LoopwireError, ModelFileError, ToolError, UnsupportedError
from loopwire.frontends.onnx import file, model
from onnx_graphs import SEQUENCE, VECTOR, F, T, U, Written, lstm, node, numbers, rnn_weights, tf2onnx_like, w
from onnx_models import saved

Nodes = Sequence[Any]


def dense(**more: Any) -> Written:
    return Written([node("MatMul", ["x", "k"], ["y"])], {"k": w(F, 2)}, **more)


def branch() -> Written:
    def graph(op: str) -> Any:
        out = [onnx.helper.make_tensor_value_info(op, 1, None)]
        return onnx.helper.make_graph([node(op, ["x"], [op])], op, [], out)

    nodes = [node("If", ["flag"], ["y"], then_branch=graph("Tanh"), else_branch=graph("Relu"))]
    return Written(nodes, inputs={**SEQUENCE, "flag": ()}, whole_numbers=("flag",))


UNSUPPORTED: dict[str, tuple[Callable[[], Written], str]] = {
    "transposed convolution": (
        lambda: Written([node("ConvTranspose", ["x", "k"], ["y"])], {"k": w(T, 2, 3)}),
        "node 'ConvTranspose_y' (ConvTranspose): ConvTranspose is not supported. Repeat steps, then convolve",
    ),
    "a window of nothing": (
        lambda: Written(
            [
                node("Transpose", ["x"], ["c"], perm=[0, 2, 1]),
                node("MaxPool", ["c"], ["y"], kernel_shape=[2], pads=[2, 2]),
            ]
        ),
        "node 'MaxPool_y' (MaxPool): it pads as many steps as its window of 2 has. Pad fewer",
    ),
    "layers normalised together": (
        lambda: Written(
            [node("LayerNormalization", ["x", "s"], ["y"], axis=0)], {"s": w(F)}, {"x": ("batch", T, F)}, opset=17
        ),
        "it normalises the axes of batch, steps, features together. Normalise the features, the steps or both",
    ),
    "near a name": (
        lambda: Written([node("Sin", ["x"], ["y"])]),
        "node 'Sin_y' (Sin): Sin is not supported. ",
    ),
    "another domain": (
        lambda: Written([onnx.helper.make_node("Imputer", ["x"], ["y"], name="m", domain="ai.onnx.ml")]),
        "node 'm' (Imputer): it is an operator of the domain 'ai.onnx.ml'. Export the model with ONNX's own",
    ),
    "condition on data": (
        branch,
        "node 'If_y' (If): its condition depends on the model's inputs. Export the model without it",
    ),
    "two tensors multiplied": (
        lambda: Written([node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), node("MatMul", ["x", "t"], ["y"])]),
        "(MatMul): it multiplies tensors of shapes",
    ),
    "softmax over the batch": (
        lambda: Written(
            [
                node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
                lstm("xt", ["Y"]),
                node("Softmax", ["Y"], ["y"], axis=2),
            ],
            rnn_weights(),
        ),
        "(Softmax): its softmax runs over the axis of the batch. Run it over the features or the steps",
    ),
    "training": (
        lambda: Written(
            [node("BatchNormalization", ["x", *"abcd"], ["y", "m", "v"], training_mode=1)],
            dict.fromkeys("abcd", np.ones(T)),
        ),
        "(BatchNormalization): attribute training_mode=1 is not supported. Export the model in evaluation mode",
    ),
    "a window longer than the steps": (
        lambda: Written([node("Conv", ["x", "k"], ["y"])], {"k": w(2, 4, 5)}, {"x": ("batch", 4, 3)}),
        "(Conv): its window of 5 steps is longer than its input of 3. Give longer sequences, a smaller window, or",
    ),
    "clip to nothing": (
        lambda: Written([node("Clip", ["x", "a", "b"], ["y"])], {"a": np.array(1.0), "b": np.array(-1.0)}),
        "(Clip): it clamps to 1.0…-1.0. Give it a lower bound below the upper one",
    ),
    "constants joined side by side": (
        lambda: Written([node("Concat", ["x", "c"], ["y"], axis=0)], {"c": w(1, T, F)}, {"x": (1, T, F)}),
        "(Concat): it joins a tensor of shape (1, 4, 3) with a constant of shape (1, 4, 3). Join them along the featur",
    ),
    "features open": (
        lambda: Written([node("Relu", ["x"], ["y"])], inputs={"x": ("batch", T, "features")}),
        "input 'x': its shape (batch, 4, features) is open beyond batch and steps",
    ),
    "an input beside": (
        lambda: Written([node("Relu", ["x"], ["y"])], inputs={"x": ("batch", F), "z": ("batch", 2)}),
        "none of its outputs depends on the input 'z'",
    ),
    "a constant output": (
        lambda: Written([node("Relu", ["x"], ["y"])], {"c": w(3)}, outputs=("y", "c")),
        "one of its outputs is a constant. Leave that output out",
    ),
    "many axes": (
        lambda: Written([node("Relu", ["x"], ["y"])], inputs={"x": ("batch", 2, 3, 4, 5)}),
        "input 'x': it has 5 axes",
    ),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_is_not_supported_is_named(case: str, tmp_path: Path) -> None:
    written, problem = UNSUPPORTED[case]
    path = saved(written().model(), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError) as error:
        loopwire.load(path, trust=True)
    assert problem in str(error.value)
    assert str(error.value).startswith(str(path))


def _recurrent(**changed: Any) -> Written:
    nodes = [node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]), lstm("xt", ["Y"])]
    return Written(nodes, {**rnn_weights(), **changed}, outputs=("Y",))


UNSOUND: dict[str, tuple[Callable[[], Written], str]] = {
    "NaN": (
        lambda: _recurrent(rnn_R=np.full((1, 4 * U, U), np.nan)),
        "node 'rnn' (LSTM): operand 3, 'rnn_R', holds NaN, infinity or what float32 cannot. Train the model again",
    ),
    "another shape": (
        lambda: _recurrent(rnn_W=w(1, 4 * U, F + 1)),
        "node 'rnn' (LSTM): operand 2, 'rnn_W', has shape (1, 8, 4) where (1, 8, 3) belongs",
    ),
    "an index beyond": (
        lambda: Written([node("Gather", ["x", "i"], ["y"], axis=1)], {"i": np.array(9)}),
        "(Gather): its indices are not all among the 4 of axis 1",
    ),
    "variance": (
        lambda: Written(
            [node("BatchNormalization", ["x", *"abcd"], ["y"])],
            {**dict.fromkeys("abc", w(F)), "d": -np.ones(F)},
            VECTOR,
        ),
        "(BatchNormalization): its variance is negative",
    ),
    "division by 0": (lambda: Written([node("Div", ["x", "c"], ["y"])], {"c": np.zeros(F)}), "(Div): it divides by 0"),
    "an attribute": (
        lambda: Written([node("LeakyRelu", ["x"], ["y"], alhpa=1.0)]),
        "onnx reports that it is invalid: Unrecognized attribute: alhpa for operator LeakyRelu",
    ),
    "an operand from nowhere": (
        lambda: Written([node("Add", ["x", "nothing"], ["y"])]),
        "onnx reports that it is invalid: Nodes in a graph must be topologically sorted, however input 'nothing' of "
        "node: name: Add_y OpType: Add is not output of any previous nodes. ",
    ),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_what_no_sound_file_holds_is_named(case: str, tmp_path: Path) -> None:
    written, problem = UNSOUND[case]
    path = saved(written().model(), tmp_path / "m.onnx")
    with pytest.raises(ModelFileError) as error:
        loopwire.load(path, trust=True)
    assert problem in str(error.value)


def test_steps_left_open_are_the_users_choice(tmp_path: Path) -> None:
    written = tf2onnx_like()
    path = saved(Written(written.nodes, written.constants, {"x": ("batch", "time", F)}).model(), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match=r"input 'x': its sequences, of shape \(batch, time, 3\), may have any"):
        loopwire.load(path)
    assert loopwire.load(path, steps=7).input_shape == (7, F)
    fixed = saved(written.model(), tmp_path / "fixed.onnx")
    with pytest.raises(ConfigError, match="the model's input has shape"):
        loopwire.load(fixed, steps=7)


def test_what_is_no_onnx_file(tmp_path: Path) -> None:
    for content, problem in (
        (b"", "it is damaged|it holds no graph"),
        (b"hello", "it is damaged: its bytes are not messages of ONNX"),
        (b"\x08\x08\x12\x07pytorch", "it holds no graph"),
    ):
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(ModelFileError, match=problem):
            loopwire.load(tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match="there is no such file"):
        loopwire.load(tmp_path / "none.onnx")


@pytest.mark.parametrize("opset", [6, 99])
def test_other_opsets_are_refused(opset: int, tmp_path: Path) -> None:
    proto = dense().model()
    proto.opset_import[0].version = opset
    with pytest.raises(
        LoopwireError, match=f"it is of opset {opset}; those from 7 to 28 are read|onnx reports that it is invalid"
    ):
        loopwire.load(saved(proto, tmp_path / "m.onnx"), trust=True)


def test_the_newest_opset_is_the_newest_of_onnx() -> None:
    assert onnx.defs.onnx_opset_version() <= model.NEWEST


def test_options_of_other_formats_are_refused(tmp_path: Path) -> None:
    path = saved(dense().model(), tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match=r"weights: it is not for models of this kind\. An ONNX file has its weights"):
        loopwire.load(path, weights=path)
    with pytest.raises(ConfigError, match=r"example_inputs: it is not for models of this kind\. An ONNX file knows"):
        loopwire.load(path, example_inputs=[np.zeros((1, F))])


def test_without_onnx_its_absence_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(dense().model(), tmp_path / "m.onnx")
    monkeypatch.setattr(model, "find_spec", lambda name: None)
    with pytest.raises(
        ToolError, match=r"onnx: the package is not installed. Install it: pip install 'loopwire\[onnx\]'"
    ):
        loopwire.load(path)


def external(folder: Path, location: str, content: bytes | None = None, **entries: str) -> Path:
    """Return a model whose kernel lies in another file."""
    proto = dense().model()
    (kernel,) = proto.graph.initializer
    raw = kernel.raw_data
    kernel.ClearField("raw_data")
    kernel.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = kernel.external_data.add()
        entry.key, entry.value = key, value
    if content is not None:
        (folder / location).write_bytes(content or raw)
    return saved(proto, folder / "m.onnx")


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    kernel = w(F, 2).astype(np.float32)
    path = external(
        tmp_path, "weights.bin", b"....." + kernel.tobytes() + b"...", offset="5", length=str(kernel.nbytes)
    )
    (layer,) = loopwire.load(path).layers
    np.testing.assert_array_equal(layer.kernel, kernel.T.astype(np.float64))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("location", "entries", "problem"),
    [
        ("none.bin", {}, "tensor 'k': its data lie in 'none.bin', and there is no such file. Copy that file too"),
        ("../secret.bin", {}, "its data lie in '../secret.bin', which is not beside the model"),
        ("/etc/passwd", {}, "its data lie in '/etc/passwd', which is not beside the model"),
        ("link.bin", {}, "its data lie in 'link.bin', which is not beside the model"),
        ("", {}, "which is not beside the model"),
        ("short.bin", {"length": "24"}, "its data are bytes 0 to 24 of 'short.bin', which has 4. Copy that file again"),
        ("short.bin", {"offset": "-4"}, "its data are bytes -4 to 4 of 'short.bin', which has 4"),
        ("short.bin", {"offset": "one"}, "the offset or length of its external data is not a number"),
        ("short.bin", {}, "it is damaged|onnx reports that it is invalid|has shape"),
    ],
)
def test_external_data_elsewhere_or_missing(
    location: str, entries: dict[str, str], problem: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    (folder / "short.bin").write_bytes(bytes(4))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = external(folder, location, **entries)
    with pytest.raises(ModelFileError, match=problem):
        loopwire.load(path)


def test_files_beyond_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(dense().model(), tmp_path / "m.onnx")
    monkeypatch.setattr(file, "MAX_ARRAY_BYTES", 100)
    with pytest.raises(ModelFileError, match=r"it has more than the 100 bytes that are read\. Give a smaller model"):
        loopwire.load(path, trust=True)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("ConstantOfShape", ["n"], ["c"]), node("Add", ["x", "c"], ["y"])], {"n": numbers(1 << 12, 1 << 12)}),
        ([node("Range", ["a", "n", "b"], ["c"]), node("Add", ["x", "c"], ["y"])],
         {"a": np.array(0), "n": np.array(1 << 40), "b": np.array(1)}),
        ([node("Tile", ["k", "n"], ["c"]), node("Add", ["x", "c"], ["y"])], {"k": w(8, 8), "n": numbers(1 << 20, 9)}),
    ],
)  # fmt: skip
def test_small_files_make_no_large_tensors(nodes: Nodes, constants: dict[str, Any], tmp_path: Path) -> None:
    path = saved(Written(nodes, constants).model(), tmp_path / "m.onnx")
    with pytest.raises(LoopwireError, match=r"it makes a tensor of shape|it counts from 0 to"):
        loopwire.load(path, trust=True)


def test_much_work_on_constants_is_refused(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["k0", "k0"], ["k1"])]
    nodes += [node("MatMul", [f"k{n}", "k0"], [f"k{n + 1}"]) for n in range(1, 40)]
    path = saved(Written([*nodes, node("Add", ["x", "k40"], ["y"])], {"k0": w(256, 256)}).model(), tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match=r"\(MatMul\): its constants take more work than any network's"):
        loopwire.load(path, trust=True)


def test_a_place_in_the_users_code_is_named(tmp_path: Path) -> None:
    proto = Written([node("Sin", ["x"], ["y"])], inputs=SEQUENCE).model(producer_name="pytorch")
    for key, value in (
        (file.STACK_TRACE, 'File "train.py", line 12, in forward\n    return torch.sin(x)'),
        (file.MODULE_PATH, "['', 'encoder', 'encoder.wave', 'sin']"),
    ):
        entry = proto.graph.node[0].metadata_props.add()
        entry.key, entry.value = key, value
    with pytest.raises(UnsupportedError) as error:
        loopwire.load(saved(proto, tmp_path / "m.onnx"), trust=True)
    assert "node 'encoder.wave' (Sin), File \"train.py\", line 12, in forward: Sin is not supported" in str(error.value)


def test_constants_whose_shapes_do_not_fit_are_refused(tmp_path: Path) -> None:
    nodes = [node("Gemm", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])]
    path = saved(Written(nodes, {"a": w(2, 1), "b": w(3, F)}).model(), tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match=r"\(Gemm\): its weights have shapes \(3, 3\) and \(3,\), its input"):
        loopwire.load(path, trust=True)
