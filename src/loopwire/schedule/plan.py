"""What a design is before it is written: engines with their pipelines, channels with their queues, and its cycles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from loopwire.datapath.ops import Pack
from loopwire.datapath.reuse import layer_of, sharing_of
from loopwire.datapath.signals import Signal
from loopwire.devices import Device
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.hdl.axi_stream import BeatFormat, Sideband
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import ranges
from loopwire.ir.types import FixedType
from loopwire.knobs import Knobs
from loopwire.passes.pipeline import HARDWARE, run_passes
from loopwire.schedule.bus import Formats, beat_formats
from loopwire.schedule.cutting import cut
from loopwire.schedule.cycles import latency_range, run, steady_state
from loopwire.schedule.engine import Engine
from loopwire.schedule.engine_cycles import EngineTiming, Pace, SteadyState
from loopwire.schedule.few_dsps import pipelines_within
from loopwire.schedule.network import Network, Source
from loopwire.schedule.network_timing import Channel, NetworkTiming, smallest_timing
from loopwire.schedule.origins import Apart
from loopwire.schedule.planner import Draft, Planner
from loopwire.schedule.queue_sizes import sized
from loopwire.timing.pipeline import Pipeline


@dataclass(frozen=True)
class Wires:
    """The elements of a vector among wires: from bit `start` on, or `whole` where the wires hold nothing else."""

    count: int
    type: FixedType
    start: int = 0
    whole: bool = True

    @property
    def width(self) -> int:
        """Bits of an element."""
        return self.type.width

    @property
    def signed(self) -> bool:
        """Whether an element may be negative."""
        return self.type.signed

    @property
    def bits(self) -> int:
        """Bits of all elements."""
        return self.count * self.width

    @classmethod
    def of(cls, signal: Signal, start: int = 0, whole: bool = True) -> Wires:
        """Return the wires of a signal."""
        return cls(signal.count, signal.type, start, whole)


@dataclass(frozen=True)
class Plan:
    """A network with the pipelines that its engines run, and what decides its cycles.

    Attributes:
        graph: what it was made from: the lowered graph after the passes that serve the hardware.
        network: engines and channels.
        pipelines: of the engines.
        smallest: its timing with each queue as small as can be.
        inputs, outputs: how vectors lie in beats.
        entering_inputs: a vector of each input.
        entering: what the `xs` of each engine are.
        window_channels: where it is not None, a vector of an input of several steps is a sample of one of so many
            channels, its sequence the window of that channel that it ends.
        sideband: what comes with a sequence.
        port_registers, fixed_latency: the knobs of these names.
    """

    graph: Graph
    network: Network
    pipelines: tuple[Pipeline, ...]
    smallest: NetworkTiming
    inputs: tuple[BeatFormat, ...]
    outputs: tuple[BeatFormat, ...]
    entering_inputs: tuple[Signal, ...]
    entering: tuple[tuple[Signal, ...], ...]
    window_channels: int | None
    sideband: Sideband
    port_registers: bool
    fixed_latency: bool

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Every engine after those that it reads of."""
        return self.network.engines

    @property
    def copies(self) -> int:
        """How many times the first engines stand."""
        return self.smallest.copies

    @property
    def copied(self) -> int:
        """How many engines are in each copy."""
        return self.smallest.copied

    @property
    def input_steps(self) -> tuple[int, ...]:
        """Vectors of a full sequence at each input, as the engines read it."""
        return self.smallest.input_steps

    @cached_property
    def output_steps(self) -> tuple[int, ...]:
        """Vectors of a full sequence at each output."""
        return tuple(self.smallest.to_output(index).beats for index in range(len(self.outputs)))

    def slides(self, index: int) -> bool:
        """Whether an input brings samples of a sliding window."""
        return self.window_channels is not None and self.input_steps[index] > 1

    @property
    def timing(self) -> NetworkTiming:
        """What decides the cycles of the whole, with queues as large as full rate takes."""
        return self._sized if not self.fixed_latency else self._held

    @cached_property
    def _sized(self) -> NetworkTiming:
        return sized(self.smallest)

    @cached_property
    def _held(self) -> NetworkTiming:
        # From the framer to the first beat that leaves: the others follow as soon as they can.
        _, greatest = latency_range(self._sized)
        return replace(self._sized, held_cycles=greatest - self.smallest.output_cycles(0))

    @cached_property
    def latency_cycles(self) -> int:
        """From the first input beat's acceptance to the (last) result beat's being valid.

        For a single full-length sequence whose beats come without gaps, which no queue's size holds up.
        """
        (alone,) = run(self._held if self.fixed_latency else self.smallest, 1)
        return alone.last_output - alone.first_input

    @cached_property
    def latency_range_cycles(self) -> tuple[int, int] | None:
        """The least and the greatest latency of sequences that come at any times; None where no bound is known.

        See `schedule.cycles.latency_range`.
        """
        return latency_range(self.timing) if self.timing.is_chain else None

    @property
    def loop_latency_cycles(self) -> int:
        """From a state to the following one, in the engine in which that takes longest; 1 where there is no state."""
        return max((pipeline.loop_latency for pipeline in self.pipelines if pipeline.datapath.feedbacks), default=1)

    @cached_property
    def steady(self) -> SteadyState:
        """What sequences at full rate settle into."""
        return steady_state(self.timing)

    def takes_fresh(self, engine: int) -> bool:
        """Whether an engine learns which sequences start afresh."""
        return self.network.forgets(engine)

    def reads_fresh(self, index: int) -> bool:
        """Whether anything behind an input learns from it which sequences start afresh."""
        channels = self.smallest.of_source(Source(None, index))
        return self.slides(index) or any(self.carries_fresh(channel) for channel in channels)

    def hands_on_fresh(self, engine: int) -> bool:
        """Whether an engine tells another one of that."""
        return any(self.carries_fresh(c) for c in self.smallest.of_source(Source(engine, 0)) if not c.to_port)

    def keeps_fresh(self, engine: int) -> bool:
        """Whether it does so with a sequence's last step, too, since that is what another one takes."""
        found, channels = self.engines[engine], self.smallest.of_source(Source(engine, 0))
        of_last = any(channel.feed.last and self.carries_fresh(channel) for channel in channels)
        return self.hands_on_fresh(engine) and found.length > 1 and (not found.per_step or of_last)

    def carries_fresh(self, channel: Channel) -> bool:
        """Whether a channel tells its reader of that."""
        if channel.to_port or not self.network.forgets(channel.reader):
            return False
        return channel.place == self.network.telling(channel.reader)

    def wires(self, channel: Channel) -> tuple[Wires, Wires]:
        """Return the wires at a channel's source, and at its reader."""
        given = self._given(channel.feed.source)
        if channel.to_port:
            return given, Wires(self.outputs[channel.reader].count, self.graph.outputs[channel.reader].type.element)
        return given, Wires.of(self.entering[channel.reader][channel.place])

    def stream(self, channel: Channel) -> Wires:
        """Return the wires in which a channel's beats reach its reader: the source's, where it is nothing but these."""
        given, taken = self.wires(channel)
        return given if self.is_direct(channel) else taken

    def is_direct(self, channel: Channel) -> bool:
        """Whether a channel is the wires of its source, which nothing else reads, or a register slice of them."""
        meets = not channel.to_port and self.smallest.meets(channel.reader)
        alone = self.network.readers(channel.feed.source) == 1
        return channel.is_wire and alone and not meets and not (channel.to_port and channel.registered)

    def _given(self, source: Source) -> Wires:
        if source.engine is None:
            return Wires.of(self.entering_inputs[source.index])
        datapath = self.pipelines[source.engine].datapath
        if len(self.engines[source.engine].outputs) == 1:
            return Wires.of(datapath.output)
        pack = next(op for op in datapath.operations if op.result is datapath.output)
        assert isinstance(pack.kind, Pack)
        start = sum(part.bits for part in pack.operands[: source.index])
        return Wires.of(pack.operands[source.index], start, whole=False)


