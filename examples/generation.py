"""What the generators of jets share: events of Pythia 8, jets of FastJet, and two files of events: train and test.

Ref: Pythia 8.3, arXiv:2203.11601; FastJet, arXiv:1111.6097; anti-kT, arXiv:0802.1189.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import fastjet
import numpy as np
import pythia8mc

from examples.events import Array, FloatArray, scaled_and_padded, scaling, write_events

HARD_OUTGOING = (5, 6)
"""Places of a 2 -> 2 process' outgoing particles in Pythia's event record."""
EventJets = Callable[[pythia8mc.Event, str, np.random.Generator], Iterator[FloatArray]]
"""Takes an event, its class and a source of random numbers; yields the features of each jet, (steps, features)."""


@dataclass(frozen=True)
class JetCuts:
    """Which of an event's two hardest anti-kT jets are taken.

    Attributes:
        radius: of the jets, R.
        pt_gev: least and greatest transverse momentum.
        eta_max: greatest absolute pseudorapidity of the axis.
        matching_distance: from the axis to the nearest outgoing particle of the hard process, at most.
    """

    radius: float
    pt_gev: tuple[float, float]
    eta_max: float
    matching_distance: float


@dataclass(frozen=True)
class Sample:
    """What is generated.

    Attributes:
        task: jets or flavour.
        processes: Pythia's settings of each class.
        settings: those of all classes.
        event_jets: makes jets of an event.
        feature_names: of a step.
        steps: of a jet; shorter ones are padded with zeros.
    """

    task: str
    processes: dict[str, list[str]]
    settings: list[str]
    event_jets: EventJets
    feature_names: Sequence[str]
    steps: int


def matched_jets(
    event: pythia8mc.Event, particles: list[fastjet.PseudoJet], cuts: JetCuts
) -> Iterator[fastjet.PseudoJet]:
    """Yield the jets of one event's particles that pass the cuts: none, one or two."""
    targets = [fastjet.PseudoJet(p.px(), p.py(), p.pz(), p.e()) for p in (event[place] for place in HARD_OUTGOING)]
    clusters = fastjet.ClusterSequence(particles, fastjet.JetDefinition(fastjet.antikt_algorithm, cuts.radius))
    for jet in fastjet.sorted_by_pt(clusters.inclusive_jets(cuts.pt_gev[0]))[:2]:
        if jet.pt() > cuts.pt_gev[1] or abs(jet.eta()) > cuts.eta_max:
            continue
        if min(jet.delta_R(target) for target in targets) <= cuts.matching_distance:
            yield jet


def generate(sample: Sample, count_per_class: int, seed: int) -> tuple[list[FloatArray], Array]:
    """Return the jets of all classes in random order, each (steps, features), and their classes."""
    jets: list[FloatArray] = []
    for place, name in enumerate(sample.processes):
        start = time.perf_counter()
        pythia, random = _pythia(sample, name, seed + place), np.random.default_rng(seed + place)
        wanted = len(jets) + count_per_class
        while len(jets) < wanted:
            if pythia.next():
                jets.extend(sample.event_jets(pythia.event, name, random))
        del jets[wanted:]
        print(f"{name}: {count_per_class} jets in {time.perf_counter() - start:.0f} s", flush=True)
    labels = np.repeat(np.arange(len(sample.processes), dtype=np.int8), count_per_class)
    order = np.random.default_rng(seed).permutation(len(jets))
    return [jets[index] for index in order], labels[order]


def command(description: str, sample: Sample, *, train_per_class: int, test_per_class: int, test_file: str) -> None:
    """Run a generator's script: write training jets and test jets, which come from different random seeds.

    Args:
        description: of the script, its first line shown as help.
        sample: what is generated.
        train_per_class, test_per_class: jets where the options are not given.
        test_file: name of the file of test jets, in build/<task>, where --test is not given.
    """
    folder = Path("build") / sample.task
    parser = argparse.ArgumentParser(
        description=description.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--train-per-class", type=int, default=train_per_class, help="training jets of each class")
    parser.add_argument("--test-per-class", type=int, default=test_per_class, help="test jets of each class")
    parser.add_argument("--seed", type=int, default=1, help="random seed; the test jets take seed + 1000")
    parser.add_argument("--train", type=Path, default=folder / f"{sample.task}_train.npz", help="file to write")
    parser.add_argument("--test", type=Path, default=folder / test_file, help="file to write")
    chosen = parser.parse_args()
    if min(chosen.train_per_class, chosen.test_per_class) < 1:
        parser.error("there must be at least 1 jet of each class")
    train = generate(sample, chosen.train_per_class, chosen.seed)
    test = generate(sample, chosen.test_per_class, chosen.seed + 1000)
    mean, deviation = scaling(train[0])
    for path, (jets, labels) in ((chosen.train, train), (chosen.test, test)):
        inputs = scaled_and_padded(jets, mean, deviation, sample.steps)
        write_events(path, inputs, labels, tuple(sample.processes), sample.feature_names, mean, deviation)


def _pythia(sample: Sample, class_name: str, seed: int) -> pythia8mc.Pythia:
    """Return Pythia, initialised for one class."""
    pythia = pythia8mc.Pythia("", False)
    common = ["Print:quiet = on", "Beams:eCM = 13000.", "Random:setSeed = on", f"Random:seed = {seed}"]
    for setting in [*common, *sample.settings, *sample.processes[class_name]]:
        if not pythia.readString(setting):
            raise SystemExit(f"Pythia refused the setting {setting!r}")
    if not pythia.init():
        raise SystemExit(f"Pythia could not be initialised for class {class_name!r}")
    return pythia
