"""From a lowered graph to the files of a design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loopwire.area.engine_area import EngineArea, areas
from loopwire.cmvm import tree_text as shift_add_text
from loopwire.cmvm.adder_tree import StagedTree
from loopwire.datapath.ops import TableLookup
from loopwire.devices import Device
from loopwire.hdl.axi_stream import BeatFormat, Sideband, StreamPort
from loopwire.hdl.expressions import hex_file
from loopwire.hdl.library import LibraryModules
from loopwire.hdl.module_port import ModulePort
from loopwire.hdl.names import reserved_words
from loopwire.ir.graph import Graph
from loopwire.ir.lengths import short_values
from loopwire.knobs import NO_NAMES, Knobs, PortNames
from loopwire.plugins import BOARDS
from loopwire.schedule.engine_cycles import EngineTiming, SteadyState
from loopwire.schedule.network_timing import NetworkTiming
from loopwire.schedule.plan import Plan, plan
from loopwire.targets.verilog.copies import Copies
from loopwire.targets.verilog.engine_module import Fresh, control_bits, engine_module
from loopwire.targets.verilog.layer_module import INSTANCE, layer_module, layer_modules, port_names, shared_signals
from loopwire.targets.verilog.port_signals import Ports, module_ports, ports
from loopwire.targets.verilog.table_module import table_module
from loopwire.targets.verilog.top_module import top_module
from loopwire.text.identifiers import Identifier, LayerNames, Names, words_of
from loopwire.text.names import FileName
from loopwire.timing.pipeline import Pipeline

LEAST_TIMEOUT_CYCLES = 100_000
AROUND = (
    *("_tb", "_input", "_expected", "_ip", "_hosted", "_identity", "_ports"),
    *(f"_{board}" for board in BOARDS.own),
)
"""How the names of modules and memory files end that testbench, wrapper and boards name after the top module."""


@dataclass(frozen=True, repr=False)
class Firmware:
    """A design's files, and what its cycles will be.

    `latency_cycles` counts from the first input beat's acceptance to the (last) result beat's being valid, for a single
    full-length sequence whose beats come without gaps; `latency_range_cycles` are the least and the greatest of
    sequences that come at any times, as `schedule.cycles.latency_range` defines. `initiation_interval_cycles` is the
    time from a sequence's first beat to the next one's at full rate, the mean over a period of the `steady` state.
    `schedule.cycles.run` gives every sequence's cycles from `timing`; `pipelines` tell where each engine's operations
    work, and `areas` what the engines take.

    A sequence's result is one vector, or one a step where `per_step`. A sample of a sliding window is a sequence of one
    step here. A design that `remembers` what came before tells by bit 0 of `s_axis_tuser` what starts anew; `sideband`
    tells what else comes with a sequence and leaves with its result. `layer_modules` tells the layer of each module
    that has one, `ports` all of the top module.

    There may be several `inputs` and `outputs`. Where branches meet, the range of the latency is not known.
    """

    files: Mapping[str, str]
    top: Identifier
    per_step: bool
    latency_cycles: int
    initiation_interval_cycles: float
    loop_latency_cycles: int
    interleave: int
    copies: int
    sideband: Sideband
    latency_range_cycles: tuple[int, int] | None
    steady: SteadyState
    timing: NetworkTiming
    inputs: tuple[StreamPort, ...]
    outputs: tuple[StreamPort, ...]
    engines: tuple[EngineTiming, ...]
    pipelines: tuple[Pipeline, ...]
    areas: tuple[EngineArea, ...]
    layer_modules: Mapping[Identifier, str]
    ports: tuple[ModulePort, ...]

    def __repr__(self) -> str:
        return f"<SystemVerilog of {self.top}, {len(self.files)} files: latency {self.latency_cycles} cycles>"

    @property
    def length(self) -> int:
        """Vectors of the longest sequence."""
        return max(port.steps for port in self.inputs)

    @property
    def input(self) -> BeatFormat:
        """How vectors lie in the beats of the first input."""
        return self.inputs[0].format

    @property
    def output(self) -> BeatFormat:
        """The same of the first output."""
        return self.outputs[0].format

    @property
    def remembers(self) -> bool:
        """Whether anything lasts from one sequence, or sample, to its channel's next."""
        return self.sideband.fresh

    @property
    def has_streams_apart(self) -> bool:
        """Whether it has several inputs or outputs, or a result of other steps than its sequence's."""
        (x, *others), (y, *more) = self.inputs, self.outputs
        return bool(others or more) or (y.steps > 1 and (y.steps, y.short) != (x.steps, x.short))

    @property
    def timeout_cycles(self) -> int:
        """A simulation hangs after this many cycles without a beat: at least four times what a lone sequence takes."""
        return max(LEAST_TIMEOUT_CYCLES, 4 * self.latency_cycles)


def generate(
    graph: Graph, device: Device, clock_period_ns: float, name: str, knobs: Knobs, names: PortNames = NO_NAMES
) -> Firmware:
    """Return firmware for a lowered graph.

    Args:
        graph: as `passes.lower` makes it.
        device: whose delays place the registers.
        clock_period_ns: time between two clock edges.
        name: of the top module.
        knobs: how the graph becomes hardware.
        names: of several inputs and outputs.

    Raises:
        UnsupportedError: the layers are connected in a way that firmware does not carry.
        ConfigError: the clock is too fast for an operation, or a knob is set to what cannot be.
    """
    return _Writer(device, name).write(plan(graph, device, clock_period_ns, knobs), names)


