"""Proofs of what the handshake modules promise, by Yosys and ABC from the package pyosys: `make prove`.

Yosys makes a circuit of a module and its checker, from loopwire/hdl/properties, that is high when a property fails. ABC
proves by property directed reachability that it never is, after any reset, whatever the inputs, for ever: it finds an
invariant that is inductive, or a way to the fault.

Ref: A. Bradley, "SAT-Based Model Checking without Unrolling", VMCAI 2011; N. Een, A. Mishchenko, R. Brayton, "Efficient
Implementation of Property Directed Reachability", FMCAD 2011.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

PROVED = "proved"
SHARED = ("stream_rules", "in_order", "begins_in_reset")
YOSYS = """\
read_verilog -sv -formal -defer {sources}
hierarchy -check -top {top} {parameters}
prep -flatten -top {top}
memory_map -formal
async2sync
chformal -assume -early
formalff -clk2ff -ff2anyinit -setundef
opt_clean
setundef -undriven -anyseq
opt -full
delete -output
techmap
dffunmap
setundef -anyseq
aigmap
opt_clean
write_aiger -I -B -zinit -no-startoffset {aiger}
"""
ABC = "read_aiger {aiger}; fold; strash; pdr -T {seconds}"


@dataclass(frozen=True)
class Proof:
    """A checker, by its name without prefix and `_properties`, the modules that it holds, and its parameters."""

    checker: str
    modules: Sequence[str]
    parameters: Mapping[str, int]

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{' and '.join(self.modules)} ({sizes})"


def _proofs() -> Iterator[Proof]:
    for depth in (1, 2, 3):
        yield Proof("queue", ["queue"], {"DEPTH": depth})
    for parts in (2, 3):
        yield Proof("split", ["split"], {"PARTS": parts})
        yield Proof("join", ["join"], {"PARTS": parts})
    for steps in (2, 3, 5):
        yield Proof("fill", ["fill"], {"STEPS": steps})
    for first, count in ((0, 1), (0, 3), (1, 1), (2, 3)):
        yield Proof("crop", ["crop"], {"FIRST": first, "COUNT": count})
    for steps in (1, 2, 3):
        yield Proof("reverse", ["reverse"], {"STEPS": steps})
    for streams, held, steps in ((2, 0, 1), (2, 0, 3), (2, 1, 3), (3, 0, 2), (3, 4, 3)):
        yield Proof("meet", ["meet"], {"STREAMS": streams, "HELD": held, "STEPS": steps})
    for latency, depth in ((2, 2), (6, 2), (3, 4)):
        yield Proof("hold", ["hold"], {"LATENCY": latency, "DEPTH": depth})
    for depth in (2, 4):
        yield Proof("labels", ["labels"], {"DEPTH": depth})
    for steps, per_beat, parts in ((7, 3, 1), (6, 2, 1), (3, 1, 1), (3, 1, 2), (2, 1, 4)):
        for strict in (0, 1):
            sizes = {"STEPS": steps, "PER_BEAT": per_beat, "PARTS": parts, "STRICT": strict}
            yield Proof("framer", ["framer"], sizes)
    for strict in (0, 1):
        sizes = {"STEPS": 2, "PER_BEAT": 1, "STRICT": strict, "CHANNELS": 3, "ID_BITS": 2}
        yield Proof("framer", ["framer"], sizes)
    yield Proof("slice", ["slice"], {"BITS": 2})
    for copies in (2, 3):
        yield Proof("copies", ["distributor", "merger"], {"COPIES": copies})
    for steps, channels in ((2, 1), (3, 3)):
        yield Proof("window", ["window"], {"STEPS": steps, "CHANNELS": channels})
    for chunks, passes in ((3, 2), (1, 3), (4, 1)):
        yield Proof("sequencer", ["sequencer"], {"CHUNKS": chunks, "PASSES": passes})
    for tickets, beats in ((2, 1), (4, 1), (2, 2), (4, 3)):
        for block_ram in (0, 1):
            yield Proof("collector", ["collector"], {"TICKETS": tickets, "BEATS": beats, "BLOCK_RAM": block_ram})
    for steps, round_cycles, slots, spacing, tickets in (
        (1, 1, 1, 1, 2),
        (3, 1, 1, 1, 2),
        (2, 2, 2, 1, 2),
        (2, 4, 2, 2, 4),
        (2, 4, 3, 1, 4),
    ):
        for reverse, later in ((0, 0), (1, 0), (0, 1)):
            sizes = {"STEPS": steps, "RING": round_cycles, "SLOTS": slots, "SPACING": spacing, "TICKETS": tickets}
            yield Proof("feeder", ["feeder"], {**sizes, "REVERSE": reverse, "X_STAGE": later})
    yield Proof("feeder", ["feeder"], {"STEPS": 2, "RING": 3, "SLOTS": 1, "WAITS": 1})


PROOFS = tuple(_proofs())


def prove(proof: Proof, seconds: int = 120, texts: Mapping[str, str] | None = None) -> str:
    """Return `PROVED`, or what was found instead.

    Args:
        proof: what to prove.
        seconds: the most that ABC may take.
        texts: of modules, in place of their own.
    """
    hdl = resources.files("loopwire.hdl")
    top = f"loopwire_{proof.checker}_properties"
    files = [hdl.joinpath("properties", f"loopwire_{name}.sv") for name in (*SHARED, f"{proof.checker}_properties")]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for module in proof.modules:
            text = (texts or {}).get(module) or hdl.joinpath(f"loopwire_{module}.sv").read_text()
            (place / f"{module}.sv").write_text(text)
        sources = " ".join(str(file) for file in [*files, *(place / f"{module}.sv" for module in proof.modules)])
        parameters = " ".join(f"-chparam {name} {value}" for name, value in proof.parameters.items())
        script, aiger = place / "prove.ys", place / "prove.aig"
        script.write_text(YOSYS.format(sources=sources, top=top, parameters=parameters, aiger=aiger))
        run = "import sys; from pyosys import libyosys; libyosys.run_pass('script ' + sys.argv[1], libyosys.Design())"
        made = subprocess.run([sys.executable, "-c", run, str(script)], capture_output=True, text=True)
        if made.returncode != 0:
            return made.stdout[-1000:] + made.stderr[-1000:]
        command = [_abc(), "-q", ABC.format(aiger=aiger, seconds=seconds)]
        found = subprocess.run(command, capture_output=True, text=True).stdout
    return PROVED if "Property proved" in found else found.strip().splitlines()[-1]


def _abc() -> Path:
    spec = importlib.util.find_spec("pyosys")
    assert spec is not None and spec.submodule_search_locations, "pyosys is missing: pip install loopwire[prove]"
    return Path(spec.submodule_search_locations[0], "yosys-abc")


def _timed(proof: Proof) -> tuple[str, float]:
    start = time.monotonic()
    return prove(proof), time.monotonic() - start


def main() -> None:
    """Prove everything, and end with status 1 if anything is not proved."""
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for proof, (found, seconds) in zip(PROOFS, pool.map(_timed, PROOFS), strict=True):
            print(f"{proof}: {found}, {seconds:.1f} s", flush=True)
            failed += found != PROVED
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
