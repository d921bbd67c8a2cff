"""What the field's tools expect beside the sources: FuseSoC core, file list, Makefile, instantiation, cocotb bench.

Ref: CAPI2 of FuseSoC 2; `iverilog -c` and `verilator -f`; cocotb 2.1, cocotbext-axi 0.1.28.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from string import Template

from loopwire.hdl.axi_stream import Sequences, StreamPort
from loopwire.targets.verilog.firmware import Firmware

CORE = Template("""\
CAPI=2:
name: loopwire:generated:$top:0
description: A recurrent network as firmware, made by Loopwire $version

filesets:
  rtl:
    files:
$rtl
    file_type: systemVerilogSource
  memories:
    files:
$memories
    file_type: user
  testbench:
    files:
      - testbench/${top}_tb.sv: {file_type: systemVerilogSource}
$vectors

targets:
  default:
    filesets: [rtl, memories]
    toplevel: $top
  sim:
    filesets: [rtl, memories, testbench]
    toplevel: ${top}_tb
    default_tool: icarus
    tools:
      icarus: {iverilog_options: [-g2012]}
      verilator: {mode: binary, verilator_options: [--timing]}
""")
MAKEFILE = Template("""\
# The self-checking testbench: it ends with PASS or FAIL.
#   make                        Icarus Verilog
#   make SIMULATOR=verilator    Verilator 5
#   make WAVES=1                the same, and writes waves.vcd
#   make -f cocotb.mk           the cocotb bench, where there is one

