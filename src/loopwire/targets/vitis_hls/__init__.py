"""HLS C++ from graphs: `generate` returns a project for Vitis HLS and Vivado HLS, `vector_files` its vectors."""

from loopwire.targets.vitis_hls.firmware import HlsProject, generate
from loopwire.targets.vitis_hls.project_text import vector_files

__all__ = ["HlsProject", "generate", "vector_files"]
