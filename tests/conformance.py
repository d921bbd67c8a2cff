"""What a target must prove of a model: bits, cycles, and that no gap, stall, reset or short sequence disturbs it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from elaboration import icarus_says, slang_accepts
from ensembles import Ensemble, write_files
from loopwire.devices import find_part
from loopwire.emulator.calls import Evaluate, evaluate_calls
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.windows import seen_of
from loopwire.hdl.axi_stream import Counts, Sequences, StreamPort
from loopwire.hdl.testbench import Vectors
from loopwire.ir.fixed_point import Integers, integer_dtype
from loopwire.ir.graph import Graph
from loopwire.ir.types import FixedType, TensorType
from loopwire.knobs import Knobs
from loopwire.layers.cell import Cell
from loopwire.layers.model import Layer, Model, chain
from loopwire.layers.roles import LayerTypes, Role, known_roles
from loopwire.passes.carry_states import carry_states
from loopwire.passes.lower import lower
from loopwire.schedule.cycles import arrivals, run
from loopwire.simulate import verilator
from loopwire.simulate.simulation import SimulationResult, Stimulus
from loopwire.targets.verilog import Firmware, generate

NO_KNOBS = Knobs()
Flags = npt.NDArray[np.bool_]
Inputs = tuple[Integers, ...]
Types = LayerTypes | dict[str, LayerTypes]
"""Of all layers, or of each by its name."""


def types(spec: str = "fixed<8,3,RND,SAT>", max_error_steps: float = 2.0, **roles: str) -> LayerTypes:
    """Return types of all tensors; preactivations are exact unless given."""
    chosen = {role: FixedType.parse(spec) for role in known_roles() if role != Role.PREACTIVATION}
    chosen |= {role: FixedType.parse(given) for role, given in roles.items()}
    return LayerTypes(chosen, max_error_steps)


EIGHT_BITS = types()


@dataclass(frozen=True)
class Case(Knobs):
    """A model with its types and the knobs of its hardware. `name` becomes its top module's."""

    name: str
    input_shape: tuple[int, ...] = ()
    layers: Sequence[Layer] = ()
    types: Types = EIGHT_BITS
    input_type: str = "fixed<8,3>"
    part: str = "xcku115"
    clock_period_ns: float = 5.0
    network: Model | None = None
    """Instead of a chain of layers."""

    def graph(self) -> Graph:
        """Return the lowered model."""
        model = self.network or chain(self.name, self.input_shape, tuple(self.layers), "test")
        of: Callable[[Layer], LayerTypes] = (
            (lambda layer: self.types[layer.name]) if isinstance(self.types, dict) else lambda layer: self.types
        )
        graph = lower(model, FixedType.parse(self.input_type), of)
        recurrent = {layer.name for layer in model.layers if isinstance(layer, Cell)}
        return carry_states(graph, recurrent) if self.stateful else graph

    def firmware(self, graph: Graph) -> Firmware:
        """Return the hardware."""
        return generate(graph, find_part(self.part), self.clock_period_ns, self.name, self)


def prove(cases: Sequence[Case], folder: Path, seed: int = 1) -> list[str]:
    """Build the cases' hardware into one simulation and hold each against its definition and its predictions.

    Return the tops of the hardware, whose files are in `folder / "rtl"`.
    """
    graphs = [case.graph() for case in cases]
    designs = [case.firmware(graph) for case, graph in zip(cases, graphs, strict=True)]
    rtl, simulation = folder / "rtl", folder / "simulation"
    for each in (rtl, simulation):
        each.mkdir(parents=True)
    for design in designs:
        warnings = verilator.lint(design.top, write_files(design, rtl))
        assert warnings == "", f"{design.top}: {warnings}"
    tops = [design.top for design in designs]
    assert slang_accepts(rtl, tops), "slang has printed why"
    assert icarus_says(rtl, tops) == ""
    ensemble = Ensemble(designs, simulation, optimise=False)
    for index, (graph, design) in enumerate(zip(graphs, designs, strict=True)):
        Proof(ensemble, index, graph, design, cases[index], random.Random(f"{seed} {design.top}")).all()
    return tops


def may_be_short(graph: Graph) -> bool:
    """Say whether all inputs that have steps have as many."""
    return len({x.type.shape[0] for x in graph.inputs if len(x.type.shape) == 2}) < 2


