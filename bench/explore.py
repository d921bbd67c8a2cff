"""Compares `loopwire explore` with as many random designs of the same space, by the volume that the fronts dominate.

    python bench/explore.py MODEL --data FILE.npz --out FOLDER [--trials 2000] [--random 2000] [--workers 2]

prints both normalised hypervolumes of latency, share and loss, with latency and share as they are and as logarithms,
and how many random designs, and how many of the chooser's and of `precision`, with which the search began, a design of
the front is at least as good as. Then the front's end points are simulated.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna._hypervolume import compute_hypervolume
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import loopwire
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.data import Data
from loopwire.design_targets import DesignTargets
from loopwire.optimise.model_judge import criteria_of
from loopwire.system.progress import silent
from loopwire.system.workers import Here, workers
from loopwire.tradeoff.exploration import explore
from loopwire.tradeoff.page import write
from loopwire.tradeoff.proofs import prove
from loopwire.tradeoff.space import Space
from loopwire.tradeoff.trial import Outcome, Task, evaluate

PART = "xcvu13p-flga2577-2-e"
EVENTS, SEQUENCES = 4000, 200
LEAST_CLOCK_NS = 2.0
Points = NDArray[np.float64]


def random_points(task: Task, trials: int, processes: int | None) -> Points:
    """Return latency, share and loss of random designs that fit the part and keep the criterion."""
    space = Space.of(task.model, task.events, CompileConfig(part=PART), (), LEAST_CLOCK_NS)
    variables, source = space.distributions(), np.random.default_rng(1)
    configs = [space.config({name: drawn(of, source) for name, of in variables.items()}) for _ in range(trials)]
    with workers(processes) as found:
        outcomes = [outcome for _, outcome in (found or Here()).run(evaluate, task, configs)]
    good = [o for o in outcomes if isinstance(o, Outcome) and o.margin >= 0 and o.share <= 1]
    return np.array([(o.latency_ns, o.share, o.loss) for o in good])


def first_points(journal: Path) -> Points:
    """Return latency, share and loss of the designs that a search began with, of those that keep the criterion."""
    study = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(journal))))
    trials = [trial for trial in study.trials if "fixed_params" in trial.system_attrs and trial.values]
    return np.array([trial.values for trial in trials if all(over <= 0 for over in trial.constraints.values())])


def drawn(variable: Any, source: np.random.Generator) -> Any:
    """Return a value of a variable, all alike probable."""
    if hasattr(variable, "choices"):
        return variable.choices[source.integers(len(variable.choices))]
    steps = round((variable.high - variable.low) / variable.step)
    value = variable.low + variable.step * int(source.integers(steps + 1))
    return value if isinstance(value, int) else round(value, 4)


def volumes(fronts: Mapping[str, Points]) -> None:
    """Print the volume that each front dominates, of the box around all."""
    everything = np.vstack(list(fronts.values()))
    low, high = everything.min(0), everything.max(0)
    for name, front in fronts.items():
        scaled = (front - low) / (high - low)
        print(f"  {name}: {compute_hypervolume(scaled, np.ones(3)):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--random", type=int, default=2000)
    parser.add_argument("--minutes", type=float, help="how long to explore, instead of --trials")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--keep", default="auc>=0.97")
    chosen = parser.parse_args()
    model = compile_silently(loopwire.load(chosen.model)).model
    data = np.load(chosen.data)
    events = Data(data["X"][:EVENTS], data["y"][:EVENTS])
    chosen.out.mkdir(parents=True, exist_ok=True)
    journal = chosen.out / "journal.log"
    start = time.perf_counter()
    found = explore(
        model,
        events,
        CompileConfig(part=PART),
        keep=chosen.keep,
        targets=DesignTargets(max_share=1.0, min_clock_ns=LEAST_CLOCK_NS),
        trials=None if chosen.minutes else chosen.trials,
        minutes=chosen.minutes,
        journal=journal,
        processes=chosen.workers,
    )
    print(f"{found!r} in {time.perf_counter() - start:.0f} s", flush=True)
    write(found, chosen.out, Path(chosen.model))
    front = np.array([(p.outcome.latency_ns, p.outcome.share, p.outcome.loss) for p in found.front])
    start = time.perf_counter()
    others = random_points(Task(model, events, criteria_of(chosen.keep, model.outputs)), chosen.random, chosen.workers)
    print(f"{len(others)} of {chosen.random} random designs are possible, in {time.perf_counter() - start:.0f} s")
    fronts = {"explored": front, "random": others}
    print("hypervolume, as they are")
    volumes(fronts)
    print("hypervolume, logarithms of latency and share")
    volumes({name: np.column_stack([np.log(f[:, :2]), f[:, 2]]) for name, f in fronts.items()})
    for name, points in (("random designs", others), ("designs it began with", first_points(journal))):
        beaten = sum(bool((front <= point).all(1).any()) for point in points)
        print(f"{name} that a design of the front is at least as good as: {beaten} of {len(points)}")
    for proof in prove(found, events.inputs, chosen.out / "designs", 2, 0, SEQUENCES, silent):
        print(f"{proof.folder}: {proof.verification}", flush=True)


if __name__ == "__main__":
    main()
