"""Loopwire in a notebook: the ten cells of examples/tagger.ipynb, and what each object shows of itself."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_files import dense, input_layer, lstm, write_h5
from loopwire.design import Design
from loopwire.errors import ConfigError, ToolError, UnsupportedError
from loopwire.report.built import Built, LayerUse, ResourceUse
from loopwire.report.tensor_rows import TensorRows
from loopwire.text.table import Table

ROOT = Path(__file__).parents[1]
X = np.random.default_rng(1).normal(size=(40, 4, 3))
Y = np.arange(40) % 2
PRIVATE = re.compile(r"loopwire\.[a-z_.]+\.[A-Z]\w+ object|array\(|0x[0-9a-f]{6}")
"""What a repr shows that nobody wrote one for, and weights."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_h5(tmp_path_factory.mktemp("model") / "tiny.h5", [input_layer((4, 3)), lstm(), dense(2)])


@pytest.fixture(scope="module")
def design(path: Path) -> Design:
    return loopwire.compile(path, precision="fixed<12,4>", clock_period_ns=8)


def last_value(cell: str, names: dict[str, Any]) -> Any:
    """Run a cell; return the value of its last expression, which a notebook shows."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_ten_cells_take_a_model_to_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mplhep", reason="the figures need matplotlib and mplhep (pip install loopwire[plots])")
    cells = json.loads((ROOT / "examples" / "tagger.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    imported = [line for cell in code for line in cell.splitlines() if re.match(r"(import|from) ", line)]
    assert len(code) == 10 and imported == ["import numpy as np", "import loopwire"]
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "jets").symlink_to(ROOT / "examples" / "jets")
    monkeypatch.chdir(tmp_path / "examples")
    names: dict[str, Any] = {}
    # Fewer sequences, and a wide criterion: seconds instead of a minute.
    small = {"sequences=100": "sequences=4", "mean_auc>=0.98": "top1>=0.5", "[:1500]": "[:40]"}
    for place, cell in enumerate(code):
        for whole, less in small.items():
            cell = cell.replace(whole, less)
        value = last_value(cell, names)
        assert isinstance(value, tuple | str | Path) or hasattr(value, "_repr_html_"), (place, value)
    assert (tmp_path / "build" / "jet_small" / "design.json").is_file()
    page = (tmp_path / "build" / "jet_small.html").read_text()
    assert "0 bits differ" in page and "AUC" in page


@pytest.mark.parametrize(
    ("name", "shown"),
    {
        "model": "Model 'model_1': (4, 3) → (2,), 2 layers, ",
        "design": "Design 'model_1': verilog for xcku115-flvb2104-2-i at 8 ns, 2 layers",
        "profile": "Profile of ",
        "trace": "Trace of ",
        "report": "Report of 'model_1': Physics not judged: no data were given",
    }.items(),
)
def test_objects_are_short_at_a_prompt_and_tables_in_a_notebook(name: str, shown: str, design: Design) -> None:
    values = {"model": lambda: design.model, "design": lambda: design, "report": design.report}
    values |= {"profile": lambda: design.profile(X), "trace": lambda: design.trace(X)}
    value = values[name]()
    assert repr(value).startswith(f"<{shown}") and len(repr(value)) < 300
    html = value._repr_html_()
    assert html.count("<table>") == html.count("</table>") == 1 and not PRIVATE.search(html)


def test_a_simulation_and_a_verification_tell_their_cycles(design: Design) -> None:
    simulation, verification = design.simulate(X[:6]), loopwire.verify(design, X, 6)
    latency = design.predicted_cycles.latency_cycles
    assert repr(simulation).startswith(f"<Simulation: sequences 6; latency, cycles {latency}")
    assert f'<td style="text-align:left">{latency} cycles</td>' in verification._repr_html_()
    assert "0 bits differ" in repr(verification)


def test_what_a_tool_found_is_short_too() -> None:
    use = ResourceUse("LUTs", 1234, 5000)
    built = Built("Yosys", "synthesised", 4.5, resources=(use,), part="p", layers=(LayerUse("lstm", (use,)),))
    assert repr(built) == "<synthesised, Yosys, for p, 4.5 ns>"
    assert built.table().rows == (("lstm", "1 234"), ("all", "1 234 of 5 000 (25%)"))
    assert "<table>" in built._repr_html_()


def test_tables_become_data_frames(design: Design) -> None:
    pandas = pytest.importorskip("pandas")
    frame = design.profile(X).to_dataframe()
    assert isinstance(frame, pandas.DataFrame) and frame["type"][0] == "fixed<12,4>"
    assert frame["real.high"][0] == pytest.approx(X.max())
    assert list(design.summary().to_dataframe()["Layer"]) == [layer.name for layer in design.model.layers]


def test_without_pandas_the_error_says_so(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ToolError, match=r"to_dataframe: the Python package 'pandas' is missing\. Install it"):
        design.report().to_dataframe()


def test_a_table_escapes_html_and_cuts_long_cells() -> None:
    table = Table("a<b>", ("<i>", "n"), (("x" * 90, "&"),))
    assert "&lt;i&gt;" in table._repr_html_() and "<i>" not in table._repr_html_()
    assert f"{'x' * 59}…" in repr(table)
    assert TensorRows(()).table().rows == ()


def test_keywords_dictionaries_and_files_say_the_same(path: Path, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('clock_period_ns = 8\nreuse_factor = 4\n[model]\nprecision = "fixed<12,4>"\n')
    settings = {"clock_period_ns": 8, "reuse_factor": 4, "model": {"precision": "fixed<12,4>"}}
    model = loopwire.load(path)
    ways = [
        loopwire.compile(model, tmp_path / "s.toml"),
        loopwire.compile(path, settings),
        loopwire.compile(path, clock_period_ns=8, reuse_factor=4, precision="fixed<12,4>"),
        loopwire.compile(str(path), {**settings, "reuse_factor": 2}, reuse_factor=4),
        loopwire.compile(model, **settings),
    ]
    assert all(way.config == ways[0].config for way in ways)


def test_pictures_are_saved(design: Design, tmp_path: Path) -> None:
    pytest.importorskip("mplhep", reason="the figures need matplotlib and mplhep (pip install loopwire[plots])")
    scan = loopwire.scan(design.model, X, integers=(4,), fractions=(2, 8), metric="top1")
    found = loopwire.find_precision(design.model, X, "top1>=0.6")
    pictures = [design.plot_model(), design.plot_bits(), design.plot_timeline(), design.plot_pipeline()]
    for picture in (*pictures, design.plot_profile(X), scan.plot(), found.plot()):
        assert picture.save(tmp_path / "p.svg").read_text() == picture.svg == picture._repr_html_()
    assert design.plot_roc((X, Y)).save(tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")


def test_a_pipeline_that_is_not_there(design: Design) -> None:
    with pytest.raises(ConfigError, match=r"plot_pipeline: there is no engine 7\. Give 0 to 0"):
        design.plot_pipeline(7)
    hls = loopwire.compile(design.model, target="vitis_hls")
    with pytest.raises(UnsupportedError, match="plot_pipeline: only the tool of the target 'vitis_hls' knows"):
        hls.plot_pipeline()


def test_ways_that_part_stand_side_by_side() -> None:
    """Two inputs, one of the name of a layer; a layer that takes both after a longer and a shorter way."""
    weights, bias = np.ones((2, 2)), np.zeros(2)
    a, b = loopwire.Input((2,), "a"), loopwire.Input((2,), "b")
    far = loopwire.layers.Dense("far", weights, bias)(loopwire.layers.Dense("a", weights, bias)(a))
    model = loopwire.Model.of("graph", (a, b), loopwire.layers.Add("sum")(far, b))
    svg = loopwire.compile(model).plot_model().svg
    names = re.findall(r'<text x="([0-9.]+)" y="([0-9.]+)"[^>]*font-weight="bold">([^<]*)<', svg)
    rows = {name: (float(y), float(x)) for x, y, name in names}
    assert rows["a: 2"][0] == rows["b: 2"][0] < rows["a: Dense"][0] < rows["far: Dense"][0] < rows["sum: Add"][0]
    assert rows["a: 2"][1] != rows["b: 2"][1] and svg.count("<line") == 4


def test_a_project_is_read_back(design: Design, tmp_path: Path) -> None:
    report = design.report()
    design.write(tmp_path / "out", X, {"report.json": report.to_json()})
    project = loopwire.load_project(tmp_path / "out")
    assert project.report == report and project.facts["top"] == design.firmware.top
    assert repr(project).startswith(f"<Project '{tmp_path / 'out'}': verilog, <Report of")


def test_the_names_at_the_top_are_the_public_ones() -> None:
    code = "import loopwire; print(*dir(loopwire)); loopwire.route; loopwire.compile; print(*dir(loopwire))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert shown[0].split() == sorted(loopwire.__all__) == shown[1].split()
    assert all(hasattr(loopwire, name) for name in loopwire.__all__)
