"""Generated HLS C++ as its readers want it: LLVM's style, no macro where a template or constexpr serves."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hls_designs import project_of, with_fitting_factors, write
from test_hls_conformance import STEPS, layer_graphs, vector_graphs

CLANG_FORMAT = shutil.which("clang-format") or shutil.which("clang-format", path=str(Path(sys.executable).parent))
DESIGNS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lstm_last", {"io": "stream"}),
    ("lstm_wide", {"io": "parallel", "reuse_factor": 2}),
    ("lstm_backwards", {"io": "parallel", "copies": STEPS, "reuse_factor": 3}),
    ("gru_after", {"io": "stream", "reuse_factor": 3, "interleave": 2}),
    ("stacked", {"io": "stream", "interleave": 3}),
    ("flattened", {"io": "parallel", "reuse_factor": 100}),
    ("from_vector", {"io": "parallel"}),
    ("act_elu_5", {"io": "stream"}),
)


def project(name: str, knobs: dict[str, Any]) -> dict[str, str]:
    graphs = layer_graphs() | vector_graphs()
    return dict(project_of(graphs[name], name, **with_fitting_factors(graphs[name], knobs)).files)


@pytest.mark.skipif(CLANG_FORMAT is None, reason="no clang-format: pip install clang-format")
@pytest.mark.parametrize(("name", "knobs"), DESIGNS)
def test_clang_format_has_nothing_to_change(name: str, knobs: dict[str, Any], tmp_path: Path) -> None:
    folder = write(project(name, knobs), tmp_path)
    sources = [str(path) for path in sorted(folder.rglob("*")) if path.suffix in (".h", ".cpp")]
    run = subprocess.run([str(CLANG_FORMAT), "--dry-run", "-Werror", *sources], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(("name", "knobs"), DESIGNS)
def test_lines_are_short_and_macros_are_guards(name: str, knobs: dict[str, Any]) -> None:
    for path, text in project(name, knobs).items():
        assert max(map(len, text.split("\n"))) <= 120 or path.endswith((".md", ".tcl")), path
        for macro in re.findall(r"#define (\w+)", text):
            assert text.split("#ifndef ")[1].startswith(f"{macro}\n") and text.count(macro) == 2, path


def test_a_header_includes_what_it_uses() -> None:
    files = project("lstm_last", {"io": "stream"})
    layer = files["firmware/layers/lstm.h"]
    for path in files:
        name = Path(path).stem
        if path.startswith(("firmware/weights/", "firmware/tables/")) and re.search(rf"\b{name}\b", layer):
            assert f'#include "../{path.removeprefix("firmware/")}"' in layer
