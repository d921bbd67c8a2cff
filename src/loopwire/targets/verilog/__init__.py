"""SystemVerilog from graphs: `generate` returns the files of a design with what its cycles will be."""

from loopwire.targets.verilog.firmware import Firmware, PortFacts, generate

__all__ = ["Firmware", "PortFacts", "generate"]
