"""`make fuzz`: runs the campaigns for some minutes with a fresh seed, adds to the totals, and keeps what fails.

python -m fuzz.run --minutes 10                               all campaigns, with a seed of their own
python -m fuzz.run --minutes 10 --seed 7 --campaign models    one of them, with a given seed
python -m fuzz.run --seed 7 --campaign models --case 123      one case again, and what it did
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from random import SystemRandom

from fuzz import (
    ROOT,
    configurations,
    crashers,
    data_files,
    designs,
    models,
    onnx_models,
    projects,
    streams,
    torch_models,
    totals,
)
from fuzz.designs import DESIGNS, GRAPHS, GROUP, Tally
from fuzz.files import FileCampaign
from random_models import buildable

FILES: dict[str, FileCampaign] = {
    campaign.name: campaign
    for campaign in (
        module.CAMPAIGN for module in (models, onnx_models, torch_models, data_files, configurations, projects, streams)
    )
}
PROPERTIES = "properties"
SHARES = {
    "models": 3,
    "onnx": 2,
    "torch": 2,
    "data": 1,
    "configurations": 1,
    "projects": 1,
    "streams": 1,
    DESIGNS: 4,
    GRAPHS: 4,
    PROPERTIES: 3,
}
"""Of the time. A campaign of this name is one of `FILES`, chains or graphs, or the property tests with new seeds."""
KEPT_EVERY_S = 30.0
"""So that a run that is stopped has counted."""
PROPERTY_TESTS = tuple(f"tests/test_{name}.py" for name in ("conformance_verilog", "fast_emulator", "expand", "passes"))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    parser.add_argument("--campaign", choices=SHARES)
    parser.add_argument("--case", type=int, help="run one case, as a failure names it")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="for designs")
    arguments = parser.parse_args()
    if arguments.case is not None:
        sys.exit(_again(arguments.campaign, arguments.seed, arguments.case))
    chosen = [arguments.campaign] if arguments.campaign else list(SHARES)
    print(f"seed {arguments.seed}", flush=True)
    failed = 0
    for campaign in chosen:
        share = SHARES[campaign] / sum(SHARES[name] for name in chosen)
        deadline = time.monotonic() + 60 * arguments.minutes * share
        if campaign in FILES:
            failed += _run_files(FILES[campaign], arguments.seed, deadline)
        elif campaign == PROPERTIES:
            failed += _run_properties(arguments.seed, deadline)
        else:
            failed += _run_designs(campaign, arguments.seed, deadline, arguments.jobs)
    sys.exit(failed > 0)


def _run_files(campaign: FileCampaign, seed: int, deadline: float) -> int:
    """Run mutated files until the deadline; return how many kinds of failure there were."""
    counts: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    failures: dict[str, tuple[int, str]] = {}
    slowest_s, keep_at = 0.0, time.monotonic() + KEPT_EVERY_S
    for number, outcome in campaign.run(seed, range(10**9), deadline):
        counts["files"] += 1
        counts[outcome.kind] += 1
        slowest_s = max(slowest_s, outcome.seconds)
        if outcome.failed and outcome.place not in failures:
            failures[outcome.place] = number, outcome.text
            print(f"{campaign.name} {number}: {outcome.text} ({outcome.place})", flush=True)
        if time.monotonic() > keep_at:
            totals.add(campaign.name, counts - kept)
            kept, keep_at = counts.copy(), time.monotonic() + KEPT_EVERY_S
    totals.add(campaign.name, counts - kept)
    print(f"{campaign.name}: {_listed(counts)}; slowest {slowest_s:.2f} CPU-seconds", flush=True)
    for place, (number, text) in failures.items():
        outcome = campaign.outcome(campaign.mutated(seed, number))
        files = campaign.minimal(seed, number, outcome) if outcome.failed else campaign.mutated(seed, number)
        _tell_kept(campaign.name, seed, number, crashers.keep(campaign.name, files, f"{text} ({place})"))
    return len(failures)


def _run_designs(campaign: str, seed: int, deadline: float, jobs: int) -> int:
    """Run groups of designs, several at a time, until the deadline; return how many failures there were."""
    whole, failures = Tally(), 0
    begin = time.monotonic()
    following = 0
    while time.monotonic() < deadline:
        with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
            running = {}
            try:
                while running or time.monotonic() < deadline:
                    while len(running) < jobs and time.monotonic() < deadline:
                        running[pool.submit(designs.prove_group, campaign, seed, _numbers(following))] = following
                        following += 1
                    done = next(as_completed(running))
                    group = running.pop(done)
                    failures += _add(campaign, whole, done.result(), seed, _numbers(group))
                    spent_s = time.monotonic() - begin
                    print(f"{campaign}: {_listed(whole.designs)} after {spent_s:.0f} s", flush=True)
            except BrokenProcessPool:
                failures += 1
                print(f"{campaign}: a process died in one of the groups {sorted(running.values())}", flush=True)
    return failures


def _numbers(group: int) -> range:
    return range(group * GROUP, (group + 1) * GROUP)


def _add(campaign: str, whole: Tally, tally: Tally, seed: int, numbers: range) -> int:
    """Add a group's tally to that of the run and to the totals, and keep its failures; return their number."""
    whole.designs.update(tally.designs)
    whole.sequences.update(tally.sequences)
    whole.bits += tally.bits
    counts = {f"designs, {machine}": count for machine, count in tally.designs.items()}
    counts |= {f"sequences, {machine}": count for machine, count in tally.sequences.items()}
    totals.add(campaign, {**counts, "bits": tally.bits})
    for place, machine, text in tally.failures:
        number = numbers[place]
        print(f"{campaign} {number}, {machine}: {text[:500]}", flush=True)
        case = designs.case_of(campaign, seed, number)
        try:
            kept = crashers.keep_design(buildable(case), f"{machine}: {text[:500]}")
        except Exception as error:
            print(f"  it is not kept: {type(error).__name__}: {error}")
        else:
            _tell_kept(campaign, seed, number, kept)
    return len(tally.failures)


