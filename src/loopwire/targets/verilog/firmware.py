"""From a lowered graph to the files of a design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal

from loopwire.devices import Device
from loopwire.errors import ConfigError
from loopwire.hdl import shift_add as shift_add_text
from loopwire.hdl.adder_tree import AdderTree
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.hdl.expressions import hex_file, resized
from loopwire.hdl.names import Names, identifier
from loopwire.ir import ops
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import Range, ranges
from loopwire.ir.tables import TableForm
from loopwire.ir.verify import verify
from loopwire.passes.accumulate_flattened import accumulate_flattened
from loopwire.passes.fuse_scans import fuse_scans
from loopwire.schedule.cycles import EngineTiming, SteadyState, run, steady_state
from loopwire.schedule.datapath import Signal
from loopwire.schedule.delay import DelayModel
from loopwire.schedule.engine import Engine, engines, one_layer_each
from loopwire.schedule.expand import expand
from loopwire.schedule.expand_folded import expand_folded
from loopwire.schedule.fold import fold
from loopwire.schedule.pipeline import Pipeline, Placement, schedule
from loopwire.schedule.shift_add import SOLVER_BITS, minimal_depth, solve
from loopwire.targets.verilog.engine_module import control_bits, engine_module
from loopwire.targets.verilog.layer_module import layer_module, layer_modules
from loopwire.targets.verilog.table_module import table_module

Multipliers = Literal["auto", "shift_add", "dsp"]
STATIC_MODULES = ("loopwire_feeder.sv", "loopwire_sequencer.sv", "loopwire_collector.sv")


@dataclass(frozen=True)
class Firmware:
    """A design's files, and what its cycles will be.

    `latency_cycles` counts from the first input beat's acceptance to the (last) result beat's being valid, for a single
    full-length sequence whose beats come without gaps. `initiation_interval_cycles` is the time from a sequence's first
    beat to the next one's at full rate, the mean over a period of the `steady` state. `schedule.cycles.run` gives every
    sequence's cycles from `engines`, the timing of each engine; `pipelines` tell where each of its operations works.
    """

    files: Mapping[str, str]
    top: str
    length: int
    per_step: bool
    input: BeatFormat
    output: BeatFormat
    latency_cycles: int
    initiation_interval_cycles: float
    loop_latency_cycles: int
    interleave: int
    steady: SteadyState
    engines: tuple[EngineTiming, ...]
    pipelines: tuple[Pipeline, ...]


def generate(
    graph: Graph,
    device: Device,
    clock_period_ns: float,
    name: str,
    interleave: int | None = None,
    multipliers: Multipliers = "auto",
    reuse_factor: int = 1,
    layer_reuse_factor: Mapping[str, int] | None = None,
) -> Firmware:
    """Return firmware for a lowered graph.

    Args:
        graph: one input and one output, as `passes.lower` makes it.
        device: whose delays place the registers.
        clock_period_ns: time between two clock edges.
        name: of the top module.
        interleave: sequences in the loop at once; by default as many as fit without adding latency.
        multipliers: products with constants as shift-add trees, in DSP blocks, or whichever takes the smaller share of
            the device.
        reuse_factor: products that a multiplier serves in each step, R: 1 is fully parallel. A layer with fewer
            products reuses as often as it can.
        layer_reuse_factor: R of single layers, by name.

    Raises:
        UnsupportedError: the layers are connected in a way that firmware does not carry.
        ConfigError: the clock is too fast for an operation, or `interleave` is impossible.
    """
    reuse = _Reuse(reuse_factor, layer_reuse_factor or {})
    graph = accumulate_flattened(graph)
    graph = verify(graph if reuse.folds else fuse_scans(graph))
    found = ranges(graph)
    delays = DelayModel(device)
    return _Design(graph, found, delays, clock_period_ns, identifier(name), interleave, multipliers, reuse).firmware()


@dataclass(frozen=True)
class _Reuse:
    """The reuse factor of every layer."""

    factor: int
    by_layer: Mapping[str, int]

    @property
    def folds(self) -> bool:
        """Whether any layer reuses its multipliers: then each has an engine of its own."""
        return max(self.factor, *self.by_layer.values(), 1) > 1

    def of(self, engine: Engine) -> int:
        """Return the reuse factor of an engine of one layer."""
        nodes = (*engine.nodes, *engine.tail)
        layers = [node.result.layer for node in nodes if isinstance(node.op, ops.MatVec)]
        return self.by_layer.get(layers[0], self.factor) if layers else 1


@dataclass
class _Design:
    graph: Graph
    found: Mapping[Value, Range]
    delays: DelayModel
    clock_period_ns: float
    name: str
    interleave: int | None
    multipliers: Multipliers
    reuse: _Reuse
    files: dict[str, str] = field(default_factory=dict)
    _tables: dict[TableForm, str] = field(default_factory=dict)
    _names: Names = field(default_factory=Names)

    def firmware(self) -> Firmware:
        chain = engines(self.graph)
        if self.reuse.folds:
            chain = one_layer_each(chain)
        self._names.unique(self.name)
        pipelines = [self._pipeline(engine) for engine in chain]
        timings = tuple(self._timing(engine, pipeline) for engine, pipeline in zip(chain, pipelines, strict=True))
        modules = []
        for engine, pipeline, timing in zip(chain, pipelines, timings, strict=True):
            modules.append(self._names.unique(f"{self.name}_{engine.name}"))
            self._write_engine(modules[-1], pipeline, timing)
        (x,), (y,) = self.graph.inputs, self.graph.outputs
        first, last = pipelines[0].datapath.x, pipelines[-1].datapath.output
        beats_in = BeatFormat(first.count, x.type.element.width, x.type.element.signed)
        beats_out = BeatFormat(last.count, y.type.element.width, y.type.element.signed)
        self.files[f"{self.name}.sv"] = self._top(modules, pipelines, beats_in, beats_out)
        for static in STATIC_MODULES:
            self.files[static] = resources.files("loopwire.hdl").joinpath(static).read_text()
        slots = max(timing.slots for timing in timings)
        (alone,) = run(timings, 1)
        steady = steady_state(timings)
        return Firmware(
            files=self.files,
            top=self.name,
            length=chain[0].length,
            per_step=all(engine.per_step for engine in chain),
            input=beats_in,
            output=beats_out,
            latency_cycles=alone.last_output - alone.first_input,
            initiation_interval_cycles=steady.initiation_interval_cycles,
            loop_latency_cycles=max(pipeline.loop_latency for pipeline in pipelines),
            interleave=slots,
            steady=steady,
            engines=timings,
            pipelines=tuple(pipelines),
        )

    def _pipeline(self, engine: Engine) -> Pipeline:
        folding = fold(engine, self.reuse.of(engine)) if self.reuse.folds else None
        if folding is None:
            datapath = expand(engine, self.found, self._solve)
        else:
            datapath = expand_folded(engine, self.found, folding)
        # Stage 0 begins with choosing a slot and reading its buffer, taken to hold eight sequences.
        input_ns = self.delays.gate() + self.delays.rom(8 * engine.length, datapath.x.bits)
        return schedule(datapath, self.delays, self.clock_period_ns, input_ns)

    def _timing(self, engine: Engine, pipeline: Pipeline) -> EngineTiming:
        folding = pipeline.datapath.folding
        ring, spacing = pipeline.loop_latency, folding.cycles if folding else 1
        room = ring // spacing
        slots = self.interleave or room
        if not 1 <= slots <= room:
            raise ConfigError(
                "interleave",
                f"{slots} sequences do not fit in a loop of {ring} cycles",
                f"Give a number from 1 to {room}, or leave it out for {room}",
            )
        # A sequence holds its ticket from its first beat to its last result; a new one comes every interval at most.
        held_cycles = engine.length * (1 + engine.per_step + engine.reverse) + ring * engine.length + pipeline.depth + 4
        interval_cycles = max(engine.length, engine.length * ring // slots)
        tickets = 1 << (held_cycles // interval_cycles + 1).bit_length()
        depth, reverse, per_step = pipeline.depth, engine.reverse, engine.per_step
        waits = folding is not None and slots == 1
        return EngineTiming(engine.length, ring, slots, spacing, tickets, depth, reverse, per_step, waits)

    def _solve(self, result: Value, matrix: Integers, x: Range) -> AdderTree | None:
        largest = int(abs(matrix).max())
        if self.multipliers == "dsp" or largest >= 1 << SOLVER_BITS:
            return None
        tree = solve(matrix, [(x.low, x.high)] * matrix.shape[1], minimal_depth(matrix))
        if self.multipliers == "auto" and self._prefers_multipliers(tree, matrix, x):
            return None
        return tree

    def _prefers_multipliers(self, tree: AdderTree, matrix: Integers, x: Range) -> bool:
        """Say whether multipliers would take a smaller share of the device than the tree."""
        device = self.delays.device
        width = Signal("x", 1, x.low, x.high, 0, "", "").width + 1
        blocks = self.delays.dsp_blocks(int(abs(matrix).max()).bit_length() + 1, width) * int((matrix != 0).sum())
        return blocks / max(device.dsps, 1) < tree.adder_bits / device.luts

    def _write_engine(self, name: str, pipeline: Pipeline, timing: EngineTiming) -> None:
        modules = layer_modules(pipeline, timing.slots)
        names = {}
        for module in modules:
            names[module.layer] = self._names.unique(f"{self.name}_{module.layer or 'model'}")
            library = _LayerLibrary(self, names[module.layer])
            bits = control_bits(timing, pipeline.datapath.folding)
            text = layer_module(names[module.layer], module, pipeline, library, bits, timing.slots)
            self.files[f"{names[module.layer]}.sv"] = text
        self.files[f"{name}.sv"] = engine_module(name, pipeline, timing, modules, names)

    def table(self, form: TableForm) -> str:
        """Return the name of a table's module, writing it at first use."""
        if form not in self._tables:
            self._tables[form] = self._names.unique(f"{self.name}_{form.function}")
            self.files.update(table_module(self._tables[form], form))
        return self._tables[form]

    def _top(
        self, modules: Sequence[str], pipelines: Sequence[Pipeline], beats_in: BeatFormat, beats_out: BeatFormat
    ) -> str:
        x, y = self.graph.inputs[0], self.graph.outputs[0]
        first, last = pipelines[0].datapath.x, pipelines[-1].datapath.output
        padding = [] if beats_in.lane_bits == first.width else ["    /* verilator lint_off UNUSEDSIGNAL */  // padding"]
        lines = [
            f"// {self.name}: AXI4-Stream in and out.",
            f"// Input beat, one a step: {first.count} elements {x.type.element}, {beats_in.lane_bits} bits apart,",
            "// element 0 lowest; tlast ends a sequence, as does its last possible step.",
            f"// Output beat: {last.count} elements {y.type.element}, {beats_out.lane_bits} bits apart.",
            f"module {self.name} (",
            "    input  logic aclk,",
            "    input  logic aresetn,",
            *padding,
            f"    input  logic [{beats_in.bits - 1}:0] s_axis_tdata,",
            *(["    /* verilator lint_on UNUSEDSIGNAL */"] if padding else []),
            "    input  logic s_axis_tvalid,",
            "    output logic s_axis_tready,",
            "    input  logic s_axis_tlast,",
            f"    output logic [{beats_out.bits - 1}:0] m_axis_tdata,",
            "    output logic m_axis_tvalid,",
            "    input  logic m_axis_tready,",
            "    output logic m_axis_tlast",
            ");",
        ]
        for index in range(len(modules) + 1):
            before = pipelines[index - 1].datapath.output if index else None
            after = pipelines[index].datapath.x if index < len(modules) else None
            lines += self._link(index, before, after, beats_in, beats_out)
        for index, module in enumerate(modules):
            lines += [
                f"  {module} {module}_i (",
                f"      .aclk, .aresetn, .s_data(data_{index}), .s_valid(valid_{index}), .s_ready(ready_{index}),",
                f"      .s_last(last_{index}), .m_data(result_{index + 1}), .m_valid(valid_{index + 1}),",
                f"      .m_ready(ready_{index + 1}), .m_last(last_{index + 1})",
                "  );",
            ]
        lines += [
            "  assign valid_0 = s_axis_tvalid;",
            "  assign s_axis_tready = ready_0;",
            "  assign last_0 = s_axis_tlast;",
            f"  assign m_axis_tvalid = valid_{len(modules)};",
            f"  assign ready_{len(modules)} = m_axis_tready;",
            f"  assign m_axis_tlast = last_{len(modules)};",
            f"endmodule : {self.name}",
            "",
        ]
        return "\n".join(lines)

    def _link(
        self, index: int, before: Signal | None, after: Signal | None, beats_in: BeatFormat, beats_out: BeatFormat
    ) -> list[str]:
        """Write the wires between two engines, or between an engine and the top's ports."""
        lines = [f"  logic valid_{index}, ready_{index}, last_{index};"]
        if before is not None:
            lines.append(f"  logic [{before.count - 1}:0][{before.width - 1}:0] result_{index};")
        if after is not None:
            lines.append(f"  logic [{after.count - 1}:0][{after.width - 1}:0] data_{index};")
        if before is None:
            assert after is not None
            source = f"s_axis_tdata[k * {beats_in.lane_bits} +: {after.width}]"
            lines += _each(after.count, f"data_{index}", f"data_{index}[k]", source)
        elif after is None:
            lane = resized(f"result_{index}[k]", before.width, before.signed, beats_out.lane_bits)
            target = f"m_axis_tdata[k * {beats_out.lane_bits} +: {beats_out.lane_bits}]"
            lines += _each(before.count, f"result_{index}", target, lane)
        else:
            source = resized(f"result_{index}[k]", before.width, before.signed, after.width)
            lines += _each(after.count, f"data_{index}", f"data_{index}[k]", source)
        return lines


def _each(count: int, name: str, target: str, source: str) -> list[str]:
    return [f"  for (genvar k = 0; k < {count}; k++) begin : gen_{name}", f"    assign {target} = {source};", "  end"]


@dataclass
class _LayerLibrary:
    """Modules and files that one layer's module uses."""

    design: _Design
    layer: str

    def table(self, form: TableForm) -> str:
        return self.design.table(form)

    def tree(self, name: str, placement: Placement, comment: str) -> str:
        module = self.design._names.unique(f"{self.layer}_{name}")
        assert placement.staged is not None
        self.design.files[f"{module}.sv"] = shift_add_text.module_text(module, placement.staged, comment)
        return module

    def rom(self, name: str, rows: Sequence[int], width: int) -> str:
        file = f"{self.layer}_{name}.hex"
        self.design.files[file] = hex_file(rows, width)
        return file
