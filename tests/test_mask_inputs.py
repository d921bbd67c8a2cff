"""Masks that a model is given as an input of truth values: the framework's numbers, all machines, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_models import keras, randomise
from loopwire import CompileConfig
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import DataError, UnsupportedError
from networks import prove

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
L, K = keras.layers, keras.ops
STEPS, OTHER, FEATURES, COUNT = 5, 4, 4, 12


def heads() -> Any:
    return L.MultiHeadAttention(2, 3)


def not_zero(x: Any) -> Any:
    return K.any(K.not_equal(x, 0), axis=-1)


KERAS: dict[str, Callable[..., Any]] = {
    "LSTM": lambda x, m: L.LSTM(2)(x, mask=m),
    "sequences": lambda x, m: L.GlobalAveragePooling1D()(L.GRU(2, return_sequences=True)(x, mask=m)),
    "bidirectional": lambda x, m: L.Bidirectional(L.LSTM(2, return_sequences=True))(x, mask=m),
    "padding": lambda x, m: L.LSTM(2)(x, mask=K.logical_not(m)),
    "either": lambda x, m: L.LSTM(2)(x, mask=K.logical_or(m, not_zero(x))),
    "a feature": lambda x: L.LSTM(2)(x, mask=K.not_equal(x[:, :, -1], 0)),
    "converted": lambda x: L.LSTM(2)(x, mask=K.cast(x[:, :, 0], "bool")),
    "pooled": lambda x, m: L.GlobalAveragePooling1D()(x, mask=m),
    "keys": lambda x, m: heads()(x, x, attention_mask=m[:, None, :]),
    "keys of another": lambda x, z, n: heads()(x, z, attention_mask=K.cast(K.expand_dims(n, 1), "int32")),
    "keys and a Masking": lambda x, m: heads()(L.Masking()(x), L.Masking()(x), attention_mask=m[:, None, :]),
    "keys, computed": lambda x: heads()(x, x, attention_mask=not_zero(x)[:, None, :]),
    "value": lambda x, z, n: heads()(x, z, value_mask=n),
    "pooled, indexed": lambda x, m: L.Dot(axes=1)([L.Softmax(axis=1)(L.Dense(1)(x), mask=m[:, :, None]), x]),
    "pooled by a softmax": lambda x, m: L.Dot(axes=1)([L.Softmax(axis=1)(L.Dense(1)(x), mask=K.expand_dims(m, -1)), x]),
    "attention": lambda x, m: L.Attention()([x, x], mask=[m, m]),
    "attention to another": lambda x, z, n: L.Attention()([x, z], mask=[None, n]),
}


def data() -> dict[str, Any]:
    """Sequences and masks of them: with masked steps anywhere, of all steps, of none."""
    random = np.random.default_rng(2)
    steps = {"x": STEPS, "z": OTHER, "m": STEPS, "n": OTHER}
    given: dict[str, Any] = {
        name: random.normal(0, 1, (COUNT, length, FEATURES)).astype(np.float32)
        if name in "xz"
        else random.random((COUNT, length)) < 0.6
        for name, length in steps.items()
    }
    given["x"][random.random((COUNT, STEPS)) < 0.3] = 0
    given["m"][0], given["m"][1], given["n"][0] = False, True, False
    return given


def read_keras(make: Callable[..., Any]) -> tuple[Any, list[str]]:
    """Return a model whose inputs are what a function is called with, and their names."""
    keras.utils.clear_session()  # layers are numbered from the first
    keras.utils.set_random_seed(3)
    names, steps = list(signature(make).parameters), {"x": STEPS, "z": OTHER, "m": STEPS, "n": OTHER}
    inputs = [
        keras.Input((steps[name], FEATURES), name=name)
        if name in "xz"
        else keras.Input((steps[name],), dtype="bool", name=name)
        for name in names
    ]
    return randomise(keras.Model(inputs, make(*inputs))), names


@pytest.mark.parametrize("form", KERAS)
def test_numbers_are_those_of_keras(form: str, tmp_path: Path) -> None:
    made, names = read_keras(KERAS[form])
    made.save(tmp_path / "m.keras")
    given = data()
    if form.startswith("pooled"):
        given["m"][0, 0] = True  # of no steps Keras 3.15 gives no shares, older ones equal shares
    expected = made.predict([given[name] for name in names], verbose=0)
    x = {name: given[name] for name in names} if len(names) > 1 else given[names[0]]
    found = compile_silently(loopwire.load(tmp_path / "m.keras")).predict_float(x)
    sound = np.isfinite(expected)  # Keras divides by 0 where it averages over no step
    assert sound.any() and np.abs(found - expected)[sound].max() < 1e-5


class Called(nn.Module):  # type: ignore[misc]
    """A function of some modules and inputs."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, x: Any, m: Any) -> Any:
        """Call it."""
        return self.function(*self.parts, x, m)


