"""What surrounds the firmware: test bench with vectors, bridge to Python, script of the tools, README."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

import numpy as np

from loopwire.ir.fixed_point import Integers
from loopwire.targets.vitis_hls.cxx import indented, loop
from loopwire.targets.vitis_hls.knobs import HlsKnobs
from loopwire.targets.vitis_hls.layout import CLANG_FORMAT
from loopwire.targets.vitis_hls.ports import Port, Ports
from loopwire.text.escapes import markdown_code
from loopwire.text.identifiers import Identifier

INPUTS = "tb_data/tb_input_features.dat"
OUTPUTS = "tb_data/tb_output_predictions.dat"
CALL_HEADER = "test_call.h"


@dataclass(frozen=True)
class Facts:
    """What the texts tell of a design."""

    top: Identifier
    part: str
    clock_period_ns: float
    knobs: HlsKnobs
    named: tuple[Port, ...]
    ports: Ports

    def size(self, writes: bool) -> int:
        """Return the numbers of a sequence's inputs, or of its results."""
        return sum(port.channel.beats * port.channel.size for port in self.named if port.writes == writes)

    @property
    def steps(self) -> int:
        """The most steps that a sequence, which may be short, has."""
        return max((port.channel.beats for port in self.named if port.channel.short and not port.writes), default=1)


def project_files(facts: Facts) -> dict[str, str]:
    """Return the files that hold no numbers."""
    return {
        ".clang-format": CLANG_FORMAT,
        CALL_HEADER: _call(facts),
        f"{facts.top}_test.cpp": TEST_BENCH.substitute(
            top=facts.top,
            x_size=facts.size(writes=False),
            y_size=facts.size(writes=True),
            lanes=facts.knobs.interleave,
            inputs=INPUTS,
            outputs=OUTPUTS,
        ),
        f"{facts.top}_bridge.cpp": BRIDGE.substitute(
            top=facts.top,
            x_size=facts.size(writes=False),
            y_size=facts.size(writes=True),
            lanes=facts.knobs.interleave,
            beats=facts.steps,
        ),
        "build_prj.tcl": TCL.substitute(top=facts.top, part=facts.part, period=f"{facts.clock_period_ns:g}"),
        "README.md": _readme(facts),
    }


def vector_files(inputs: Integers, lengths: Integers, outputs: Integers) -> dict[str, str]:
    """Return the test bench's vectors, a sequence a line: its length and all elements of its input; of its result.

    Args:
        inputs: integers (N, ...).
        lengths: (N,) steps of each sequence.
        outputs: integers (N, ...) that the emulator gives.
    """
    sent = (" ".join(map(str, (n, *x.reshape(-1).tolist()))) for n, x in zip(lengths.tolist(), inputs, strict=True))
    due = (" ".join(map(str, np.asarray(y).reshape(-1).tolist())) for y in outputs)
    return {INPUTS: "\n".join([*sent, ""]), OUTPUTS: "\n".join([*due, ""])}


def _call(facts: Facts) -> str:
    """Return the function that runs as many sequences as one call takes, given as integers."""
    lanes = facts.knobs.interleave
    stream = facts.ports.is_stream(facts.named[0].channel)
    before: list[str] = []
    send: list[str] = []
    take: list[str] = []
    offsets = {False: 0, True: 0}
    for port in facts.named:
        declared, moved = _moved(facts, port, offsets[port.writes])
        before += declared
        if port.writes:
            take += moved
        else:
            send += moved
        offsets[port.writes] += port.channel.beats * port.channel.size
    streamed = [f"using loopwire::{name};" for name in ("axi_beat", "beat", "from_axi", "to_axi")]
    body = [
        f"using namespace {facts.top}_design;",
        *(streamed if stream else ["(void)lengths; // sequences are full"]),
        *before,
        *send,
        f"{facts.top}({', '.join(port.name for port in facts.named)});",
        *take,
    ]
    guard = f"{facts.top.upper()}_CALL_H_"
    x_size, y_size = facts.size(writes=False), facts.size(writes=True)
    return "\n".join(
        [
            f"// One call of {facts.top}, with numbers as integers in steps of their types.",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            f'#include "firmware/{facts.top}.h"',
            "",
            f"inline void {facts.top}_call(",
            f"    const long long (&numbers)[{lanes}][{x_size}], const long long (&lengths)[{lanes}],",
            f"    long long (&results)[{lanes}][{y_size}]) {{",
            *indented(body),
            "}",
            "",
            "#endif",
            "",
        ]
    )


