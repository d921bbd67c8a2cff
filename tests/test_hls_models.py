"""Trained and published models as HLS C++, bit for bit; on real data, `bench/hls_bits.py` does the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import loopwire
from hls_designs import Case, assert_equal_to_emulator, built

JET_KNOBS: tuple[dict[str, Any], ...] = (
    {"io": "parallel"},
    {"io": "stream", "reuse_factor": 8, "interleave": 4},
    {"io": "parallel", "copies": 20},
)
WIDE_KNOBS: tuple[dict[str, Any], ...] = ({"io": "parallel"}, {"io": "stream", "reuse_factor": 8})
MODELS = {
    "jet_lstm20_flat.keras": (JET_KNOBS, 1000),
    "jet_gru20_flat.keras": (JET_KNOBS, 1000),
    "jet_lstm20_64.keras": (JET_KNOBS, 1000),
    "paper/5tagLSTM6FeatFINAL.h5": (JET_KNOBS, 1000),
    "paper/lstmNORMALVERYSMALL.h5": (WIDE_KNOBS, 200),
    "flav_gru120.keras": (WIDE_KNOBS, 200),
    "qd_gru128_256_128.keras": (WIDE_KNOBS, 40),
    "paper/Quickdraw5ClassLSTMFinL.h5": (WIDE_KNOBS, 40),
}


@pytest.mark.slow
@pytest.mark.parametrize("file", MODELS)
def test_real_models(file: str, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "models" / file
    if not source.exists():
        pytest.skip(f"no file {source}")
    combinations, sequences = MODELS[file]
    graph = loopwire.compile(loopwire.load(source)).graph
    cases = [Case(f"model_{number}", graph, knobs) for number, knobs in enumerate(combinations)]
    for case, emulator in zip(cases, built(cases, tmp_path, optimise=True), strict=True):
        assert_equal_to_emulator(case, emulator, sequences)
