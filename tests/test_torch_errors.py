"""Every error of the PyTorch frontend: where, what, the value met, what to do; and that no pickle is opened."""

from __future__ import annotations

import io
import json
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

import loopwire  # noqa: E402
from loopwire.errors import ConfigError, LoopwireError, ModelFileError, UnsupportedError  # noqa: E402
from loopwire.frontends.reading import Reading  # noqa: E402
from loopwire.frontends.tensors.normalisation import normalise, normalise_groups  # noqa: E402
from loopwire.frontends.tensors.trace import Input, Trace  # noqa: E402
from loopwire.frontends.tensors.views import Axis, View, array_of, view_of  # noqa: E402
from loopwire.frontends.torch.arguments import Arguments, Mask  # noqa: E402
from loopwire.frontends.torch.masks import OF_MASKS  # noqa: E402
from loopwire.frontends.torch.model import read_torch  # noqa: E402
from loopwire.frontends.torch.operations import OPERATIONS  # noqa: E402
from loopwire.frontends.torch.program import Node, Ref  # noqa: E402
from torch_models import made, randomised, saved  # noqa: E402

X = torch.zeros(2, 4, 3)
EXPORT = r"torch\.export\.export\(module\.eval\(\), \(x,\)\); torch\.export\.save\(program, 'model\.pt2'\)"


