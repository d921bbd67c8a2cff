"""FPGA parts: resources, block shapes and delays."""

from loopwire.devices.device import (
    Delays,
    Device,
    LutFactors,
    Memories,
    all_parts,
    find_part,
    part_names,
    speed_grades,
)

__all__ = ["Delays", "Device", "LutFactors", "Memories", "all_parts", "find_part", "part_names", "speed_grades"]
