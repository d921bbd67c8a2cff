"""Compares estimated with synthesised resources, and the delay model with routed clocks.

`python bench/synthesis.py calibrate` synthesises small networks of many kinds with Yosys, for UltraScale+ and ECP5, and
stores what they take in synthesis.json; `errors` compares today's estimates with what is stored there;
`routed` routes some of them on the ECP5 and compares the delay model with the clock that they reach.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import loopwire
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.layers.dense import Dense
from loopwire.layers.gru import Gru
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.schedule.resources import Resources
from loopwire.synth import harness
from loopwire.synth.fabrics import RESOURCES, fabric_of
from loopwire.synth.harness import harness_text
from loopwire.synth.routing import Sources, route
from loopwire.synth.synthesis import synthesise

STORE = Path(__file__).with_name("synthesis.json")
PARTS = ("LFE5U-85F-8BG381C", "xcvu13p")
STEPS, FEATURES, OUTPUTS = 6, 3, 3
GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}


@dataclass(frozen=True)
class Network:
    """A recurrent cell and a dense layer, with random weights.

    Attributes:
        cell: 'lstm', 'gru' or 'simple_rnn'.
        units: of the cell.
        reuse_factor: of the cell; the dense layer has 1.
        width: bits of all tensors, 4 of them before the point.
        part: the FPGA.
    """

    cell: str
    units: int
    reuse_factor: int
    width: int
    part: str

    def design(self) -> Design:
        """Compile it."""
        source = np.random.default_rng(self.units)
        rows = GATES[self.cell] * self.units
        kernel, recurrent = (source.normal(0, 0.7, (rows, n)) for n in (FEATURES, self.units))
        bias = source.normal(0, 0.3, rows)
        layers: dict[str, Callable[[], Any]] = {
            "lstm": lambda: Lstm("cell", kernel, recurrent, bias),
            "gru": lambda: Gru("cell", kernel, recurrent, bias, source.normal(0, 0.3, rows)),
            "simple_rnn": lambda: SimpleRnn("cell", kernel, recurrent, bias),
        }
        head = Dense("head", source.normal(0, 0.7, (OUTPUTS, self.units)), np.zeros(OUTPUTS))
        model = Model("network", (STEPS, FEATURES), (layers[self.cell](), head), "bench")
        settings = {
            "name": "network",
            "part": self.part,
            "clock_period_ns": 5.0 if self.part.startswith("xc") else 10.0,
            "layer_reuse_factor": {"cell": self.reuse_factor},
            "model": {"precision": f"fixed<{self.width},4,RND,SAT>"},
        }
        return loopwire.compile(model, CompileConfig.from_dict(settings))


SIZES = ((4, 4, 8), (3, 1, 8), (6, 36, 8), (2, 1, 10), (8, 8, 10), (4, 1, 6), (5, 10, 9))
"""Units, reuse factor, width: parallel and folded cells."""
ROUTED_SIZES = SIZES[:3]


def networks() -> Iterator[Network]:
    """Yield the set, each on both parts."""
    for part in PARTS:
        for units, reuse_factor, width in SIZES:
            for cell in GATES:
                yield Network(cell, units, reuse_factor, width, part)


def estimated(design: Design) -> dict[str, int]:
    """Return the estimate of all engines."""
    total = sum((area.resources for area in design.firmware.areas), Resources())
    return dict(zip(RESOURCES, asdict(total).values(), strict=True))


def synthesised(design: Design) -> dict[str, int]:
    """Return what Yosys counts."""
    with TemporaryDirectory() as place:
        for name, text in design.firmware.files.items():
            Path(place, name).write_text(text)
        firmware = design.firmware
        fabric = fabric_of(design.device)
        built = synthesise(Path(place), firmware.top, firmware.layer_modules, fabric, design.device)
    return {use.name: use.used for use in built.resources}


def calibrate() -> None:
    """Synthesise what is not stored yet, and store each network at once."""
    stored = json.loads(STORE.read_text()) if STORE.exists() else []
    known = [Network(**row["network"]) for row in stored]
    for network in networks():
        if network in known:
            continue
        start = time.perf_counter()
        stored.append({"network": asdict(network), "synthesised": synthesised(network.design())})
        STORE.write_text("[\n" + ",\n".join(map(json.dumps, stored)) + "\n]\n")
        print(f"{len(stored):3} {network}: {time.perf_counter() - start:.0f} s", flush=True)


def errors() -> None:
    """Print how far the estimates are from what is stored."""
    rows = [(Network(**row["network"]), row["synthesised"]) for row in json.loads(STORE.read_text())]
    pairs = [(network, counted, estimated(network.design())) for network, counted in rows]
    for part in PARTS:
        of_part = [(network, counted, guess) for network, counted, guess in pairs if network.part == part]
        if not of_part:
            continue
        print(f"\n{part}, {len(of_part)} networks: error of the estimate, of synthesised")
        for name in RESOURCES:
            off = [abs(guess[name] - counted[name]) / max(counted[name], 1) for _, counted, guess in of_part]
            exact = sum(guess[name] == counted[name] for _, counted, guess in of_part)
            print(f"  {name:8} median {statistics.median(off):5.0%}, worst {max(off):5.0%}, exact in {exact}")


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
        pins = harness_text(firmware.top, firmware.files[f"{firmware.top}.sv"])
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
    {"calibrate": calibrate, "errors": errors, "routed": routed}[sys.argv[1]]()