def random_beats(type: TensorType, count: int, source: random.Random) -> Integers:
    """Return inputs (count, *shape): a third the ends of the type, a third near zero, the rest from all of it."""
    low, high = type.element.min_integer, type.element.max_integer

    def value() -> int:
        near = source.randint(max(low, -2), min(high, 2))
        return source.choice((source.choice((low, high)), near, source.randint(low, high)))

    values = [value() for _ in range(count * type.size)]
    return np.array(values, integer_dtype(type.element.width + 1)).reshape(count, *type.shape)


def random_inputs(graph: Graph, count: int, source: random.Random, knobs: Knobs = NO_KNOBS) -> Inputs:
    """Return all inputs of a graph (count, *shape); of a sliding window, samples."""
    types = [x.type for x in graph.inputs]
    if knobs.sliding_window:
        types = [replace(type, shape=type.shape[-1:]) for type in types]
    return tuple(random_beats(type, count, source) for type in types)


def at_ports(
    graph: Graph,
    design: Firmware,
    x: Inputs,
    lengths: Counts,
    fresh: Flags | None = None,
    knobs: Knobs = NO_KNOBS,
    evaluate: Evaluate = evaluate_integers,
) -> tuple[list[Sequences], list[Sequences]]:
    """Return what goes to each input, and what is due of each output; what a short sequence lacks is 0.

    A sequence of `fresh` starts from the initial states, or a sample of `fresh` begins its channel anew.
    """
    shortened = lengths if may_be_short(graph) else None
    given = [_at_port(port, array, lengths) for port, array in zip(design.inputs, x, strict=True)]
    steps = [_whole(port, one).reshape(array.shape) for port, one, array in zip(design.inputs, given, x, strict=True)]
    if knobs.sliding_window:
        assert fresh is not None
        expected = evaluate(graph, seen_of(graph, x, fresh, knobs.channels), None)
    elif knobs.stateful:
        assert fresh is not None
        expected = evaluate_calls(evaluate, graph, steps, fresh, knobs.channels, shortened)
    else:
        expected = evaluate(graph, tuple(steps), shortened)
    due = [_at_port(port, array, lengths) for port, array in zip(design.outputs, expected, strict=True)]
    return [replace(one, fresh=fresh) for one in given], due


def vectors_of(
    design: Firmware, given: Sequence[Sequences], due: Sequence[Sequences]
) -> tuple[list[Vectors], list[Vectors]]:
    """Return what `at_ports` did as a testbench takes it, with the labels that the design hands on."""
    sides = [design.sideband.of_input(index) for index in range(len(given))]
    sent = [Vectors(port, one, sideband=side) for port, one, side in zip(design.inputs, given, sides, strict=True)]
    return sent, [Vectors(port, one, sideband=design.sideband) for port, one in zip(design.outputs, due, strict=True)]


def _at_port(port: StreamPort, array: Integers, lengths: Counts) -> Sequences:
    counts = np.minimum(lengths, port.steps) if port.short else np.full(len(lengths), port.steps)
    vectors = array.reshape(len(array), port.steps, -1)
    return Sequences(vectors[np.arange(port.steps) < counts[:, np.newaxis]], counts)


def _whole(port: StreamPort, given: Sequences) -> Integers:
    """Return the vectors of each sequence [n, steps, count], with 0 for those that it lacks."""
    steps = np.zeros((len(given.lengths), port.steps, given.vectors.shape[1]), given.vectors.dtype)
    steps[np.arange(port.steps) < given.lengths[:, np.newaxis]] = given.vectors
    return steps


