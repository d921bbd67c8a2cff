"""Compares the area of one LSTM step with what alkaid itself writes for the same numbers, synthesised alike.

`python bench/alkaid_step.py [part ...]`. alkaid traces the step op by op: the same weights, types, rounding, saturation
and activation tables, and no saturation where a table clamps further inside. Both must give the same integers on random
numbers. Ours is the layer's module at a reuse factor of 1, with what only it has: the states' registers, and the
multiplexers that hold or clear them. alkaid's step is cut into as many stages by its own pipelining. Yosys is given the
same commands for both.

The model is in the folder $LOOPWIRE_DATA, else ../shared/data; its types are those that the search found.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from alkaid.codegen import RTLModel
from alkaid.trace import FVArray, HWConfig, trace
from alkaid.types import CombLogic

import loopwire
from compile import DATA, ROOT, table
from loopwire.design import Design
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers, to_real
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import table_form
from loopwire.ir.table_form import TableForm
from loopwire.ir.types import FixedType
from loopwire.tools.fabrics import DSPS, FFS, LUTS, Fabric, fabric_of
from loopwire.tools.yosys import find_yosys

MODEL = DATA / "models" / "jet_lstm20_flat.h5"
TYPES = ROOT / "bench" / "types" / "jet_lstm.toml"
LAYER = "lstm1"
PARTS = {"xcvu13p": 5.0, "LFE5U-85F-8BG381C": 9.8}
"""With the clock period asked for, in nanoseconds."""
SAMPLES = 20_000
HARDWARE = HWConfig(1, 1, -1)
"""What adders cost, as alkaid's command line assumes."""
COUNTED = (LUTS, FFS, DSPS)


@dataclass(frozen=True)
class Style:
    """What a user of alkaid may choose.

    Attributes:
        deeper: levels of adders beyond the least that its solver may use; -1: any number. Its command line gives 5.
        bipartite: whether an activation is two tables and an adder, as ours, or one table.
        ternary: whether sums of three terms are written as one.
    """

    deeper: int
    bipartite: bool
    ternary: bool

    def __str__(self) -> str:
        tables = "two tables" if self.bipartite else "one table"
        return f"hard_dc={self.deeper}, {tables}, {'ternary' if self.ternary else 'binary'} adders"


STYLES = (Style(5, bipartite=False, ternary=True), Style(-1, bipartite=True, ternary=False))
"""As its command line would have it, and the least by its own count of cost."""


def compiled(part: str) -> Design:
    """Return the network, compiled for a part."""
    config = loopwire.CompileConfig.from_toml(TYPES)
    return loopwire.compile(loopwire.load(MODEL), replace(config, part=part, clock_period_ns=PARTS[part]))


def step_of(design: Design) -> Graph:
    """Return the layer's step: states and input to the states that follow."""
    (scan,) = (node.op for node in design.graph.nodes if isinstance(node.op, ops.Scan))
    return Graph(scan.body.inputs, scan.body.nodes, scan.body.outputs[: scan.states])


def traced(step: Graph, style: Style) -> CombLogic:
    """Return the step as alkaid optimises it; inputs and outputs are those of the graph, one after another."""
    options = {"hard_dc": style.deeper}
    given = [FVArray.from_kif(*_kif(value), hwconf=HARDWARE, solver_options=options) for value in step.inputs]
    known: dict[Value, Any] = dict(zip(step.inputs, given, strict=True))
    for node in step.nodes:
        operands = [known[value] for value in node.operands]
        if isinstance(node.op, ops.Cast) and _only_for_tables(node.result, step):
            known[node.result] = _rounded(operands[0], node.op.to)
        else:
            known[node.result] = _traced(node, operands, style)
    outputs = np.concatenate([known[value] for value in step.outputs])
    return trace(np.concatenate(given), outputs, keep_dead_inputs=True)


def _only_for_tables(value: Value, step: Graph) -> bool:
    """Say whether nothing but tables reads a value, so that their clamps do for its saturation, as in ours."""
    return value not in step.outputs and all(
        isinstance(user.op, ops.Table) or (isinstance(user.op, ops.Slice) and _only_for_tables(user.result, step))
        for user in step.users()[value]
    )


def _kif(value: Value) -> tuple[npt.NDArray[np.int64], ...]:
    """Return sign, integer and fraction bits of all elements, as alkaid counts them."""
    element, count = value.type.element, value.type.size
    signed = int(element.signed)
    return tuple(np.full(count, bits) for bits in (signed, element.integer - signed, element.fraction))


def _traced(node: Node, operands: Sequence[Any], style: Style) -> Any:
    match node.op:
        case ops.Const():
            return to_real(node.op.integers, node.op.type.fraction)
        case ops.MatVec():
            return operands[1] @ operands[0].T
        case ops.Add():
            return operands[0] + operands[1]
        case ops.Mul():
            return operands[0] * operands[1]
        case ops.Slice():
            return operands[0][node.op.start : node.op.stop]
        case ops.Cast():
            return _cast(operands[0], node.op.to)
        case ops.Table():
            form = table_form(node.op, node.operands[0].type.element)
            return _looked_up(operands[0], form, style.bipartite)
        case _:
            raise AssertionError(f"{node.op} is in no LSTM")


def _cast(x: FVArray, to: FixedType) -> FVArray:
    signed = int(to.signed)
    return x.quantize(signed, to.integer - signed, to.fraction, to.overflow.value, to.rounding.value)


def _rounded(x: FVArray, to: FixedType) -> FVArray:
    signed, integer, _ = x.kif
    return x.quantize(signed, integer + 1, to.fraction, round_mode=to.rounding.value)


