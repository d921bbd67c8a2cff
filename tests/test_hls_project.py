"""HLS projects: what is refused, what is written, and the test bench's verdict."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import conformance
import loopwire
from hls_designs import PART, Case, assert_equal_to_emulator, lowered, project_of, random_integers, write
from loopwire.config import CompileConfig
from loopwire.datapath.reuse import multipliers, sharings
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.errors import ConfigError, LoopwireError, ToolError, UnsupportedError
from loopwire.ir import ops
from loopwire.ir.builder import Builder
from loopwire.ir.graph import Graph
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType
from loopwire.layers.activation import LINEAR, Function
from loopwire.layers.attention import Attention
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import ModelBuilder, chain
from loopwire.layers.shape import Reshape
from loopwire.simulate import hls_compile
from loopwire.system.cxx import cxx_compiler
from loopwire.targets.vitis_hls import knobs as hls
from loopwire.targets.vitis_hls import vector_files
from loopwire.targets.vitis_hls.cxx import KEYWORDS
from loopwire.targets.vitis_hls.product import Passes
from loopwire.targets.vitis_hls.value_types import narrowed

STEPS, FEATURES, UNITS = 4, 3, 2
RANDOM = np.random.default_rng(3)


def lstm(return_sequences: bool = False) -> Lstm:
    shapes = (4 * UNITS, FEATURES), (4 * UNITS, UNITS), (4 * UNITS,)
    return Lstm("lstm", *(RANDOM.normal(0, 0.7, shape) for shape in shapes), return_sequences=return_sequences)


def tagger() -> Graph:
    return lowered((STEPS, FEATURES), [lstm(), Dense("head", RANDOM.normal(0, 1, (2, UNITS)), np.zeros(2))])


# --- refused before anything is written ---


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (
            {"copies": 2},
            "copies: HLS loops are rolled or unrolled: 2 copies of a cell cannot share 4 steps. "
            "Give copies = 1 (one cell for all), or copies = 4 (each step a cell), or take target = 'verilog'",
        ),
        (
            {"copies": STEPS, "interleave": 3},
            "interleave: 3 sequences cannot share a loop over steps that 4 copies have unrolled. "
            "Give interleave = 1 (unrolled steps wait for nothing), or copies = 1",
        ),
        (
            {"multipliers": "dsp"},
            "multipliers: HLS C++ does not carry 'dsp': the HLS tool chooses between DSP blocks and logic. "
            "Leave it out, or take target = 'verilog'",
        ),
        (
            {"stateful": True, "channels": 2},
            "stateful: HLS C++ does not carry it: a call starts from the initial states. "
            "Leave it out, or take target = 'verilog'",
        ),
        (
            {"bus_bits": 64, "io": "stream"},
            "bus_bits: HLS C++ does not carry 64: a beat of a stream is one step, and io = 'parallel' takes a whole "
            "sequence at once. Leave it out, or take target = 'verilog'",
        ),
    ],
)
def test_knobs_that_hls_cannot_express(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        project_of(tagger(), **knobs)


def test_a_knob_of_other_targets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls, "CARRIED", hls.CARRIED - {"interleave"})
    with pytest.raises(UnsupportedError, match=re.escape("interleave: HLS C++ does not carry 2. Leave it out, or")):
        project_of(tagger(), interleave=2)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            "LFE5U-85F-8BG381C",
            "part 'LFE5U-85F-8BG381C': Vitis HLS and Vivado HLS know parts of AMD only. "
            "Choose one of AMD's, such as 'xcku115-flvb2104-2-i', or take target = 'verilog'",
        ),
        (
            "xcku115-2-i",
            "part 'xcku115-2-i': HLS tools need the package and the speed grade as well. "
            "Give the whole name, such as 'xcku115-flvb2104-2-i'",
        ),
    ],
)
def test_parts_that_no_hls_tool_knows(part: str, message: str) -> None:
    with pytest.raises(LoopwireError, match=re.escape(message)):
        project_of(tagger(), part=part)


@pytest.mark.parametrize("part", ["xc7a100tcsg324-1", "xcvu13p-fhga2104-2L-e", "xcu250-figd2104-2L-e"])
def test_parts_as_hls_tools_want_them(part: str) -> None:
    assert f"set_part {{{part}}}" in project_of(tagger(), part=part).files["build_prj.tcl"]


def test_copies_of_a_model_without_steps() -> None:
    head = lowered((3,), [Dense("head", np.ones((2, 3)), np.zeros(2))])
    message = "2 copies of a cell cannot share no steps. Give copies = 1 (one cell for all), or take target = 'verilog'"
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        project_of(head, copies=2)


def test_a_stream_of_steps_made_from_a_vector() -> None:
    size = STEPS * FEATURES
    widened = Dense("wide", np.ones((size, 3)), np.zeros(size))
    graph = lowered((3,), [widened, Reshape("steps", (STEPS, FEATURES)), lstm()])
    message = "of which a stream cannot tell which are the last. Use io='parallel'"
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        project_of(graph, io="stream")


def test_ports_wider_than_the_vectors() -> None:
    b = Builder()
    x = b.input("x", TensorType((1,), FixedType(80, 40)))
    graph = b.graph((b.cast(x, FixedType(8, 4)),))
    with pytest.raises(UnsupportedError, match=re.escape("%x: its elements fixed<80,40> are wider than the 63 bits")):
        project_of(graph)


def test_a_result_that_does_not_depend_on_the_input() -> None:
    b = Builder()
    b.input("x", TensorType((2,), FixedType(8, 4)))
    with pytest.raises(UnsupportedError, match="one result depends on no input"):
        project_of(b.graph((b.const([1.0, 2.0], FixedType(8, 4)),)))


# --- what is written ---


def test_same_input_same_bytes() -> None:
    graph = tagger()
    assert project_of(graph).files == project_of(graph).files


def test_layout_and_readable_names() -> None:
    files = project_of(tagger()).files
    expected = {"README.md", "build_prj.tcl", "tagger_test.cpp", "tagger_bridge.cpp"}
    expected |= {"firmware/tagger.cpp", "firmware/tagger.h", "firmware/defines.h", "firmware/layers/lstm.h"}
    assert expected <= files.keys()
    assert "using lstm_c_next_t = ap_fixed<12, 4, AP_RND, AP_SAT>;" in files["firmware/defines.h"]
    assert "c_next[k] = c_exact; // c' = f∘c + i∘g: fixed<12,4,RND,SAT>" in files["firmware/layers/lstm.h"]
    assert f"set_part {{{PART}}}" in files["build_prj.tcl"] and "create_clock -period 5 " in files["build_prj.tcl"]


def test_names_that_cxx_keeps_for_itself(tmp_path: Path) -> None:
    graph = lowered((3,), [Dense("double", np.ones((2, 3)), np.zeros(2)), Dense("case", np.ones((2, 2)), np.zeros(2))])
    made = project_of(graph, "register")
    emulator = hls_compile.compile(write(made.files, tmp_path))
    assert emulator.output_size == 2 and made.top not in KEYWORDS


def test_directives_follow_the_knobs() -> None:
    graph = tagger()
    parallel = project_of(graph).files["firmware/layers/lstm.h"]
    assert "ARRAY_PARTITION variable = lstm_U complete dim = 0" in parallel and "BIND_STORAGE" not in parallel
    reused = project_of(graph, reuse_factor=2).files["firmware/layers/lstm.h"]
    assert "Uh_groups:\n    for (int group = 0; group < 2; group++) {\n#pragma HLS PIPELINE II = 1" in reused
    assert re.search(r"// Uh = U · h_prev: fixed<\d+,\d+>, in 2 passes of 8 products\n", reused)
    assert "BIND_STORAGE variable = lstm_U type = rom_1p impl = lutram" in reused
    woven = project_of(graph, interleave=5).files["firmware/layers/lstm.h"]
    assert "for (int s = 0; s < 5; s++)" in woven
    assert "DEPENDENCE variable = h_prev inter RAW distance = 5 true" in woven
    unrolled = project_of(graph, copies=STEPS, layer_reuse_factor={"lstm": 3}).files["firmware/layers/lstm.h"]
    products = STEPS * (4 * UNITS * UNITS + 3 * UNITS)
    assert f"ALLOCATION operation instances = mul limit = {-(-products // 3)}" in unrolled
    assert "PIPELINE II = 3" in unrolled and "steps:\n  for (int t = 0; t < 4; t++) {\n#pragma HLS UNROLL" in unrolled


def test_streams_at_the_ports_are_axi_words() -> None:
    """TLAST, lanes of whole bytes; what is inside is packed and partitioned; control signals can be left out."""
    files = project_of(tagger(), io="stream").files
    top, layer = files["firmware/tagger.cpp"], files["firmware/layers/lstm.h"]
    assert "hls::stream<loopwire::axi_beat<tagger_design::input_t, 3>> &x" in top
    assert "loopwire::from_axi<x_t, 3>(x_t_in.read());" in layer
    assert "loopwire::to_axi(" in files["firmware/layers/head.h"]
    assert "#pragma HLS ARRAY_PARTITION variable = x_t_in_beat.value complete dim = 0" in layer
    assert top.count("#ifndef __VITIS_HLS__\n#pragma HLS DATA_PACK variable = ") == top.count("#pragma HLS STREAM ") > 0
    assert "#ifdef LOOPWIRE_FREE_RUNNING\n#pragma HLS INTERFACE ap_ctrl_none port = return\n#endif" in top
    assert "-DLOOPWIRE_FREE_RUNNING" in files["build_prj.tcl"]


def test_sums_are_as_wide_as_their_ranges() -> None:
    """Exact sums, and casts that cannot overflow, take the bits of what they can be; results keep their types."""
    graph = tagger()
    sums = re.findall(r"integer<(\d+)> \w+_total", "".join(project_of(graph).files.values()))
    types = project_of(graph).files["firmware/defines.h"]
    exact = [node.result.type.element.width for node in graph.walk() if isinstance(node.op, ops.MatVec)]
    assert len(sums) == len(exact) and sum(map(int, sums)) < sum(exact)
    assert "using lstm_c_next_t = ap_fixed<12, 4, AP_RND, AP_SAT>;" in types
    assert "using lstm_i_t = ap_ufixed<" in types and "using lstm_h_next_t = ap_fixed<9, 1, AP_RND, AP_WRAP>;" in types


def test_a_cast_that_overflows_keeps_its_type() -> None:
    """Symmetric saturation changes the least number alone, -2 to -1 here, which one bit would wrap to 0."""
    builder, two_bits = Builder(), FixedType(2, 2)
    x = builder.input("x", TensorType((3,), two_bits))
    least = builder.min(x, builder.const(0.0, two_bits, "zero"), "least")
    y = builder.cast(least, two_bits.with_modes(Rounding.RND, Overflow.SAT_SYM), "y")
    assert y not in narrowed(builder.graph((y,)), ())


def test_a_layer_has_a_reuse_factor_of_its_own() -> None:
    files = project_of(tagger(), reuse_factor=2, layer_reuse_factor={"head": 4}).files
    assert "in 4 passes of 1 products" in files["firmware/layers/head.h"]
    assert "in 2 passes of 8 products" in files["firmware/layers/lstm.h"]
    assert "| Reuse factor | 2, layer `head`: 4 |" in files["README.md"]


def test_the_input_projection_stands_outside_the_recurrence() -> None:
    text = project_of(tagger()).files["firmware/layers/lstm.h"]
    before, recurrence = text.split("inline void lstm_recurrence")
    assert "lstm_W[" in before and "lstm_W[" not in recurrence and "lstm_U[" in recurrence


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 7), (12, 4), (15, 6)])
def test_passes_cover_the_matrix_and_are_not_too_many(rows: int, columns: int) -> None:
    for units in (unit for unit in range(1, rows + 1) if rows % unit == 0):
        for sharing in sharings(units, [(rows, columns)]):
            cut = Passes.of(rows, columns, sharing)
            assert cut.groups * cut.group_rows >= rows and cut.blocks * cut.block_columns >= columns
            assert (cut.groups - 1) * cut.group_rows < rows and (cut.blocks - 1) * cut.block_columns < columns
            assert cut.groups * cut.blocks == sharing.cycles
            assert cut.group_rows * cut.block_columns <= multipliers(sharing, [(rows, columns)])


def test_a_reuse_factor_that_shares_nothing_evenly_is_refused_as_for_systemverilog() -> None:
    with pytest.raises(ConfigError, match=r"layer 'head': a reuse factor of 100 does not share its products evenly"):
        project_of(tagger(), layer_reuse_factor={"head": 100})
    dense = Dense("head", np.ones((3, 4)), np.zeros(3), LINEAR)
    with pytest.raises(ConfigError, match=r"layer 'head': a reuse factor of 7 does not share its products evenly"):
        loopwire.compile(chain("m", (4,), [dense], "test"), CompileConfig(target="vitis_hls", reuse_factor=7))


def test_vectors_that_no_step_changes_make_no_recurrence() -> None:
    b = ModelBuilder()
    x = b.input("x", (STEPS, FEATURES))
    (y,) = b.call(Attention("attends", 0.5), x, x, x)
    graph = conformance.Case("attends", network=b.model("model", (y,), "test")).graph()
    text = project_of(graph).files["firmware/layers/attends.h"]
    assert "recurrence" not in text and "PIPELINE\n" not in text and "PIPELINE II = 1" in text


# --- test bench ---


@pytest.mark.parametrize(
    ("knobs", "standard"), [({"io": "parallel"}, "c++11"), ({"io": "stream", "interleave": 3}, "c++14")]
)
def test_the_test_bench_passes_and_can_fail(knobs: dict[str, Any], standard: str, tmp_path: Path) -> None:
    graph = tagger()
    x, lengths = random_integers(graph.inputs[0], 8, seed=1), np.full(8, STEPS)
    if knobs["io"] == "stream":
        lengths[1::2] = (1, 2, 3, 4)
    vectors = vector_files(x, lengths, evaluate_integers(graph, (x,), lengths)[0])
    folder = write({**project_of(graph, **knobs).files, **vectors}, tmp_path)
    sources, headers = ["firmware/tagger.cpp", "tagger_test.cpp"], hls_compile.header_options()
    command = [
        *cxx_compiler(),
        f"-std={standard}",
        *hls_compile.WARNINGS,
        "-Werror",
        *headers,
        *sources,
        "-o",
        "simulate",
    ]
    subprocess.run([str(part) for part in command], cwd=folder, check=True)
    passed = subprocess.run(["./simulate"], cwd=folder, capture_output=True, text=True)
    assert passed.returncode == 0 and passed.stdout == "PASS: 8 sequences, 0 elements differ\n"
    due = folder / "tb_data" / "tb_output_predictions.dat"
    first, rest = due.read_text().split(" ", 1)
    due.write_text(f"{int(first) + 1} {rest}")
    failed = subprocess.run(["./simulate"], cwd=folder, capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stdout == "FAIL: 8 sequences, 1 elements differ\n"
    assert f"sequence 0, element 0: {first} instead of {int(first) + 1}" in failed.stderr


def test_two_designs_of_one_name_stay_apart(tmp_path: Path) -> None:
    head = Dense("head", np.eye(2), np.zeros(2), Function("sigmoid"))
    graphs = [lowered((2,), [head], table_size=size) for size in (8, None)]
    folders = [write(project_of(graph).files, tmp_path / str(number)) for number, graph in enumerate(graphs)]
    made = [hls_compile.compile_all([folder], optimise=False)[0] for folder in folders]
    for graph, emulator in zip(graphs, made, strict=True):
        assert_equal_to_emulator(Case("tagger", graph, {}), emulator)


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"0 files \*_bridge.cpp, where an HLS project has one. Name its folder"):
        hls_compile.compile(tmp_path)


def test_missing_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls_compile, "AP_HEADERS", Path("nowhere"))
    with pytest.raises(ToolError, match=r"the header ap_fixed.h is not found. Install it: pip install alkaid"):
        hls_compile.ap_headers()


def test_the_readme_tells_how_to_compile_without_a_vendors_tool(tmp_path: Path) -> None:
    graph = tagger()
    x, lengths = random_integers(graph.inputs[0], 3, seed=1), np.full(3, STEPS)
    vectors = vector_files(x, lengths, evaluate_integers(graph, (x,), lengths)[0])
    folder = write({**project_of(graph).files, **vectors}, tmp_path)
    lines = [line.strip() for line in (folder / "README.md").read_text().splitlines() if line.startswith("    ")]
    script = "\n".join(line for line in lines if "g++" in line or "HEADERS" in line).replace("python", sys.executable)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    given = subprocess.run(["sh", "-ec", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert given.stdout == "PASS: 3 sequences, 0 elements differ\n", given.stderr
