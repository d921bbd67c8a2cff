"""What a network is before it is written: engines with their pipelines, channels with their queues, and its cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from loopwire.datapath.ops import Pack, Signal
from loopwire.datapath.reuse import layer_of, sharing_of
from loopwire.devices import Device
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import UnsupportedError
from loopwire.hdl.axi_stream import BeatFormat
from loopwire.ir.graph import Graph, Value
from loopwire.ir.interval import Range, ranges
from loopwire.knobs import Knobs
from loopwire.passes.pipeline import HARDWARE, run_passes
from loopwire.schedule.bus import port_format
from loopwire.schedule.engine import Engine, engines
from loopwire.schedule.engine_cycles import EngineTiming, Pace
from loopwire.schedule.network import Network, network
from loopwire.schedule.network_cycles import Channel, NetworkTiming, network_timing
from loopwire.schedule.plan import Planner
from loopwire.timing.pipeline import Pipeline

REFUSED = {
    "copies": "sequences would have to be dealt on every input alike",
    "stateful": "what lasts belongs to one stream in, one out",
    "sliding_window": "a window slides over one stream",
    "user_bits": "a label would have to come with one of the inputs",
    "id_bits": "a label would have to come with one of the inputs",
    "port_registers": "its cycles are predicted without register slices",
    "fixed_latency": "the range of its latency is not known",
}
"""Why a network does not carry a knob."""


@dataclass(frozen=True)
class Wires:
    """The elements of a vector where it stands: from bit `start` on, or `whole` where nothing else stands there."""

    count: int
    width: int
    signed: bool
    start: int = 0
    whole: bool = True

    @property
    def bits(self) -> int:
        """Bits of all elements."""
        return self.count * self.width

    @classmethod
    def of(cls, signal: Signal, start: int = 0, whole: bool = True) -> Wires:
        """Return the wires of a signal."""
        return cls(signal.count, signal.width, signal.signed, start, whole)


@dataclass(frozen=True)
class NetworkPlan:
    """A network with the pipelines that its engines run, and what decides its cycles.

    `graph` is what it was made from: the lowered graph after the passes that serve the hardware. `inputs` and `outputs`
    tell how vectors lie in beats, `entering` what each engine's `xs` are; the last is the knob of that name.
    """

    graph: Graph
    network: Network
    pipelines: tuple[Pipeline, ...]
    timing: NetworkTiming
    inputs: tuple[BeatFormat, ...]
    outputs: tuple[BeatFormat, ...]
    entering: tuple[tuple[Signal, ...], ...]
    require_tlast: bool

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Every engine after those that it reads of."""
        return self.network.engines

    @property
    def input_steps(self) -> tuple[int, ...]:
        """Vectors of a full sequence at each input."""
        return self.timing.input_steps

    @cached_property
    def output_steps(self) -> tuple[int, ...]:
        """Vectors of a full sequence at each output."""
        found = [self.timing.of_reader(index, to_port=True)[0].beats for index in range(len(self.outputs))]
        return tuple(found)

    @property
    def input_wires(self) -> tuple[Wires, ...]:
        """How the elements of each input stand."""
        return tuple(Wires(f.count, f.width, f.signed) for f in self.inputs)

    def wires(self, channel: Channel) -> tuple[Wires, Wires]:
        """Return the wires at a channel's source, and at its reader."""
        given = self._given(channel)
        if channel.to_port:
            format = self.outputs[channel.reader]
            return given, Wires(format.count, format.width, format.signed)
        place = self.timing.of_reader(channel.reader, to_port=False).index(channel)
        return given, Wires.of(self.entering[channel.reader][place])

    def _given(self, channel: Channel) -> Wires:
        source = channel.feed.source
        if source.engine is None:
            return self.input_wires[source.index]
        datapath = self.pipelines[source.engine].datapath
        if len(self.engines[source.engine].outputs) == 1:
            return Wires.of(datapath.output)
        pack = next(op for op in datapath.operations if op.result is datapath.output)
        assert isinstance(pack.kind, Pack)
        start = sum(part.bits for part in pack.operands[: source.index])
        return Wires.of(pack.operands[source.index], start, whole=False)


def is_chain(graph: Graph, knobs: Knobs) -> bool:
    """Say whether a graph is a chain of engines, which has knobs that networks have not."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return False
    try:
        engines(prepared(graph, knobs))
    except UnsupportedError:
        return False
    return True


def prepared(graph: Graph, knobs: Knobs) -> Graph:
    """Return the graph that the hardware is made from."""
    return run_passes(HARDWARE, graph, knobs)


def check_network(graph: Graph, knobs: Knobs) -> Network:
    """Return the network of a lowered graph.

    Raises:
        UnsupportedError: no network carries the graph, or it does not carry a knob.
        ConfigError: a layer cannot have its reuse factor.
    """
    for knob, why in REFUSED.items():
        if getattr(knobs, knob) != getattr(Knobs(), knob):
            problem = f"the model is no chain of layers, and {why}"
            raise UnsupportedError(knob, problem, f"Leave {knob!r} out")
    found = network(prepared(graph, knobs), apart=knobs.reuses)
    for engine in found.engines:
        sharing_of(engine, knobs.reuse_factor_of(layer_of(engine)))
    return found


def plan_network(graph: Graph, device: Device, clock_period_ns: float, knobs: Knobs) -> NetworkPlan:
    """Plan the hardware of a lowered graph that is no chain.

    Raises:
        UnsupportedError: no network carries the graph, or it does not carry a knob.
        ConfigError: the clock is too fast for an operation, or a knob is set to what cannot be.
    """
    found = check_network(graph, knobs)
    graph = prepared(graph, knobs)
    known = ranges(graph)
    planner = Planner(known, DelayModel(device), clock_period_ns, knobs)
    found = network(graph, apart=knobs.reuses)
    pipelines = tuple(planner.pipeline(engine) for engine in found.engines)
    timings = [planner.timing(engine, pipeline) for engine, pipeline in zip(found.engines, pipelines, strict=True)]
    input_steps = [value.type.shape[0] if len(value.type.shape) == 2 else 1 for value in graph.inputs]
    output_steps = [value.type.shape[0] if len(value.type.shape) == 2 else 1 for value in graph.outputs]
    inputs = [_format(value, steps, knobs) for value, steps in zip(graph.inputs, input_steps, strict=True)]
    outputs = [_format(value, steps, knobs) for value, steps in zip(graph.outputs, output_steps, strict=True)]
    timing = _timing(found, timings, input_steps, inputs, outputs)
    entering = tuple(tuple(_entering(x, known[x]) for x in engine.xs) for engine in found.engines)
    sides = tuple(inputs), tuple(outputs)
    return NetworkPlan(graph, found, pipelines, timing, *sides, entering, knobs.require_tlast)


def _timing(
    found: Network,
    timings: Sequence[EngineTiming],
    input_steps: Sequence[int],
    inputs: Sequence[BeatFormat],
    outputs: Sequence[BeatFormat],
) -> NetworkTiming:
    paces = ([Pace(f.vectors_per_beat, f.beats_per_vector) for f in side] for side in (inputs, outputs))
    return network_timing(found, timings, input_steps, *paces)


def _format(value: Value, steps: int, knobs: Knobs) -> BeatFormat:
    element = value.type.element
    return port_format(BeatFormat(value.type.size // steps, element.width, element.signed), steps, knobs)


def _entering(value: Value, given: Range) -> Signal:
    return Signal(value.name, value.type.size, given.low, given.high, value.type.element.fraction, "", "")
