"""SystemVerilog from graphs: `generate` returns the files of a design with what its cycles will be."""

from loopwire.targets.verilog.firmware import Firmware, generate

__all__ = ["Firmware", "generate"]