def _run_properties(seed: int, deadline: float) -> int:
    """Run property tests again and again, with new seeds, until the deadline."""
    counts: Counter[str] = Counter()
    while time.monotonic() < deadline:
        options = ["-q", "-x", "-p", "no:cacheprovider", "-m", "", "-k", "random or many"]
        command = [sys.executable, "-m", "pytest", *options, f"--hypothesis-seed={seed}", *PROPERTY_TESTS]
        try:
            environment = {**os.environ, "LOOPWIRE_FUZZ": "1"}
            left_s = deadline - time.monotonic()
            done = subprocess.run(command, cwd=ROOT, env=environment, timeout=left_s, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            break
        counts["rounds"] += 1
        if done.returncode:
            print(done.stdout[-5000:], f"again: LOOPWIRE_FUZZ=1 {' '.join(command)}", sep="\n", flush=True)
            counts["failed"] += 1
            break
        seed += 1
    totals.add(PROPERTIES, counts)
    print(f"{PROPERTIES}: {_listed(counts)}", flush=True)
    return counts["failed"]


def _again(campaign: str, seed: int, number: int) -> int:
    """Run one case; return the exit status."""
    if campaign in FILES:
        outcome = FILES[campaign].outcome(FILES[campaign].mutated(seed, number))
        print(outcome.kind, outcome.text, outcome.place)
        return outcome.failed
    case = designs.case_of(campaign, seed, number)
    print(case)
    tally = designs.prove_cases([case], seed, [number], designs.SLOWER)
    print(_listed(tally.designs), *(f"{machine}: {text}" for _, machine, text in tally.failures), sep="\n")
    return bool(tally.failures)


def _tell_kept(campaign: str, seed: int, number: int, kept: object) -> None:
    print(
        f"  again: python -m fuzz.run --campaign {campaign} --seed {seed} --case {number}\n  kept in {kept}", flush=True
    )


def _listed(counts: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
