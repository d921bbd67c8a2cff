"""Sums of products by an equation, and sums of what has been so far: PyTorch's and onnxruntime's numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from torch import nn  # noqa: E402

import loopwire  # noqa: E402
from keras_models import keras, randomise  # noqa: E402
from loopwire.compiler import compile_silently  # noqa: E402
from loopwire.errors import ModelFileError, UnsupportedError  # noqa: E402
from onnx_models import close, model_of, node, reference, results, saved  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
T, F = 5, 4


class Called(nn.Module):  # type: ignore[misc]
    """A function of a layer, a matrix, matrices of two heads, a vector, and inputs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(2)
        self.dense = nn.Linear(F, F)
        self.w, self.heads, self.v = (
            nn.Parameter(torch.randn(shape, generator=random)) for shape in ((F, 3), (2, F, 3), (F,))
        )
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        """Call it."""
        return self.function(self, *inputs)


def attention(m: Any, x: Any) -> Any:
    h = m.dense(x).reshape(*x.shape[:2], 2, 2)
    shares = torch.einsum("bqhd,bkhd->bhqk", h, h).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", shares, h).reshape(x.shape)


def pooled(m: Any, x: Any) -> Any:
    return torch.einsum("bt,btd->bd", (x @ m.v).softmax(1), x)


FORMS: dict[str, Callable[..., Any]] = {
    "matrix": lambda m, x: torch.einsum("btf,fg->btg", x, m.w),
    "matrix first": lambda m, x: torch.einsum("fg,btf->btg", m.w, x),
    "ellipsis": lambda m, x: torch.einsum("...f,fg->...g", x, m.w),
    "heads": lambda m, x: torch.einsum("btf,hfg->bthg", x, m.heads).flatten(2),
    "all elements": lambda m, x: torch.einsum("btf,tfg->bg", x, m.heads[:1].expand(T, F, 3)),
    "vector": lambda m, x: torch.einsum("btf,f->bt", x, m.v),
    "scaled": lambda m, x: torch.einsum("btf,f->btf", x, m.v),
    "summed": lambda m, x: torch.einsum("btf->bf", x),
    "turned": lambda m, x: m.dense(torch.einsum("btf->bft", x).mT),
    "scores": lambda m, x: torch.einsum("bqf,bkf->bqk", m.dense(x), x).softmax(-1) @ x,
    "attention": attention,
    "attention that pools": pooled,
    "step by step": lambda m, x: torch.einsum("btf,btf->bt", m.dense(x), x),
    "by a vector": lambda m, x: torch.einsum("btf,bf->btf", x, m.dense(x).sum(1)),
    "so far": lambda m, x: x.cumsum(1),
    "features so far": lambda m, x: m.dense(x).cumsum(-1),
    "from the end": lambda m, x: m.dense(x.flip(1).cumsum(1).flip(1)),
    "mean so far": lambda m, x: x.cumsum(1) / torch.arange(1, T + 1)[:, None],
}


@pytest.mark.parametrize("form", FORMS)
def test_numbers_are_those_of_pytorch(form: str) -> None:
    module, x = Called(FORMS[form]).eval(), torch.randn(6, T, F)
    found = compile_silently(loopwire.load(module, example_inputs=(x,))).predict_float(x.numpy())
    expected = module(x).detach().numpy()
    assert np.abs(found.reshape(expected.shape) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("btf,fg,g->bt", ((F, 3), (3,))),
        ("btf,ff->btf", ((F, F),)),
        ("btf,fg->bth", ((F, 3),)),
        ("btf,fg->btg", ((F + 1, 3),)),
        ("b.f,fg->bg", ((F, 3),)),
    ],
)
def test_other_equations_are_refused(equation: str, shapes: Any, tmp_path: Path) -> None:
    constants = {f"w{k}": np.ones(shape) for k, shape in enumerate(shapes)}
    nodes = [node("Einsum", ["x", *constants], ["y"], equation=equation, name="sum")]
    path = saved(model_of(nodes, {"x": ("batch", T, F)}, ["y"], constants), tmp_path / "m.onnx")
    with pytest.raises((UnsupportedError, ModelFileError), match=r"node 'sum' \(Einsum\): its equation is 'b"):
        loopwire.load(path, trust=True)


X = np.random.default_rng(1).normal(0, 1, (3, T, F)).astype(np.float32)


def in_onnx(path: Path, nodes: list[Any], constants: dict[str, Any]) -> Path:
    return saved(model_of(nodes, {"x": ("batch", T, F)}, ["y"], constants), path)


def test_operators_are_what_onnxruntime_computes(tmp_path: Path) -> None:
    nodes = [
        node("Einsum", ["x", "w"], ["h"], equation="btf,fg->btg"),
        node("Einsum", ["h", "h"], ["s"], equation="btg,bsg->bts"),
        node("Softmax", ["s"], ["a"]),
        node("Einsum", ["a", "h"], ["m"], equation="bts,bsg->btg"),
        node("CumSum", ["m", "axis"], ["y"]),
    ]
    constants = {"w": np.random.default_rng(0).normal(0, 1, (F, 3)), "axis": np.array(1, np.int64)}
    path = in_onnx(tmp_path / "m.onnx", nodes, constants)
    close(results(loopwire.load(path), {"x": X}), reference(path, {"x": X}))


def test_a_sum_that_leaves_its_own_step_out_is_refused(tmp_path: Path) -> None:
    nodes = [node("CumSum", ["x", "axis"], ["y"], exclusive=1, name="sum")]
    path = in_onnx(tmp_path / "m.onnx", nodes, {"axis": np.array(1, np.int64)})
    with pytest.raises(
        UnsupportedError, match=r"node 'sum' \(CumSum\): attribute exclusive=1 is not supported. Reverse"
    ):
        loopwire.load(path)


def test_layers_of_keras() -> None:
    x = keras.Input((T, F))
    dense = keras.layers.EinsumDense("abc,cd->abd", (None, 3), activation="tanh", bias_axes="d")
    plain = keras.layers.EinsumDense("...x,xy->...y", (T, 2))
    model = randomise(keras.Model(x, plain(dense(x))))
    found = compile_silently(loopwire.load(model)).predict_float(X)
    assert np.abs(found - model.predict(X, verbose=0)).max() < 1e-5
    steps = keras.Sequential([x, keras.layers.EinsumDense("abc,bd->adc", (2, None), name="e")])
    with pytest.raises(UnsupportedError, match=r"layer 'e' \(EinsumDense\): option equation='abc,bd->adc' is not supp"):
        loopwire.load(steps)


def test_states_of_several_cells_are_outputs_in_lists() -> None:
    x = keras.Input((T, F))
    cells = [keras.layers.LSTMCell(3), keras.layers.GRUCell(2)]
    model = randomise(keras.Model(x, keras.layers.RNN(cells, return_state=True)(x)))
    found = compile_silently(loopwire.load(model)).predict_float(X)
    expected = keras.tree.flatten(model.predict(X, verbose=0))
    for got, due in zip(found.values(), expected, strict=True):
        assert np.abs(got - due).max() < 1e-5
