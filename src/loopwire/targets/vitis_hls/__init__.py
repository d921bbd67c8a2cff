"""HLS C++ from graphs: `generate` returns a project for Vitis HLS and Vivado HLS."""

from loopwire.targets.vitis_hls.firmware import HlsProject, generate

__all__ = ["HlsProject", "generate"]
