"""From a lowered graph to an HLS project: its firmware, test bench and scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from loopwire.devices import Device
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.hdl.names import Names, identifier
from loopwire.ir.graph import Graph
from loopwire.ir.verify import verify
from loopwire.knobs import Knobs
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.targets.vitis_hls import project_text
from loopwire.targets.vitis_hls.cxx import KEYWORDS, ap_type, indented
from loopwire.targets.vitis_hls.knobs import HlsKnobs, hls_knobs
from loopwire.targets.vitis_hls.layout import header_file, llvm_style
from loopwire.targets.vitis_hls.library import Library
from loopwire.targets.vitis_hls.ports import Ports
from loopwire.targets.vitis_hls.process_function import process_function
from loopwire.targets.vitis_hls.processes import Channel, Plan, plan

STATIC_HEADER = "loopwire_hls.h"
FUNCTIONS = ("fixed_of", "integer", "integer_of", "larger", "multiply", "smaller")
"""Of that header, used without its namespace."""
PORT_BITS = 63
"""What the test bench and the bridge carry a number's integer in, besides the sign."""
PACKAGE = re.compile(r"[a-z]{3,4}\d{3,4}-\d")
"""Package and speed grade in the name of a part of AMD: xcku115-flvb2104-2-i, xc7a100tcsg324-1."""
FAMILY_LETTERS = 4


@dataclass(frozen=True)
class HlsProject:
    """The files of a project by their paths in its folder, but the vectors; the top function, and the knobs carried."""

    files: Mapping[str, str]
    top: str
    knobs: HlsKnobs


def generate(graph: Graph, device: Device, clock_period_ns: float, name: str, knobs: Knobs) -> HlsProject:
    """Return an HLS project of a lowered graph, for Vitis HLS and Vivado HLS.

    Args:
        graph: one input and one output, as `passes.lower` makes it.
        device: the part.
        clock_period_ns: time between two clock edges.
        name: of the top function.
        knobs: how the graph becomes loops. With `copies` = 1 there is one cell for all steps; with as many as steps,
            each has a cell of its own.

    Raises:
        ConfigError: the part is not named as HLS tools want it.
        UnsupportedError: HLS cannot express this graph or this combination of knobs; the message says which would do.
    """
    carried = check(graph, device, knobs)
    graph = verify(graph if carried.unrolled else accumulate_flattened(graph))
    processes = plan(graph)
    _check_plan(processes, carried)
    top = Names(set(KEYWORDS)).unique(identifier(name))
    library = Library()
    ports = Ports(library.types, carried)
    functions: dict[str, list[list[str]]] = {}
    needed: dict[str, set[str]] = {}
    for process in processes.processes:
        path = f"layers/{identifier(process.layer) if process.layer else 'model'}.h"
        functions.setdefault(path, []).append(process_function(process, library, carried.of_layer(process.layer)))
        needed.setdefault(path, set()).update(library.asked_files())
    files = {STATIC_HEADER: resources.files(__package__).joinpath(STATIC_HEADER).read_text()}
    for path, texts in functions.items():
        body = [line for text in texts for line in (*text, "")][:-1]
        files[path] = header_file(
            top, path, [], ["../defines.h", *(f"../{file}" for file in sorted(needed[path]))], body
        )
    files |= {path: header_file(top, path, [], ["../defines.h"], body) for path, body in library.files.items()}
    files["defines.h"] = _defines(top, processes, library)
    files[f"{top}.h"] = _header(top, processes, ports)
    files[f"{top}.cpp"] = _source(top, processes, ports, list(functions))
    files = {f"firmware/{path}": text for path, text in files.items()}
    facts = project_text.Facts(top, device.name, clock_period_ns, carried, processes.input, processes.output, ports)
    files |= project_text.project_files(facts)
    styled = {path: llvm_style(text) if path.endswith((".h", ".cpp")) else text for path, text in files.items()}
    return HlsProject(dict(sorted(styled.items())), top, carried)


def check(graph: Graph, device: Device, knobs: Knobs) -> HlsKnobs:
    """Return the knobs as HLS C++ carries them, where graph, part and knobs can become HLS C++.

    Raises:
        ConfigError: the part is not named as HLS tools want it.
        UnsupportedError: HLS cannot express a port, a knob or a combination of knobs.
    """
    if device.vendor != "amd":
        raise UnsupportedError(
            f"part {device.name!r}",
            "Vitis HLS and Vivado HLS know parts of AMD only",
            "Choose one of AMD's, such as 'xcku115-flvb2104-2-i', or take target = 'verilog'",
        )
    if not PACKAGE.search(device.name.lower(), FAMILY_LETTERS):
        raise ConfigError(
            f"part {device.name!r}",
            "HLS tools want the package and the speed grade as well",
            "Give the whole name, such as 'xcku115-flvb2104-2-i'",
        )
    for value in (*graph.inputs, *graph.outputs):
        if value.type.element.width > PORT_BITS:
            raise UnsupportedError(
                f"%{value.name}",
                f"its elements {value.type.element} are wider than the {PORT_BITS} bits of a test bench's numbers",
                "Give the model's input and result narrower types",
            )
    return hls_knobs(graph, knobs)


