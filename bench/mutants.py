"""Faults in the handshake modules, to be found by `verify` and by the written testbench: `make mutants`.

All mutants are compiled into one simulation of each design, and a memory file chooses one. A mutant is killed when
either check fails on any of the designs.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from bench.equality import is_equal
from bench.mutation import CHOICE, Mutant, instrumented

import loopwire
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.errors import LoopwireError
from loopwire.layers.activation import LINEAR
from loopwire.layers.dense import Dense
from loopwire.layers.merge import Add
from loopwire.layers.model import Layer, Model, ModelBuilder, chain
from loopwire.layers.shape import Reshape
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.layers.steps import Cropping, ZeroPadding
from loopwire.simulate import verilator

MODULES = (
    *("feeder", "collector", "split", "join", "framer", "queue", "distributor"),
    *("merger", "window", "sequencer", "reverse", "meet", "fill", "crop", "slice", "hold", "labels"),
)
TIMEOUT_SECONDS = 60
CHECKS = ("verify", "testbench")


@dataclass(frozen=True)
class Subject:
    """A design with mutated modules: small, so that it compiles within seconds."""

    model: Model
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    def design(self) -> Design:
        """Compile it, with 8 bits a number."""
        options = {"model": {"precision": "fixed<8,3,RND,SAT>"}, **self.options}
        return loopwire.compile(self.model, CompileConfig.from_dict(options))


def chained(
    name: str, input_shape: tuple[int, ...], layers: Sequence[Layer], options: Mapping[str, Any] | None = None
) -> Subject:
    """Return a subject whose layers follow one another."""
    return Subject(chain(name, input_shape, layers, "none"), options or {})


_random = np.random.default_rng(1)


def rnn(name: str, features: int, units: int, **options: Any) -> SimpleRnn:
    """Return a recurrent layer with random weights; large ones, so that each state shows in later ones."""
    w = [_random.uniform(-1, 1, shape) for shape in ((units, features), (units, units), (units,))]
    return SimpleRnn(name, *w, **options)


def dense(name: str, features: int, units: int) -> Dense:
    """Return a layer without activation, with random weights."""
    return Dense(name, _random.uniform(-1, 1, (units, features)), _random.uniform(-1, 1, units), LINEAR)


STEPS: dict[str, Any] = {"return_sequences": True}
ECP5: dict[str, Any] = {"part": "LFE5U-85F", "clock_period_ns": 10.0}
BACK: dict[str, Any] = {"return_sequences": True, "go_backwards": True}
PORTS: dict[str, Any] = {
    "fixed_latency": True,
    "user_bits": 3,
    "id_bits": 2,
    "require_tlast": True,
}
CALLS: dict[str, Any] = {"stateful": True, "user_bits": 2, "require_tlast": True}


def residual() -> Model:
    """Return a network in which sequences meet, one of them with a vector, beside a result that crosses nothing."""
    b = ModelBuilder()
    x, v = b.input("x", (4, 2)), b.input("v", (2,))
    (states,) = b.call(rnn("a", 2, 2, **STEPS), x)
    (total,) = b.call(Add("sum"), states, x)
    (turned,) = b.call(rnn("b", 2, 2, **BACK), total)
    (last,) = b.call(rnn("c", 2, 2), turned, v)
    (head,) = b.call(dense("d", 2, 2), last)
    return b.model("residual", (head, states), "none")


def uneven() -> Model:
    """Return a network in which a sequence that may be short meets one that is always filled up."""
    b = ModelBuilder()
    x = b.input("x", (4, 2))
    (states,) = b.call(rnn("a", 2, 2, **STEPS), x)
    (padded,) = b.call(ZeroPadding("b", 1, 1), x)
    (filled,) = b.call(Cropping("c", 1, 1), padded)
    (total,) = b.call(Add("sum"), states, filled)
    (last,) = b.call(rnn("d", 2, 2), total)
    return b.model("uneven", (last,), "none")


SUBJECTS = (
    chained("interleaved", (4, 2), [rnn("a", 2, 2)]),
    chained("turned", (3, 2), [rnn("a", 2, 2, **STEPS), rnn("b", 2, 2, **BACK), dense("c", 2, 2)]),
    chained("copies", (10, 1), [rnn("a", 1, 2, **STEPS)], {"copies": 3, "bus_bits": 48}),
    chained("dealt", (6, 1), [rnn("a", 1, 2)], {"copies": 3, "bus_bits": 24}),
    chained("narrow", (3, 3), [rnn("a", 3, 3), dense("b", 3, 3)], {"bus_bits": 8}),
    chained("window", (3, 2), [rnn("a", 2, 2)], {"sliding_window": True, "channels": 3}),
    chained("folded", (4, 2), [rnn("a", 2, 6), dense("b", 6, 4)], {"reuse_factor": 6, **ECP5}),
    chained("each_step", (4, 2), [dense("a", 2, 2)]),
    chained("backwards", (4, 1), [rnn("a", 1, 1, **BACK)], {"clock_period_ns": 50.0}),
    chained("wide", (8, 1), [rnn("a", 1, 2)], {"bus_bits": 24}),
    chained("wider", (11, 1), [rnn("a", 1, 1, **STEPS)], {"bus_bits": 32}),
    chained("pairs", (7, 1), [rnn("a", 1, 2)], {"bus_bits": 16}),
    chained("ended_pairs", (7, 1), [rnn("a", 1, 2)], {"bus_bits": 16, "require_tlast": True}),
    chained("ended_fives", (12, 1), [rnn("a", 1, 2)], {"bus_bits": 40, "require_tlast": True}),
    chained("options", (8, 1), [rnn("a", 1, 2)], {"bus_bits": 24, **PORTS}),
    chained("slices", (8, 1), [rnn("a", 1, 2)], {"bus_bits": 24, "port_registers": True}),
    chained("passes", (3, 3), [rnn("a", 3, 3)], {"reuse_factor": 3}),
    chained("later", (3, 2), [rnn("a", 2, 2), dense("b", 2, 4)], {**ECP5, "io": "parallel", "copies": 2}),
    chained("channels", (3, 2), [rnn("a", 2, 2, **STEPS), rnn("b", 2, 2)], {"stateful": True, "channels": 3}),
    chained("calls", (3, 1), [rnn("a", 1, 2, **STEPS)], {**CALLS, "channels": 3, "id_bits": 2}),
    chained("calls_in_parts", (3, 3), [rnn("a", 3, 2)], {**CALLS, "channels": 2, "id_bits": 1, "bus_bits": 8}),
    chained("calls_in_beats", (7, 1), [rnn("a", 1, 2)], {**CALLS, "channels": 3, "id_bits": 2, "bus_bits": 24}),
    chained("numbered", (4, 1), [rnn("a", 1, 2)], {"stateful": True, "channels": 3, "id_bits": 2}),
    chained("stored", (64, 1), [dense("a", 1, 64)], {"reuse_factor": 2}),
    chained("cropped", (7, 1), [rnn("a", 1, 2, **STEPS), Cropping("b", 2, 1), rnn("c", 2, 2, **BACK)]),
    chained("padded", (4, 2), [ZeroPadding("a", 1, 2), rnn("b", 2, 2)], {"bus_bits": 8}),
    chained("one_beat", (3, 1), [rnn("a", 1, 2)], {"bus_bits": 24}),
    chained("led", (4, 1), [rnn("a", 1, 2, **STEPS), Cropping("b", 0, 1), rnn("c", 2, 2)], {"user_bits": 2}),
    Subject(uneven()),
    chained("fewer", (6, 2), [Reshape("a", (4, 3)), rnn("b", 3, 2)]),
    Subject(residual()),
    chained("one_slot", (3, 4), [rnn("a", 4, 4)], {"stateful": True, "reuse_factor": 4, "bus_bits": 8}),
)


class Suite:
    """The mutants of some modules, and the texts that hold them."""

    def __init__(self, modules: Iterable[str]) -> None:
        self.mutants: list[Mutant] = []
        self._texts: dict[str, str] = {}
        number = 1
        for module in modules:
            name = f"loopwire_{module}.sv"
            text = resources.files("loopwire.hdl").joinpath(name).read_text()
            self._texts[name], mutants = instrumented(module, text, number)
            number += len(mutants)
            self.mutants += mutants

    def build(self, subject: Subject, folder: Path) -> Mutated:
        """Compile a design, with all mutants in it, and its testbench."""
        design = subject.design()
        files = {**design.firmware.files, CHOICE: "0\n"}
        within = {name.removeprefix("loopwire_").removesuffix(".sv") for name in files if name in self._texts}
        files |= {name: text for name, text in self._texts.items() if name in files}
        vars(design.hardware)["firmware"] = replace(design.firmware, files=files)
        return Mutated(design, [mutant for mutant in self.mutants if mutant.module in within], folder)


class Mutated:
    """A design compiled with the mutants of its modules."""

    def __init__(self, design: Design, mutants: Sequence[Mutant], folder: Path) -> None:
        self.mutants = mutants
        self._design = design
        self._x = design.random_inputs(1000)
        design.write(folder / "project", self._x)
        self._bench = folder / "project" / "testbench"
        rtl = sorted((folder / "project" / "rtl").glob("*.sv"))
        top = f"{design.firmware.top}_tb"
        verilator.run_testbench(top, [self._bench / f"{top}.sv", *rtl], folder / "bench")
        self._program = folder / "bench" / "simulate"
        loopwire.verify(design, self._x)

    def fault(self, check: str, mutant: Mutant | None) -> str:
        """Return what fault a check finds in a mutant, or in the design as it is; an empty string if none."""
        number = 0 if mutant is None else mutant.number
        return {"verify": self._verify, "testbench": self._testbench}[check](number)

    def _verify(self, number: int) -> str:
        (self._design.hardware.simulator.directory / CHOICE).write_text(f"{number:x}\n")
        try:
            loopwire.verify(self._design, self._x)
        except LoopwireError as error:
            return str(error)
        return ""

    def _testbench(self, number: int) -> str:
        (self._bench / CHOICE).write_text(f"{number:x}\n")
        command = [self._program, "+verilator+rand+reset+2", "+verilator+seed+1"]
        try:
            run = subprocess.run(command, cwd=self._bench, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return f"no end within {TIMEOUT_SECONDS} s"
        return "" if run.returncode == 0 and "PASS" in run.stdout else run.stdout or run.stderr


Alive = Mapping[str, set[int]]
"""Numbers of the mutants that a check has not killed yet."""


def killed_in(subject: Subject, alive: Alive) -> Alive:
    """Return the numbers of those mutants, alive up to now, that each check kills in a design."""
    with tempfile.TemporaryDirectory() as folder:
        mutated = Suite(MODULES).build(subject, Path(folder))
        return {
            check: {m.number for m in mutated.mutants if m.number in alive[check] and mutated.fault(check, m)}
            for check in CHECKS
        }


def survivors(mutants: Sequence[Mutant]) -> Alive:
    """Run mutants through all designs, two at a time, and return those that each check leaves alive."""
    alive = {check: {mutant.number for mutant in mutants} for check in CHECKS}
    with ProcessPoolExecutor(2) as pool:
        left = iter(SUBJECTS)
        running = {pool.submit(killed_in, subject, alive): subject for subject in islice(left, 2)}
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                for check, numbers in done.result().items():
                    alive[check] -= numbers
                counts = ", ".join(f"{len(alive[check])} survive {check}" for check in CHECKS)
                print(f"{running.pop(done).name}: {counts}", file=sys.stderr, flush=True)
                running |= {pool.submit(killed_in, subject, alive): subject for subject in islice(left, 1)}
    return alive


def main() -> None:
    """Run all mutants through all designs, and print the score of each module and the survivors."""
    suite = Suite(MODULES)
    alive = survivors(suite.mutants)
    left = [mutant for mutant in suite.mutants if any(mutant.number in alive[check] for check in CHECKS)]
    with ThreadPoolExecutor(2) as pool:
        equal = dict(zip(left, pool.map(is_equal, left), strict=True))
    for module in MODULES:
        of = [m for m in suite.mutants if m.module == module and not equal.get(m)]
        same = sum(m.module == module and equal[m] for m in left)
        kills = [sum(m.number not in alive[check] for m in of) for check in CHECKS]
        scores = " | ".join(f"{killed} of {len(of)}, {killed / len(of):.1%}" for killed in kills)
        print(f"| {module} | {len(of) + same} | {same} | {scores} |")
    for mutant in left:
        checks = [check for check in CHECKS if mutant.number in alive[check]]
        print(f"{'proved equal' if equal[mutant] else ', '.join(checks)}: {mutant}")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{sum(u.ru_utime + u.ru_stime for u in used) / 60:.1f} CPU-minutes")


if __name__ == "__main__":
    main()