@dataclass
class _Writer:
    device: Device
    wanted_name: str
    files: dict[str, str] = field(default_factory=dict)
    library: LibraryModules = field(default_factory=LibraryModules)
    _tables: dict[tuple[TableLookup, bool], Identifier] = field(default_factory=dict)
    _layers: dict[Identifier, str] = field(default_factory=dict)
    _layer_names: LayerNames = field(default_factory=LayerNames)

    def _begin(self, around: str, sides: Ports) -> None:
        """Choose the top module's name, and keep the words of its text, and of its ports' vectors, from being names of
        others."""
        stems = [port.name for port in sides.all if port.name]
        self.names = Names(reserved_words().union(words_of(around)), stems=stems)
        several = [f"_{port.axis}" for port in sides.all if len(sides.all) > 2]
        self.name = self.names.stem(self.wanted_name, *AROUND, *several)

    def write(self, plan: Plan, names: PortNames) -> Firmware:
        any_name = Identifier("loopwire_")
        sides = ports(plan, names.inputs, names.outputs)
        engines = [any_name] * len(plan.engines)
        self._begin(top_module(any_name, engines, any_name, plan, sides, LibraryModules()), sides)
        modules = []
        pairs = zip(plan.engines, plan.pipelines, plan.timing.engines, strict=True)
        for index, (engine, pipeline, timing) in enumerate(pairs):
            modules.append(self.names.unique(f"{self.name}_{engine.name}", INSTANCE))
            fresh = Fresh(plan.takes_fresh(index), plan.hands_on_fresh(index), plan.keeps_fresh(index))
            self._write_engine(modules[-1], pipeline, timing, fresh)
        copy = self.names.unique(f"{self.name}_copy")
        if plan.copies > 1:
            self.files[f"{copy}.sv"] = Copies(plan, sides, self.library).module(copy, modules)
        self.files[f"{self.name}.sv"] = top_module(self.name, modules, copy, plan, sides, self.library)
        self.files.update(self.library.files())
        short = short_values(plan.graph)
        inputs, outputs = (
            tuple(StreamPort(p.axis, p.format, p.steps, p.steps > 1 and v in short) for p, v in pairs)
            for pairs in (
                zip(sides.inputs, plan.graph.inputs, strict=True),
                zip(sides.outputs, plan.graph.outputs, strict=True),
            )
        )
        return Firmware(
            files=self.files,
            top=self.name,
            per_step=outputs[0].steps > 1,
            latency_cycles=plan.latency_cycles,
            initiation_interval_cycles=plan.steady.initiation_interval_cycles,
            loop_latency_cycles=plan.loop_latency_cycles,
            interleave=max((timing.slots for timing in plan.timing.engines), default=1),
            copies=plan.copies,
            sideband=plan.sideband,
            latency_range_cycles=plan.latency_range_cycles,
            steady=plan.steady,
            timing=plan.timing,
            inputs=inputs,
            outputs=outputs,
            engines=plan.timing.engines,
            pipelines=plan.pipelines,
            areas=areas(plan, self.device),
            layer_modules=self._layers,
            ports=module_ports(sides),
        )

    def _write_engine(self, name: Identifier, pipeline: Pipeline, timing: EngineTiming, fresh: Fresh) -> None:
        modules = layer_modules(pipeline, timing.slots)
        layers = self._layer_names
        names = {m.layer: self.names.unique(f"{self.name}_{layers.layer(m.layer)}", INSTANCE) for m in modules}
        signals = shared_signals(pipeline.datapath.x, modules)
        unnamed = dict.fromkeys(signals, Identifier("loopwire_"))
        around = engine_module(name, pipeline, timing, modules, names, unnamed, fresh, self.library)
        ports = port_names(signals, modules, around, layers)
        for module in modules:
            self._layers[names[module.layer]] = module.layer or "model"
            library = _LayerLibrary(self, names[module.layer])
            bits = control_bits(timing, pipeline.datapath.sharing)
            text = layer_module(names[module.layer], module, ports, pipeline, library, bits, timing.slots)
            self.files[f"{names[module.layer]}.sv"] = text
        text = engine_module(name, pipeline, timing, modules, names, ports, fresh, self.library)
        self.files[f"{name}.sv"] = text

    def table(self, lookup: TableLookup, registered: bool) -> Identifier:
        """Return the name of a table's module, writing it at first use."""
        key = lookup, registered
        if key not in self._tables:
            self._tables[key] = self.names.unique(f"{self.name}_{lookup.form.function}", "_base", "_offset")
            self.files.update(table_module(self._tables[key], lookup, registered))
        return self._tables[key]


@dataclass
class _LayerLibrary:
    """Modules and files that one layer's module uses."""

    design: _Writer
    layer: Identifier

    def module(self, name: str) -> str:
        return self.design.library.module(name)

    def table(self, lookup: TableLookup, registered: bool) -> Identifier:
        return self.design.table(lookup, registered)

    def tree(self, name: str, staged: StagedTree, about: str, apart: bool) -> Identifier:
        if staged.tree.has_sums_of_three:
            self.module(shift_add_text.TERNARY)
        module = self.design.names.unique(f"{self.layer}_{name}")
        if any(staged.tree.heaps):
            self.module(shift_add_text.COUNTERS)
        self.design.files[f"{module}.sv"] = shift_add_text.module_text(module, staged, about, apart)
        return module

    def rom(self, name: str, rows: Sequence[int], width: int) -> FileName:
        file = FileName(f"{self.design.names.unique(f'{self.layer}_{name}')}.hex")
        self.design.files[file] = hex_file(rows, width)
        return file