def plan(graph: Graph, device: Device, clock_period_ns: float, knobs: Knobs) -> Plan:
    """Plan the hardware of a lowered graph.

    Args:
        graph: as `passes.lower` makes it.
        device: whose delays place the registers.
        clock_period_ns: time between two clock edges.
        knobs: the user's choices.

    Raises:
        UnsupportedError: the layers are connected in a way that firmware does not carry, or cannot have a knob.
        ConfigError: the clock is too fast for an operation, or a knob is set to what cannot be.
    """
    graph, network = check_knobs(graph, knobs)
    planner = Planner(ranges(graph), DelayModel(device), clock_period_ns, knobs)
    return assemble(graph, network, pipelines_within(network, knobs, planner.delays, planner.pipeline), planner)


def latency_at_clocks(graph: Graph, device: Device, knobs: Knobs) -> Callable[[float], int]:
    """Return what tells the latency in cycles that `plan` finds at a clock period; what no clock changes is made once.

    Raises:
        UnsupportedError, ConfigError: as `plan`.
    """
    graph, network = check_knobs(graph, knobs)
    found, delays, drafts = ranges(graph), DelayModel(device), dict[str, Draft]()

    def latency_cycles(clock_period_ns: float) -> int:
        planner = Planner(found, delays, clock_period_ns, knobs, drafts)
        timed = pipelines_within(network, knobs, delays, planner.timed)
        return assemble(graph, network, timed, planner).latency_cycles

    return latency_cycles


def assemble(graph: Graph, network: Network, pipelines: Sequence[Pipeline], planner: Planner) -> Plan:
    """Return the plan of a network whose pipelines are known.

    Raises:
        ConfigError: a knob is set to what cannot be.
    """
    knobs = planner.knobs
    inputs, outputs = _beat_formats(graph, knobs)
    engines = [planner.timing(engine, p) for engine, p in zip(network.engines, pipelines, strict=True)]
    if knobs.fixed_latency:  # results that are held keep their tickets for longer
        held_cycles = sum(timing.round_cycles + timing.steps for timing in engines)
        engines[-1] = planner.timing(network.engines[-1], pipelines[-1], held_cycles)
    channels = knobs.channels if knobs.id_bits else 1
    return Plan(
        graph,
        network,
        tuple(pipelines),
        _timing(graph, network, engines, inputs, outputs, knobs),
        inputs,
        outputs,
        tuple(_entering(value, planner) for value in graph.inputs),
        tuple(tuple(_entering(value, planner) for value in engine.xs) for engine in network.engines),
        window_channels=knobs.channels if knobs.sliding_window else None,
        sideband=Sideband(knobs.remembers, knobs.user_bits, knobs.id_bits, channels, knobs.require_tlast),
        port_registers=knobs.port_registers,
        fixed_latency=knobs.fixed_latency,
    )


