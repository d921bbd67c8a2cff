"""Generate b, c and light jets with Pythia 8, clustered by FastJet, their tracks smeared as by a detector.

Proton collisions at 13 TeV; the two outgoing partons of a hard process are two b, two c, or light quarks and gluons.
Jets are anti-kT, R = 0.4, of all visible particles, with 40 < pT < 500 GeV, |eta| < 2 and an outgoing parton within 0.3
of their axis. A light jet with a b or c hadron above 5 GeV inside is left out. Tracks are charged particles of
pT > 0.5 GeV within 0.4 of the axis that begin less than 100 mm from the beam line. Writes two files of events
(`examples/events.py`). Ref: `examples/generation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import fastjet
import numpy as np
import pythia8mc

from examples.flavour.features import FEATURE_NAMES, TRACKS, FloatArray, impact_mm, track_features
from examples.generation import JetCuts, Sample, command, matched_jets
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
SETTINGS = [
    "PhaseSpace:pTHatMin = 40.",
    "PhaseSpace:bias2Selection = on",
    "PhaseSpace:bias2SelectionPow = 4.",
    "PhaseSpace:bias2SelectionRef = 100.",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 100.",
]
CUTS = JetCuts(radius=0.4, pt_gev=(40.0, 500.0), eta_max=2.0, matching_distance=0.3)
PARTICLE_ETA_MAX = 2.5
TRACK_PT_MIN_GEV = 0.5
TRACK_START_MAX_MM = 100.0
HADRON_PT_MIN_GEV = 5.0


def is_heavy(pdgid: int) -> bool:
    """Return whether a particle is a hadron with a b or c quark, by its Monte Carlo number."""
    digits = abs(pdgid)
    return digits > 100 and any((digits // place) % 10 in (4, 5) for place in (10, 100, 1000))


def event_jets(event: pythia8mc.Event, class_name: str, random: np.random.Generator) -> Iterator[FloatArray]:
    """Yield the features of each accepted jet of one event: none, one or two of them."""
    particles, tracks, heavy = [], [], []
    for particle in event:
        if not particle.isFinal():
            if class_name == "l" and is_heavy(particle.id()) and particle.pT() > HADRON_PT_MIN_GEV:
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
    for jet in matched_jets(event, particles, CUTS):
        eta, phi = jet.eta(), jet.phi_std()
        if any(np.hypot(eta - h_eta, wrap_phi(np.array(phi - h_phi))) < CUTS.radius for h_eta, h_phi in heavy):
            continue
        delta_r = np.hypot(table[:, 6] - eta, wrap_phi(table[:, 7] - phi))
        inside = delta_r < CUTS.radius
        if not inside.any():
            continue
        chosen = table[inside]
        d0, z0 = impact_mm(chosen[:, :3], chosen[:, 3:6], phi)
        yield track_features(chosen[:, 8], delta_r[inside], d0, z0, jet.pt(), random)


SAMPLE = Sample("flavour", PROCESSES, SETTINGS, event_jets, FEATURE_NAMES, TRACKS)

if __name__ == "__main__":
    assert __doc__
    command(__doc__, SAMPLE, train_per_class=20_000, test_per_class=3_000, test_file="flavour_test.npz")
