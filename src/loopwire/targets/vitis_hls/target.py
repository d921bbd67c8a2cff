"""What the registry asks of the HLS target; `targets.protocol.Target` tells of each."""

from __future__ import annotations

from collections.abc import Mapping

from loopwire.config import CompileConfig
from loopwire.data import Batch
from loopwire.devices import Device
from loopwire.fact_kinds import Kinds, is_module, is_positive, is_text
from loopwire.quantised_model import QuantisedModel
from loopwire.report.summary import HardwareFacts
from loopwire.targets.vitis_hls.cxx import Scope
from loopwire.targets.vitis_hls.firmware import planned
from loopwire.targets.vitis_hls.hardware import HlsHardware, flat
from loopwire.targets.vitis_hls.project_text import vector_files
from loopwire.targets.vitis_hls.proof import prove

__all__ = ["KINDS", "PREDICTS", "build", "check", "facts", "files", "generate", "pictures", "prove", "summary"]

PREDICTS = False
KINDS: Kinds = {"top": is_module, "part": is_text, "clock_period_ns": is_positive}


def check(model: QuantisedModel, device: Device) -> CompileConfig:
    """Refuse what HLS C++ does not carry.

    Raises:
        ConfigError, UnsupportedError: as `vitis_hls.firmware.planned`.
    """
    planned(model.graph, device, model.config, Scope())
    return model.config


def generate(model: QuantisedModel, device: Device) -> HlsHardware:
    """Return the hardware."""
    return HlsHardware(model, device)


def files(hardware: HlsHardware, x: Batch) -> Mapping[str, str]:
    """Return the files of the project; inputs `x` (N, *input shape) become its test bench's vectors."""
    model = hardware.model
    integers, full = model.input_integers(x, None)
    lengths = hardware.shortened(full, seed=1)
    outputs = model.output_integers(x, lengths)
    return {**hardware.project.files, **vector_files(flat(integers), lengths, flat(outputs))}


def facts(hardware: HlsHardware) -> dict[str, object]:
    """Return what `design.json` tells of the HLS C++."""
    project, model = hardware.project, hardware.model
    return {
        "top": project.top,
        "interleave": project.knobs.interleave,
        **_port_types(model),
    }


def _port_types(model: QuantisedModel) -> dict[str, object]:
    """Return the types of the only input and output, or of all by their names."""
    graph = model.graph
    facts: dict[str, object] = {}
    for side, ports, values in (("input", model.ports, graph.inputs), ("output", model.model.outputs, graph.outputs)):
        types = {port.name: {"type": str(value.type.element)} for port, value in zip(ports, values, strict=True)}
        facts |= {f"{side}s": types} if len(types) > 1 else {side: next(iter(types.values()))}
    return facts


def summary(hardware: HlsHardware) -> HardwareFacts:
    """Return what the report tells of the hardware: cycles and area are for the tool to tell."""
    return HardwareFacts(hardware.project.knobs.interleave)


def pictures(hardware: HlsHardware) -> list[str]:
    """Return no picture: only the tool knows the schedule."""
    return []


def build(hardware: HlsHardware) -> None:
    """Compile the C simulation."""
    _ = hardware.c_simulation