def _check_plan(processes: Plan, knobs: HlsKnobs) -> None:
    for process in processes.processes:
        written = [(value, c) for value, c in (*process.writes, *process.finals) if c.beats > 1]
        if written and process.length == 1 and knobs.io == "stream":
            value, channel = written[0]
            raise UnsupportedError(
                f"layer {value.layer!r}" if value.layer else "the model",
                f"it makes {channel.beats} steps of %{value.name}, of which a stream cannot tell which are the last",
                "Use io='parallel', where every sequence is full, or leave the reshaping out",
            )


def _defines(top: str, processes: Plan, library: Library) -> str:
    x, y = (library.types.of(channel.value) for channel in (processes.input, processes.output))
    lines = [f"using loopwire::{name};" for name in FUNCTIONS]
    lines += ["", *(f"using {name} = {ap_type(element)};" for name, element in library.types.definitions.items())]
    lines += ["", "// The top function's.", f"using input_t = {x};", f"using result_t = {y};"]
    about = f"// Types of {top}, one for each tensor and named after it."
    return header_file(top, "defines.h", [about], [STATIC_HEADER], lines)


def _parameters(processes: Plan, ports: Ports, top: str) -> list[str]:
    texts = []
    for channel, name, writes in ((processes.input, "x", False), (processes.output, "y", True)):
        text = ports.parameter(channel, name, writes)
        type_name = ports.types.of(channel.value)
        texts.append(text.replace(type_name, f"{top}_design::{'result_t' if writes else 'input_t'}", 1))
    return texts


def _header(top: str, processes: Plan, ports: Ports) -> str:
    guard = f"{top}_h_"
    x, y = _parameters(processes, ports, top)
    declared = [f"void {top}(", f"    {x},", f"    {y});"]
    head = [*_about(top, processes, ports.knobs), f"#ifndef {guard}", f"#define {guard}", ""]
    return "\n".join([*head, '#include "defines.h"', "", *declared, "", "#endif", ""])


def _about(top: str, processes: Plan, knobs: HlsKnobs) -> list[str]:
    x, y = processes.input, processes.output
    kind = "as a stream, a beat at a time" if knobs.io == "stream" else "all at once, in an array"
    several = f" of {knobs.interleave} sequences in turn" if knobs.interleave > 1 else ""
    return [
        f"// {top}: in {x.beats} beats of {x.size} elements {x.value.type.element}, out {y.beats} of {y.size} "
        f"{y.value.type.element},",
        f"// {kind}{several}.",
    ]


def _source(top: str, processes: Plan, ports: Ports, layers: list[str]) -> str:
    lines = [*_about(top, processes, ports.knobs), f'#include "{top}.h"', ""]
    lines += [*(f'#include "{path}"' for path in layers), ""]
    x, y = _parameters(processes, ports, top)
    lines += [f"void {top}(", f"    {x},", f"    {y}) {{"]
    lines += _interface(processes, ports)
    names = {processes.input: "x", processes.output: "y"}
    body = [f"using namespace {top}_design;"]
    for channel in processes.channels:
        names[channel] = channel.name
        body += _declare(channel, processes, ports)
    for process in processes.processes:
        channels = [c for _, c in (*process.reads, *process.writes, *process.finals)]
        body.append(f"{top}_design::{process.name}({', '.join(names[c] for c in channels)});")
    return "\n".join([*lines, *indented(body), "}", ""])


def _interface(processes: Plan, ports: Ports) -> list[str]:
    lines = []
    for channel, name in ((processes.input, "x"), (processes.output, "y")):
        if ports.is_stream(channel):
            lines.append(f"#pragma HLS INTERFACE axis port={name}")
        else:
            lines.append(f"#pragma HLS ARRAY_PARTITION variable={name} complete dim=0")
            lines.append(f"#pragma HLS INTERFACE ap_vld port={name}")
    return [*lines, "#pragma HLS DATAFLOW"]


def _declare(channel: Channel, processes: Plan, ports: Ports) -> list[str]:
    if not ports.is_stream(channel):
        return [
            f"{ports.types.of(channel.value)} {channel.name}{ports.array_dimensions(channel)};",
            f"#pragma HLS ARRAY_PARTITION variable={channel.name} complete dim=0",
        ]
    # A process that gathers a whole sequence lets the others that read the same value wait for all its steps.
    readers = sum(other.value is channel.value for other in processes.channels)
    depth = max(2, ports.knobs.interleave * (channel.beats if readers > 1 else 1))
    return [
        f'hls::stream<{ports.beat_type(channel)}> {channel.name}("{channel.name}");',
        f"#pragma HLS STREAM variable={channel.name} depth={depth}",
    ]
