"""Generate the jets of the demonstration: proton collisions by Pythia 8, clustered by FastJet.

Five classes at 13 TeV, each the two outgoing particles of a hard process: gluon, quark, W and Z (decaying to
quarks), top (its W decaying to quarks). Jets are anti-kT, R = 0.8, of all visible particles before any
detector ("truth level"), with 800 < pT < 1200 GeV, |eta| < 2.5 and an outgoing particle of the hard process
within 0.4 of their axis. The hardest subjet, which sets the rotation of the features, is the harder of the
jet's two exclusive kT subjets.

Training and test jets come from different random seeds. Writes two files of events (`examples/events.py`).

Ref: exclusive kT, Nucl. Phys. B 406 (1993) 187; the others: `examples/generation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import fastjet
import numpy as np
import pythia8mc

from examples.generation import JetCuts, Sample, command, matched_jets
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
SETTINGS = ["PhaseSpace:pTHatMin = 900.", "PhaseSpace:pTHatMax = 1150."]
CUTS = JetCuts(radius=0.8, pt_gev=(800.0, 1200.0), eta_max=2.5, matching_distance=0.4)
PARTICLE_ETA_MAX = 4.0  # beyond the edge of any accepted jet
KT = fastjet.JetDefinition(fastjet.kt_algorithm, 0.8)


def momentum(jet: fastjet.PseudoJet) -> FloatArray:
    """Return (pT in GeV, eta, phi in radians, E in GeV)."""
    return np.array([jet.pt(), jet.eta(), jet.phi_std(), jet.e()])


def event_jets(event: pythia8mc.Event, _class_name: str, _random: np.random.Generator) -> Iterator[FloatArray]:
    """Yield the features of each accepted jet of one event: none, one or two of them."""
    particles = []
    for particle in event:
        if particle.isFinal() and particle.isVisible() and abs(particle.eta()) < PARTICLE_ETA_MAX:
            pseudojet = fastjet.PseudoJet(particle.px(), particle.py(), particle.pz(), particle.e())
            pseudojet.set_user_index(particle.id())
            particles.append(pseudojet)
    for jet in matched_jets(event, particles, CUTS):
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


SAMPLE = Sample("jets", PROCESSES, SETTINGS, event_jets, FEATURE_NAMES, CONSTITUENTS)

if __name__ == "__main__":
    assert __doc__
    command(__doc__, SAMPLE, train_per_class=5_000, test_per_class=400, test_file="jets_test2k.npz")
