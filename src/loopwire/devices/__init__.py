"""FPGA parts: resources, block shapes and delays."""

from loopwire.devices.device import Delays, Device, find_part, part_names

__all__ = ["Delays", "Device", "find_part", "part_names"]
