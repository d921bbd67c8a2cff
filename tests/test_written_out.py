"""Functions that PyTorch modules write out become the layers that Loopwire has, exported either way, within 1e-5."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

import loopwire  # noqa: E402
from loopwire.layers.activation import Activation, Function  # noqa: E402
from loopwire.layers.model import Input, Model  # noqa: E402
from loopwire.layers.reals import REALS  # noqa: E402
from torch_models import check_outputs, compare, made, sequences  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
Form = tuple[Callable[[Any], Any], str]


def divided(powers: Any, axis: int = -1) -> Any:
    return powers / powers.sum(axis, keepdim=True)


def centred(x: Any, axis: Any = -1) -> Any:
    return x - x.mean(axis, keepdim=True)


def normal(x: Any, axis: Any = -1, epsilon: float = 1e-5) -> Any:
    return centred(x, axis) / torch.sqrt((centred(x, axis) ** 2).mean(axis, keepdim=True) + epsilon)


def mean(x: Any) -> Any:
    return x.mean(-1, keepdim=True)


def variance(x: Any) -> Any:
    return x.var(-1, keepdim=True, correction=0)


FEATURES = torch.tensor([0.5, 2.0, -1.0])
OF_ELEMENTS: dict[str, Form] = {
    "sigmoid": (lambda x: 1 / (1 + torch.exp(-x)), "sigmoid"),
    "sigmoid, a quotient": (lambda x: torch.exp(x) / (1 + torch.exp(x)), "sigmoid"),
    "tanh": (lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x)), "tanh"),
    "softplus": (lambda x: torch.log(1 + torch.exp(x)), "softplus"),
    "softplus, safe": (lambda x: torch.relu(x) + torch.log1p(torch.exp(-x.abs())), "softplus"),
    "softplus above a threshold": (lambda x: torch.where(x > 20, x, torch.log1p(torch.exp(x))), "softplus"),
    "SiLU": (lambda x: x * torch.sigmoid(x), "silu"),
    "SiLU, a quotient": (lambda x: x / (1 + torch.exp(-x)), "silu"),
    "GELU": (lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)), "gelu"),
    "GELU by tanh": (
        lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
        "gelu_tanh",
    ),
    "Mish": (lambda x: x * torch.tanh(torch.log(1 + torch.exp(x))), "mish"),
    "Hardswish": (lambda x: x * torch.clamp(x + 3, 0, 6) / 6, "hard_silu"),
    "Softsign": (lambda x: x / (1 + x.abs()), "softsign"),
    "ELU": (lambda x: torch.where(x > 0, x, torch.exp(x) - 1), "elu"),
    "squareplus": (lambda x: 0.5 * (x + torch.sqrt(x * x + 4)), "squareplus"),
}
SCALED: dict[str, Form] = {
    "softplus of a beta": (lambda x: torch.log1p(torch.exp(3 * x)) / 3, "BatchNormalization"),
    "GELU by sigmoid": (lambda x: x * torch.sigmoid(1.702 * x), "BatchNormalization"),
}
OF_VECTORS: dict[str, Form] = {
    "softmax": (lambda x: divided(torch.exp(x)), "softmax"),
    "softmax, safe": (lambda x: divided(torch.exp(x - x.amax(-1, keepdim=True))), "softmax"),
    "softmax of steps": (lambda x: divided(torch.exp(x - x.amax(1, keepdim=True)), 1), "Softmax"),
    "log softmax": (lambda x: x - torch.log(torch.exp(x).sum(-1, keepdim=True)), "log_softmax"),
    "log of a softmax": (lambda x: torch.log(torch.softmax(x, -1)), "log_softmax"),
    "log of exponentials": (lambda x: torch.log(torch.exp(x).sum(-1, keepdim=True)), "Subtract"),
    "length": (lambda x: (x**2).sum(-1).sqrt(), "EuclideanNorm"),
    "normalize": (lambda x: F.normalize(x, dim=-1), "LayerNormalization"),
    "of length 1": (lambda x: x / (x * x).sum(-1, keepdim=True).sqrt().clamp_min(1e-6), "LayerNormalization"),
    "normalize of steps": (lambda x: F.normalize(x, dim=1), "Permute"),
}
NORMALISATIONS: dict[str, Form] = {
    "layer norm": (normal, "LayerNormalization"),
    "layer norm by rsqrt": (
        lambda x: centred(x) * torch.rsqrt(mean(x * x) - mean(x) ** 2 + 1e-5),
        "LayerNormalization",
    ),
    "layer norm by a power": (lambda x: centred(x) * (variance(x) + 1e-3) ** -0.5, "LayerNormalization"),
    "with weights": (lambda x: FEATURES * centred(x) / (variance(x) + 1e-3).sqrt() + FEATURES, "LayerNormalization"),
    "layer norm of steps": (lambda x: normal(x, 1), "NormalizationOverSteps"),
    "layer norm of all": (lambda x: normal(x, (1, 2)), "NormalizationOverSteps"),
    "RMS norm": (lambda x: x * torch.rsqrt(mean(x.pow(2)) + 1e-6) * FEATURES, "LayerNormalization"),
}
OTHERS: dict[str, Form] = {
    "nearly a GELU by tanh": (lambda x: 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.045 * x**3))), "Multiply"),
    "nearly a layer norm": (lambda x: centred(x) / (x.std(-1, keepdim=True) + 0.01), "Divide"),
    "shares with more in the sum": (lambda x: torch.exp(x) / (1 + torch.exp(x).sum(-1, keepdim=True)), "Divide"),
    "root": (lambda x: torch.sqrt(1 + x * x), "SquareRoot"),
    "power": (lambda x: (1 + x * x) ** 1.5, "Multiply"),
    "logarithm": (lambda x: torch.log1p(x.square()), "Logarithm"),
    "chosen": (lambda x: torch.where(x.flip(1) >= x, x, mean(x)), "Choose"),
    "chosen by a feature": (lambda x: torch.where(x[..., :1] < 0, 0.25, x), "Choose"),
    "filled": (lambda x: x.masked_fill(x <= -0.125, 0.5), "Choose"),
    "masked": (lambda x: x * (x > 0), "Multiply"),
    "GELU with a bound far from 0": (lambda x: F.gelu(x).clamp(max=8), "BatchNormalization"),
    "chosen by a constant": (lambda x: torch.where(torch.tensor([True, False, True]), x, 0.5), "BatchNormalization"),
}
GROUPS: dict[str, Mapping[str, Form]] = {
    "elements": OF_ELEMENTS,
    "scaled": SCALED,
    "vectors": OF_VECTORS,
    "normalisations": NORMALISATIONS,
    "others": OTHERS,
}


def module_of(forms: Mapping[str, Form]) -> nn.Module:
    return made(lambda s, x: tuple(form(2 * s.l(x)) for form, _ in forms.values()), l=nn.Linear(3, 3))


def kinds(model: Model) -> list[str]:
    """Return what makes the outputs: the functions of activations, the kinds of other layers."""
    makers = {output: call.layer for call in model.calls for output in call.outputs}
    layers = [makers[output] for output in model.outputs]
    return [layer.function.name if isinstance(layer, Activation) else layer.kind for layer in layers]


@pytest.mark.parametrize("name", GROUPS)
def test_functions_are_recognised_by_what_they_compute(name: str, tmp_path: Path) -> None:
    forms = GROUPS[name]
    model = compare(module_of(forms), [sequences()], tmp_path / "m.pt2")
    assert dict(zip(forms, kinds(model), strict=True)) == {form: kind for form, (_, kind) in forms.items()}


@pytest.mark.parametrize("name", ["elements", "vectors", "normalisations"])
def test_they_are_in_what_is_exported_to_onnx(name: str, tmp_path: Path) -> None:
    forms, path = GROUPS[name], tmp_path / "m.onnx"
    module = module_of(forms)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(module, (sequences(),), path, dynamo=False, opset_version=13)
    model = loopwire.load(path)
    check_outputs(model, module, [sequences()])
    assert dict(zip(forms, kinds(model), strict=True)) == {form: kind for form, (_, kind) in forms.items()}


def test_modules_that_old_exporters_write_out(tmp_path: Path) -> None:
    """Those of opset 13, which has no operator for them."""
    parts = {"n": nn.LayerNorm(3), "g": nn.GELU(), "m": nn.Mish(), "h": nn.Hardswish(), "s": nn.SiLU()}
    module = made(lambda s, x: s.s(s.h(s.m(s.g(s.n(s.l(x)))))), l=nn.Linear(3, 3), **parts)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(module, (sequences(),), tmp_path / "m.onnx", dynamo=False, opset_version=13)
    model = loopwire.load(tmp_path / "m.onnx")
    check_outputs(model, module, [sequences()])
    written = [layer.function.name if isinstance(layer, Activation) else layer.kind for layer in model.layers]
    assert written == ["Dense", "LayerNormalization", "gelu", "mish", "hard_silu", "silu"]


def test_formulas_are_what_activations_compute() -> None:
    options = {
        "leaky_relu": {"slope": 0.1},
        "hard_sigmoid": {"slope": 0.2, "offset": 0.5},
        "elu": {"slope": 1.5},
        "relu": {"maximum": 2.0, "slope": 0.25},
    }
    functions = [Function(name, **options.get(name, {})) for name in REALS if name != "linear"]  # type: ignore[arg-type]
    x = Input((4,))
    model = Model.of("m", x, [Activation(function.name, function)(x) for function in functions])
    given = np.random.default_rng(0).uniform(-8, 8, (50, 4))
    found = loopwire.compile(model).predict_float(given)
    for function in functions:
        np.testing.assert_allclose(found[function.name], REALS[function.name](given, function), atol=1e-12)
