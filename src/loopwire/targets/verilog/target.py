"""What the registry asks of the SystemVerilog target; `targets.protocol.Target` tells of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loopwire.config import CompileConfig
from loopwire.data import Batch
from loopwire.devices import Device
from loopwire.knobs import Knobs
from loopwire.quantised_model import QuantisedModel
from loopwire.report.area import estimated_use
from loopwire.report.layers import LayerStages
from loopwire.report.summary import HardwareFacts
from loopwire.report.timeline import occupancy_svg, sequences_svg, stages_by_layer
from loopwire.schedule.plan import check_knobs
from loopwire.targets.verilog.diagrams import block_diagram, timing_diagram
from loopwire.targets.verilog.facts import KINDS, facts
from loopwire.targets.verilog.firmware import Firmware
from loopwire.targets.verilog.hardware import VerilogHardware
from loopwire.targets.verilog.integration import file_list, fusesoc_core, instantiation, makefile
from loopwire.targets.verilog.proof import prove
from loopwire.targets.verilog.readme import readme
from loopwire.targets.verilog.testbench_files import testbench_files

__all__ = ["KINDS", "PREDICTS", "build", "check", "facts", "files", "generate", "pictures", "prove", "summary"]

PREDICTS = True


def check(model: QuantisedModel, device: Device) -> CompileConfig:
    """Refuse knobs that the hardware cannot have; a sequence that the model takes as one vector comes in one beat.

    Raises:
        ConfigError, UnsupportedError: as `schedule.plan.check_knobs`.
    """
    config, graph = model.config, model.graph
    bus_is_chosen = config.bus_bits is not None or config.sliding_window
    if len(model.model.inputs[0].shape) < len(graph.inputs[0].type.shape) and not bus_is_chosen:
        config = replace(config, io="parallel")
    if config.knobs != Knobs():
        check_knobs(graph, config)
    return config


def generate(model: QuantisedModel, device: Device) -> VerilogHardware:
    """Return the hardware."""
    return VerilogHardware(model, device)


def files(hardware: VerilogHardware, x: Batch) -> Mapping[str, str]:
    """Return the files of the project; inputs `x` (N, *input shape) become its test bench's vectors."""
    firmware = hardware.firmware
    found = {f"rtl/{name}": text for name, text in firmware.files.items()}
    # Simulators look for memory files where they run: beside the vectors.
    found |= {f"testbench/{name}": text for name, text in firmware.files.items() if not name.endswith(".sv")}
    bench = testbench_files(hardware, x)
    found |= {
        f"{firmware.top}.core": fusesoc_core(firmware, tuple(bench)),
        f"{firmware.top}.f": file_list(firmware),
        "testbench/Makefile": makefile(firmware),
        f"doc/{firmware.top}_instance.svh": instantiation(firmware),
        "doc/blocks.svg": block_diagram(firmware),
        "doc/timing.svg": timing_diagram(firmware),
    }
    return {**found, **bench, "README.md": readme(hardware, len(x), has_cocotb="testbench/cocotb.mk" in bench)}


def summary(hardware: VerilogHardware) -> HardwareFacts:
    """Return what the report tells of the hardware."""
    firmware = hardware.firmware
    estimated = estimated_use(firmware.areas, hardware.device)
    stages = tuple(
        LayerStages(layer, worked[0], worked[-1])
        for pipeline in firmware.pipelines
        for layer, worked in stages_by_layer(pipeline)
    )
    known = (firmware.interleave, firmware.loop_latency_cycles, hardware.predicted_cycles)
    return HardwareFacts(*known, firmware.areas, estimated, stages)


def pictures(hardware: VerilogHardware) -> list[str]:
    """Return how sequences follow one another, and which layer works in which cycle, as SVG."""
    firmware = hardware.firmware
    engines = (
        occupancy_svg(pipeline, timing, _busy(firmware, index))
        for index, (pipeline, timing) in enumerate(zip(firmware.pipelines, firmware.engines, strict=True))
    )
    return [sequences_svg(firmware.timing), *engines]


def _busy(firmware: Firmware, index: int) -> float:
    """Return the share of the cycles, at full rate, in which a stage of an engine works on a step."""
    taken = firmware.engines[index].steps * firmware.pipelines[index].datapath.sharing.cycles
    copies = firmware.copies if index < firmware.timing.copied else 1
    return min(taken / (firmware.initiation_interval_cycles * copies), 1.0)


def build(hardware: VerilogHardware) -> None:
    """Compile the simulation."""
    _ = hardware.simulator
