"""Models that the frameworks themselves saved, with their own outputs: no bit differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import loopwire

EXACT = (
    *("hgq2_qdense.keras", "hgq2_qdense.h5", "hgq2_qgru.keras", "hgq2_qgru_tanh.keras"),
    *("hgq2_qsimplernn.keras", "hgq2_qsimplernn.h5", "qkeras_qdense.h5", "qkeras_qlstm.h5"),
    *("qonnx_dense.qonnx.onnx", "onnx_qdq_int8.onnx", "onnx_qdq_int4.onnx", "brevitas_quantlstm.qonnx.onnx"),
    *("brevitas_mlp.qonnx.onnx", "brevitas_mlp.qcdq.onnx"),
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


@pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")
def test_scales_that_are_no_powers_of_two_give_the_same_levels(shared_data: Path) -> None:
    folder = shared_data / "quantised"
    if not folder.is_dir():
        pytest.skip(f"no quantised samples at {folder}")
    events = np.load(folder / "brevitas_quantlstm_floatscale.npz")
    design = loopwire.compile(loopwire.load(folder / "brevitas_quantlstm_floatscale.qonnx.onnx"))
    levels = np.unique(np.abs(events["y"]))
    scale = float(levels[levels > 0][0])
    for found in (design.predict(events["x"]), design.predict_float(events["x"])):
        assert np.array_equal(np.rint(found / scale), np.rint(events["y"] / scale))
        assert np.abs(found - events["y"]).max() < scale / 1000