class Proof:
    """Holds one design of an ensemble against its definition; `source` decides all that is random."""

    def __init__(
        self,
        ensemble: Ensemble,
        index: int,
        graph: Graph,
        design: Firmware,
        knobs: Knobs,
        source: random.Random,
    ) -> None:
        self._ensemble = ensemble
        self._index = index
        self._graph = graph
        self._design = design
        self._knobs = knobs
        self._random = source

    def all(self) -> None:
        self.latency()
        self.interval()
        self.arrivals()
        count = 3 * self._design.interleave * self._design.copies + 12
        for _ in range(2):
            self.disturb(count, short=True, valid_probability=0.7, ready_probability=0.6)
            self.disturb(count, short=True, valid_probability=1.0, ready_probability=0.2)
        self.disturb(count, short=False, valid_probability=0.3, ready_probability=1.0)
        self.disturb(count, short=True, valid_probability=1.0, ready_probability=1.0)

    def latency(self) -> None:
        """A lone sequence's last result is valid when predicted, at any phase of the modules' counters."""
        found = self.simulate(np.array([self._design.length]), Stimulus(seed=self._seed())).latency_cycles[0]
        assert found == self._design.latency_cycles, (
            f"{self._design.top}: latency {found}, not {self._design.latency_cycles}"
        )

    def interval(self) -> None:
        """Sequences without a gap are accepted and answered in the very cycles predicted."""
        design = self._design
        steady = design.steady
        count = steady.settled_sequences + max(2 * steady.period_sequences, 6 * design.interleave * design.copies) + 1
        found = self.simulate(np.full(count, design.length), Stimulus(seed=self._seed()))
        origin = found.first_input_cycle[0]
        columns = (found.first_input_cycle, found.last_input_cycle, found.first_output_cycle, found.last_output_cycle)
        simulated = np.stack(columns, axis=1) - origin
        intervals = found.interval_cycles[steady.settled_sequences :][: steady.period_sequences]
        assert intervals.mean() == design.initiation_interval_cycles, f"{design.top}: intervals {intervals}"
        predicted = np.array([astuple(cycles) for cycles in run(design.timing, count)])
        if design.has_streams_apart:
            simulated, predicted = simulated[:, ::3], predicted[:, ::3]
        assert np.array_equal(simulated, predicted), (
            f"{design.top}: cycles of each sequence {simulated.tolist()}, not {predicted.tolist()}"
        )

    def arrivals(self) -> None:
        """Sequences that come at random times, at up to full rate, take as long as predicted."""
        design = self._design
        gaps = arrivals(design.timing, self._random, most_sequences=60)
        stimulus = Stimulus(seed=self._seed(), gaps_cycles=tuple(gaps))
        found = self.simulate(np.full(len(gaps), design.length), stimulus)
        simulated = np.stack((found.first_input_cycle, found.last_output_cycle), axis=1) - found.first_input_cycle[0]
        predicted = np.array([(c.first_input, c.last_output) for c in run(design.timing, len(gaps), gaps)])
        assert np.array_equal(simulated, predicted - predicted[0, 0]), f"{design.top}: {simulated}, not {predicted}"
        if design.latency_range_cycles is None:
            return
        least, greatest = design.latency_range_cycles
        assert least <= found.latency_cycles.min() and found.latency_cycles.max() <= greatest, design.top
        alone = len(design.engines) == 1 and design.length > 1 and not design.engines[0].reverse
        if alone and design.timing.held_cycles == 0 and len(gaps) < 60:
            assert {least, greatest} <= set(found.latency_cycles), f"{design.top}: {least} to {greatest} is not met"

    def disturb(self, count: int, short: bool, valid_probability: float, ready_probability: float) -> None:
        """Every bit is right under gaps, stalls of any length, short sequences, lacking TLAST and resets."""
        longest, short = self._design.length, short and may_be_short(self._graph)
        lengths = np.array([self._random.randint(1, longest) if short else longest for _ in range(count)])
        lengths[[self._random.random() < 0.4 for _ in lengths]] = longest
        still_cycles = self._design.latency_cycles
        resets = tuple(self._random.randint(1, 3 * still_cycles) for _ in range(2))
        stimulus = Stimulus(self._seed(), valid_probability, ready_probability, 0.5, still_cycles, resets)
        self.simulate(lengths, stimulus)

    def simulate(self, lengths: Counts, stimulus: Stimulus) -> SimulationResult:
        x = random_inputs(self._graph, len(lengths), self._random, self._knobs)
        fresh = np.array([self._random.random() < 0.2 for _ in lengths]) if self._design.remembers else None
        sent, due = self.sequences(x, lengths, fresh)
        result = self._ensemble.run(self._index, sent, stimulus)
        result.require_equal(f"{self._design.top}, {stimulus}", due)
        return result

    def sequences(self, x: Inputs, lengths: Counts, fresh: Flags | None) -> tuple[list[Sequences], list[Sequences]]:
        """Return what `at_ports` does of inputs."""
        return at_ports(self._graph, self._design, x, lengths, fresh, self._knobs)

    def _seed(self) -> int:
        return self._random.randint(0, 1 << 60)
