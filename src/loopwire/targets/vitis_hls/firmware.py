"""From a lowered graph to an HLS project: its firmware, test bench and scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from loopwire.devices import Device
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.ir.graph import Graph
from loopwire.knobs import NO_NAMES, Knobs, PortNames
from loopwire.passes.pipeline import LOOPS, run_passes
from loopwire.targets.vitis_hls import project_text
from loopwire.targets.vitis_hls.cxx import KEYWORDS, Scope, TypeNames, ap_type, indented, local_names, partition
from loopwire.targets.vitis_hls.knobs import HlsKnobs, hls_knobs
from loopwire.targets.vitis_hls.layout import header_file
from loopwire.targets.vitis_hls.library import Library
from loopwire.targets.vitis_hls.ports import Port, Ports
from loopwire.targets.vitis_hls.process_function import process_function
from loopwire.targets.vitis_hls.processes import Channel, Plan, plan
from loopwire.targets.vitis_hls.value_types import narrowed
from loopwire.text.escapes import comment
from loopwire.text.identifiers import Identifier, Names, words_of
from loopwire.text.names import FileName

STATIC_HEADER = "loopwire_hls.h"
FUNCTIONS = ("fixed_of", "integer", "integer_of", "larger", "multiply", "smaller")
"""Of that header, used without its namespace."""
PORT_BITS = 63
"""What the test bench and the bridge carry a number's integer in, besides the sign."""
PACKAGE = re.compile(r"[a-z]{3,4}\d{3,4}-\d")
"""Package and speed grade in the name of a part of AMD: xcku115-flvb2104-2-i, xc7a100tcsg324-1."""
FAMILY_LETTERS = 4
ANY_TOP = Identifier("loopwire_top")
"""The top function while its name is not chosen."""


@dataclass(frozen=True, repr=False)
class HlsProject:
    """The files of a project by their paths in its folder, but the vectors; the top function, and the knobs carried."""

    files: Mapping[str, str]
    top: Identifier
    knobs: HlsKnobs

    def __repr__(self) -> str:
        return f"<HLS C++ of {self.top}, {len(self.files)} files>"


def generate(
    graph: Graph, device: Device, clock_period_ns: float, name: str, knobs: Knobs, names: PortNames = NO_NAMES
) -> HlsProject:
    """Return an HLS project of a lowered graph, for Vitis HLS and Vivado HLS.

    Args:
        graph: as `passes.lower` makes it.
        device: the part.
        clock_period_ns: time between two clock edges.
        name: of the top function.
        knobs: how the graph becomes loops. With `copies` = 1 there is one cell for all steps; with as many as steps,
            each has a cell of its own.
        names: of several inputs and outputs; an only one is x, or y.

    Raises:
        ConfigError: the part is not named as HLS tools want it, or a layer cannot have its reuse factor.
        UnsupportedError: HLS cannot express this graph or this combination of knobs; the message says which would do.
    """
    scope = Scope()
    carried, processes, loops = planned(graph, device, knobs, scope)
    ports = {channel.value for channel in (*processes.inputs, *processes.outputs)}
    library = Library(TypeNames(scope, narrowed(loops, ports)))
    named = _named_ports(processes, names)
    channels = Ports(library.types, carried)
    functions: dict[FileName, list[list[str]]] = {}
    needed: dict[FileName, set[FileName]] = {}
    for process in processes.processes:
        path = FileName(f"layers/{scope.layers.layer(process.layer)}.h")
        functions.setdefault(path, []).append(process_function(process, library, carried.of_layer(process.layer)))
        needed.setdefault(path, set()).update(library.asked_files())

    def written(top: Identifier) -> dict[str, str]:
        firmware = {STATIC_HEADER: resources.files(__package__).joinpath(STATIC_HEADER).read_text()}
        for path, texts in functions.items():
            body = [line for text in texts for line in (*text, "")][:-1]
            includes = ["../defines.h", *(f"../{file}" for file in sorted(needed[path]))]
            firmware[path] = header_file(top, path, [], includes, body)
        shared = library.files.items()
        firmware |= {path: header_file(top, path, [], ["../defines.h"], body) for path, body in shared}
        firmware["defines.h"] = _defines(top, named, library)
        firmware[f"{top}.h"] = _header(top, named, channels)
        firmware[f"{top}.cpp"] = _source(top, processes, named, channels, list(functions))
        facts = project_text.Facts(top, device.name, clock_period_ns, carried, named, channels)
        return {f"firmware/{path}": text for path, text in firmware.items()} | project_text.project_files(facts)

    top = _top(name, written(ANY_TOP))
    return HlsProject(dict(sorted(written(top).items())), top, carried)