def masked_mean(dense: nn.Module, x: Any, m: Any) -> Any:
    return (dense(x) * m.unsqueeze(-1)).sum(1) / m.sum(1, keepdim=True).clamp(min=1)


def pooled(dense: nn.Module, score: nn.Module, x: Any, m: Any) -> Any:
    shares = score(x).squeeze(-1).masked_fill(~m, -torch.inf).softmax(1)
    return (dense(x) * shares.unsqueeze(-1)).sum(1)


def linear(size: int = FEATURES) -> nn.Module:
    return nn.Linear(FEATURES, size)


def torch_heads() -> nn.Module:
    module = nn.MultiheadAttention(FEATURES, 2, batch_first=True)
    nn.init.normal_(module.in_proj_bias)
    return module


LATER = torch.ones(STEPS, STEPS, dtype=torch.bool)
TORCH: dict[str, nn.Module] = {
    "padding": Called(lambda h, x, m: h(x, x, x, key_padding_mask=~m, need_weights=False)[0], torch_heads()),
    "padding with weights": Called(lambda h, x, m: h(x, x, x, key_padding_mask=m.logical_not())[0], torch_heads()),
    "encoder": Called(
        lambda e, x, m: e(x, src_key_padding_mask=~m), nn.TransformerEncoderLayer(FEATURES, 2, 6, batch_first=True)
    ),
    "its function": Called(
        lambda q, x, m: functional.scaled_dot_product_attention(q(x), x, x, attn_mask=m[:, None]), linear()
    ),
    "false where steps count": Called(
        lambda q, x, m: functional.scaled_dot_product_attention(q(x), x, x, attn_mask=~(~m).unsqueeze(1)), linear()
    ),
    "mean": Called(masked_mean, linear()),
    "mean of numbers": Called(
        lambda d, x, m: (d(x) * m[..., None].float()).sum(1) / (m.float().sum(1)[:, None] + 1), linear()
    ),
    "filled": Called(lambda d, x, m: d(x).masked_fill(~m.unsqueeze(-1), 0.5), linear()),
    "largest": Called(lambda d, x, m: d(x).masked_fill(~m[..., None], -torch.inf).amax(1), linear()),
    "attention that pools": Called(pooled, linear(), linear(1)),
    "chosen": Called(lambda d, x, m: torch.where(m.unsqueeze(-1), d(x), x), linear()),
    "and computed": Called(lambda d, x, m: d(x) * (m & (x != 0).any(-1)).unsqueeze(-1), linear()),
    "or computed": Called(lambda d, x, m: d(x) * (~m | (x != 0).any(-1)).unsqueeze(-1), linear()),
    "scores": Called(lambda q, x, m: (q(x) @ x.mT).masked_fill(~m.unsqueeze(1), -torch.inf).softmax(-1) @ x, linear()),
    "scores of no later steps": Called(
        lambda q, x, m: (q(x) @ x.mT).masked_fill(~LATER.tril(), -torch.inf).softmax(-1) @ x * m[..., None], linear()
    ),
    "scores of a triangle": Called(
        lambda q, x, m: (q(x) @ x.mT).masked_fill(torch.triu(LATER, 1) == 1, -torch.inf).softmax(-1) @ x * m[..., None],
        linear(),
    ),
    "not 0": Called(lambda d, x, m: d(x) * (m & x[..., 1].bool())[..., None], linear()),
    "not 0 negated": Called(lambda d, x, m: d(x) * (m & x[..., 1].logical_not())[..., None], linear()),
    "an output": Called(lambda d, x, m: (d(x).sum(1), ~m), linear()),
}