def _moved(facts: Facts, port: Port, offset: int) -> tuple[list[str], list[str]]:
    """Return the declaration of a port's data, and the loops that fill it, or take what it holds.

    Its numbers are those of a sequence from `offset` on.
    """
    lanes, channel, name, type_name = facts.knobs.interleave, port.channel, port.name, port.type_name
    only = sum(other.writes == port.writes for other in facts.named) == 1
    end = "" if only else f"_{name}"
    first = f"{offset} + " if offset else ""
    number = f"{'results' if port.writes else 'numbers'}[c][{first}t * {channel.size} + k]"
    lane = "[c]" if lanes > 1 else ""
    label = ("results_of_step" if port.writes else "elements") + end
    if not facts.ports.is_stream(channel):
        declared = [f"static {type_name} {name}{f'[{lanes}]' if lanes > 1 else ''}[{channel.beats}][{channel.size}];"]
        if port.writes:
            moved = [f"{number} = integer_of({name}{lane}[t][k]);"]
        else:
            moved = [f"{name}{lane}[t][k] = fixed_of<{type_name}>({number});"]
        each = loop(label, "k", channel.size, moved)
    elif port.writes:
        declared = [f"hls::stream<axi_beat<{type_name}, {channel.size}>> {name};"]
        each = [f"const beat<{type_name}, {channel.size}> step = from_axi<{type_name}, {channel.size}>({name}.read());"]
        each += loop(label, "k", channel.size, [f"{number} = integer_of(step.value[k]);"])
        if channel.short:
            zero = loop(f"missing{end}", "k", channel.size, [f"{number} = 0;"])
            each = ["if (t < lengths[c]) {", *indented(each), "} else {", *indented(zero), "}"]
    else:
        declared = [f"hls::stream<axi_beat<{type_name}, {channel.size}>> {name};"]
        each = [f"beat<{type_name}, {channel.size}> step;"]
        each += loop(label, "k", channel.size, [f"step.value[k] = fixed_of<{type_name}>({number});"])
        ends = "t + 1 == lengths[c]" if only or channel.short else "true"
        each += [f"step.last = {ends};", f"{name}.write(to_axi(step));"]
        if only or channel.short:
            each = ["if (t < lengths[c]) {", *indented(each), "}"]
    verb = "take" if port.writes else "send"
    return declared, loop(f"{verb}_steps{end}", "t", channel.beats, loop(f"{verb}{end}", "c", lanes, each))


def _readme(facts: Facts) -> str:
    knobs = facts.knobs
    ins, outs = (
        ", ".join(
            f"{port.channel.beats} beats of {port.channel.size} elements `{port.channel.value.type.element}`"
            + (f" (`{port.name}`)" if len(facts.named) > 2 else "")
            for port in facts.named
            if port.writes == writes
        )
        for writes in (False, True)
    )
    own = [f"layer {markdown_code(name)}: {factor}" for name, factor in knobs.layer_reuse_factor.items()]
    return README.substitute(
        top=facts.top,
        part=facts.part,
        period=f"{facts.clock_period_ns:g}",
        io=knobs.io,
        reuse_factor=", ".join([str(knobs.reuse_factor), *own]),
        interleave=knobs.interleave,
        copies="each step a cell of its own" if knobs.unrolled else "one cell for all steps",
        x=ins,
        y=outs,
        order="beat 0 of every sequence, then beat 1 of every one, and so on" if knobs.interleave > 1 else "one by one",
        short="The beat with `last` ends a sequence, as does its last possible beat."
        if knobs.short_sequences
        else "All sequences are full.",
    )


TEST_BENCH = Template("""\
// Runs the vectors of tb_data through $top and compares every bit; returns 0 if all agree.
#include "test_call.h"

#include <fstream>
#include <iostream>

int main() {
  std::ifstream inputs("$inputs");
  std::ifstream expected("$outputs");
  if (!inputs || !expected) {
    std::cerr << "$inputs or $outputs cannot be read" << std::endl;
    return 2;
  }
  static long long numbers[$lanes][$x_size];
  static long long results[$lanes][$y_size];
  long long lengths[$lanes];
  int sequences = 0;
  int different = 0;
  while (true) {
    int filled = 0;
    while (filled < $lanes && inputs >> lengths[filled]) {
      for (int k = 0; k < $x_size; k++) {
        inputs >> numbers[filled][k];
      }
      filled++;
    }
    if (filled == 0) {
      break;
    }
    for (int c = filled; c < $lanes; c++) { // the last call is filled up with its first sequence
      lengths[c] = lengths[0];
      for (int k = 0; k < $x_size; k++) {
        numbers[c][k] = numbers[0][k];
      }
    }
    ${top}_call(numbers, lengths, results);
    for (int c = 0; c < filled; c++, sequences++) {
      for (int k = 0; k < $y_size; k++) {
        long long due = 0;
        expected >> due;
        if (results[c][k] != due) {
          std::cerr << "sequence " << sequences << ", element " << k << ": " << results[c][k] << " instead of " << due
                    << std::endl;
          different++;
        }
      }
    }
  }
  std::cout << (different == 0 && sequences > 0 ? "PASS: " : "FAIL: ") << sequences << " sequences, " << different
            << " elements differ" << std::endl;
  return different == 0 && sequences > 0 ? 0 : 1;
}
""")

