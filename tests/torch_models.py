"""PyTorch modules for tests: compared with Loopwire's float reference, live and as files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import loopwire
from loopwire.frontends.reading import Reading
from loopwire.frontends.torch.model import read_torch
from loopwire.layers.model import Model

TOLERANCE = 1e-5
SEQUENCES = 3
Array = npt.NDArray[np.float64]


def randomised(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Return a module in evaluation, with random weights and statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point():
                drawn = torch.rand(tensor.shape, generator=generator) * 1.2 - 0.6
                tensor.copy_(drawn.abs() + 0.1 if "var" in name else drawn)
    return module.eval()


def made(forward: Callable[..., Any], **parts: Any) -> torch.nn.Module:
    """Return a module of these parts, whose forward is a function of it and its inputs."""

    class Made(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, *inputs: Any) -> Any:
            return forward(self, *inputs)

    return randomised(Made())


def sequences(batch_first: bool = True, features: int = 3, steps: int = 5) -> Any:
    """Return random sequences."""
    generator = torch.Generator().manual_seed(5)
    return (
        torch.rand((SEQUENCES, steps, features) if batch_first else (steps, SEQUENCES, features), generator=generator)
        - 0.5
    )


def exported(module: torch.nn.Module, inputs: Sequence[torch.Tensor], **options: Any) -> Any:
    """Return the module's exported program."""
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        return torch.export.export(module, tuple(inputs), **options)


def saved(module: torch.nn.Module, inputs: Sequence[torch.Tensor], path: Path, **options: Any) -> Path:
    """Save the module's exported program."""
    with warnings.catch_warnings(action="ignore"):
        torch.export.save(exported(module, inputs, **options), path)
    return path


def read_both(module: torch.nn.Module, inputs: Sequence[torch.Tensor], path: Path, **options: Any) -> Model:
    """Read a module live and as a file; return what the file gives, which must be what the module gives."""
    with warnings.catch_warnings(action="ignore"):
        live = read_torch(module, Reading(example_inputs=tuple(inputs)))
    model = read_torch(saved(module, inputs, path, **options), Reading(trust=True))
    assert graph_text(live) == graph_text(model)
    return model


def graph_text(model: Model) -> str:
    """Return what tells models apart: calls with shapes, and all weights."""
    lines = []
    for call in model.calls:
        values = {key: value for key, value in vars(call.layer).items() if key != "name"}
        arrays = {k: (v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for k, v in values.items()}
        lines.append(f"{call.layer.name} {call.layer.kind} {arrays} {call.inputs} {call.outputs}")
    return "\n".join(lines)


def compare(module: torch.nn.Module, inputs: Sequence[torch.Tensor], path: Path, **options: Any) -> Model:
    """Compare what PyTorch computes with the float reference of the module, live and saved; return the model."""
    model = read_both(module, inputs, path, **options)
    check_outputs(model, module, inputs)
    return model


def check_outputs(model: Model, module: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> None:
    """Compare on the inputs: batch first, but where the model's input has another axis for it."""
    with torch.no_grad():
        results = module(*inputs)
    expected = [tensor.numpy() for tensor in _flat(results)]
    given = dict(zip((t.name for t in model.inputs), _columns(model, inputs), strict=True))
    outputs = loopwire.compile(model).predict_float(given if len(given) > 1 else next(iter(given.values())))
    got = list(outputs.values()) if isinstance(outputs, Mapping) else [outputs]
    numbers = np.sort(np.concatenate([array.ravel() for array in expected]))
    np.testing.assert_allclose(
        np.sort(np.concatenate([array.ravel() for array in got])), numbers, rtol=TOLERANCE, atol=TOLERANCE
    )
    if len(got) == len(expected):
        for mine, theirs in zip(got, expected, strict=True):
            if mine.shape != theirs.shape and mine.ndim == theirs.ndim == 3:
                theirs = theirs.swapaxes(0, 1)
            np.testing.assert_allclose(mine.reshape(theirs.shape), theirs, rtol=TOLERANCE, atol=TOLERANCE)


def _flat(results: Any) -> list[torch.Tensor]:
    if isinstance(results, torch.Tensor):
        return [results]
    return [tensor for part in results for tensor in _flat(part)]


def _columns(model: Model, inputs: Sequence[torch.Tensor]) -> list[Array]:
    """Return arrays for the model's inputs: (N, …) each, of tensors (N, …), (T, N, F) or (L, N, U)."""
    arrays: list[Array] = []
    shapes = [tensor.shape for tensor in model.inputs]
    for tensor in inputs:
        array = tensor.double().numpy()
        shape = shapes[len(arrays)]
        if array.ndim == 3 and len(shape) == 1:
            arrays += list(array)
        elif array.shape[1:] == shape or (array.ndim == len(shape) + 1 and array.shape[1] == shape[0]):
            arrays.append(array)
        elif array.ndim == 3:
            arrays.append(array.swapaxes(0, 1))
        else:
            arrays.append(array.reshape(-1, *shape))
    return arrays
