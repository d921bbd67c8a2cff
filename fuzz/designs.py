"""Random designs and stimuli through all machines, which must give the same bits, in the cycles predicted.

Each design, a chain or a graph of layers, goes through the definition of the numbers, the fast emulator, and its
SystemVerilog in Verilator, with gaps, stalls, short sequences and a reset; some also through their HLS C++, Icarus
Verilog, and gates after Yosys' synthesis. A group of designs is one simulation, since compiling takes most of the time.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import hls_designs
from conformance import Case, Flags, Inputs, Proof, at_ports, may_be_short, random_inputs, types, vectors_of
from ensembles import Ensemble, write_files
from loopwire.emulator.fast_emulator import FastEmulator, try_build
from loopwire.errors import ConfigError, LoopwireError, ToolError, UnsupportedError
from loopwire.hdl.axi_stream import Counts, Sequences
from loopwire.hdl.testbench import write_testbench
from loopwire.ir.graph import Graph
from loopwire.knobs import Knobs
from loopwire.passes.carry_states import expose_states
from loopwire.targets.verilog import Firmware
from loopwire.tools.yosys import find_yosys
from random_models import Sizes, built, random_case, sometimes_lasting
from random_networks import random_network_case
from test_netlist import assert_netlist_conforms

DESIGNS, GRAPHS = "designs", "graphs"
"""The campaigns: chains of layers, and graphs."""
GROUP = 60
"""Designs of one simulation. Verilator and the compiler take as long for each, whatever their number."""
_SMALL = Sizes(2, 2, 1, 0, copies=(1,), interleave=(1, 1, 1, 2, None))
SIZES = (*[_SMALL] * 30, *[Sizes(3, 2, 2, 0)] * 4, Sizes(4, 2, 1, 1), Sizes(6, 3, 3, 2))
"""Mostly small: of these a hundred compile in the time of one network that is worth a name."""
DISTURBED = 100
"""Sequences of a design under gaps, stalls and a reset."""
HLS_EVERY, HLS_GROUPS_EVERY, ICARUS_EVERY, NETLIST_EVERY = 6, 3, 60, 600
"""Designs of which one goes through the slower machines, too; HLS C++ in one group of three: its headers take long."""
SLOWER = ("HLS", "Icarus", "netlist")
HLS_SEQUENCES, BENCH_SEQUENCES = 60, 12
NETLIST_PARTS = ("LFE5U-85F", "xc7a100t")
PLAIN = types("fixed<6,3,RND,SAT>")

Failure = tuple[int, str, str]
"""A case's place in its group, the machine, and what it did."""


@dataclass
class Tally:
    """What a group has shown: designs by machine, sequences and compared bits of all machines, and failures."""

    designs: Counter[str] = field(default_factory=Counter)
    sequences: Counter[str] = field(default_factory=Counter)
    bits: int = 0
    failures: list[Failure] = field(default_factory=list)


def case_of(campaign: str, seed: int, number: int) -> Case:
    """Return the case of a number, a chain of layers or a graph, all of which follows from the three."""
    source = random.Random(f"{campaign} {seed} {number}")
    name = f"fuzz_{number}"
    if campaign == GRAPHS:
        return random_network_case(source, name)
    return sometimes_lasting(source, random_case(source, name, source.choice(SIZES)))


def prove_group(campaign: str, seed: int, numbers: range) -> Tally:
    """Send the designs of some numbers through their machines."""
    return prove_cases([case_of(campaign, seed, number) for number in numbers], seed, numbers)


def prove_cases(cases: Sequence[Case], seed: int, numbers: Sequence[int], machines: Collection[str] = ()) -> Tally:
    """Send designs through Verilator and the fast emulator, and through some of `SLOWER`: those that are named, and
    those that their numbers choose."""
    tally = Tally()
    ready: list[_Ready] = []
    for place, case in enumerate(cases):
        with _tallied(tally, place, "compiler"):
            ready.append(_Ready(place, numbers[place], *built(case)))
    with tempfile.TemporaryDirectory(prefix="loopwire-fuzz-") as folder:
        _prove_rtl(ready, Path(folder, "rtl"), seed, tally)
        chosen = [one for one in ready if "HLS" in machines or _for_hls(one.number)]
        _prove_hls([one for one in chosen if not one.case.remembers], Path(folder, "hls"), seed, tally)
        for one in ready:
            if _for_icarus(one, "Icarus" in machines):
                with _tallied(tally, one.place, "Icarus"):
                    _prove_icarus(one, Path(folder, "rtl"))
                    tally.designs["Icarus"] += 1
                    tally.sequences["Icarus"] += BENCH_SEQUENCES
        for one in _of_gates(ready, "netlist" in machines):
            with _tallied(tally, one.place, "netlist"), tempfile.TemporaryDirectory(dir=folder) as place:
                assert_netlist_conforms(one.case, Path(place))
                tally.designs["netlist"] += 1
                tally.sequences["netlist"] += BENCH_SEQUENCES
    return tally