def _looked_up(x: FVArray, form: TableForm, bipartite: bool) -> FVArray:
    """Return a table's results; its index is a clamped number without the bits that do not matter."""
    assert form.symmetry is None
    assert form.clamp_low % (1 << form.dropped_bits) == 0
    step = 2.0**-form.fraction_in
    cell_fraction = form.fraction_in - form.dropped_bits
    cell = _truncated(np.clip(x, form.clamp_low * step, form.clamp_high * step), cell_fraction)
    first_cell = form.clamp_low >> form.dropped_bits
    to = (int(form.out.signed), form.out.integer - form.out.signed, form.out.fraction)
    if not (bipartite and form.offset):
        inputs = np.arange(form.clamp_low, form.clamp_high + 1, 1 << form.dropped_bits)
        return _rom(cell, cell_fraction, first_cell, to_real(form.evaluate(inputs), form.out.fraction)).quantize(*to)
    coarse_bits = form.low_bits + form.mid_bits
    low = cell.quantize(0, form.low_bits - cell_fraction, cell_fraction)
    index = low + _truncated(cell, cell_fraction - coarse_bits) * 2.0**-form.mid_bits
    words, added = (to_real(np.array(rom), form.out.fraction + form.guard_bits) for rom in (form.base, form.offset))
    base_fraction = cell_fraction - form.low_bits
    base = _rom(_truncated(cell, base_fraction), base_fraction, first_cell >> form.low_bits, words)
    offset = _rom(index, cell_fraction, first_cell >> coarse_bits << form.low_bits, added)
    return (base + offset).quantize(*to)


def _truncated(x: FVArray, fraction: int) -> FVArray:
    signed, integer, _ = x.kif
    return x.quantize(signed, integer, fraction)


def _rom(index: FVArray, fraction: int, first: int, words: npt.NDArray[np.float64]) -> FVArray:
    """Return words[index - first]; indices are counted in steps of 2**-fraction."""
    looked_up = index.apply(lambda x: words[np.rint(np.ldexp(x, fraction)).astype(int) - first])
    return looked_up.quantize()


def check_alike(step: Graph, logic: CombLogic) -> None:
    """Compare alkaid's own evaluation with ours, on random numbers over all and over a part of the types' ranges."""
    source = np.random.default_rng(1)
    numbers = []
    for value in step.inputs:
        element = value.type.element
        drawn = source.integers(element.min_integer, element.max_integer + 1, (SAMPLES, value.type.size))
        drawn[::2] >>= source.integers(0, element.width, (len(drawn[::2]), 1))
        numbers.append(drawn)
    ours = _joined(evaluate_integers(step, numbers), step.outputs)
    theirs = logic.predict(_joined(numbers, step.inputs))
    differing = int((ours != theirs).sum())
    if differing:
        raise SystemExit(f"{differing} of {ours.size} numbers differ")


def _joined(numbers: Sequence[Integers], values: Sequence[Value]) -> npt.NDArray[np.float64]:
    """Return integers (N, n) of each value as reals, side by side."""
    pairs = zip(numbers, values, strict=True)
    return np.concatenate([to_real(x, value.type.element.fraction) for x, value in pairs], axis=1)


def write_ours(design: Design, place: Path) -> str:
    """Write our SystemVerilog; return the name of the layer's module."""
    place.mkdir()
    for name, text in design.firmware.files.items():
        (place / name).write_text(text)
    return next(module for module, layer in design.firmware.layer_modules.items() if layer == LAYER)


def write_theirs(logic: CombLogic, style: Style, stages: int, place: Path) -> str:
    """Write alkaid's Verilog; return the name of its top module."""
    RTLModel(logic, place / "project", "step", n_stages=stages, ternary_fuse=style.ternary).write()
    for source in (place / "project" / "src").rglob("*.v"):
        source.rename(place / source.name)
    return "step"


def counted(place: Path, top: str, fabric: Fabric) -> dict[str, int]:
    """Return what the sources of a folder take, flattened: both are made of modules, one of many more."""
    sources = " ".join(path.name for path in sorted(place.glob("*.*v")))
    flatten = (f"read_verilog -sv -defer {sources}", f"hierarchy -top {top}", "proc", "flatten")
    commands = (*flatten, *fabric.commands(top), "tee -o counts.json stat -json")
    written = find_yosys().run(commands, place, ["counts.json"])
    cells = json.loads(written["counts.json"])["design"]["num_cells_by_type"]
    return fabric.resources(cells)


def compare(part: str) -> None:
    """Print the table of a part."""
    design = compiled(part)
    step, fabric = step_of(design), fabric_of(design.device)
    (pipeline,) = design.firmware.pipelines
    stages = pipeline.loop_latency
    with TemporaryDirectory() as folder:
        place = Path(folder, "ours")
        ours = counted(place, write_ours(design, place), fabric)
        rows = [["Loopwire", *(str(ours[name]) for name in COUNTED), ""]]
        for number, style in enumerate(STYLES):
            logic, place = traced(step, style), Path(folder, str(number))
            check_alike(step, logic)
            theirs = counted(place, write_theirs(logic, style, stages, place), fabric)
            rows.append(
                [f"alkaid, {style}", *(str(theirs[name]) for name in COUNTED), f"{ours[LUTS] / theirs[LUTS]:.2f}"]
            )
    print(f"{part}, {stages} stages, {find_yosys()}, alkaid {version('alkaid')}; {SAMPLES} random steps alike\n")
    table(("step", *COUNTED, "LUTs, ours to theirs"), rows)


if __name__ == "__main__":
    for chosen in sys.argv[1:] or PARTS:
        compare(chosen)
