"""FPGA parts: resources, block shapes and delays."""

from loopwire.devices.device import Delays, Device, LutFactors, Memories, find_part, part_names

__all__ = ["Delays", "Device", "LutFactors", "Memories", "find_part", "part_names"]
