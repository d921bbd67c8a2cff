"""Generate b, c and light jets with Pythia 8, clustered by FastJet, their tracks smeared as by a detector.

Proton collisions at 13 TeV; the two outgoing partons of a hard process are two b, two c, or light quarks and gluons.
Jets are anti-kT, R = 0.4, of all visible particles, with 40 < pT < 500 GeV, |eta| < 2 and an outgoing parton within 0.3
of their axis. A light jet with a b or c hadron above 5 GeV inside is left out. Tracks are charged particles of
pT > 0.5 GeV within 0.4 of the axis that begin less than 100 mm from the beam line. Writes two files of events
(`examples/events.py`).

Ref: Pythia 8.3, arXiv:2203.11601; FastJet, arXiv:1111.6097; anti-kT, arXiv:0802.1189.
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
from examples.flavour.features import FEATURE_NAMES, TRACKS, FloatArray, impact_mm, track_features
from examples.jets.features import wrap_phi

PROCESSES = {
    "b": ["HardQCD:gg2bbbar = on", "HardQCD:qqbar2bbbar = on"],
    "c": ["HardQCD:gg2ccbar = on", "HardQCD:qqbar2ccbar = on"],
    "l": [
        "HardQCD:gg2gg = on",
        "HardQCD:gg2qqbar = on",
        "HardQCD:qg2qg = on",
        "HardQCD:qq2qq = on",
        "HardQCD:qqbar2gg = on",
        "HardQCD:qqbar2qqbarNew = on",
    ],
}
COMMON = [
    "Print:quiet = on",
    "Beams:eCM = 13000.",
    "PhaseSpace:pTHatMin = 40.",
    "PhaseSpace:bias2Selection = on",
    "PhaseSpace:bias2SelectionPow = 4.",
    "PhaseSpace:bias2SelectionRef = 100.",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 100.",
    "Random:setSeed = on",
]
JET_PT_GEV = (40.0, 500.0)
JET_ETA_MAX = 2.0
PARTICLE_ETA_MAX = 2.5
TRACK_PT_MIN_GEV = 0.5
TRACK_START_MAX_MM = 100.0
HADRON_PT_MIN_GEV = 5.0
RADIUS = 0.4
MATCHING_DISTANCE = 0.3
HARD_OUTGOING = (5, 6)  # places of a 2 -> 2 process' outgoing particles in Pythia's event record
ANTI_KT = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)


def generator(class_name: str, seed: int) -> pythia8mc.Pythia:
    """Return Pythia, initialised for one class."""
    pythia = pythia8mc.Pythia("", False)
    for setting in [*COMMON, f"Random:seed = {seed}", *PROCESSES[class_name]]:
        if not pythia.readString(setting):
            raise SystemExit(f"Pythia refused the setting {setting!r}")
    if not pythia.init():
        raise SystemExit(f"Pythia could not be initialised for class {class_name!r}")
    return pythia


def is_heavy(pdgid: int) -> bool:
    """Return whether a particle is a hadron with a b or c quark, by its Monte Carlo number."""
    digits = abs(pdgid)
    return digits > 100 and any((digits // place) % 10 in (4, 5) for place in (10, 100, 1000))


def event_jets(event: pythia8mc.Event, light: bool, random: np.random.Generator) -> Iterator[FloatArray]:
    """Yield the features of each accepted jet of one event: none, one or two of them."""
    particles, tracks, heavy = [], [], []
    for particle in event:
        if not particle.isFinal():
            if light and is_heavy(particle.id()) and particle.pT() > HADRON_PT_MIN_GEV:
                heavy.append((particle.eta(), particle.phi()))
            continue
        if not particle.isVisible() or abs(particle.eta()) > PARTICLE_ETA_MAX:
            continue
        particles.append(fastjet.PseudoJet(particle.px(), particle.py(), particle.pz(), particle.e()))
        if particle.isCharged() and particle.pT() > TRACK_PT_MIN_GEV:
            start = (particle.xProd(), particle.yProd(), particle.zProd())
            moves = (particle.px(), particle.py(), particle.pz())
            tracks.append((*start, *moves, particle.eta(), particle.phi(), particle.pT()))
    table = np.array(tracks).reshape(-1, 9)
    table = table[np.hypot(table[:, 0], table[:, 1]) < TRACK_START_MAX_MM]
    targets = [fastjet.PseudoJet(p.px(), p.py(), p.pz(), p.e()) for p in (event[place] for place in HARD_OUTGOING)]
    clusters = fastjet.ClusterSequence(particles, ANTI_KT)
    for jet in fastjet.sorted_by_pt(clusters.inclusive_jets(JET_PT_GEV[0]))[:2]:
        if jet.pt() > JET_PT_GEV[1] or abs(jet.eta()) > JET_ETA_MAX:
            continue
        if min(jet.delta_R(target) for target in targets) > MATCHING_DISTANCE:
            continue
        eta, phi = jet.eta(), jet.phi_std()
        if any(np.hypot(eta - h_eta, wrap_phi(np.array(phi - h_phi))) < RADIUS for h_eta, h_phi in heavy):
            continue
        delta_r = np.hypot(table[:, 6] - eta, wrap_phi(table[:, 7] - phi))
        inside = delta_r < RADIUS
        if not inside.any():
            continue
        chosen = table[inside]
        d0, z0 = impact_mm(chosen[:, :3], chosen[:, 3:6], phi)
        yield track_features(chosen[:, 8], delta_r[inside], d0, z0, jet.pt(), random)


def generate(count_per_class: int, seed: int) -> tuple[list[FloatArray], np.ndarray]:
    """Return the jets of all classes in random order, each (tracks, 6), and their classes."""
    jets: list[FloatArray] = []
    for place, name in enumerate(PROCESSES):
        start = time.perf_counter()
        pythia, random = generator(name, seed + place), np.random.default_rng(seed + place)
        first = len(jets)
        while len(jets) < first + count_per_class:
            if pythia.next():
                jets.extend(event_jets(pythia.event, name == "l", random))
        del jets[first + count_per_class :]
        print(f"{name}: {count_per_class} jets in {time.perf_counter() - start:.0f} s", flush=True)
    labels = np.repeat(np.arange(len(PROCESSES), dtype=np.int8), count_per_class)
    order = np.random.default_rng(seed).permutation(len(jets))
    return [jets[index] for index in order], labels[order]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--train-per-class", type=int, default=20_000, help="training jets of each class")
    parser.add_argument("--test-per-class", type=int, default=3_000, help="test jets of each class")
    parser.add_argument("--seed", type=int, default=1, help="random seed; the test jets take seed + 1000")
    parser.add_argument("--train", type=Path, default=Path("build/flavour/flavour_train.npz"), help="file to write")
    parser.add_argument("--test", type=Path, default=Path("build/flavour/flavour_test.npz"), help="file to write")
    arguments = parser.parse_args()

    train_jets, train_labels = generate(arguments.train_per_class, arguments.seed)
    test_jets, test_labels = generate(arguments.test_per_class, arguments.seed + 1000)
    mean, deviation = scaling(train_jets)
    for path, jets, labels in [
        (arguments.train, train_jets, train_labels),
        (arguments.test, test_jets, test_labels),
    ]:
        inputs = scaled_and_padded(jets, mean, deviation, TRACKS)
        write_events(path, inputs, labels, tuple(PROCESSES), FEATURE_NAMES, mean, deviation)


if __name__ == "__main__":
    main()