BRIDGE = Template("""\
// $top for Python: a shared library's functions, with numbers as integers in steps of their types.
#include "test_call.h"

#include <exception>
#include <iostream>

extern "C" __attribute__((visibility("default"))) void ${top}_sizes(long long *sizes) {
  sizes[0] = $beats;
  sizes[1] = $x_size;
  sizes[2] = $y_size;
}

// Runs `count` sequences: numbers (count, $x_size), lengths (count), results (count, $y_size). Returns 0, or 1 where
// the simulation waits for ever.
extern "C" __attribute__((visibility("default"))) int ${top}_predict(
    const long long *numbers, const long long *lengths, long long count, long long *results) try {
  static long long sent[$lanes][$x_size];
  static long long taken[$lanes][$y_size];
  long long steps[$lanes];
  for (long long first = 0; first < count; first += $lanes) {
    for (int c = 0; c < $lanes; c++) { // the last call is filled up with the last sequence
      const long long n = first + c < count ? first + c : count - 1;
      steps[c] = lengths[n];
      for (int k = 0; k < $x_size; k++) {
        sent[c][k] = numbers[n * $x_size + k];
      }
    }
    ${top}_call(sent, steps, taken);
    for (int c = 0; c < $lanes && first + c < count; c++) {
      for (int k = 0; k < $y_size; k++) {
        results[(first + c) * $y_size + k] = taken[c][k];
      }
    }
  }
  return 0;
} catch (const std::exception &error) {
  std::cerr << "$top: " << error.what() << std::endl;
  return 1;
}
""")

TCL = Template("""\
# Builds $top with Vitis HLS or Vivado HLS:
#   vitis_hls -f build_prj.tcl "csim=1 synth=1 cosim=1 export=1"     (before 2020.2: vivado_hls; from 2024.2: vitis-run
#   --mode hls --tcl build_prj.tcl, which takes no arguments and runs the defaults below)
# free=1: no ap_start and ap_done; the design runs whenever its ports have data (ap_ctrl_none).
array set options {reset 1 csim 1 synth 1 cosim 0 export 0 free 0}
foreach argument $$::argv {
  foreach pair [split $$argument] {
    if {[regexp {^(\\w+)=(\\d+)$$} $$pair -> key setting] && [info exists options($$key)]} {
      set options($$key) $$setting
    }
  }
}

if {$$options(reset)} {
  open_project -reset ${top}_prj
} else {
  open_project ${top}_prj
}
set_top $top
# The headers of Vitis HLS need C++14, which Vivado HLS does not know.
set flags [expr {[string match *vivado_hls* [info nameofexecutable]] ? "-std=c++11" : "-std=c++14"}]
if {$$options(free)} { append flags " -DLOOPWIRE_FREE_RUNNING" }
add_files firmware/$top.cpp -cflags $$flags
add_files -tb ${top}_test.cpp -cflags "$$flags -Wno-unknown-pragmas -Wno-unused-label"
add_files -tb test_call.h
add_files -tb tb_data
if {$$options(reset)} {
  open_solution -reset solution1
} else {
  open_solution solution1
}
set_part {$part}
create_clock -period $period -name default

if {$$options(csim)} { csim_design }
if {$$options(synth)} { csynth_design }
if {$$options(cosim)} { cosim_design -trace_level none }
if {$$options(export)} { export_design -format ip_catalog }
exit
""")

README = Template("""\
# $top

HLS C++ of the network `$top`, made by Loopwire.

| | |
|---|---|
| Part | $part |
| Clock | $period ns |
| Ports | $io: in $x, out $y |
| Sequences a call | $interleave; beats come $order |
| Reuse factor | $reuse_factor |
| Steps | $copies |

$short

## Files

* `firmware/$top.cpp`, `.h`: the top function; its processes run side by side (DATAFLOW), joined by channels.
* `firmware/layers/`: the functions of each layer. `firmware/defines.h`: the type of every tensor.
* `firmware/weights/`, `firmware/tables/`: constants and activation tables, as integers in steps of their types.
* `firmware/loopwire_hls.h`: exact integers behind `ap_fixed`, and the beats of streams.
* `${top}_test.cpp`, `tb_data/`: test bench; a line is a sequence's length and elements, as integers.
* `${top}_bridge.cpp`: the same for Python. `build_prj.tcl`: C simulation, synthesis, cosimulation, export.

## Build

    vitis_hls -f build_prj.tcl "csim=1 synth=1 cosim=1 export=1"

Vivado HLS: `vivado_hls -f build_prj.tcl`. Without either, with g++ and headers that Loopwire finds:

    HEADERS=$$(python -c "from loopwire.simulate.hls_compile import header_options; print(*header_options())")
    g++ -std=c++11 -O2 $$HEADERS firmware/$top.cpp ${top}_test.cpp -o simulate && ./simulate

`-DLOOPWIRE_EXACT_WIDTHS` simulates accumulators in the synthesised widths, slowly; the numbers are the same.
""")
