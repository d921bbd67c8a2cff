"""The six features of each jet constituent, and their scaling.

Coordinates are those of a hadron collider: transverse momentum pT, pseudorapidity eta, azimuth phi. J is the
jet, i a constituent, S the jet's hardest subjet; d_eta and d_phi are differences to the jet axis, d_phi taken
into [-pi, pi).

    ptrel_i  = pT_i / pT_J
    etarot_i = d_eta_i cos(a) - d_phi_i sin(a)         a = pi/2 - atan2(d_phi_S, d_eta_S)
    phirot_i = d_eta_i sin(a) + d_phi_i cos(a)
    erel_i   = E_i / E_J
    deltaR_i = sqrt(d_eta_i^2 + d_phi_i^2)
    pdgid_i  = the particle's number in the Monte Carlo numbering scheme (22 photon, 211 pi+, -211 pi-, ...)

The rotation about the jet axis puts the hardest subjet on the positive phirot axis: the orientation of a
decay in the detector says nothing of its class.

Ref: arXiv:1908.05318 (such features in a jet tagger); Particle Data Group, "Monte Carlo particle numbering
scheme".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEATURE_NAMES = ("ptrel", "etarot", "phirot", "erel", "deltaR", "pdgid")
CONSTITUENTS = 20

FloatArray = NDArray[np.float64]


def wrap_phi(phi: FloatArray) -> FloatArray:
    """Return azimuths in radians, taken into [-pi, pi)."""
    return (phi + np.pi) % (2 * np.pi) - np.pi


def jet_features(constituents: FloatArray, pdgid: FloatArray, jet: FloatArray, subjet: FloatArray) -> FloatArray:
    """Return the features of the hardest constituents of one jet, falling in pT.

    `constituents` is (n, 4), `jet` and `subjet` (the hardest one) are (4,): pT in GeV, eta, phi in radians, E
    in GeV. `pdgid` is (n,). The result is (min(n, 20), 6), columns as in `FEATURE_NAMES`.
    """
    hardest = np.argsort(-constituents[:, 0], kind="stable")[:CONSTITUENTS]
    pt, eta, phi, energy = constituents[hardest].T
    d_eta, d_phi = eta - jet[1], wrap_phi(phi - jet[2])
    angle = np.pi / 2 - np.arctan2(wrap_phi(subjet[2] - jet[2]), subjet[1] - jet[1])
    etarot = d_eta * np.cos(angle) - d_phi * np.sin(angle)
    phirot = d_eta * np.sin(angle) + d_phi * np.cos(angle)
    delta_r = np.hypot(d_eta, d_phi)
    return np.stack([pt / jet[0], etarot, phirot, energy / jet[3], delta_r, pdgid[hardest]], axis=1)
