"""Cycles and nanoseconds by the delay model, designs of jets and flavours on AMD parts.

python bench/cycles.py               a table: cycles predicted, stages of the loop, the loop's own bound
python bench/cycles.py 60            the same, each verified on so many sequences (minutes a design)
python bench/cycles.py stages        what each stage of the loops takes, operation by operation
"""

from __future__ import annotations

import math
import sys
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import loopwire
from compile import DATA, ROOT, table
from loopwire.datapath import ops as dp
from loopwire.design import Design
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import LoopwireError
from loopwire.layers.activation import Function
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain
from loopwire.report.summary import Verification
from loopwire.timing.loop_delays import loop_ns
from loopwire.timing.operation_delays import OperationTimes
from loopwire.timing.pipeline import Pipeline
from loopwire.verification import verify

LSTM, GRU = "jet_lstm20_flat.h5", "jet_gru20_flat.h5"
FLAVOUR = "paper/5tagLSTM6FeatFINAL.h5"
PARTS = {"xcku115": 2.78, "xcvu13p": 2.5}
"""And the fastest clocks that are measured on them."""
DATA_OF = {"flav": "flavour_test21k.npz", "jet": "jets_test20k.npz", "5tag": "jets_test20k.npz"}


def of_random_weights() -> dict[str, Model]:
    """Return networks whose weights do not matter here: the jets' GRU of a talk, cells of the paper's flavour sizes."""
    random = np.random.default_rng(20)

    def w(*shape: int) -> np.ndarray:
        return random.normal(0.0, 0.3, shape)

    def network(name: str, steps: int, cell: Lstm | Gru, widths: tuple[int, ...], last: str) -> Model:
        functions = (*("relu",) * (len(widths) - 2), last)
        layers = zip(pairwise(widths), functions, strict=True)
        dense = (Dense(f"dense{k}", w(n, m), w(n), Function(f)) for k, ((m, n), f) in enumerate(layers, 1))
        return chain(name, (steps, cell.kernel.shape[1]), (cell, *dense), "bench")

    jets = Gru("gru", w(48, 6), w(48, 16), w(48), w(48))
    lstm = Lstm("lstm", w(256, 44), w(256, 64), w(256))
    gru = Gru("gru", w(192, 44), w(192, 64), w(192), w(192))
    return {
        "GRU(16)-64-32-5": network("jets", 20, jets, (16, 64, 32, 5), "softmax"),
        "LSTM(64)-64-32-16-1": network("flavours", 15, lstm, (64, 64, 32, 16, 1), "sigmoid"),
        "GRU(64)-64-32-16-1": network("flavours", 15, gru, (64, 64, 32, 16, 1), "sigmoid"),
    }


@dataclass(frozen=True)
class Case:
    """A model with `fixed<16,6>` or with types found, on a part at a clock."""

    model: str
    types: str | None
    part: str
    clock_period_ns: float
    reuse_factor: int = 1

    def design(self) -> Design:
        """Compile it."""
        given: dict[str, Any] = {}
        if self.types:
            given = tomllib.loads((ROOT / "bench" / "types" / f"{self.types}.toml").read_text())
        knobs = {"part": self.part, "clock_period_ns": self.clock_period_ns, "reuse_factor": self.reuse_factor}
        model = of_random_weights().get(self.model, DATA / "models" / self.model)
        return loopwire.compile(model, {**given, **knobs})


CASES = [
    *(Case(model, None, part, 5.0) for part in PARTS for model in (LSTM, GRU)),
    *(Case(model, types, part, 5.0) for part in PARTS for model, types in ((LSTM, "jet_lstm"), (GRU, "jet_gru"))),
    Case(LSTM, "jet_lstm", "xcvu13p", 5.9),
    Case(GRU, "jet_gru", "xcvu13p", 5.7),
    *(Case(model, None, part, ns) for part, ns in PARTS.items() for model in (LSTM, GRU, FLAVOUR)),
    *(Case("GRU(16)-64-32-5", None, part, 5.0) for part in PARTS),
    *(
        Case(f"{cell}(64)-64-32-16-1", None, part, 5.0, reuse_factor)
        for part, reuse_factor in (("xcku115", 8), ("xcvu13p", 4))
        for cell in ("LSTM", "GRU")
    ),
]


def row(case: Case, count: int) -> list[str]:
    """Compile one design, verify it if asked to, and return its row."""
    shared = f", R = {case.reuse_factor}" if case.reuse_factor > 1 else ""
    start = [case.model, case.types or "fixed<16,6>", f"{case.part}, {case.clock_period_ns:g} ns{shared}"]
    try:
        design = case.design()
        firmware = design.firmware
    except LoopwireError as error:
        return [*start, str(error), "", "", ""]
    delays = DelayModel(design.device)
    budget_ns = delays.stage_budget_ns(case.clock_period_ns)
    loops = [(loop_ns(each.datapath, OperationTimes(delays)), each.datapath.sharing) for each in firmware.pipelines]
    least_ns, sharing = max(loops, key=lambda loop: loop[0])
    least_stages = math.ceil(least_ns / budget_ns) + sharing.gather_cycles - 1
    simulated = ""
    if count:
        key = next((key for key in DATA_OF if key in case.model), None)
        sequences = np.load(DATA / DATA_OF[key])["X"].astype(float) if key else design.random_inputs(count)
        checked = verify(design, sequences, count)
        assert isinstance(checked, Verification)
        simulated = f" / {checked.simulated.latency_cycles}"
    latency_ns = firmware.latency_cycles * case.clock_period_ns
    bound = f"{least_ns:.2f} ns, {least_stages}"
    stages = f"{firmware.loop_latency_cycles}"
    return [*start, f"{firmware.latency_cycles}{simulated}", f"{latency_ns:.0f}", stages, bound]


def print_stages(pipeline: Pipeline) -> None:
    """Print where each operation is, and when its result is there."""
    rows = []
    for operation, placement in sorted(pipeline.placements.items(), key=lambda placed: placed[1].time):
        if placement.first_stage >= pipeline.input_stage and not isinstance(operation.kind, dp.Wire):
            stage, ns = placement.time
            given = ", ".join(f"{operand.name} ({operand.width})" for operand in operation.operands)
            what, result = type(operation.kind).__name__, operation.result
            rows.append([f"{stage}", f"{ns:.2f}", what, f"{result.count} × {result.width}", result.name, given])
    table(["stage", "ns", "operation", "bits", "result", "of"], rows)


def main() -> None:
    """Print the table, or the stages."""
    asked = sys.argv[1] if len(sys.argv) > 1 else "0"
    if asked == "stages":
        for case in CASES:
            print(f"{case}\n")
            for pipeline in case.design().firmware.pipelines:
                print_stages(pipeline)
        return
    head = ["model", "types", "part, clock", "cycles", "ns", "stages of the loop", "its operations, stages at least"]
    table(head, [row(case, int(asked)) for case in CASES])


if __name__ == "__main__":
    main()
