"""The features of the demonstration's jets, and the committed sample of them."""

from pathlib import Path

import numpy as np
import pytest
from examples.events import scaled_and_padded, scaling
from examples.jets.features import CONSTITUENTS, FEATURE_NAMES, jet_features
from hypothesis import given
from hypothesis import strategies as st

EXAMPLE = Path(__file__).parents[1] / "examples" / "jets"


def column(features: np.ndarray, name: str) -> np.ndarray:
    return features[:, FEATURE_NAMES.index(name)]


JET = np.array([1000.0, 0.3, 3.1, 1050.0])
"""pT, eta, phi, E; its azimuth is close to the seam at pi."""


def test_features_of_two_constituents() -> None:
    constituents = np.array([[200.0, 0.3, -3.1, 210.0], [600.0, 0.4, 3.1, 630.0]])
    features = jet_features(constituents, np.array([22.0, -211.0]), JET, constituents[1])
    gap = 2 * np.pi - 6.2
    np.testing.assert_allclose(
        features,
        [[0.6, 0.0, 0.1, 0.6, 0.1, -211.0], [0.2, -gap, 0.0, 0.2, gap, 22.0]],
        atol=1e-12,
    )


@given(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6))
def test_the_hardest_subjet_is_on_the_positive_phirot_axis(d_eta: float, d_phi: float) -> None:
    subjet = JET + np.array([-400.0, d_eta, d_phi, -400.0])
    features = jet_features(subjet[None], np.array([22.0]), JET, subjet)
    assert column(features, "etarot") == pytest.approx(0.0, abs=1e-9)
    assert column(features, "phirot") == pytest.approx(np.hypot(d_eta, d_phi), abs=1e-9)


@given(st.floats(-np.pi, np.pi))
def test_features_do_not_depend_on_the_orientation_of_the_jet(angle: float) -> None:
    rng = np.random.default_rng(1)
    around = rng.uniform(-0.5, 0.5, (30, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    energies = rng.uniform(1, 100, 30)
    expected, turned = (
        jet_features(
            np.column_stack([energies, positions[:, 0] + JET[1], positions[:, 1] + JET[2], energies]),
            np.arange(30.0),
            JET,
            np.array([500.0, positions[0, 0] + JET[1], positions[0, 1] + JET[2], 500.0]),
        )
        for positions in (around, around @ turn.T)
    )
    np.testing.assert_allclose(turned, expected, atol=1e-9)


def test_only_the_hardest_constituents_stay_in_falling_order() -> None:
    energies = np.random.default_rng(2).permutation(np.arange(1.0, 51.0))
    constituents = np.column_stack([energies, np.zeros(50), np.zeros(50), energies])
    features = jet_features(constituents, energies, JET, JET)
    np.testing.assert_array_equal(column(features, "pdgid"), np.arange(50.0, 50.0 - CONSTITUENTS, -1))


def test_scaled_features_have_mean_zero_and_deviation_one_and_the_padding_is_zero() -> None:
    rng = np.random.default_rng(3)
    jets = [rng.normal(3.0, 2.0, (count, 6)) for count in (20, 7, 13)]
    scaled = scaled_and_padded(jets, *scaling(jets), CONSTITUENTS)
    real = np.concatenate([row[: len(jet)] for row, jet in zip(scaled, jets, strict=True)])
    np.testing.assert_allclose(real.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(real.std(axis=0), 1.0, atol=1e-6)
    assert not scaled[1, 7:].any()


def test_the_committed_jets_fit_the_default_type_and_are_what_the_files_say() -> None:
    with np.load(EXAMPLE / "jets_test2k.npz") as data:
        jets, labels = data["X"], data["y"]
        assert jets.shape == (2000, CONSTITUENTS, len(FEATURE_NAMES)) and jets.dtype == np.float32
        assert tuple(data["feature_names"]) == FEATURE_NAMES
        assert "".join(data["class_names"]) == "gqwzt"
        np.testing.assert_array_equal(np.bincount(labels), 400)
        assert np.abs(jets).max() < 32, "beyond fixed<16,6>"
        raw = jets * data["sd"] + data["mu"]
    momentum_fraction = np.where((jets == 0).all(axis=2), 0.0, raw[..., 0])
    assert momentum_fraction.sum(axis=1).max() < 1.05
    assert (np.diff(momentum_fraction, axis=1) <= 1e-6).all(), "constituents fall in pT"
