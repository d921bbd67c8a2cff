"""The six features of each track of a jet, and the smearing that stands for a tracking detector.

pT is the momentum across the beam in GeV, lengths are in mm, the origin is the collision. d0 is the distance of a
track to the beam line, z0 its place along the beam where it is nearest; d0 is positive where that place lies on the
jet's side.
slog(x) = sign(x) · log(1 + |x|) keeps far tails short.

    log_ptrel = log(pT_track / pT_jet)
    delta_r   = distance of track and jet in pseudorapidity and azimuth
    slog_d0   = slog(d0 / 20 µm)            slog_z0   = slog(z0 / 50 µm)
    slog_sd0  = slog(d0 / σ(d0))            slog_sz0  = slog(z0 / σ(z0))

    σ(d0) = √(10² + (70 / pT)²) µm          σ(z0) = √(20² + (100 / pT)²) µm

Ref: ATL-PHYS-PUB-2017-003 (a recurrent network on tracks by impact parameter significance); the resolutions are of the
size that pixel detectors at the LHC reach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEATURE_NAMES = ("log_ptrel", "delta_r", "slog_d0", "slog_z0", "slog_sd0", "slog_sz0")
TRACKS = 15
D0_SCALE_MM, Z0_SCALE_MM = 0.020, 0.050

FloatArray = NDArray[np.float64]


def slog(x: FloatArray) -> FloatArray:
    """Return sign(x) · log(1 + |x|)."""
    return np.sign(x) * np.log1p(np.abs(x))


def resolutions_mm(pt: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return σ(d0) and σ(z0) of tracks of a momentum."""
    return 1e-3 * np.hypot(10.0, 70.0 / pt), 1e-3 * np.hypot(20.0, 100.0 / pt)


def impact_mm(vertex: FloatArray, momentum: FloatArray, jet_phi: float) -> tuple[FloatArray, FloatArray]:
    """Return d0 and z0, each (n,), of straight tracks.

    Args:
        vertex: x, y, z where each begins (n, 3), mm.
        momentum: its px, py, pz (n, 3).
        jet_phi: azimuth of the jet, which gives d0 its sign.
    """
    across = momentum[:, :2]
    pt = np.linalg.norm(across, axis=1)
    along = (vertex[:, :2] * across).sum(axis=1) / pt
    nearest = vertex[:, :2] - across * (along / pt)[:, np.newaxis]
    side = nearest @ np.array([np.cos(jet_phi), np.sin(jet_phi)])
    return np.copysign(np.linalg.norm(nearest, axis=1), side), vertex[:, 2] - momentum[:, 2] * along / pt


def track_features(
    pt: FloatArray, delta_r: FloatArray, d0: FloatArray, z0: FloatArray, jet_pt: float, random: np.random.Generator
) -> FloatArray:
    """Return (min(n, 15), 6), the tracks with the largest |d0 / σ(d0)| in falling order of it; columns `FEATURE_NAMES`.

    Args:
        pt: of each track (n,).
        delta_r: its distance to the jet's axis (n,).
        d0: true, mm (n,).
        z0: true, mm (n,).
        jet_pt: of the jet.
        random: smears d0 and z0.
    """
    sigma_d0, sigma_z0 = resolutions_mm(pt)
    d0, z0 = random.normal(d0, sigma_d0), random.normal(z0, sigma_z0)
    columns = (
        np.log(pt / jet_pt),
        delta_r,
        slog(d0 / D0_SCALE_MM),
        slog(z0 / Z0_SCALE_MM),
        slog(d0 / sigma_d0),
        slog(z0 / sigma_z0),
    )
    order = np.argsort(-np.abs(d0 / sigma_d0), kind="stable")[:TRACKS]
    return np.stack(columns, axis=1)[order]