def _timing(
    graph: Graph,
    network: Network,
    engines: Sequence[EngineTiming],
    inputs: Sequence[BeatFormat],
    outputs: Sequence[BeatFormat],
    knobs: Knobs,
) -> NetworkTiming:
    steps = [_steps(value) for value in graph.inputs]
    # A window's steps come in the same cycle.
    at_once = [n if knobs.sliding_window else f.vectors_per_beat for f, n in zip(inputs, steps, strict=True)]
    return smallest_timing(
        network,
        engines,
        steps,
        [Pace(vectors, format.beats_per_vector) for vectors, format in zip(at_once, inputs, strict=True)],
        [Pace(format.vectors_per_beat, format.beats_per_vector) for format in outputs],
        knobs.copies,
        knobs.port_registers,
    )


def _entering(value: Value, planner: Planner) -> Signal:
    given, count = planner.found[value], value.type.size // _steps(value)
    return Signal(value.name, count, given.low, given.high, value.type.element.fraction, "", "")


def _beat_formats(graph: Graph, knobs: Knobs) -> Formats:
    """Return how steps and results lie in the beats of the ports."""
    inputs, outputs = ([(_vector(v), _steps(v)) for v in side] for side in (graph.inputs, graph.outputs))
    return beat_formats(inputs, outputs, knobs)


def _vector(value: Value) -> BeatFormat:
    element = value.type.element
    return BeatFormat(value.type.size // _steps(value), element.width, element.signed)


def _steps(value: Value) -> int:
    return value.type.shape[0] if len(value.type.shape) == 2 else 1


def network_of(graph: Graph, knobs: Knobs) -> tuple[Graph, Network]:
    """Return the graph that the hardware is made from, and its engines and channels."""
    graph = run_passes(HARDWARE, graph, knobs)
    return graph, cut(graph, Apart.PRODUCTS if knobs.reuses else Apart.TAILS if knobs.copies > 1 else Apart.NOTHING)


def check_knobs(graph: Graph, knobs: Knobs) -> tuple[Graph, Network]:
    """Return what `network_of` does, or refuse what `plan` would refuse later.

    Raises:
        UnsupportedError: the layers are connected in a way that firmware does not carry, or cannot have a knob.
        ConfigError: a layer cannot have its reuse factor, or a sequence its copies or its bus.
    """
    graph, network = network_of(graph, knobs)
    steps = max(_steps(value) for value in graph.inputs)
    if knobs.copies > steps:
        raise ConfigError(
            "copies",
            f"{knobs.copies} copies are more than the {steps} steps of a sequence",
            f"Give from 1 to {steps}" if steps > 1 else "Give 1",
        )
    _, outputs = _beat_formats(graph, knobs)
    for engine in network.engines:
        sharing_of(engine, knobs.reuse_factor_of(layer_of(engine)))
    _check_labels(graph, network, knobs)
    _check_fixed_latency(graph, network, outputs, knobs)
    return graph, network


def _check_labels(graph: Graph, network: Network, knobs: Knobs) -> None:
    """Refuse labels of results that may leave before the label has come."""
    for knob in ("user_bits", "id_bits"):
        for value, feed in zip(graph.outputs, network.outputs, strict=True):
            if getattr(knobs, knob) and 0 not in network.inputs_of(feed.source):
                raise UnsupportedError(
                    knob,
                    f"a label comes with the first input, %{graph.inputs[0].name}, but the result %{value.name} does "
                    "not depend on that input: it may leave before its label arrives",
                    f"Leave {knob!r} out, or make an input on which all results depend the first one",
                )


def _check_fixed_latency(graph: Graph, network: Network, outputs: Sequence[BeatFormat], knobs: Knobs) -> None:
    """Refuse to hold results until a time after which they leave at uneven ones all the same."""
    if not knobs.fixed_latency:
        return
    if not network.is_chain:
        raise UnsupportedError(
            "fixed_latency",
            "branches of the model wait for one another for a time that depends on all earlier sequences, so no "
            "greatest latency is known",
            "Leave 'fixed_latency' out",
        )
    for value, format in zip(graph.outputs, outputs, strict=True):
        steps, at_once = _steps(value), format.vectors_per_beat
        if 1 < at_once < steps:
            raise UnsupportedError(
                "fixed_latency",
                f"a beat of the result %{value.name} has {at_once} of its {steps} steps: it leaves when the last of "
                "them is complete, but 'fixed_latency' delays only the first beat of a sequence",
                "Set 'bus_bits' so that a beat has one step, or all, or leave 'fixed_latency' out",
            )
