"""Generate the jets of the demonstration: proton collisions by Pythia 8, clustered by FastJet.

Five classes at 13 TeV, each the two outgoing particles of a hard process: gluon, quark, W and Z (decaying to
quarks), top (its W decaying to quarks). Jets are anti-kT, R = 0.8, of all visible particles before any
detector ("truth level"), with 800 < pT < 1200 GeV, |eta| < 2.5 and an outgoing particle of the hard process
within 0.4 of their axis. The hardest subjet, which sets the rotation of the features, is the harder of the
jet's two exclusive kT subjets.

Training and test jets come from different random seeds. Writes two files of events (`examples/events.py`).

Ref: Pythia 8.3, arXiv:2203.11601; FastJet, arXiv:1111.6097; anti-kT, arXiv:0802.1189; exclusive kT,
Nucl. Phys. B 406 (1993) 187.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import fastjet
import numpy as np
import pythia8mc

from examples.events import scaled_and_padded, scaling, write_events
from examples.jets.features import CONSTITUENTS, FEATURE_NAMES, FloatArray, jet_features

HADRONIC_W = ["24:onMode = off", "24:onIfAny = 1 2 3 4 5"]
PROCESSES = {
    "g": ["HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on"],
    "q": ["HardQCD:qq2qq = on", "HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on"],
    "w": ["WeakDoubleBoson:ffbar2WW = on", *HADRONIC_W],
    "z": [
        "WeakDoubleBoson:ffbar2gmZgmZ = on",
        "23:onMode = off",
        "23:onIfAny = 1 2 3 4 5",
        "WeakZ0:gmZmode = 2",
    ],
    "t": ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *HADRONIC_W],
}
COMMON = [
    "Print:quiet = on",
    "Beams:eCM = 13000.",
    "PhaseSpace:pTHatMin = 900.",
    "PhaseSpace:pTHatMax = 1150.",
    "Random:setSeed = on",
]
JET_PT_GEV = (800.0, 1200.0)
JET_ETA_MAX = 2.5
PARTICLE_ETA_MAX = 4.0  # beyond the edge of any accepted jet
MATCHING_DISTANCE = 0.4
HARD_OUTGOING = (5, 6)  # places of a 2 -> 2 process' outgoing particles in Pythia's event record
ANTI_KT = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.8)
KT = fastjet.JetDefinition(fastjet.kt_algorithm, 0.8)


def generator(class_name: str, seed: int) -> pythia8mc.Pythia:
    """Return Pythia, initialised for one class."""
    pythia = pythia8mc.Pythia("", False)
    for setting in [*COMMON, f"Random:seed = {seed}", *PROCESSES[class_name]]:
        if not pythia.readString(setting):
            raise SystemExit(f"Pythia refused the setting {setting!r}")
    if not pythia.init():
        raise SystemExit(f"Pythia could not be initialised for class {class_name!r}")
    return pythia


def momentum(jet: fastjet.PseudoJet) -> FloatArray:
    """Return (pT in GeV, eta, phi in radians, E in GeV)."""
    return np.array([jet.pt(), jet.eta(), jet.phi_std(), jet.e()])


def event_jets(event: pythia8mc.Event) -> Iterator[FloatArray]:
    """Yield the features of each accepted jet of one event: none, one or two of them."""
    particles = []
    for particle in event:
        if particle.isFinal() and particle.isVisible() and abs(particle.eta()) < PARTICLE_ETA_MAX:
            pseudojet = fastjet.PseudoJet(particle.px(), particle.py(), particle.pz(), particle.e())
            pseudojet.set_user_index(particle.id())
            particles.append(pseudojet)
    outgoing = [event[place] for place in HARD_OUTGOING]
    targets = [fastjet.PseudoJet(parton.px(), parton.py(), parton.pz(), parton.e()) for parton in outgoing]
    clusters = fastjet.ClusterSequence(particles, ANTI_KT)
    for jet in fastjet.sorted_by_pt(clusters.inclusive_jets(JET_PT_GEV[0]))[:2]:
        if jet.pt() > JET_PT_GEV[1] or abs(jet.eta()) > JET_ETA_MAX:
            continue
        if min(jet.delta_R(target) for target in targets) > MATCHING_DISTANCE:
            continue
        constituents = list(jet.constituents())
        if len(constituents) < 2:
            continue
        subjets = fastjet.ClusterSequence(constituents, KT)
        hardest_subjet = fastjet.sorted_by_pt(subjets.exclusive_jets(2))[0]
        yield jet_features(
            np.stack([momentum(constituent) for constituent in constituents]),
            np.array([constituent.user_index() for constituent in constituents], dtype=np.float64),
            momentum(jet),
            momentum(hardest_subjet),
        )


def generate_class(class_name: str, count: int, seed: int) -> list[FloatArray]:
    """Return the features of `count` jets of one class, each (constituents, 6)."""
    start = time.perf_counter()
    pythia = generator(class_name, seed)
    jets: list[FloatArray] = []
    while len(jets) < count:
        if pythia.next():
            jets.extend(event_jets(pythia.event))
    print(f"{class_name}: {count} jets in {time.perf_counter() - start:.0f} s", flush=True)
    return jets[:count]


def generate(count_per_class: int, seed: int) -> tuple[list[FloatArray], np.ndarray]:
    """Return the jets of all classes in random order, and their classes."""
    jets = [jet for place, name in enumerate(PROCESSES) for jet in generate_class(name, count_per_class, seed + place)]
    labels = np.repeat(np.arange(len(PROCESSES), dtype=np.int8), count_per_class)
    order = np.random.default_rng(seed).permutation(len(jets))
    return [jets[index] for index in order], labels[order]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--train-per-class", type=int, default=5_000, help="training jets of each class")
    parser.add_argument("--test-per-class", type=int, default=400, help="test jets of each class")
    parser.add_argument("--seed", type=int, default=1, help="random seed; the test jets take seed + 1000")
    parser.add_argument("--train", type=Path, default=Path("build/jets/jets_train.npz"), help="file to write")
    parser.add_argument("--test", type=Path, default=Path("build/jets/jets_test2k.npz"), help="file to write")
    arguments = parser.parse_args()

    train_jets, train_labels = generate(arguments.train_per_class, arguments.seed)
    test_jets, test_labels = generate(arguments.test_per_class, arguments.seed + 1000)
    mean, deviation = scaling(train_jets)
    for path, jets, labels in [
        (arguments.train, train_jets, train_labels),
        (arguments.test, test_jets, test_labels),
    ]:
        inputs = scaled_and_padded(jets, mean, deviation, CONSTITUENTS)
        write_events(path, inputs, labels, tuple(PROCESSES), FEATURE_NAMES, mean, deviation)


if __name__ == "__main__":
    main()