SIMULATOR ?= icarus
SOURCES := ${top}_tb.sv $$(sort $$(wildcard ../rtl/*.sv))
PLUS := $$(if $$(WAVES),+waves)

.PHONY: run icarus verilator clean
run: $$(SIMULATOR)

icarus:
	iverilog -g2012 -o simulate $$(SOURCES)
	vvp simulate $$(PLUS)

verilator:
	verilator --binary --timing -Wno-fatal $$(if $$(WAVES),--trace) --top-module ${top}_tb --Mdir verilated $$(SOURCES)
	./verilated/V${top}_tb $$(PLUS)

clean:
	rm -rf simulate verilated waves.vcd sim_build results.xml __pycache__
""")
COCOTB_MAKEFILE = Template("""\
# The cocotb bench: pip install cocotb cocotbext-axi, then make -f cocotb.mk (WAVES=1 writes waves).

SIM ?= icarus
TOPLEVEL_LANG = verilog
VERILOG_SOURCES = $$(sort $$(wildcard ../rtl/*.sv))
COCOTB_TOPLEVEL = $top
COCOTB_TEST_MODULES = test_$top
ifeq ($$(SIM),icarus)
COMPILE_ARGS += -g2012
endif

include $$(shell cocotb-config --makefiles)/Makefile.sim
""")
COCOTB = Template('''\
"""cocotb bench of $top: every result is the emulator's, at full speed and with random gaps and stalls.

vectors.json holds sequences and their results as the bytes of each stream.
"""

import json
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())
CLOCK_PS = $clock_ps


def pauses(seed):
    source = random.Random(seed)
    while True:
        yield source.random() < 0.4


async def compare(dut, stalled):
    dut.aresetn.value = 0
    cocotb.start_soon(Clock(dut.aclk, CLOCK_PS, unit="ps").start())
    ends = {}
    for kind, side in ((AxiStreamSource, "inputs"), (AxiStreamSink, "outputs")):
        for place, name in enumerate(VECTORS[side]):
            bus = AxiStreamBus.from_prefix(dut, name)
            ends[name] = kind(bus, dut.aclk, dut.aresetn, reset_active_level=False)
            ends[name].log.setLevel("WARNING")  # no line a frame
            if stalled:
                ends[name].set_pause_generator(pauses(place + 10 * (side == "outputs")))
    await ClockCycles(dut.aclk, 5)
    dut.aresetn.value = 1
    for name, frames in VECTORS["inputs"].items():
        for frame in frames:
            await ends[name].send(AxiStreamFrame(bytes.fromhex(frame)))
    for name, frames in VECTORS["outputs"].items():
        for number, due in enumerate(frames):
            found = bytes((await ends[name].recv()).tdata)
            assert found == bytes.fromhex(due), f"result {number} at {name} is {found.hex()}, not {due}"


@cocotb.test(timeout_time=$timeout_us, timeout_unit="us")
async def at_full_speed(dut):
    await compare(dut, stalled=False)


@cocotb.test(timeout_time=$timeout_us, timeout_unit="us")
async def with_gaps_and_stalls(dut):
    await compare(dut, stalled=True)
''')


def file_list(firmware: Firmware) -> str:
    """Return the sources, a line each, from the project's folder, as `-f` and `-c` take them."""
    return "".join(f"rtl/{name}\n" for name in sorted(firmware.files) if name.endswith(".sv"))


def fusesoc_core(firmware: Firmware, testbench: Sequence[str]) -> str:
    """Return the core file; `testbench` are the test bench's files that are read when it runs, by their paths."""

    def entries(paths: Sequence[str]) -> str:
        return "\n".join(f"      - {path}" for path in paths) or "      []"

    memories = [name for name in sorted(firmware.files) if not name.endswith(".sv")]
    read = [f"testbench/{name}" for name in memories]
    vectors = [path for path in sorted(testbench) if path.endswith(".hex") and path not in read]
    return CORE.substitute(
        top=firmware.top,
        version=version("loopwire"),
        rtl=entries(file_list(firmware).split()),
        memories=entries([_beside(f"rtl/{name}") for name in memories]),
        vectors=entries([_beside(path, "user") for path in vectors]),
    )


def _beside(path: str, file_type: str = "") -> str:
    """Return an entry of a file that a simulation looks for where it runs."""
    more = f", file_type: {file_type}" if file_type else ""
    return f"{path}: {{copyto: {path.rsplit('/', 1)[-1]}{more}}}"


def makefile(firmware: Firmware) -> str:
    """Return the Makefile of the test bench."""
    return MAKEFILE.substitute(top=firmware.top)


def instantiation(firmware: Firmware) -> str:
    """Return the declarations and the instance to be copied."""
    dimensions = {port.name: f"[{port.bits - 1}:0]" if port.bits else "" for port in firmware.ports}
    width = max(map(len, dimensions.values()), default=0)
    signals = "\n".join(f"logic {dimension:<{width}} {name};" for name, dimension in dimensions.items())
    connections = ",\n".join(f"    .{name}({name})" for name in dimensions)
    top = firmware.top
    return f"// An instance of {top}, to be copied.\n\n{signals}\n\n{top} {top}_i (\n{connections}\n);\n"


def cocotb_files(
    firmware: Firmware, clock_period_ns: float, inputs: Sequence[Sequences], outputs: Sequence[Sequences]
) -> dict[str, str]:
    """Return the bench, its Makefile and its vectors by their names: sequences, and the results that are due.

    There is none for a design of which anything lasts, whose labels or channels go with a sequence, or whose beats do
    not end with a vector: cocotbext-axi knows bytes only.
    """
    sides = (tuple(zip(firmware.inputs, inputs, strict=True)), tuple(zip(firmware.outputs, outputs, strict=True)))
    sideband = firmware.sideband
    if (
        firmware.remembers
        or sideband.user_bits
        or sideband.id_bits
        or not all(map(_ends_with_a_vector, firmware.inputs))
    ):
        return {}
    if not all(map(_ends_with_a_vector, firmware.outputs)):
        return {}
    given, due = ({port.axis: _frames(port, sequences) for port, sequences in side} for side in sides)
    sequences = len(inputs[0].lengths)
    clock_ps = round(500 * clock_period_ns) * 2
    timeout_us = -(-firmware.timeout_cycles * (sequences + 1) * clock_ps // 1_000_000)
    bench = COCOTB.substitute(top=firmware.top, clock_ps=clock_ps, timeout_us=timeout_us)
    return {
        f"test_{firmware.top}.py": bench,
        "cocotb.mk": COCOTB_MAKEFILE.substitute(top=firmware.top),
        "vectors.json": json.dumps({"inputs": given, "outputs": due}, indent=1) + "\n",
    }


def _ends_with_a_vector(port: StreamPort) -> bool:
    format = port.format
    return not format.keep_bits or format.bits == format.vectors_per_beat * format.vector_bits


def _frames(port: StreamPort, sequences: Sequences) -> list[str]:
    """Return the bytes of each sequence at a port, element 0 first, as hexadecimal digits."""
    format = port.format
    beats = format.beats(sequences.vectors, sequences.lengths)
    size, mask = format.lane_bits // 8, (1 << format.lane_bits) - 1
    taken = [
        b"".join((int(lane) & mask).to_bytes(size, "little") for lane in lanes).ljust(format.bits // 8, b"\0")
        for lanes in beats.lanes
    ]
    if format.keep_bits:
        taken = [beat[: kept * format.vector_bits // 8] for beat, kept in zip(taken, beats.kept.tolist(), strict=True)]
    frames, begin = [], 0
    for length in beats.lengths.tolist():
        frames.append(b"".join(taken[begin : begin + length]).hex())
        begin += length
    return frames