@dataclass(frozen=True)
class _Ready:
    place: int
    number: int
    case: Case
    graph: Graph
    design: Firmware


def _for_icarus(one: _Ready, always: bool) -> bool:
    chosen = always or one.number % ICARUS_EVERY == 1
    return chosen and not one.case.remembers and shutil.which("iverilog") is not None


def _one_stream(one: _Ready) -> bool:
    return not (one.case.remembers or one.design.has_streams_apart)


def _for_hls(number: int) -> bool:
    return number // GROUP % HLS_GROUPS_EVERY == 0 and number % HLS_EVERY == 0


class _tallied:  # noqa: N801 (a context manager, read like a function)
    """Takes a machine's failure into the tally."""

    def __init__(self, tally: Tally, place: int, machine: str) -> None:
        self._tally, self._place, self._machine = tally, place, machine

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, Exception):
            return False
        text = f"{type(error).__name__}: {error}"
        self._tally.failures.append((self._place, self._machine, text[:2000]))
        return True


class _CountedProof(Proof):
    """A proof that holds the fast emulator against the definition, too, and counts."""

    def __init__(self, ensemble: Ensemble, index: int, one: _Ready, seed: int, tally: Tally) -> None:
        super().__init__(ensemble, index, one.graph, one.design, one.case, random.Random(f"{seed} {one.number}"))
        self._one, self._tally = one, tally
        self._fast = _fast(one.graph, one.case)

    def all(self) -> None:
        """Cycles at full rate, latency included, then every bit under gaps, stalls, short sequences and a reset."""
        self.interval()
        gaps, stalls = (self._random.choice((0.2, 0.5, 0.8, 1.0)) for _ in range(2))
        self.disturb(DISTURBED, short=True, valid_probability=gaps, ready_probability=stalls)
        self._tally.designs["RTL"] += 1
        self._tally.designs["fast emulator"] += self._fast is not None

    def sequences(self, x: Inputs, lengths: Counts, fresh: Flags | None) -> tuple[list[Sequences], list[Sequences]]:
        """Return the definition's, once the fast emulator has given the same."""
        sent, due = super().sequences(x, lengths, fresh)
        if self._fast is not None:
            case = self._one.case
            _, fast = at_ports(self._one.graph, self._one.design, x, lengths, fresh, case, self._fast)
            for found, expected in zip(fast, due, strict=True):
                different = np.argwhere(found.vectors != expected.vectors)
                assert not len(different), f"fast emulator of {case.name}: {different[:3].tolist()}"
            self._tally.sequences["fast emulator"] += len(lengths)
        self._tally.sequences["RTL"] += len(lengths)
        for y, expected in zip(self._one.graph.outputs, due, strict=True):
            self._tally.bits += expected.vectors.size * y.type.element.width
        return sent, due


def _fast(graph: Graph, knobs: Knobs) -> FastEmulator | None:
    return try_build(expose_states(graph)[0] if knobs.stateful else graph)


def _prove_rtl(ready: Sequence[_Ready], folder: Path, seed: int, tally: Tally) -> None:
    for part in _compiled(ready, folder, tally):
        ensemble, ones = part
        for index, one in enumerate(ones):
            with _tallied(tally, one.place, "RTL"):
                _CountedProof(ensemble, index, one, seed, tally).all()


def _compiled(ready: Sequence[_Ready], folder: Path, tally: Tally) -> Iterator[tuple[Ensemble, Sequence[_Ready]]]:
    """Yield one ensemble, or where that does not compile, one of each half, and so on: what fails is alone at last."""
    folder.mkdir(exist_ok=True)
    try:
        ensemble = Ensemble([one.design for one in ready], folder, optimise=False)
    except LoopwireError:
        if len(ready) == 1:
            with _tallied(tally, ready[0].place, "RTL"):
                raise
            return
        half = len(ready) // 2
        yield from _compiled(ready[:half], folder, tally)
        yield from _compiled(ready[half:], folder, tally)
    else:
        yield ensemble, ready


