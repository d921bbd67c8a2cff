"""Keras models that are graphs: the float reference within 1e-5 of Keras, and all emulators the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("torch")

import loopwire  # noqa: E402
from keras_graphs import GRAPHS  # noqa: E402
from keras_models import randomise, read_every_way  # noqa: E402
from loopwire.emulator.evaluate import evaluate_integers  # noqa: E402
from loopwire.emulator.fast_emulator import try_build  # noqa: E402
from loopwire.layers.model import Model  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras", "ignore:The structure of `inputs`")
TOLERANCE = 1e-5


def keras_outputs(model: Any, inputs: dict[str, Any]) -> list[Any]:
    given = [inputs[tensor.name].astype(np.float32) for tensor in model.inputs]
    outputs = model(given if len(given) > 1 else given[0], training=False)
    flat = list(outputs.values()) if isinstance(outputs, dict) else outputs
    flat = flat if isinstance(flat, list | tuple) else [flat]
    return [np.asarray(keras.ops.convert_to_numpy(y), np.float64) for y in flat]


def named_inputs(read: Model, count: int) -> dict[str, Any]:
    random = np.random.default_rng(3)
    return {tensor.name: random.normal(0, 2, (count, *tensor.shape)) for tensor in read.inputs}


@pytest.mark.parametrize("form", GRAPHS)
def test_graphs_equal_keras(form: str, tmp_path: Path) -> None:
    keras.backend.clear_session(free_memory=False)
    model = randomise(GRAPHS[form](), seed=5)
    for way, read in read_every_way(model, tmp_path).items():
        inputs = named_inputs(read, 6)
        by_keras_name = dict(zip((t.name for t in model.inputs), inputs.values(), strict=True))
        expected = keras_outputs(model, by_keras_name)
        found = loopwire.compile(read).predict_float(inputs)
        found = list(found.values()) if isinstance(found, dict) else [found]
        assert [y.shape for y in found] == [y.shape for y in expected], way
        for y, due in zip(found, expected, strict=True):
            np.testing.assert_allclose(y, due, rtol=TOLERANCE, atol=TOLERANCE, err_msg=way)


@pytest.mark.parametrize("form", GRAPHS)
def test_fast_emulator_equals_the_definition(form: str, tmp_path: Path) -> None:
    keras.backend.clear_session(free_memory=False)
    read = loopwire.load(randomise(GRAPHS[form](), seed=6))
    design = loopwire.compile(read)
    fast = try_build(design.graph)
    assert fast is not None
    integers, _ = design.input_integers(named_inputs(read, 20), None)
    lengths = np.random.default_rng(1).integers(1, design.steps, 20, endpoint=True)
    for given in (None, lengths):
        expected = evaluate_integers(design.graph, integers.arrays, given)
        for y, due in zip(fast(design.graph, integers.arrays, given), expected, strict=True):
            np.testing.assert_array_equal(y, due)
