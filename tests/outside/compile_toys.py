"""Takes a model of the toy frontend through all of Loopwire: `python compile_toys.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import loopwire
from loopwire.project.written import read_facts

folder = Path(sys.argv[1])
(folder / "sum.leaky").write_text("0.5 0.25\n-1 0.75\n")
model = loopwire.load(folder / "sum.leaky")
assert (model.format, model.layer_kinds()) == ("leaky sum", {"cell": "LeakySum"})
x = np.random.default_rng(1).uniform(-1, 1, (40, 4, 2))
kernel = np.array([[0.5, 0.25], [-1, 0.75]])
h = np.zeros((40, 2))
for step in range(4):
    h = h / 2 + x[:, step] @ kernel.T

exact = {"precision": "fixed<24,6,RND,SAT>"}
settings = {
    "part": "toy100-2",
    "clock_period_ns": 6,
    "model": exact,
    "kind": {"LeakySum": {"state": "fixed<20,6,RND,SAT>"}},
}
for target in ("verilog", "vitis_hls", "listing"):
    part = "xc7a100tcsg324-1" if target == "vitis_hls" else "toy100-2"
    chosen = {**settings, "target": target, "part": part}
    design = loopwire.compile(model, loopwire.CompileConfig.from_dict(chosen))
    assert np.abs(design.predict_float(x) - h).max() < 1e-9
    assert np.abs(design.predict(x) - h).max() < 1e-3
    checked = loopwire.verify(design, x, 40)
    report = design.report(checked)
    project = design.write(folder / target, x, {"report.json": report.to_json()})
    assert read_facts(project)["target"] == target
    if target == "verilog":
        assert design.device.family == "toy" and report.predicted == checked.simulated
        assert any(use.available == 100_000 for use in report.estimated)
    print(f"{target}: {checked}")

refused = None
try:
    loopwire.compile(model, loopwire.CompileConfig.from_dict({"target": "listing", "copies": 2}))
except loopwire.errors.UnsupportedError as error:
    refused = str(error)
print(refused)
