"""A process that runs one emulator of Loopwire: `emulator_worker.py <case> <numpy | fast | fast-all-cores>`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emulator_cases import CASES, Case
from loopwire.config import CompileConfig
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.frontends.keras.model import read_keras
from loopwire.ir.fixed_point import quantise
from loopwire.ir.graph import Graph
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain
from loopwire.passes.lower import lower
from loopwire.type_choice import TypeChoice
from serve_runs import serve_runs


def graph_of(case: Case) -> Graph:
    """Lower a case's model, all tensors in the default type."""
    model = read_keras(case.file) if case.file else _model(case)
    choice = TypeChoice(CompileConfig(), model)
    return lower(model, choice.input_type(), choice.layer_types)


def _model(case: Case) -> Model:
    kernel, recurrent_kernel, bias = case.lstm
    layers = [
        Lstm("lstm", kernel.T, recurrent_kernel.T, bias),
        *(
            Dense(f"dense_{k}", dense.kernel.T, dense.bias, Function(dense.activation))
            for k, dense in enumerate(case.dense)
        ),
    ]
    return chain(case.name, case.inputs.shape[1:], tuple(layers), source="random weights")


def _runner(case: Case, emulator: str) -> tuple[Callable[[npt.NDArray[np.int64]], object], npt.NDArray[np.int64]]:
    graph = graph_of(case)
    x = quantise(case.inputs, graph.inputs[0].type.element)
    fast = try_build(graph)
    assert fast is not None, "there is a compiler and the model is within the machine's limits"
    few = x[: case.numpy_sequences]
    assert np.array_equal(fast.run(few), evaluate_integers(graph, [few])[0]), "the emulators agree"
    if emulator == "numpy":
        return lambda batch: evaluate_integers(graph, [batch]), few
    threads = None if emulator == "fast-all-cores" else 1
    return lambda batch: fast.run(batch, threads=threads), x


if __name__ == "__main__":
    runner, batch = _runner(CASES[sys.argv[1]](), sys.argv[2])
    serve_runs(lambda: runner(batch), len(batch))
