"""Models that the frameworks themselves saved, with their own outputs: no bit differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import loopwire

EXACT = (
    *("hgq2_qdense.keras", "hgq2_qdense.h5", "hgq2_qgru.keras", "hgq2_qgru_tanh.keras"),
    *("hgq2_qsimplernn.keras", "hgq2_qsimplernn.h5", "qkeras_qdense.h5", "qkeras_qlstm.h5"),
)


@pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")
@pytest.mark.parametrize("name", EXACT)
def test_a_sample_computes_what_its_framework_does(shared_data: Path, name: str) -> None:
    folder = shared_data / "quantised"
    if not folder.is_dir():
        pytest.skip(f"no quantised samples at {folder}")
    events = np.load(folder / f"{name.split('.')[0]}.npz")
    design = loopwire.compile(loopwire.load(folder / name))
    assert np.array_equal(design.predict(events["x"]), events["y"])
    assert np.array_equal(design.predict_float(events["x"]), events["y"])
