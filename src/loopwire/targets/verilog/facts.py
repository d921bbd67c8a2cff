"""What `design.json` tells of a project of SystemVerilog, and what commands build on of that."""

from __future__ import annotations

from loopwire.fact_kinds import (
    PORT,
    Kinds,
    is_count,
    is_flag,
    is_knobs,
    is_module,
    is_positive,
    is_shape,
    is_table_of_modules,
    is_table_of_ports,
    is_text,
)
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.targets.verilog.firmware import Firmware
from loopwire.targets.verilog.hardware import VerilogHardware

KINDS: Kinds = {
    "top": is_module,
    "ports": is_table_of_ports,
    "part": is_text,
    "clock_period_ns": is_positive,
    "layer_modules": is_table_of_modules,
    "knobs": is_knobs,
    "input": {**PORT, "shape": is_shape, "steps": is_count},
    "output": {**PORT, "per_step": is_flag},
}
"""Of a design with one input and one output."""


def facts(hardware: VerilogHardware) -> dict[str, object]:
    """Return what `design.json` tells of the SystemVerilog."""
    firmware = hardware.firmware
    return {
        "top": firmware.top,
        "ports": {port.name: {"direction": port.direction, "bits": port.bits} for port in firmware.ports},
        "layer_modules": dict(firmware.layer_modules),
        "predicted": {
            "latency_cycles": firmware.latency_cycles,
            **_latency_range(firmware),
            "initiation_interval_cycles": firmware.initiation_interval_cycles,
            "loop_latency_cycles": firmware.loop_latency_cycles,
        },
        "interleave": firmware.interleave,
        **(_network_ports(hardware) if firmware.has_streams_apart else _ports(hardware)),
    }


def _latency_range(firmware: Firmware) -> dict[str, int]:
    if firmware.latency_range_cycles is None:
        return {}
    least, greatest = firmware.latency_range_cycles
    return {"least_latency_cycles": least, "greatest_latency_cycles": greatest}


def _network_ports(hardware: VerilogHardware) -> dict[str, object]:
    firmware, model = hardware.firmware, hardware.model
    facts: dict[str, object] = {}
    sides = (
        ("inputs", firmware.inputs, model.ports, model.graph.inputs),
        ("outputs", firmware.outputs, model.model.outputs, model.graph.outputs),
    )
    for side, ports, tensors, values in sides:
        facts[side] = {
            tensor.name: {
                "stream": port.axis,
                "type": str(value.type.element),
                "steps": port.steps,
                "may_be_short": port.short,
                **_lanes(port.format),
            }
            for port, tensor, value in zip(ports, tensors, values, strict=True)
        }
    return facts


def _ports(hardware: VerilogHardware) -> dict[str, object]:
    firmware, model = hardware.firmware, hardware.model
    return {
        "input": {
            "type": str(model.graph.inputs[0].type.element),
            "shape": list(model.input_shape),
            "steps": firmware.length,
            "beats": int(firmware.input.beat_counts(firmware.length)),
            **_lanes(firmware.input),
        },
        "output": {
            "type": str(model.graph.outputs[0].type.element),
            "per_step": firmware.per_step,
            **_lanes(firmware.output),
        },
    }


def _lanes(format: BeatFormat) -> dict[str, int]:
    return {
        "bits": format.bits,
        "lane_bits": format.lane_bits,
        "elements": format.count,
        "vectors_per_beat": format.vectors_per_beat,
        "beats_per_vector": format.beats_per_vector,
    }
