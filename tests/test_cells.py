"""Cells of the literature: their numbers against the papers' equations, and the loops that the planner finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from cell_models import CELLS
from hls_designs import lowered
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.emulator.evaluate import evaluate_integers, evaluate_real
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import UnsupportedError
from loopwire.ir.types import FixedType
from loopwire.layers import cells
from loopwire.layers.cell import Cell
from loopwire.layers.cells.lru import Lru
from loopwire.layers.cells.min_gru import MinGru
from loopwire.layers.dense import Dense
from loopwire.layers.diagonal import zero_order_hold
from loopwire.layers.emitter import Emitter
from loopwire.layers.model import chain
from loopwire.layers.roles import Role

STEPS, FEATURES, UNITS = 6, 3, 4
EXACT = 1e-12


def weights(seed: int) -> Any:
    random = np.random.default_rng(seed)
    return lambda *shape: random.normal(0, 0.7, shape)


def cell_of(name: str, **options: Any) -> Cell:
    return CELLS[name].make(weights(len(name)), "cell", FEATURES, UNITS, **options)


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_real_numbers_are_those_of_the_paper(name: str, every: bool) -> None:
    cell = cell_of(name, return_sequences=every)
    x = np.random.default_rng(1).normal(0, 1, (5, STEPS, FEATURES))
    (found,) = evaluate_real(lowered((STEPS, FEATURES), [cell]), (x,))
    expected = np.array([list(CELLS[name].run(cell, sequence)) for sequence in x])
    assert np.abs(found - (expected if every else expected[:, -1])).max() < EXACT


@pytest.mark.parametrize("name", CELLS)
def test_fast_emulator_gives_the_integers_of_the_definition(name: str) -> None:
    graph = lowered((STEPS, FEATURES), [cell_of(name, return_sequences=True)])
    element = graph.inputs[0].type.element
    shape = (40, STEPS, FEATURES)
    x = np.random.default_rng(2).integers(element.min_integer, element.max_integer, shape, endpoint=True)
    lengths = np.random.default_rng(3).integers(1, STEPS, len(x), endpoint=True)
    fast = try_build(graph)
    assert fast is not None
    assert np.array_equal(fast.run(x, lengths), evaluate_integers(graph, (x,), lengths)[0])


def test_states_after_the_last_step_are_handed_on_and_taken() -> None:
    cell = cell_of("sru", return_state=True)
    x = np.random.default_rng(1).normal(0, 1, (2, STEPS, FEATURES))
    model_shapes = cell.results([chain("m", (STEPS, FEATURES), [], "test").inputs[0]])
    assert model_shapes == {"": (UNITS,), "h": (UNITS,), "c": (UNITS,)}
    (found,) = evaluate_real(lowered((STEPS, FEATURES), [cell]), (x,))
    assert found.shape == (2, UNITS)


def test_zero_order_hold_follows_the_differential_equation() -> None:
    rates, kernel = np.array([-0.5 + 2j, -1.0 + 0j]), np.array([[1.0], [2.0 - 1j]])
    diagonal, inputs = zero_order_hold(rates, kernel, 0.3)
    h, fine = np.zeros(2, complex), 20000
    for _ in range(fine):
        h = h + 0.3 / fine * (rates * h + kernel[:, 0])
    assert np.abs(inputs[:, 0] - h).max() < 1e-4
    assert np.allclose(diagonal, np.exp(0.3 * rates))


def planned(layers: list[Any], period_ns: float) -> Any:
    model = chain("cells", (20, 6), layers, "test")
    settings = {"part": "xcvu13p", "clock_period_ns": period_ns, "model": {"precision": "fixed<16,6>"}}
    return compile_silently(model, CompileConfig.from_dict(settings)).firmware


def min_gru(w: Any) -> list[Any]:
    return [MinGru("cell", 0.5 * w(40, 6), w(40)), Dense("head", 0.5 * w(5, 20), w(5))]


def test_where_no_gate_reads_the_state_the_loop_is_one_cycle() -> None:
    at_5_ns, fast = planned(min_gru(weights(1)), 5.0), planned(min_gru(weights(1)), 2.95)
    assert at_5_ns.engines[0].round_cycles == fast.engines[0].round_cycles == 1
    assert at_5_ns.latency_cycles <= 24
    assert fast.latency_cycles * 2.95 <= 90


def test_a_complex_diagonal_takes_two_cycles_a_step_at_most() -> None:
    w = weights(2)
    layers = [w(16, 6) + 1j * w(16, 6), w(20, 16) + 1j * w(20, 16)]
    diagonal = 0.9 * np.exp(1j * w(16))
    firmware = planned([Lru("cell", diagonal, *layers, w(20, 6)), Dense("head", 0.5 * w(5, 20), w(5))], 5.0)
    assert firmware.engines[0].round_cycles <= 2
    assert firmware.latency_cycles <= 45


class Careless(MinGru):
    def step(self, e: Emitter, states: Any, x: Any) -> Any:
        (h,) = super().step(e, states, x)
        return {"shape": [e.b.slice(h, 0, 1)], "count": [h, h], "no tuple": h, "nothing": None}[self.name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shape", "a step of MinGRU makes fixed<12,4,RND,SAT>[1] of its state h, which is fixed<12,4,RND,SAT>[2]. "),
        ("count", "a step of MinGRU returns 2 states of 1. Return h"),
        ("no tuple", "a step of MinGRU returns a Value, not a tuple of its states. Return (h,)"),
        ("nothing", "a step of MinGRU returns a NoneType, not a tuple of its states. Return (h,)"),
    ],
)
def test_a_step_that_returns_other_states_is_refused(name: str, text: str) -> None:
    w = weights(1)
    with pytest.raises(UnsupportedError) as refused:
        lowered((4, 3), [Careless(name, w(4, 3), w(4))])
    assert str(refused.value).startswith(f"layer {name!r}: {text}")


def test_layers_called_on_other_inputs_are_refused() -> None:
    x, mask, w = loopwire.Input((4, 3)), loopwire.Input((4, 1), "m"), weights(1)
    with pytest.raises(
        UnsupportedError, match=r"layer .d.: a Dense layer got .x. of shape .*, .m. of shape .*Call it on"
    ):
        Dense("d", w(2, 3), w(2))(x, mask)
    with pytest.raises(UnsupportedError, match=r"layer .g.: it reads a mask, and got none\. Call it on the sequence"):
        MinGru("g", w(4, 3), w(4), masked=True)(x)


def test_types_are_set_by_roles_that_a_cell_brings() -> None:
    model = chain("m", (4, 3), [cell_of("min_lstm")], "test")
    config = CompileConfig.from_dict({"kind": {"MinLSTM": {"log_gate": "fixed<20,7>", "gate": "fixed<9,2>"}}})
    graph = compile_silently(model, config).graph
    made = {value.name: value.type.element for node in graph.walk() for value in node.results}
    assert made["cell.minus_log_f"] == FixedType.parse("fixed<20,7>")
    assert made["cell.s"] == FixedType.parse("fixed<9,2>")
    assert Role.GATE in model.layers[0].roles


def test_a_cell_is_a_page() -> None:
    files = Path(cells.__path__[0]).glob("*.py")
    assert all(len(file.read_text().splitlines()) <= 60 for file in files)
