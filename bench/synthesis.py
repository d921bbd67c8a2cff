"""Compares estimated with synthesised resources, and the delay model with routed clocks.

`python bench/synthesis.py calibrate` synthesises networks of many kinds with Yosys, for UltraScale+ and ECP5, and
stores what their layers take in synthesis.json, with a digest of what Yosys read: where today's is another, it
synthesises again. `fit` fits the factors of the estimate to one half of what is stored there; `errors` compares today's
estimates with both halves; `routed` routes some of the networks on the ECP5 and compares the delay model with the clock
that they reach.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import loopwire
from compile import table
from loopwire.area.cells import Resources
from loopwire.area.lut_factors import AS_COUNTED, LutKind
from loopwire.area.resources import parts
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Layer, chain
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.tools import harness
from loopwire.tools.fabrics import BRAMS, DSPS, FFS, LUTS, RESOURCES, fabric_of
from loopwire.tools.harness import harness_text
from loopwire.tools.routing import Sources, route
from loopwire.tools.synthesis import BETWEEN, synthesise
from loopwire.tools.yosys import find_yosys

STORE = Path(__file__).with_name("synthesis.json")
Counts = dict[str, dict[str, int]]
"""How much of each resource each layer takes."""
PARTS = ("LFE5U-85F-8BG381C", "xcvu13p")
OUTPUTS = 3
GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}


@dataclass(frozen=True)
class Network:
    """Recurrent cells and dense layers, with random weights.

    Attributes:
        cell: 'lstm', 'gru' or 'simple_rnn'.
        units: of each cell.
        reuse_factor: of the cells; the dense layers have 1.
        width: bits of all tensors.
        part: the FPGA.
        integer_bits: of all tensors, the sign included.
        steps: of a sequence.
        features: of a step.
        layers: cells, one after another.
        dense_units: of a dense layer between the cells and the last layer; 0: there is none.
        copies: of the cells.
        bus_bits: of the ports; None: a step's, and a result's.
        table_size: entries of each activation table at most; None: as many as an error of one step takes.
    """

    cell: str
    units: int
    reuse_factor: int
    width: int
    part: str
    integer_bits: int = 4
    steps: int = 6
    features: int = 3
    layers: int = 1
    dense_units: int = 0
    copies: int = 1
    bus_bits: int | None = None
    table_size: int | None = None

    def design(self) -> Design:
        """Compile it."""
        source = np.random.default_rng(self.units)
        layers: list[Layer] = [self._cell(f"cell{number or ''}", source, number) for number in range(self.layers)]
        inputs = self.units
        for name, outputs in (("dense", self.dense_units), ("head", OUTPUTS)):
            if outputs:
                layers.append(Dense(name, source.normal(0, 0.7, (outputs, inputs)), np.zeros(outputs)))
                inputs = outputs
        reuse_factors = {layer.name: self.reuse_factor for layer in layers[: self.layers]}
        precision = {"precision": f"fixed<{self.width},{self.integer_bits},RND,SAT>"}
        settings = {
            "name": "network",
            "part": self.part,
            "clock_period_ns": 5.0 if self.part.startswith("xc") else 10.0,
            "layer_reuse_factor": reuse_factors,
            "copies": self.copies,
            "model": precision if self.table_size is None else {**precision, "table_size": self.table_size},
        }
        if self.bus_bits is not None:
            settings["bus_bits"] = self.bus_bits
        model = chain("network", (self.steps, self.features), tuple(layers), "bench")
        return loopwire.compile(model, CompileConfig.from_dict(settings))

    def _cell(self, name: str, source: np.random.Generator, number: int) -> Layer:
        rows, inputs = GATES[self.cell] * self.units, self.units if number else self.features
        kernel, recurrent = (source.normal(0, 0.7, (rows, n)) for n in (inputs, self.units))
        bias = source.normal(0, 0.3, rows)
        sequences = number < self.layers - 1
        match self.cell:
            case "lstm":
                return Lstm(name, kernel, recurrent, bias, return_sequences=sequences)
            case "gru":
                second_bias = source.normal(0, 0.3, rows)
                return Gru(name, kernel, recurrent, bias, second_bias, return_sequences=sequences)
            case _:
                return SimpleRnn(name, kernel, recurrent, bias, return_sequences=sequences)


@dataclass(frozen=True)
class Stored:
    """What a network took: by layer, and the digest of what Yosys read."""

    network: Network
    made_from: str
    synthesised: Counts


SIZES = ((4, 4, 8), (3, 1, 8), (6, 36, 8), (2, 1, 10), (8, 8, 10), (4, 1, 6), (5, 10, 9))
"""Units, reuse factor, width: small cells, parallel and folded, each of the three."""
ROUTED_SIZES = SIZES[:3]


LARGER: tuple[dict[str, Any], ...] = (
    {"cell": "gru", "units": 10, "reuse_factor": 10, "width": 8, "copies": 2, "bus_bits": 48},
    {"cell": "lstm", "units": 6, "reuse_factor": 1, "width": 7, "copies": 2},
    {"cell": "gru", "units": 8, "reuse_factor": 8, "width": 8, "layers": 2},
    {"cell": "gru", "units": 16, "reuse_factor": 48, "width": 16, "integer_bits": 6, "features": 6},
    {"cell": "lstm", "units": 8, "reuse_factor": 16, "width": 12, "table_size": 64},
    {"cell": "gru", "units": 20, "reuse_factor": 1, "width": 8, "steps": 20, "features": 6},
    {"cell": "simple_rnn", "units": 16, "reuse_factor": 1, "width": 8, "steps": 30, "features": 6, "dense_units": 16},
    {"cell": "lstm", "units": 5, "reuse_factor": 1, "width": 7, "layers": 2},
    {"cell": "gru", "units": 24, "reuse_factor": 72, "width": 10, "table_size": 256},
    {"cell": "lstm", "units": 16, "reuse_factor": 64, "width": 12, "integer_bits": 5, "features": 6, "dense_units": 16},
    {"cell": "simple_rnn", "units": 32, "reuse_factor": 32, "width": 16, "integer_bits": 6},
    {"cell": "gru", "units": 32, "reuse_factor": 96, "width": 16, "integer_bits": 6, "dense_units": 8},
    {"cell": "lstm", "units": 20, "reuse_factor": 4, "width": 8, "steps": 20, "features": 6},
    {"cell": "lstm", "units": 20, "reuse_factor": 1, "width": 8, "steps": 20, "features": 6},
)
"""Larger ones, and other kinds: wide types, weights in block RAM, several layers, copies, wide ports, small tables."""


def networks() -> Iterator[Network]:
    """Yield the set, each on both parts."""
    for units, reuse_factor, width in SIZES:
        for cell in GATES:
            for part in PARTS:
                yield Network(cell, units, reuse_factor, width, part)
    for settings in LARGER:
        for part in PARTS:
            yield Network(part=part, **settings)


def estimated(design: Design) -> dict[str, int]:
    """Return the estimate of all engines and ports."""
    total = sum((area.resources for area in design.firmware.areas), Resources())
    return dict(zip(RESOURCES, asdict(total).values(), strict=True))


def counted(design: Design) -> dict[str, Counter[LutKind]]:
    """Return what the estimate multiplies by its factors, by layer."""
    units: dict[str, Counter[LutKind]] = defaultdict(Counter)
    firmware = design.firmware
    for area, pipeline, timing in zip(firmware.areas, firmware.pipelines, firmware.engines, strict=False):
        for part in parts(pipeline, timing, design.device):
            units[part.layer or BETWEEN][part.kind] += area.copies * part.resources.luts
    for area in firmware.areas[len(firmware.engines) :]:
        units[BETWEEN][LutKind.MEMORY] += area.resources.luts
    return units


def synthesised(design: Design) -> Counts:
    """Return what Yosys counts in each layer, and between them."""
    with TemporaryDirectory() as place:
        for name, text in design.firmware.files.items():
            Path(place, name).write_text(text)
        firmware = design.firmware
        fabric = fabric_of(design.device)
        built = synthesise(Path(place), firmware.top, firmware.layer_modules, fabric, design.device)
    return {row.layer: {use.name: use.used for use in row.resources} for row in built.layers}


def digest(design: Design) -> str:
    """Return a digest of all that a synthesis is made from: the firmware, Yosys and its commands."""
    firmware = design.firmware
    commands = fabric_of(design.device).commands(firmware.top)
    texts = (str(find_yosys()), *commands, *(f"{name}\n{text}" for name, text in firmware.files.items()))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def calibrate() -> None:
    """Synthesise what is not stored as Yosys reads it today, and store each network at once, in its place."""
    stored = {row.network: row for row in read()}
    for network in networks():
        design = network.design()
        made_from = digest(design)
        if network in stored and stored[network].made_from == made_from:
            continue
        start = time.perf_counter()
        stored[network] = Stored(network, made_from, synthesised(design))
        rows = (json.dumps(asdict(row)) for row in stored.values())
        STORE.write_text("[\n" + ",\n".join(rows) + "\n]\n")
        print(f"{network}: {time.perf_counter() - start:.0f} s", flush=True)


def read() -> list[Stored]:
    """Return what is stored."""
    rows = json.loads(STORE.read_text())
    return [Stored(Network(**row["network"]), row["made_from"], row["synthesised"]) for row in rows]


def by_part() -> dict[str, list[Stored]]:
    """Return what is stored, by part. The factors are fitted to the first network, the third and so on."""
    return {part: [row for row in read() if row.network.part == part] for part in PARTS}


def fit() -> None:
    """Print the `lut_factors` of the device data: least squares of the relative errors of layers.

    Beside them are the errors of these and of today's in the LUTs of the networks that had no part in the fit.
    """
    for part, rows in by_part().items():
        designs = [row.network.design() for row in rows]
        units = [counted(design) for design in designs]
        kinds = [k for k in LutKind if k not in AS_COUNTED and any(one[k] for row in units for one in row.values())]
        layers = [
            (of_layers[layer], counts[LUTS])
            for row, of_layers in zip(rows[::2], units[::2], strict=True)
            for layer, counts in row.synthesised.items()
            if counts[LUTS]
        ]
        shares = [[one[kind] / luts for kind in kinds] for one, luts in layers]
        left = [1 - sum(one[kind] for kind in AS_COUNTED) / luts for one, luts in layers]
        found, *_ = np.linalg.lstsq(np.array(shares), np.array(left))
        today = {kind: float(getattr(designs[0].device.lut_factors, kind)) for kind in LutKind}
        fitted = {**today, **dict(zip(kinds, found.tolist(), strict=True))}
        print(part, ", ".join(f"{kind.name} {fitted[kind]:.2f} (today {today[kind]:g})" for kind in kinds))
        truths = [total(row.synthesised) for row in rows]
        for name, factors in (("today's", today), ("fitted", fitted)):
            guesses = [sum(factors[k] * one[k] for one in row.values() for k in one) for row in units]
            pairs = [(truth, {LUTS: guess}) for truth, guess in zip(truths, guesses, strict=True)]
            print(f"{name}: {error(pairs[::2], LUTS)} of the networks fitted to, {error(pairs[1::2], LUTS)} of others")


def errors() -> None:
    """Print how far the estimates are from what is stored, a table for docs/benchmarks.md."""
    made = []
    for part, rows in by_part().items():
        designs = [row.network.design() for row in rows]
        pairs = [(total(row.synthesised), estimated(design)) for row, design in zip(rows, designs, strict=True)]
        today = [row.made_from == digest(design) for row, design in zip(rows, designs, strict=True)]
        for which, half in (("fitted to", slice(0, None, 2)), ("tested on", slice(1, None, 2))):
            some = pairs[half]
            cells = [part, f"{len(some)}, {which}", f"{sum(today[half])}", *(error(some, name) for name in (LUTS, FFS))]
            cells += [f"exact in {sum(truth[name] == guess[name] for truth, guess in some)}" for name in (DSPS, BRAMS)]
            made.append(cells)
    errors_of = (f"{name}: median error, worst" for name in (LUTS, FFS))
    head = ("part", "networks", "synthesised as today", *errors_of, "DSPs", "block RAMs")
    table(head, made)


def total(counts: Counts) -> dict[str, int]:
    """Return what all layers take together."""
    return {name: sum(layer[name] for layer in counts.values()) for name in RESOURCES}


def error(pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]], name: str) -> str:
    """Return the median and the worst error of estimates, as shares of what was synthesised."""
    off = [abs(guess[name] / truth[name] - 1) for truth, guess in pairs]
    return f"{statistics.median(off):.1%}, {max(off):.1%}"


def modelled_period_ns(design: Design) -> float:
    """Return the clock period of the slowest stage by the delay model, without the uncertainty that nextpnr has not."""
    ends_ns = (
        placement.time[1] for pipeline in design.firmware.pipelines for placement in pipeline.placements.values()
    )
    delays = design.device.delays
    return max(ends_ns) + delays.clock_to_q_ns + delays.setup_ns


def routed() -> None:
    """Print the modelled and the routed clock period of networks, a line each."""
    print("cell units reuse_factor width modelled_ns routed_ns modelled/routed LUTs FFs slowest_path")
    for network in (network for network in networks() if network.part == PARTS[0]):
        if (network.units, network.reuse_factor, network.width) not in ROUTED_SIZES:
            continue
        design = network.design()
        firmware = design.firmware
        pins = harness_text(firmware.top, firmware.ports)
        sources = Sources({**firmware.files, f"{harness.NAME}.sv": pins}, harness.NAME)
        built = route(sources, design.device, 1e3 / design.config.clock_period_ns).built
        assert built.clock_period_ns is not None
        modelled_ns, (luts, ffs, *_) = modelled_period_ns(design), built.resources
        print(
            f"{network.cell} {network.units} {network.reuse_factor} {network.width} {modelled_ns:.2f} "
            f"{built.clock_period_ns:.2f} {modelled_ns / built.clock_period_ns:.2f} {luts.used} {ffs.used} "
            f"{built.critical_path[0]} -> {built.critical_path[-1]}",
            flush=True,
        )


if __name__ == "__main__":
    {"calibrate": calibrate, "fit": fit, "errors": errors, "routed": routed}[sys.argv[1]]()