def _prove_hls(ready: Sequence[_Ready], folder: Path, seed: int, tally: Tally) -> None:
    if not ready:
        return
    cases = [_hls_case(one, random.Random(f"hls {seed} {one.number}")) for one in ready]
    emulators: list[Any]
    try:
        emulators = list(hls_designs.built(cases, folder))
    except (LoopwireError, AssertionError):
        emulators = []
        for one, case in zip(ready, cases, strict=True):
            with _tallied(tally, one.place, "HLS"):
                emulators += hls_designs.built([case], folder)
        if len(emulators) < len(cases):
            return
    for one, case, emulator in zip(ready, cases, emulators, strict=True):
        with _tallied(tally, one.place, "HLS"):
            hls_designs.assert_equal_to_emulator(case, emulator, HLS_SEQUENCES, seed % 2**32)
            tally.designs["HLS"] += 1
            tally.sequences["HLS"] += HLS_SEQUENCES


def _hls_case(one: _Ready, source: random.Random) -> hls_designs.Case:
    """Return the graph under knobs that HLS C++ can express."""
    knobs: dict[str, Any] = {"io": source.choice(("parallel", "stream"))}
    knobs["interleave"], knobs["reuse_factor"] = source.choice((None, 1, 2, 3)), source.choice((1, 1, 2, 3, 5))
    case = hls_designs.Case(one.case.name, one.graph, knobs)
    try:
        hls_designs.project_of(one.graph, case.name, **hls_designs.with_fitting_factors(one.graph, knobs))
    except (ConfigError, UnsupportedError):
        return replace(case, knobs={"io": "parallel"})
    return case


def _prove_icarus(one: _Ready, folder: Path) -> None:
    """Run the project's testbench in Icarus Verilog."""
    source = random.Random(one.case.name)
    shortest = 1 if may_be_short(one.graph) else one.design.length
    lengths = np.array([source.randint(shortest, one.design.length) for _ in range(BENCH_SEQUENCES)])
    given, due = at_ports(one.graph, one.design, random_inputs(one.graph, len(lengths), source), lengths)
    sent, expected = vectors_of(one.design, given, due)
    period_ns, still_cycles = one.case.clock_period_ns, one.design.latency_cycles
    bench, *_ = write_testbench(folder, one.design.top, sent, expected, period_ns, still_cycles)
    names = [bench.name, *(path.name for path in write_files(one.design, folder))]
    for command in (["iverilog", "-g2012", "-o", f"{one.design.top}.vvp", *names], ["vvp", f"{one.design.top}.vvp"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert f"PASS: {BENCH_SEQUENCES} sequences, 0 errors" in done.stdout, done.stdout


def _of_gates(ready: Sequence[_Ready], always: bool) -> list[_Ready]:
    """Return the designs that are synthesised: on parts of which there are models of the cells."""
    if not _has_yosys():
        return []
    fitting = [one for one in ready if one.case.part in NETLIST_PARTS and _one_stream(one)]
    if always:
        return fitting
    return fitting[:1] if ready and ready[0].number % NETLIST_EVERY == 0 else []


@cache
def _has_yosys() -> bool:
    try:
        find_yosys()
    except ToolError:
        return False
    return True


def smaller(case: Case) -> Iterator[Case]:
    """Yield cases with less in them: a layer, a step, a knob or a type that is not plain."""
    for place in range(len(case.layers)):
        layers = [*case.layers[:place], *case.layers[place + 1 :]]
        if layers:
            yield replace(case, layers=layers)
    if len(case.input_shape) == 2 and case.input_shape[0] > 1:
        yield replace(case, input_shape=(case.input_shape[0] - 1, case.input_shape[1]))
    default = Knobs()
    for knob, value in vars(default).items():
        if getattr(case, knob) != value:
            with_default = {knob: value} | ({"channels": 1} if knob in ("stateful", "sliding_window") else {})
            yield replace(case, **with_default)
    if isinstance(case.types, dict):
        for layer in case.layers:
            if case.types[layer.name] != PLAIN:
                yield replace(case, types={**case.types, layer.name: PLAIN})
    if case.input_type != "fixed<6,3>":
        yield replace(case, input_type="fixed<6,3>")


def minimal(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Return the smallest case found that fails."""
    while True:
        found = next((each for each in smaller(case) if _can_be(each) and fails(each)), None)
        if found is None:
            return case
        case = found


def _can_be(case: Case) -> bool:
    try:
        case.graph()
    except Exception:  # layers that no longer fit one another
        return False
    return True