def _top(name: str, around: Mapping[str, str]) -> Identifier:
    """Return a name for the top function that no file of the project has for anything else."""
    texts = (text for path, text in around.items() if path.endswith((".h", ".cpp")))
    return Names(KEYWORDS.union(*map(words_of, texts))).unique(name)


def planned(graph: Graph, device: Device, knobs: Knobs, scope: Scope) -> tuple[HlsKnobs, Plan, Graph]:
    """Return the knobs as HLS C++ carries them, its processes, and the graph that these compute.

    Raises:
        ConfigError, UnsupportedError: as `generate`.
    """
    _check_part_and_ports(graph, device)
    carried = hls_knobs(graph, knobs)
    loops = run_passes(LOOPS, graph, knobs)
    processes = plan(loops, scope, knobs)
    _check_plan(processes, carried)
    return carried, processes, loops


def _check_part_and_ports(graph: Graph, device: Device) -> None:
    if device.vendor != "amd":
        raise UnsupportedError(
            f"part {device.name!r}",
            "Vitis HLS and Vivado HLS know parts of AMD only",
            "Choose one of AMD's, such as 'xcku115-flvb2104-2-i', or take target = 'verilog'",
        )
    if not PACKAGE.search(device.name.lower(), FAMILY_LETTERS):
        raise ConfigError(
            f"part {device.name!r}",
            "HLS tools need the package and the speed grade as well",
            "Give the whole name, such as 'xcku115-flvb2104-2-i'",
        )
    for value in (*graph.inputs, *graph.outputs):
        if value.type.element.width > PORT_BITS:
            raise UnsupportedError(
                f"%{value.name}",
                f"its elements {value.type.element} are wider than the {PORT_BITS} bits of a test bench's numbers",
                "Give the model's input and result narrower types",
            )


def _check_plan(processes: Plan, knobs: HlsKnobs) -> None:
    for process in processes.processes:
        written = [(value, c) for value, c in (*process.writes, *process.finals) if c.beats > 1]
        if written and process.length == 1 and knobs.io == "stream":
            value, channel = written[0]
            raise UnsupportedError(
                f"layer {value.layer!r}" if value.layer else "the model",
                f"it makes {channel.beats} steps of %{value.name}, of which a stream cannot tell which are the last",
                "Use io='parallel', where every sequence is full, or leave out the Reshape or the softmax over steps",
            )


def _named_ports(processes: Plan, names: PortNames) -> tuple[Port, ...]:
    """Return all ports, inputs first."""
    taken = local_names()
    sides = ((processes.inputs, names.inputs, "x", "input_t"), (processes.outputs, names.outputs, "y", "result_t"))
    ports = []
    for channels, _, only, _ in sides:
        if len(channels) == 1:
            taken.unique(only)
    for channels, given, only, only_type in sides:
        for index, channel in enumerate(channels):
            is_output = channel in processes.outputs
            if len(channels) == 1:
                ports.append(Port(Identifier(only), Identifier(only_type), channel, is_output))
                continue
            name = taken.unique(given[index] if given else channel.value.name)
            ports.append(Port(name, Identifier(f"{name}_{only_type}"), channel, is_output))
    return tuple(ports)


def _defines(top: Identifier, named: Sequence[Port], library: Library) -> str:
    types = [(port.type_name, library.types.of(port.channel.value)) for port in named]
    lines = [f"using loopwire::{name};" for name in FUNCTIONS]
    lines += ["", *(f"using {name} = {ap_type(element)};" for name, element in library.types.definitions.items())]
    lines += ["", "// The top function's.", *(f"using {name} = {type_name};" for name, type_name in types)]
    about = comment(f"Types of {top}, one for each tensor and named after it.")
    return header_file(top, FileName("defines.h"), [about], [STATIC_HEADER], lines)


