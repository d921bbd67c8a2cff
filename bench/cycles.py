"""Cycles and nanoseconds by the delay model, designs of the jets and flavours on AMD parts.

python bench/cycles.py               a table: cycles predicted, stages of the loop, the loop's own bound
python bench/cycles.py 60            the same, each verified on so many sequences (minutes a design)
python bench/cycles.py stages        what each stage of the loops takes, operation by operation
"""

from __future__ import annotations

import math
import sys
import tomllib
from dataclasses import dataclass
from typing import Any

import numpy as np

import loopwire
from compile import DATA, ROOT, table
from loopwire.datapath import ops as dp
from loopwire.design import Design
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import LoopwireError
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


@dataclass(frozen=True)
class Case:
    """A model with `fixed<16,6>` or with types found, on a part at a clock."""

    model: str
    types: str | None
    part: str
    clock_period_ns: float

    def design(self) -> Design:
        """Compile it."""
        given: dict[str, Any] = {}
        if self.types:
            given = tomllib.loads((ROOT / "bench" / "types" / f"{self.types}.toml").read_text())
        config = {**given, "part": self.part, "clock_period_ns": self.clock_period_ns}
        return loopwire.compile(DATA / "models" / self.model, config)


CASES = [
    *(Case(model, None, part, 5.0) for part in PARTS for model in (LSTM, GRU)),
    *(Case(model, types, part, 5.0) for part in PARTS for model, types in ((LSTM, "jet_lstm"), (GRU, "jet_gru"))),
    Case(LSTM, "jet_lstm", "xcvu13p", 6.0),
    Case(GRU, "jet_gru", "xcvu13p", 5.5),
    *(Case(model, None, part, ns) for part, ns in PARTS.items() for model in (LSTM, GRU, FLAVOUR)),
]


def row(case: Case, count: int) -> list[str]:
    """Compile one design, verify it if asked to, and return its row."""
    start = [case.model, case.types or "fixed<16,6>", f"{case.part}, {case.clock_period_ns:g} ns"]
    try:
        design = case.design()
        firmware = design.firmware
    except LoopwireError as error:
        return [*start, str(error), "", "", ""]
    delays = DelayModel(design.device)
    budget_ns = delays.stage_budget_ns(case.clock_period_ns)
    least_ns = max(loop_ns(pipeline.datapath, OperationTimes(delays)) for pipeline in firmware.pipelines)
    simulated = ""
    if count:
        key = next(key for key in DATA_OF if key in case.model)
        sequences = np.load(DATA / DATA_OF[key])["X"].astype(float)
        checked = verify(design, sequences, count)
        assert isinstance(checked, Verification)
        simulated = f" / {checked.simulated.latency_cycles}"
    latency_ns = firmware.latency_cycles * case.clock_period_ns
    bound = f"{least_ns:.2f} ns, {math.ceil(least_ns / budget_ns)}"
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
