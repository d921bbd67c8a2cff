"""What a design is before it is written: engines with their pipelines, and when each result will come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from loopwire.cmvm.adder_tree import AdderTree
from loopwire.cmvm.shift_add import SOLVED_PRODUCTS, SOLVER_BITS, minimal_depth, solve
from loopwire.datapath.expand import expand
from loopwire.datapath.ops import Signal
from loopwire.datapath.pipeline import alternatives, prepared
from loopwire.datapath.reuse import layer_of, sharing_of
from loopwire.devices import Device
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.hdl.axi_stream import BeatFormat, Sideband
from loopwire.ir.fixed_point import Integers
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import Range, ranges
from loopwire.knobs import Knobs
from loopwire.passes.pipeline import HARDWARE, run_passes
from loopwire.schedule.bus import beat_formats
from loopwire.schedule.cycles import DesignTiming, latency_range, run, steady_state
from loopwire.schedule.engine import Engine, engines, head_apart, one_layer_each
from loopwire.schedule.engine_cycles import EngineTiming, Pace, SteadyState
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.scheduler import schedule


@dataclass(frozen=True)
class Plan:
    """Engines one after another, each with the pipeline that it runs and what decides its cycles.

    `graph` is what they were made from: the lowered graph after the passes that serve the hardware. The first `copied`
    engines stand `copies` times. `input` and `output` tell how vectors lie in beats, `sideband` what comes with them;
    the last three are the knobs of these names. Where `window_channels` is not None, an input vector is a sample of
    one of so many channels, its sequence the window of that channel that it ends.
    """

    graph: Graph
    chain: tuple[Engine, ...]
    pipelines: tuple[Pipeline, ...]
    timings: tuple[EngineTiming, ...]
    copied: int
    copies: int
    input: BeatFormat
    output: BeatFormat
    window_channels: int | None
    sideband: Sideband
    require_tlast: bool
    port_registers: bool
    fixed_latency: bool

    @property
    def length(self) -> int:
        """Steps of a full sequence."""
        return self.chain[0].length

    @property
    def per_step(self) -> bool:
        """Whether each step gives a result, rather than each sequence."""
        return all(engine.per_step for engine in self.chain)

    @property
    def steps_at_once(self) -> int:
        """How many steps of a sequence, at most, come in the same cycle."""
        return self.input.vectors_per_beat if self.window_channels is None else self.length

    @property
    def remembers(self) -> bool:
        """Whether anything lasts from one sequence to the next."""
        return self.told_fresh > 0 or self.window_channels is not None

    @cached_property
    def timing(self) -> DesignTiming:
        """What decides the cycles of the whole."""
        paces = (
            Pace(self.steps_at_once, self.input.beats_per_vector),
            Pace(self.output.vectors_per_beat, self.output.beats_per_vector),
        )
        copied, head = self.timings[: self.copied], self.timings[self.copied :]
        timing = DesignTiming(copied, self.copies, head, *paces, self.port_registers)
        if not self.fixed_latency:
            return timing
        # From the framer to the first beat that leaves: the others follow at once.
        _, greatest = latency_range(timing)
        return replace(timing, held_cycles=greatest - 2 * self.port_registers - (timing.result_beats - 1))

    @property
    def told_fresh(self) -> int:
        """How many engines, from the first to the last stateful one, learn which sequences start afresh."""
        return max((index + 1 for index, engine in enumerate(self.chain) if engine.stateful), default=0)

    @cached_property
    def latency_cycles(self) -> int:
        """From the first input beat's acceptance to the (last) result beat's being valid.

        For a single full-length sequence whose beats come without gaps.
        """
        (alone,) = run(self.timing, 1)
        return alone.last_output - alone.first_input

    @cached_property
    def latency_range_cycles(self) -> tuple[int, int]:
        """The least and the greatest latency of sequences that come at any times, see `latency_range`."""
        return latency_range(self.timing)

    @property
    def loop_latency_cycles(self) -> int:
        """From a state to the following one, in the engine in which that takes longest; 1 where there is no state."""
        return max((pipeline.loop_latency for pipeline in self.pipelines if pipeline.datapath.rings), default=1)

    @cached_property
    def steady(self) -> SteadyState:
        """What sequences at full rate settle into."""
        return steady_state(self.timing)


def plan(graph: Graph, device: Device, clock_period_ns: float, knobs: Knobs) -> Plan:
    """Plan the hardware of a lowered graph.

    Args:
        graph: one input and one output, as `passes.lower` makes it.
        device: whose delays place the registers.
        clock_period_ns: time between two clock edges.
        knobs: the user's choices.

    Raises:
        UnsupportedError: the layers are connected in a way that firmware does not carry.
        ConfigError: the clock is too fast for an operation, or a knob is set to what cannot be.
    """
    graph, chain = cut(graph, knobs)
    planner = Planner(ranges(graph), DelayModel(device), clock_period_ns, knobs)
    return assemble(graph, chain, [planner.pipeline(engine) for engine in chain], planner)


def assemble(graph: Graph, chain: tuple[Engine, ...], pipelines: Sequence[Pipeline], planner: Planner) -> Plan:
    """Return the plan of a chain whose pipelines are known.

    Raises:
        ConfigError: a knob is set to what cannot be.
    """
    knobs = planner.knobs
    copied = _copied(chain, knobs)
    formats = _beat_formats(graph, chain, knobs)
    timings = tuple(planner.timing(engine, pipeline) for engine, pipeline in zip(chain, pipelines, strict=True))
    window_channels = knobs.channels if knobs.sliding_window else None
    # Results that are held keep their tickets for longer.
    held_cycles = sum(timing.ring + timing.steps for timing in timings) * knobs.fixed_latency
    timings = (*timings[:-1], planner.timing(chain[-1], pipelines[-1], held_cycles))
    channels = knobs.channels if knobs.id_bits else 1
    sideband = Sideband(knobs.remembers, knobs.user_bits, knobs.id_bits, channels, knobs.require_tlast)
    return Plan(
        graph,
        chain,
        tuple(pipelines),
        timings,
        copied,
        knobs.copies,
        *formats,
        window_channels,
        sideband,
        require_tlast=knobs.require_tlast,
        port_registers=knobs.port_registers,
        fixed_latency=knobs.fixed_latency,
    )


def _beat_formats(graph: Graph, chain: tuple[Engine, ...], knobs: Knobs) -> tuple[BeatFormat, BeatFormat]:
    """Return how steps and results lie in the beats of the ports."""
    (x,), (y,) = graph.inputs, graph.outputs
    step = BeatFormat(chain[0].x.type.size, x.type.element.width, x.type.element.signed)
    result = BeatFormat(chain[-1].output.type.size, y.type.element.width, y.type.element.signed)
    steps = chain[0].length
    return beat_formats(step, steps, result, steps if all(engine.per_step for engine in chain) else 1, knobs)


def _copied(chain: tuple[Engine, ...], knobs: Knobs) -> int:
    """Return how many engines stand in each copy: all up to the last scan, or all where there is a single copy."""
    steps = chain[0].length
    if knobs.copies > steps:
        raise ConfigError(
            "copies",
            f"{knobs.copies} copies are more than the {steps} steps of a sequence",
            f"Give from 1 to {steps}" if steps > 1 else "Give 1",
        )
    if knobs.copies == 1:
        return len(chain)
    return max(index for index, engine in enumerate(chain) if engine.nodes) + 1


def check_knobs(graph: Graph, knobs: Knobs) -> None:
    """Refuse what `plan` would refuse later.

    Raises:
        UnsupportedError: the layers are connected in a way that firmware does not carry.
        ConfigError: a layer cannot have its reuse factor, or a sequence its copies or its bus.
    """
    graph, chain = cut(graph, knobs)
    _copied(chain, knobs)
    _beat_formats(graph, chain, knobs)
    for engine in chain:
        sharing_of(engine, knobs.reuse_factor_of(layer_of(engine)))


def cut(graph: Graph, knobs: Knobs) -> tuple[Graph, tuple[Engine, ...]]:
    """Return the graph that the hardware is made from, and its engines."""
    graph = run_passes(HARDWARE, graph, knobs)
    chain = engines(graph)
    if knobs.reuses:
        chain = one_layer_each(chain)
    elif knobs.copies > 1:
        chain = head_apart(chain)
    return graph, chain


@dataclass(frozen=True)
class Planner:
    """Makes the pipelines and the timing of engines, by the range of every value, delays, clock and knobs."""

    found: Mapping[Value, Range]
    delays: DelayModel
    clock_period_ns: float
    knobs: Knobs

    def pipeline(self, engine: Engine) -> Pipeline:
        """Return the pipeline of an engine, its hardware shared as its layer's reuse factor says."""
        sharing = sharing_of(engine, self.knobs.reuse_factor_of(layer_of(engine)))
        solve = partial(self._solve, engine)
        datapath = prepared(expand(engine, self.found), sharing, solve, self.delays, self.knobs.copies)
        if engine.stateful:
            datapath = replace(datapath, channels=self.knobs.channels)
        # A step comes from registers of the feeder; of shared hardware, a sequencer chooses the word.
        input_time = (self._input_stage(), 0.0) if sharing.is_parallel else (0, self.delays.gate())
        choices = alternatives(datapath)
        pipelines = [schedule(choice, self.delays, self.clock_period_ns, input_time) for choice in choices]
        return min(pipelines, key=lambda pipeline: (pipeline.loop_latency, pipeline.depth))

    def _input_stage(self) -> int:
        """Return in which stage a step's vector is there: in a second one where to choose and to read it takes long."""
        gates = self.delays.device.feeder_gates
        return int(gates * self.delays.gate() > self.delays.stage_budget_ns(self.clock_period_ns))

    def timing(self, engine: Engine, pipeline: Pipeline, result_held_cycles: int = 0) -> EngineTiming:
        """Return what decides an engine's cycles, where a result may wait so long behind it."""
        ring, spacing = pipeline.loop_latency, pipeline.datapath.sharing.cycles
        if engine.stateful:
            ring = max(ring, self.knobs.channels * spacing)
        room = ring // spacing
        # What has no state has nothing to interleave.
        slots = self.knobs.channels if engine.stateful else (self.knobs.interleave if engine.states else None) or room
        if not 1 <= slots <= room:
            raise ConfigError(
                "interleave",
                f"{slots} sequences do not fit in a loop of {ring} cycles",
                f"Give a number from 1 to {room}, or leave it out for {room}",
            )
        # A sequence holds its ticket from its first beat to its last result; a new one comes every interval at most.
        held_cycles = engine.length * (1 + engine.per_step + engine.reverse) + ring * engine.length + pipeline.depth + 4
        held_cycles += result_held_cycles
        interval_cycles = max(engine.length, engine.length * ring // slots)
        tickets = 1 << (held_cycles // interval_cycles + 1).bit_length()
        depth, reverse, per_step = pipeline.depth, engine.reverse, engine.per_step
        waits = pipeline.datapath.in_memories and slots == 1
        bits = pipeline.datapath.output.bits
        return EngineTiming(engine.length, ring, slots, spacing, tickets, depth, reverse, per_step, waits, bits)

    def _solve(self, engine: Engine, result: Signal, matrix: Integers, x: Range) -> AdderTree | None:
        largest = int(abs(matrix).max())
        if self.knobs.multipliers == "dsp" or largest >= 1 << SOLVER_BITS:
            return None
        if self.knobs.multipliers == "auto" and (matrix != 0).sum() > SOLVED_PRODUCTS:
            return None
        inputs, depth = [(x.low, x.high)] * matrix.shape[1], minimal_depth(matrix)
        tree = solve(matrix, inputs, depth)
        units = next((state.read.type.size for state in engine.states if state.read.layer == result.layer), 0)
        if units and len(matrix) % units == 0 and self.delays.reach(tree.adder_bits) / 2 > self.delays.adder(1):
            # Wires from the middle to sums shared by units far apart would take longer than adders of their own.
            tree = solve(matrix, inputs, depth, [range(unit, len(matrix), units) for unit in range(units)])
        if self.knobs.multipliers == "auto" and self._prefers_multipliers(tree, matrix, x):
            return None
        return tree

    def _prefers_multipliers(self, tree: AdderTree, matrix: Integers, x: Range) -> bool:
        """Say whether multipliers would take a smaller share of the device than the tree."""
        device = self.delays.device
        width = Signal("x", 1, x.low, x.high, 0, "", "").width + 1
        blocks = self.delays.dsp_blocks(int(abs(matrix).max()).bit_length() + 1, width) * int((matrix != 0).sum())
        return blocks / max(device.dsps, 1) < tree.adder_bits / device.luts