def _parameters(named: Sequence[Port], ports: Ports, top: Identifier) -> list[str]:
    texts = []
    for port in named:
        text = ports.parameter(port.channel, port.name, port.writes)
        texts.append(text.replace(ports.types.of(port.channel.value), f"{top}_design::{port.type_name}", 1))
    return [f"    {text}{',' if text is not texts[-1] else ''}" for text in texts]


def _header(top: Identifier, named: Sequence[Port], ports: Ports) -> str:
    guard = f"{top}_h_"
    *first, last = _parameters(named, ports, top)
    declared = [f"void {top}(", *first, f"{last});"]
    head = [*_about(top, named, ports.knobs), f"#ifndef {guard}", f"#define {guard}", ""]
    return "\n".join([*head, '#include "defines.h"', "", *declared, "", "#endif", ""])


def _about(top: Identifier, named: Sequence[Port], knobs: HlsKnobs) -> list[str]:
    kind = "as a stream, a beat at a time" if knobs.io == "stream" else "all at once, in an array"
    several = f" of {knobs.interleave} sequences in turn" if knobs.interleave > 1 else ""
    if len(named) > 2:
        each = [
            f"//   {'out' if port.writes else 'in'} {port.name}: {port.channel.beats} beats of {port.channel.size} "
            f"elements {port.channel.value.type.element}"
            for port in named
        ]
        return [f"// {top}:", *each, f"// {kind}{several}."]
    x, y = (port.channel for port in named)
    return [
        f"// {top}: in {x.beats} beats of {x.size} elements {x.value.type.element}, out {y.beats} of {y.size} "
        f"{y.value.type.element},",
        f"// {kind}{several}.",
    ]


def _source(top: Identifier, processes: Plan, named: Sequence[Port], ports: Ports, layers: list[FileName]) -> str:
    lines = [*_about(top, named, ports.knobs), f'#include "{top}.h"', ""]
    lines += [*(f'#include "{path}"' for path in layers), ""]
    *first, last = _parameters(named, ports, top)
    lines += [f"void {top}(", *first, f"{last}) {{"]
    lines += _interface(named, ports)
    names = {port.channel: port.name for port in named}
    body = [f"using namespace {top}_design;"]
    for channel in processes.channels:
        names[channel] = channel.name
        body += _declare(channel, processes, ports)
    for process in processes.processes:
        channels = (*process.taken, *process.given)
        body.append(f"{top}_design::{process.name}({', '.join(names[c] for c in channels)});")
    return "\n".join([*lines, *indented(body), "}", ""])


def _interface(named: Sequence[Port], ports: Ports) -> list[str]:
    lines = []
    for port in named:
        if ports.is_stream(port.channel):
            lines.append(f"#pragma HLS INTERFACE axis port = {port.name}")
        else:
            lines.append(partition(port.name))
            lines.append(f"#pragma HLS INTERFACE ap_vld port = {port.name}")
    free = ["#ifdef LOOPWIRE_FREE_RUNNING", "#pragma HLS INTERFACE ap_ctrl_none port = return", "#endif"]
    return [*lines, *free, "#pragma HLS DATAFLOW"]


def _declare(channel: Channel, processes: Plan, ports: Ports) -> list[str]:
    if not ports.is_stream(channel):
        return [
            f"{ports.types.of(channel.value)} {channel.name}{ports.array_dimensions(channel)};",
            partition(channel.name),
        ]
    # A process that gathers a whole sequence lets the others that read the same value wait for all its steps.
    readers = sum(other.value is channel.value for other in processes.channels)
    waits = readers > 1 or _parts_meet(channel, processes)
    depth = max(2, ports.knobs.interleave * (channel.beats if waits else 1))
    return [
        f'hls::stream<{ports.beat_type(channel)}> {channel.name}("{channel.name}");',
        f"#pragma HLS STREAM variable = {channel.name} depth = {depth}",
        "#ifndef __VITIS_HLS__",  # Vitis HLS packs the structures of streams by itself
        f"#pragma HLS DATA_PACK variable = {channel.name}",
        "#endif",
    ]


def _parts_meet(channel: Channel, processes: Plan) -> bool:
    """Say whether what writes a channel writes others, to other readers, which may want them sooner or later."""
    writer = next(process for process in processes.processes if channel in process.given)
    readers = {id(process) for process in processes.processes if not set(writer.given).isdisjoint(process.taken)}
    return len(readers) + sum(other.port for other in writer.given) > 1