def torch_data() -> tuple[Any, Any]:
    given = data()
    return torch.from_numpy(given["x"])[1:], torch.from_numpy(given["m"] | (np.arange(STEPS) == 2))[1:]


def by_name(model: Any, inputs: tuple[Any, Any]) -> dict[str, Any]:
    x, m = inputs
    return dict(zip((tensor.name for tensor in model.inputs), (x.numpy(), m.numpy()[..., None]), strict=True))


@pytest.mark.parametrize("name", TORCH)
def test_numbers_are_those_of_pytorch(name: str) -> None:
    module, inputs = TORCH[name].eval(), torch_data()
    model = loopwire.load(module, example_inputs=inputs)
    found = compile_silently(model).predict_float(by_name(model, inputs))
    expected = module(*inputs)
    for got, due in zip(
        found.values() if isinstance(found, dict) else [found],
        expected if isinstance(expected, tuple) else [expected],
        strict=True,
    ):
        assert np.abs(got.reshape(due.shape) - due.detach().numpy()).max() < 1e-5


def test_a_mask_of_one_step_is_one_of_keys_and_a_number() -> None:
    module = Called(
        lambda q, x, m: functional.scaled_dot_product_attention(q(x), x, x, attn_mask=m[:, None]) + x * m[..., None],
        linear(),
    ).eval()
    inputs = torch.randn(3, 1, FEATURES), torch.tensor([[True], [False], [True]])
    model = loopwire.load(module, example_inputs=inputs)
    found = compile_silently(model).predict_float(by_name(model, inputs))
    assert np.abs(found - module(*inputs).detach().numpy()).max() < 1e-5


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", ["padding", "padding with weights", "its function", "largest", "attention that pools"])
def test_numbers_are_those_of_exported_files(name: str, dynamo: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    if dynamo and name == "its function":
        pytest.skip("this exporter needs attention of four axes")
    module, inputs, path = TORCH[name].eval(), torch_data(), tmp_path / "m.onnx"
    torch.onnx.export(module, inputs, path, dynamo=dynamo, verbose=False)
    model = loopwire.load(path)
    found = compile_silently(model).predict_float(by_name(model, inputs))
    assert np.abs(found - module(*inputs).detach().numpy()).max() < 1e-5


def machines() -> Any:
    """A model that reads a mask in a recurrent layer, an attention, a pooling and another recurrent layer."""

    def make(x: Any, m: Any) -> Any:
        h = L.GRU(2, return_sequences=True)(x, mask=m)
        return L.Concatenate()(
            [
                L.GlobalAveragePooling1D()(L.MultiHeadAttention(1, 2)(h, h, attention_mask=m[:, None, :]), mask=m),
                L.LSTM(2)(x, mask=K.logical_not(m)),
            ]
        )

    return loopwire.load(read_keras(make)[0])


SETTINGS = {"model": {"precision": "fixed<9,4,RND,SAT>"}, "clock_period_ns": 10}


def test_all_machines_give_the_same_bits() -> None:
    pooling = loopwire.load(TORCH["attention that pools"].eval(), example_inputs=torch_data())
    designs = [compile_silently(model, CompileConfig.from_dict(SETTINGS)) for model in (machines(), pooling)]
    for design in designs:
        assert str(design.graph.inputs[1].type.element) == "ufixed<1,1,TRN,SAT>"
        integers, _ = design.input_integers(design.random_inputs(40), None)
        fast = try_build(design.graph)
        assert fast is not None
        due = evaluate_integers(design.graph, integers.arrays)
        for found, expected in zip(fast.run_all(integers.arrays), due, strict=True):
            assert np.array_equal(found, expected)
    prove(designs[0])


def test_other_values_are_refused() -> None:
    design = compile_silently(loopwire.load(read_keras(KERAS["LSTM"])[0]))
    given = {name: array for name, array in data().items() if name in "xm"}
    with pytest.raises(DataError) as refused:
        design.predict({**given, "m": given["m"] * 2})
    text = "x, 'm': element (1, 0) is 2, and this input has 2 values. Give whole numbers from 0 to 1"
    assert str(refused.value).endswith(text)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "both": (
        lambda x, m: L.LSTM(2)(x, mask=K.logical_and(m, not_zero(x))),
        "layer 'logical_and': it reads 'm', which is a mask, as a tensor. Give masks to the argument mask of a layer;",
    ),
    "numbers": (
        lambda x, m: L.Concatenate(name="c")([x, L.Reshape((STEPS, 1), name="r")(m)]),
        "layer 'r': it reads 'm', which is a mask, as a tensor. Give masks to the argument mask of a layer;",
    ),
    "real numbers": (
        lambda x: L.LSTM(2, name="l")(x, mask=L.Flatten(name="f")(L.Dense(1)(x))),
        "layer 'l': its mask 'f' is not one of truth values, one a step. Give it an input of bool, of shape",
    ),
    "queries": (
        lambda x, m: L.MultiHeadAttention(2, 3, name="a")(x, x, attention_mask=K.expand_dims(m, 2)),
        "layer 'a': its attention_mask 'expand_dims' is not one of keys that all queries see alike. Give it the keys'",
    ),
    "query_mask": (
        lambda x, m: L.MultiHeadAttention(2, 3, name="a")(x, x, query_mask=m),
        "layer 'a': it is called with a query_mask, which Keras 3.15 ignores and other versions read. Mask the query",
    ),
    "other steps": (
        lambda x, n: L.LSTM(2, name="l")(x, mask=n),
        "layer 'l': its mask is 'l_mask' of shape (4, 1) for an input of shape (5, 4). Give it one bit for each step:",
    ),
    "softmax": (
        lambda x: L.Softmax(name="s")(x, mask=K.not_equal(x, 0)),
        "layer 's' (Softmax): it has a mask, and is not a softmax over the steps of one feature that is called",
    ),
    "three": (
        lambda x, m: L.MultiHeadAttention(2, 3, name="a")(
            x, L.Masking()(x), L.Masking()(x), attention_mask=m[:, None, :]
        ),
        "layer 'a' (MultiHeadAttention): its value, its key and its attention_mask each have a mask. Give it two of",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_other_masks_are_refused(form: str) -> None:
    make, text = REFUSED[form]
    with pytest.raises(UnsupportedError) as refused:
        loopwire.load(read_keras(make)[0])
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (torch.ones(3, STEPS, STEPS, dtype=torch.bool), "input 'm': it has 3 axes of truth values. Give truth values"),
        (
            torch.zeros(3, STEPS, STEPS),
            "its mask is computed in a way that is not read. Give a constant mask, of truths or",
        ),
    ],
)
def test_masks_of_each_query_are_refused(mask: Any, text: str) -> None:
    attend = Called(lambda q, x, m: functional.scaled_dot_product_attention(q(x), x, x, attn_mask=m), linear())
    with pytest.raises(UnsupportedError, match=text):
        loopwire.load(attend.eval(), example_inputs=(torch.ones(3, STEPS, FEATURES), mask))


@pytest.mark.parametrize("truth", [lambda x: x.bool(), lambda x: x.logical_not()])
def test_truth_of_each_feature_is_refused(truth: Callable[[Any], Any]) -> None:
    numbers = Called(lambda d, x, m: d(x) * m[..., None] * truth(x), linear())
    with pytest.raises(
        UnsupportedError, match=r"it reads a mask of shape \(\d+, 5, 4\) as numbers. Give a constant mask"
    ):
        loopwire.load(numbers.eval(), example_inputs=torch_data())