class Tagger(nn.Module):
    """A module with a module inside, whose operation is chosen."""

    def __init__(self, operation: Callable[[Any, Any], Any] = lambda module, y: y) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, 4, batch_first=True)
        self.head = nn.Linear(4, 2)
        self.operation = operation

    def forward(self, x: Any) -> Any:
        """Run both, and the operation."""
        return self.operation(self, self.head(self.rnn(x)[0]))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A sound file."""
    return saved(randomised(Tagger()), [X], tmp_path_factory.mktemp("sound") / "m.pt2").read_bytes()


def read(path: Path) -> Any:
    return read_torch(path, Reading(trust=True))


def changed(program: bytes, path: Path, member: str, change: Callable[[bytes], bytes | None]) -> Path:
    """Write a file with one member changed, or left out."""
    with zipfile.ZipFile(io.BytesIO(program)) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            written = change(content) if info.filename.endswith(member) else content
            if written is not None:
                new.writestr(info.filename, written)
    return path


def graph_changed(program: bytes, path: Path, change: Callable[[Any], None]) -> Path:
    """Write a file with the graph's JSON changed."""

    def rewritten(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return changed(program, path, "models/model.json", rewritten)


# Files that are no exported programs.


class Bomb:
    """An object whose pickle runs code."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/loopwire-pickle-was-opened"),))


def write_checkpoint(path: Path) -> None:
    torch.save(Tagger().state_dict(), path)


def write_module(path: Path) -> None:
    torch.save({"bomb": Bomb()}, path)


def write_script(path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Linear(3, 2))), str(path))


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"bomb": Bomb()}))


def write_old_program(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("version", "5.1")
        archive.writestr("serialized_exported_program.json", "{}")
        archive.writestr("serialized_state_dict.pt", pickle.dumps({"bomb": Bomb()}))


def write_program_of_28(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("torch28/archive_format", "pt2")
        archive.writestr("torch28/data/weights/model.pt", pickle.dumps({"bomb": Bomb()}))
        archive.writestr("torch28/models/model.json", "{}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "write", "problem"),
    [
        (
            "weights.pt",
            write_checkpoint,
            "it is a PyTorch checkpoint: a pickled module or state dict; pickles are never",
        ),
        ("weights.pth", write_module, "it is a PyTorch checkpoint"),
        ("any.bin", write_checkpoint, "it is a PyTorch checkpoint"),
        ("script.pt", write_script, "it is a TorchScript archive"),
        ("old.pkl", write_pickle, "it is a Python pickle, such as a PyTorch checkpoint; pickles are never opened"),
        ("old.pt2", write_old_program, "it is an exported program of PyTorch 2.7 or earlier, with pickled weights"),
        ("torch28.pt2", write_program_of_28, "its weights are a pickle, as PyTorch 2.8 writes them; pickles are never"),
        ("text.pt2", lambda path: path.write_text("hello"), "it is not a zip archive, which an exported program is"),
        (
            "zip.pt2",
            lambda path: zipfile.ZipFile(path, "w").close(),
            "it is a zip archive without a graph of PyTorch's",
        ),
    ],
)
def test_files_of_other_kinds_are_refused_with_how_to_export(
    name: str, write: Callable[[Path], None], problem: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(LoopwireError, match=f"{name}: {re.escape(problem)}.*({EXPORT}|PyTorch 2.10 or later)"):
        loopwire.load(tmp_path / name)
    assert not Path("/tmp/loopwire-pickle-was-opened").exists()


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.pt2").touch()
    with pytest.raises(ModelFileError, match=r"m\.pt2: it is empty. Save the model again"):
        loopwire.load(tmp_path / "m.pt2")


def test_pickles_inside_of_programs_are_never_opened(program: bytes, tmp_path: Path) -> None:
    bomb = pickle.dumps({"bomb": Bomb()})
    path = changed(program, tmp_path / "m.pt2", "sample_inputs/model.pt", lambda _: bomb)
    assert loopwire.load(path).layer_kinds() == {"rnn": "GRU", "head": "Dense"}

    def pickled(content: bytes) -> bytes:
        config = json.loads(content)
        config["config"]["head.weight"]["use_pickle"] = True
        return json.dumps(config).encode()

    path = changed(program, tmp_path / "n.pt2", "model_weights_config.json", pickled)
    with pytest.raises(UnsupportedError, match=r"its 'head\.weight' is a pickle, which is never opened.*plain tensor"):
        loopwire.load(path)
    assert not Path("/tmp/loopwire-pickle-was-opened").exists()


def test_reading_a_file_imports_no_torch(program: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.pt2").write_bytes(program)
    code = (
        "import sys; sys.modules['torch'] = None; import loopwire; print(loopwire.load('m.pt2').layer_kinds());"
        "print(sys.modules['torch'])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines() == ["{'rnn': 'GRU', 'head': 'Dense'}", "None"], result.stderr


# Damaged programs.


def first_node(value: Any) -> Any:
    return next(node for node in value["graph_module"]["graph"]["nodes"] if "gru" in node["target"])


def set_version(value: Any) -> None:
    value["schema_version"]["major"] = 9


def drop_inputs(value: Any) -> None:
    first_node(value)["inputs"] = "none"


def rename_weight(value: Any) -> None:
    value["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = "lost"


def wrong_layers(value: Any) -> None:
    next(i for i in first_node(value)["inputs"] if i["name"] == "num_layers")["arg"] = {"as_int": 3}


def wrong_argument(value: Any) -> None:
    next(i for i in first_node(value)["inputs"] if i["name"] == "num_layers")["arg"] = {"as_string": "two"}


def unknown_argument(value: Any) -> None:
    first_node(value)["inputs"].append({"name": "clip", "arg": {"as_float": 2.0}, "kind": 2})


def lost_value(value: Any) -> None:
    next(i for i in first_node(value)["inputs"] if i["name"] == "input")["arg"] = {"as_tensor": {"name": "nothing"}}


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        (
            set_version,
            UnsupportedError,
            r"its graph has version 9 of the schema \(PyTorch 2.*Load it with torch.export",
        ),
        (drop_inputs, ModelFileError, r"it is damaged or truncated|its graph is not as PyTorch writes it"),
        (rename_weight, ModelFileError, r"its graph is not as PyTorch writes it. Save the model again"),
        (wrong_layers, ModelFileError, r"module 'rnn', aten.gru.input.*: it has 4 arrays of weights for 3 layers"),
        (wrong_argument, ModelFileError, r"its argument 'num_layers' is 'two'. Export the model again"),
        (unknown_argument, UnsupportedError, r"its argument clip=2.0 is not supported. Leave it out"),
        (lost_value, UnsupportedError, r"it takes 'nothing', which no supported operation returns"),
    ],
)
def test_damaged_graphs(
    change: Callable[[Any], None], error: type[LoopwireError], problem: str, program: bytes, tmp_path: Path
) -> None:
    with pytest.raises(error, match=problem):
        read(graph_changed(program, tmp_path / "m.pt2", change))


@pytest.mark.parametrize(
    ("member", "content", "error", "problem"),
    [
        ("models/model.json", b"{", ModelFileError, r"models/model.json is not readable JSON"),
        ("models/model.json", b"[" * 5000, ModelFileError, r"model.json is not valid: it nests deeper than 100"),
        ("models/model.json", b"{}", ModelFileError, r"it is damaged or truncated"),
        ("models/model.json", None, ModelFileError, r"it is a zip archive without a graph of PyTorch's"),
        ("weights/weight_0", b"abc", ModelFileError, r"it is damaged or truncated"),
        ("weights/weight_0", None, ModelFileError, r"it is damaged or truncated"),
        ("byteorder", b"big", UnsupportedError, r"its weights are big-endian"),
    ],
)
def test_damaged_members(
    member: str, content: bytes | None, error: type[LoopwireError], problem: str, program: bytes, tmp_path: Path
) -> None:
    with pytest.raises(error, match=problem):
        read(changed(program, tmp_path / "m.pt2", member, lambda _: content))


@pytest.mark.parametrize("count", [1, 3])
def test_an_lstm_cell_with_other_states(count: int, tmp_path: Path) -> None:
    class OneStep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTMCell(3, 4)

        def forward(self, x: Any) -> Any:
            return self.cell(x)[0]

    sound = saved(randomised(OneStep()), [torch.zeros(2, 3)], tmp_path / "sound.pt2").read_bytes()

    def change(value: Any) -> None:
        (call,) = (node for node in value["graph_module"]["graph"]["nodes"] if "lstm_cell" in node["target"])
        (states,) = (each["arg"]["as_tensors"] for each in call["inputs"] if each["name"] == "hx")
        states[:] = (states * 2)[:count]

    with pytest.raises(ModelFileError, match=rf"cell.*: its argument 'hx' has {count} states instead of h and c"):
        read(graph_changed(sound, tmp_path / "m.pt2", change))


def with_meta(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def rewritten(content: bytes) -> bytes:
        config = json.loads(content)
        change(config["config"]["head.weight"]["tensor_meta"])
        return json.dumps(config).encode()

    return rewritten


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        (
            lambda meta: meta.update(dtype=10),
            UnsupportedError,
            r"its 'head.weight' has the element type 10 of the schema",
        ),
        (
            lambda meta: meta.update(sizes=[{"as_int": 1 << 20}, {"as_int": 1 << 20}], strides=[{"as_int": 0}] * 2),
            ModelFileError,
            r"'head.weight' would take 4398046511104 bytes, more than the 268435456",
        ),
        (
            lambda meta: meta.update(sizes=[{"as_int": -1}] * 2),
            ModelFileError,
            r"'head.weight' has shape \[-1, -1\] and",
        ),
        (lambda meta: meta.update(strides=[{"as_int": 900}] * 2), ModelFileError, r"it is damaged or truncated"),
        (
            lambda meta: meta.update(sizes=[{"as_int": 4}, {"as_int": 2}], strides=[{"as_int": 2}, {"as_int": 1}]),
            UnsupportedError,
            r"module 'head', aten.linear.default.*its weights have shapes \(4, 2\) and \(2,\)",
        ),
    ],
)
def test_damaged_weights(
    change: Callable[[Any], None], error: type[LoopwireError], problem: str, program: bytes, tmp_path: Path
) -> None:
    with pytest.raises(error, match=problem):
        read(changed(program, tmp_path / "m.pt2", "model_weights_config.json", with_meta(change)))


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    module = randomised(Tagger())
    with torch.no_grad():
        module.head.weight[0, 0] = float("nan")
    problem = r"m\.pt2, parameter 'head.weight': it holds NaN or infinity \(1 of 8 numbers\). Train the model again"
    with pytest.raises(ModelFileError, match=problem):
        read(saved(module, [X], tmp_path / "m.pt2"))


def test_truncated_files(program: bytes, tmp_path: Path) -> None:
    for size in np.linspace(1, len(program) - 1, 40, dtype=int):
        (tmp_path / "m.pt2").write_bytes(program[:size])
        with pytest.raises(ModelFileError):
            read(tmp_path / "m.pt2")


def test_half_precision_weights(tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        module = nn.Linear(3, 2).to(dtype).eval()
        model = read(saved(module, [X[:, 0].to(dtype)], tmp_path / "m.pt2"))
        (layer,) = model.layers
        np.testing.assert_array_equal(layer.kernel, module.weight.detach().double().numpy())


# What is not compiled: the operation, the module, the line.


def changed_alias(_: Any, y: Any) -> Any:
    y[:, 0].relu_()
    return y


def changed_base(_: Any, y: Any) -> Any:
    z = y.view(2, 4, 2)
    y.add_(1)
    return z


def changed_part(_: Any, y: Any) -> Any:
    y[:, 0] = 0
    return y


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (
            lambda _, y: torch.sin(y),
            r"aten.sin.default \(test_torch_errors.py, line \d+: .*\): this operation is not supp",
        ),
        (
            lambda _, y: torch.softmax(y, 0),
            r"its softmax runs over the axis of the batch. Run it over the features or the steps",
        ),
        (
            lambda _, y: y.unsqueeze(1) @ y.transpose(1, 2),
            r"aten.matmul.default .*it multiplies tensors of shapes .*. Multiply sequences, ",
        ),
        (lambda _, y: y.clamp(1, -1), r"aten.clamp.default .*it clamps to 1.0…-1.0. Give it a lower bound below"),
        (
            lambda _, y: y.pow(0.3),
            r"aten.pow.Tensor_Scalar .*it takes the power of 0.3. Take powers of multiples of 1/2 from -4 to 4",
        ),
        (
            lambda _, y: F.pad(y, (1, 1)),
            r"aten.pad.default .*it pads the axis of the features with 2 elements of 0.0. Pad",
        ),
        (
            lambda _, y: F.group_norm(y, 2, eps=0.0),
            r"aten.group_norm.default .*it normalises 2 groups of the features, of shape .*, with epsilon 0.0. Norm",
        ),
        (
            lambda _, y: F.layer_norm(y, (4, 2), eps=0.0),
            r"it normalises axes of lengths \(4, 2\) together, with epsilon 0.0. Normalise the features, the steps or",
        ),
        (
            lambda _, y: F.adaptive_avg_pool1d(y.mT, 2_000_000),
            r"aten.adaptive_avg_pool1d.default .*it pools 4 steps to 2000000. Pool to at most",
        ),
        (lambda _, y: y[[0], [1]], r"it indexes several axes, or by what the network computes. Index one"),
        (
            lambda _, y: F.max_pool1d(y[:, 0], 2),
            r"it slides over the last of the axes \(batch, features\). Give it \(batch, features, steps\), as",
        ),
        (lambda _, y: y.flatten(0), r"reshape|it makes axes of lengths \[16\] of batch of length 2, steps of length 4"),
        (lambda m, y: y + m.head(torch.zeros(2, 4, 4)), r"aten.linear.default|a constant"),
        (
            lambda _, y: torch.nn.functional.softplus(y, threshold=5),
            "the beta of its softplus is 1, its threshold 5. Use a beta above 0, and a threshold of 12 or more",
        ),
        (lambda _, y: y.max(1)[1].float(), r"which no supported operation returns. Use tensors only"),
        (changed_alias, r"aten.relu_.default .*it changes a tensor in place that is used elsewhere. Use the operation"),
        (
            changed_base,
            r"aten.add_.Tensor .*it changes a tensor in place that is used elsewhere. Use the operation that",
        ),
        (
            changed_part,
            r"aten.(copy|fill)_.\w+ .*it changes a tensor in place that is used elsewhere. Use the operation",
        ),
        (lambda _, y: torch.zeros(2, 2) * 2, r"one of its outputs is a constant|none of its outputs depends"),
    ],
)
def test_operations_that_are_not_read(operation: Callable[[Any, Any], Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=problem):
        read(saved(randomised(Tagger(operation)), [X], tmp_path / "m.pt2"))


class Inside(nn.Module):
    """A module of PyTorch's that Loopwire has no layer for, in another."""

    def __init__(self, inner: nn.Module, transposed: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(inner)
        self.transposed = transposed

    def forward(self, x: Any) -> Any:
        """Run it."""
        return self.body(x.transpose(1, 2) if self.transposed else x)


@pytest.mark.parametrize(
    ("inner", "x", "problem"),
    [
        (nn.ConvTranspose1d(4, 2, 2), X, r"module 'body.0', aten.conv_transpose1d.* this operation is not supported"),
    ],
)
def test_modules_without_a_layer_are_named(inner: nn.Module, x: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=problem):
        read(saved(randomised(Inside(inner)), [x], tmp_path / "m.pt2"))


def loop_with_growing_layers(_: Any, x: Any) -> Any:
    """Steps that differ: each scales the state by another number, until there are too many layers."""
    h = x[:, 0, :2]
    for k in range(400):
        h = torch.tanh(h * (1 + k / 100))
    return h


def test_loops_that_are_no_layer(tmp_path: Path) -> None:
    module = made(loop_with_growing_layers)
    with pytest.raises(UnsupportedError, match=r"it has 801 layers, of which 300 are read. Give a smaller"):
        read(saved(module, [X], tmp_path / "m.pt2"))


# Live modules.


def test_control_flow_on_data_is_refused_with_pytorchs_reason() -> None:
    module = Tagger(lambda _, y: y * 2 if y.sum() > 0 else y).eval()
    problem = (
        r"live module Tagger: PyTorch cannot export it: .*data-dependent.*Remove control flow that depends on data"
    )
    with pytest.raises(UnsupportedError, match=problem):
        loopwire.load(module, example_inputs=(X,))


def test_example_inputs_on_which_a_module_fails() -> None:
    module = Tagger(lambda _, y: y @ y).eval()
    problem = (
        r"live module Tagger: PyTorch cannot export it: RuntimeError: .*\. Call it on the example inputs: it must run"
    )
    with pytest.raises(UnsupportedError, match=problem):
        loopwire.load(module, example_inputs=(X[:, :3],))


def test_live_modules_need_example_inputs() -> None:
    with pytest.raises(
        ConfigError, match=r"live module Tagger: it cannot be exported without example inputs. Give the"
    ):
        loopwire.load(Tagger().eval())


def test_modules_in_training_are_refused_where_that_differs() -> None:
    with pytest.raises(UnsupportedError, match=r"live module Sequential: it is in training.*Call module.eval\(\)"):
        loopwire.load(nn.Sequential(nn.Linear(3, 2), nn.Dropout()), example_inputs=(X,))
    assert loopwire.load(nn.Sequential(nn.Linear(3, 2)), example_inputs=(X,)).layer_kinds() == {"0": "Dense"}


@pytest.mark.filterwarnings("ignore")
def test_state_dicts_and_scripts_in_memory_are_refused() -> None:
    with pytest.raises(
        UnsupportedError, match=f"it is not a module: a state dict has no graph. {EXPORT[:20]}|{EXPORT}"
    ):
        loopwire.load(Tagger().state_dict())
    with pytest.raises(UnsupportedError, match=f"it is TorchScript, of which no graph can be exported.*{EXPORT}"):
        loopwire.load(torch.jit.script(nn.Linear(3, 2)), example_inputs=(X,))


def test_options_that_do_not_fit(program: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.pt2").write_bytes(program)
    for options, problem in (
        ({"weights": "w.h5"}, r"weights: it is not for models of this kind. A program of PyTorch has weights"),
        ({"example_inputs": (X,)}, r"example_inputs: it is not for models of this kind. A saved program knows"),
        ({"steps": 7}, r"steps: the model's input has shape \(4, 3\), not 7 steps. Leave the steps out"),
    ):
        with pytest.raises(ConfigError, match=problem):
            loopwire.load(tmp_path / "m.pt2", **options)
    assert loopwire.load(tmp_path / "m.pt2", steps=4).input_shape == (4, 3)


def test_shapes_that_are_open_beyond_batch_and_steps(tmp_path: Path) -> None:
    class Pointwise(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.tanh(x)

    features, steps = torch.export.Dim("features"), torch.export.Dim("steps")
    path = saved(Pointwise(), [X], tmp_path / "m.pt2", dynamic_shapes=({2: features},))
    with pytest.raises(UnsupportedError, match=r"input 'x': its shape \(2, 4, s\w+\) is open beyond batch and steps"):
        read(path)
    path = saved(Pointwise(), [X], tmp_path / "n.pt2", dynamic_shapes=({0: torch.export.Dim("batch"), 1: steps},))
    with pytest.raises(UnsupportedError, match=r"input 'x': its sequences, .*, may have any number of steps. Give it"):
        read(path)
    assert loopwire.load(path, steps=9).input_shape == (9, 3)


def traced(*shape: int) -> tuple[Trace, Input]:
    trace = Trace("m.pt2")
    return trace, Input(shape, trace.place, "x")


def given(trace: Trace, values: dict[str, Any], **arguments: Any) -> Arguments:
    return Arguments(trace, Node("aten", "node", arguments, ("y",), "", "", ""), values)


def test_scales_of_another_number_than_what_they_scale() -> None:
    trace, wire = traced(4, 3)
    sequence = view_of(wire, (Axis.BATCH, Axis.STEPS, Axis.FEATURES), 2)
    with pytest.raises(
        UnsupportedError, match=r"it normalises axes of lengths \(3,\) together, by scales and offsets of \[2\] num"
    ):
        normalise(trace, sequence, [3], np.ones(2), None, 1e-5)
    groups = View(array_of([wire, wire], (2,)), (Axis.BATCH, Axis.PARTS, Axis.ELEMENTS), 2)
    with pytest.raises(UnsupportedError, match=r"it normalises 2 groups of the parts, of shape \(2, 2, 12\), with eps"):
        normalise_groups(trace, groups, 2, np.ones(1), None, 1e-5)


@pytest.mark.parametrize("lengths", [[0, 4], [-2, -2, 4], [4]])
def test_masks_of_impossible_shapes(lengths: list[int]) -> None:
    trace, wire = traced(4, 1)
    arguments = given(trace, {"m": Mask(wire, (2, 4), counts=True)}, self=Ref("m"), size=lengths)
    with pytest.raises(UnsupportedError, match="it makes a mask of shape"):
        OF_MASKS["aten.expand.default"](arguments)


def test_zeros_like_a_mask_that_is_too_large() -> None:
    trace, wire = traced(4, 1)
    with pytest.raises(UnsupportedError, match=r"it makes a constant of shape \(2, 1000000000, 4\)"):
        OF_MASKS["aten.zeros_like.default"](given(trace, {"m": Mask(wire, (2, 10**9, 4))}, self=Ref("m")))


def test_an_order_of_a_length_that_is_no_number() -> None:
    trace, wire = traced(4, 3)
    x = view_of(wire, (Axis.BATCH, Axis.STEPS, Axis.FEATURES), 2)
    with pytest.raises(ModelFileError, match=r"its argument 'ord' is 'many'\. Export the model again"):
        OPERATIONS["aten.linalg_vector_norm.default"](given(trace, {"x": x}, self=Ref("x"), ord="many"))


@pytest.mark.parametrize("target", ["aten.gt.Tensor", "aten.where.self"])
def test_constants_that_are_too_large_together(target: str) -> None:
    trace, _ = traced(4, 3)
    column, row = np.zeros((1 << 14, 1)), np.zeros((1, 1 << 14))
    arguments = {"condition": Ref("row")} if "where" in target else {}
    values = {"column": column, "row": row}
    with pytest.raises(UnsupportedError, match=r"it makes a constant of shape \(16384, 16384\)"):
        OPERATIONS[target](given(trace, values, self=Ref("column"), other=Ref("row"), **arguments))
