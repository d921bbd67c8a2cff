"""A compiled model: its numbers, its hardware, its simulation, and the folder it is written to."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire import arguments
from loopwire.arguments import instance, not_negative
from loopwire.config import CompileConfig
from loopwire.data import Batch, Inputs, check_batch, check_fresh, check_lengths, check_results
from loopwire.devices import Device
from loopwire.emulator.calls import evaluate_calls
from loopwire.emulator.evaluate import evaluate_integers, evaluate_real, shortened
from loopwire.emulator.fast_emulator import FastEmulator, try_build
from loopwire.emulator.windows import windows
from loopwire.errors import DataError
from loopwire.hdl.axi_stream import StreamPort
from loopwire.hdl.framing import ending_in_zeros
from loopwire.ir.fixed_point import Integers, integer_dtype, quantise, to_real
from loopwire.ir.graph import Graph
from loopwire.knobs import PortNames
from loopwire.layers.model import Model, Tensor
from loopwire.passes.carry_states import expose_states
from loopwire.project.files import project_files
from loopwire.project.folder import write_project
from loopwire.report.area import estimated_use
from loopwire.report.clipping import Clipping, ClippingMeter
from loopwire.report.profile import TensorProfile, profile
from loopwire.report.range_proof import RangeProof, range_proofs
from loopwire.report.saturation import SaturationWatch
from loopwire.report.summary import CSimulation, Cycles, LayerFacts, Report, Verification
from loopwire.report.trace import TensorTrace, trace
from loopwire.simulate import hls_compile, verilator
from loopwire.simulate.hls_compile import HlsEmulator
from loopwire.simulate.simulation import Received, Sequences, SimulationResult, Simulator, Stimulus
from loopwire.system.folders import new_folder, release, temporary_folder
from loopwire.targets import vitis_hls
from loopwire.targets.verilog import Firmware, generate
from loopwire.text.names import printable

Fresh = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.int64]

FAST_BATCH = 8192
DEFINITION_BATCH = 512
"""Sequences evaluated at a time, so that memory does not grow with their number."""


@dataclass(frozen=True)
class Simulation:
    """What the simulated hardware gave.

    Attributes:
        outputs: reals (N, *output shape), several by their names; steps that a short sequence lacks are 0.
        cycles: when each beat was accepted and each result valid.
    """

    outputs: Any
    cycles: SimulationResult


@dataclass(frozen=True, eq=False)
class Design:
    """A model with the types of all its tensors chosen; `loopwire.compile` makes one.

    Inputs `x` are real numbers (N, *model.input_shape). Where `lengths` (N,) is given, sequence k ends after
    `lengths[k]` steps, and what x holds beyond is ignored. The graph's input is the sequence that the layers read:
    where the model begins with a Reshape, the elements of x in order.

    In a stateful design sequence k is one of channel k mod `config.channels` and goes on from the states that the
    channel's last one left. The first of a channel, and those that `fresh` (N,) marks, start from the initial states.
    Of a sliding window `x` are samples (N, F), one of each channel in turn; `fresh` ones begin their channel anew.
    """

    model: Model
    config: CompileConfig
    device: Device
    graph: Graph

    @property
    def name(self) -> str:
        """The configuration's name, else the model's."""
        return self.config.name or self.model.name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the only input: the model's, or of a sample of its sliding window."""
        return self.graph.inputs[0].type.shape[1:] if self.config.sliding_window else self.model.input_shape

    @property
    def steps(self) -> int:
        """Steps T of a full sequence as the layers read it, the longest; 1 for samples, and where nothing has steps."""
        return max(self._lengths, default=1)

    @property
    def may_be_short(self) -> bool:
        """Whether a sequence may end early: all inputs that have steps have as many."""
        return len(self._lengths) == 1

    @property
    def _lengths(self) -> set[int]:
        if self.config.sliding_window:
            return set()
        return {x.type.shape[0] for x in self.graph.inputs if len(x.type.shape) == 2}

    def _checked_lengths(self, lengths: npt.ArrayLike | None, count: int) -> Lengths:
        steps = check_lengths("lengths", np.full(count, self.steps) if lengths is None else lengths, count, self.steps)
        if (steps != self.steps).any() and not self.may_be_short:
            told = ", ".join(map(str, sorted(self._lengths)))
            raise DataError("lengths", f"the model's inputs have {told} steps", "Give whole sequences, and no lengths")
        return steps

    @property
    def ports(self) -> tuple[Tensor, ...]:
        """The inputs by name and shape: the model's, or a sample of its sliding window."""
        if not self.config.sliding_window:
            return self.model.inputs
        return (Tensor(self.model.inputs[0].name, self.input_shape),)

    def predict(self, x: Inputs, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None) -> Any:
        """Return the fixed-point outputs (N, *output shape), bit for bit those of the hardware; several by their names.

        A `LoopwireWarning` names each tensor that is met with values beyond its type, once for each design: inputs
        wherever they do not fit, results and what lies between as far as the sequences looked at show it
        (`SaturationWatch`).

        Raises:
            DataError: x, lengths or fresh do not fit the model.
        """
        outputs = self.output_integers(x, lengths, fresh)
        self._watch(x, lengths, fresh, outputs)
        return self._reals(outputs)

    def emulate(self, x: Inputs, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None) -> Any:
        """Return what `predict` does, without warnings: for those who report of clipping themselves."""
        return self._reals(self.output_integers(x, lengths, fresh))

    def _reals(self, outputs: Batch) -> Any:
        fractions = [value.type.element.fraction for value in self.graph.outputs]
        return self._named(outputs.each(to_real, fractions))

    def predict_integers(
        self, x: Inputs, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None
    ) -> Any:
        """Return the same outputs counted in steps of their types."""
        return self._named(self.output_integers(x, lengths, fresh))

    def output_integers(
        self, x: Inputs, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None
    ) -> Batch:
        """Return all outputs, in order, counted in steps of their types."""
        size = DEFINITION_BATCH if self._fast_emulator is None else FAST_BATCH
        batches = self._batches(x, lengths, fresh, size)
        results = [self._evaluate(self._quantised(part), n, anew) for part, n, anew in batches]
        return self._as_model(Batch.joined(results))

    def predict_float(
        self,
        x: Inputs,
        lengths: npt.ArrayLike | None = None,
        meter: ClippingMeter | None = None,
        fresh: npt.ArrayLike | None = None,
    ) -> Any:
        """Return the outputs (N, *output shape) of the model in floating point; several by their names.

        Args:
            x: inputs.
            lengths: steps of each sequence.
            meter: told of all values on the way.
            fresh: which sequences of a stateful design start from the initial states.

        Raises:
            DataError: x, lengths or fresh do not fit the model, or a result is beyond double precision.
        """
        if meter is not None:
            instance(ClippingMeter, "Give ClippingMeter(), or None")("meter", meter)
        evaluate = evaluate_real if meter is None else partial(evaluate_real, observe=meter.observe)
        results: list[Batch] = []
        for part, n, anew in self._batches(x, lengths, fresh, DEFINITION_BATCH):
            if meter is not None:
                for value, array in zip(self.graph.inputs, part.arrays, strict=True):
                    meter.observe_input(value, shortened(array, n))
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked at below
                if self.config.stateful:
                    calls = evaluate_calls(evaluate, self.graph, part.only, anew, self.config.channels, n)
                    results.append(Batch((calls,)))
                else:
                    results.append(Batch(evaluate(self.graph, part.arrays, n)))
        checked = Batch.joined(results).each(partial(check_results, "x"))
        return self._named(self._as_model(checked))

    def _named(self, outputs: Batch) -> Any:
        """Return the only output, or all by their names."""
        if len(outputs.arrays) == 1:
            return outputs.only
        return {tensor.name: array for tensor, array in zip(self.model.outputs, outputs.arrays, strict=True)}

    def _quantised(self, x: Batch) -> Batch:
        return x.each(quantise, [value.type.element for value in self.graph.inputs])

    def clipping(self, x: Inputs) -> tuple[Clipping, ...]:
        """Return the tensors that hold values beyond their types on these inputs.

        Raises:
            DataError: x does not fit the model, or a float value is beyond double precision.
        """
        meter = ClippingMeter()
        self.predict_float(x, meter=meter)
        return meter.rows(self.graph)

    def profile(self, x: Inputs) -> tuple[TensorProfile, ...]:
        """Return range and distribution of every tensor on these inputs, in float and in fixed point.

        Raises:
            DataError: x does not fit the model, or a float value is beyond double precision.
        """
        return profile(self.graph, self._alone(x).arrays)

    def trace(self, x: Inputs) -> tuple[TensorTrace, ...]:
        """Return every tensor's errors on these inputs, fixed point against float.

        Raises:
            DataError: x does not fit the model, or a float value is beyond double precision.
        """
        return trace(self.graph, self._alone(x).arrays)

    def range_proofs(self) -> tuple[RangeProof, ...]:
        """Return which tensors cannot overflow, whatever the input."""
        return range_proofs(self.graph)

    @cached_property
    def firmware(self) -> Firmware:
        """The hardware, planned and written as SystemVerilog when first asked for.

        Raises:
            UnsupportedError: no hardware can be made of this model.
        """
        clock_ns, names = self.config.clock_period_ns, self.port_names
        return generate(self.graph, self.device, clock_ns, self.name, self.config, names)

    @property
    def predicted_cycles(self) -> Cycles:
        """Latency and interval of the hardware as its schedule predicts them."""
        firmware = self.firmware
        known = firmware.latency_range_cycles or ()
        return Cycles(firmware.latency_cycles, firmware.initiation_interval_cycles, *known)

    @cached_property
    def hls(self) -> vitis_hls.HlsProject:
        """The HLS C++, written when first asked for.

        Raises:
            ConfigError: the part is not named as HLS tools want it.
            UnsupportedError: HLS cannot express this model with these knobs.
        """
        clock_ns, names = self.config.clock_period_ns, self.port_names
        return vitis_hls.generate(self.graph, self.device, clock_ns, self.name, self.config, names)

    @property
    def port_names(self) -> PortNames:
        """What the ports are called after, where there are several."""
        return PortNames(*(tuple(t.name for t in side) for side in (self.model.inputs, self.model.outputs)))

    @cached_property
    def c_simulation(self) -> HlsEmulator:
        """The HLS C++ compiled for this computer, when first asked for.

        Raises:
            ToolError: a C++ compiler or the `ap_fixed` headers are missing, or compiling fails.
        """
        with temporary_folder() as folder:
            _write_files(folder, self.hls.files)
            return hls_compile.compile(folder)

    @cached_property
    def simulator(self) -> Simulator:
        """The hardware compiled to a simulation, when first asked for.

        Raises:
            ToolError: Verilator or a C++ compiler is missing or fails.
        """
        firmware, folder = self.firmware, new_folder()
        sources = [path for path in _write_files(folder / "rtl", firmware.files) if path.suffix == ".sv"]
        simulator = verilator.build(
            firmware.top,
            sources,
            firmware.inputs,
            firmware.outputs,
            folder / "simulation",
            firmware.sideband,
            has_status=not self.config.sliding_window,
            repeats=firmware.copies > 1,
        )
        weakref.finalize(self, release, folder)
        return simulator

    @property
    def simulation(self) -> HlsEmulator | Simulator:
        """What proves the design, built when first asked for.

        Raises:
            ToolError: Verilator or a C++ compiler is missing or fails.
        """
        if self.config.target == "vitis_hls":
            return self.c_simulation
        return self.simulator

    def run(self, integers: Batch, lengths: Lengths, fresh: Fresh, stimulus: Stimulus) -> SimulationResult:
        """Run sequences through the hardware.

        Args:
            integers: inputs in steps of their types, from `input_integers`.
            lengths: steps of each sequence.
            fresh: which sequences start anew, where anything lasts.
            stimulus: gaps, stalls and resets.

        Raises:
            ToolError: Verilator or a C++ compiler is missing or fails.
            VerificationError: the hardware hangs or breaks a rule of AXI4-Stream.
        """
        given = self.sent(integers, lengths, fresh)
        return self.simulator.run(given, stimulus, self.firmware.timeout_cycles)

    def simulate(
        self,
        x: Inputs,
        lengths: npt.ArrayLike | None = None,
        stimulus: Stimulus | None = None,
        fresh: npt.ArrayLike | None = None,
    ) -> Simulation:
        """Run inputs through the hardware, cycle by cycle; warn as `predict` does.

        Args:
            x: inputs.
            lengths: steps of each sequence.
            stimulus: random gaps, stalls and a reset; none of them if None.
            fresh: which sequences of a stateful design start from the initial states.

        Raises:
            DataError: x, lengths or fresh do not fit the model.
            ToolError: Verilator or a C++ compiler is missing or fails.
            VerificationError: the hardware hangs or breaks a rule of AXI4-Stream.
        """
        stimulus = Stimulus(seed=1) if stimulus is None else stimulus
        instance(Stimulus, "Give loopwire.simulate.simulation.Stimulus(seed=1), or None")("stimulus", stimulus)
        integers, steps = self.input_integers(x, lengths)
        anew = check_fresh("fresh", fresh, len(steps), self.config.remembers)
        result = self.run(integers, steps, anew, stimulus)
        shaped = self._as_model(Batch(tuple(map(_padded, result.outputs))))
        self._watch(x, lengths, fresh, shaped)
        return Simulation(self._reals(shaped), result)

    def write(self, path: str | Path, x: Inputs | None = None, more: Mapping[str, str] | None = None) -> Path:
        """Write the project folder: SystemVerilog or HLS C++, testbench with vectors, README, facts.

        The folder appears when it is complete. One that is there already is replaced only if Loopwire wrote it; other
        files in it stay.

        Args:
            path: the folder.
            x: inputs whose first ones become the testbench's vectors; random ones if None.
            more: further files by their paths in the folder, such as a report.

        Raises:
            DataError: x does not fit the model.
            OutputError: the folder holds something else, or cannot be written.
        """
        folder = arguments.path("path", path)
        further = {} if more is None else arguments.table("more", more, arguments.text)
        return write_project(folder, {**project_files(self, x), **further})

    def report(self, verification: Verification | CSimulation | None = None) -> Report:
        """Return what is known of the design, each number with the stage that it comes from."""
        if verification is not None:
            instance((Verification, CSimulation), "Give what loopwire.verify returns")("verification", verification)
        firmware = None if self.config.target == "vitis_hls" else self.firmware
        return Report(
            self.name,
            self.device.name,
            self.config.clock_period_ns,
            self.hls.knobs.interleave if firmware is None else firmware.interleave,
            None if firmware is None else firmware.loop_latency_cycles,
            None if firmware is None else self.predicted_cycles,
            verification,
            loopwire_version=version("loopwire"),
            source=self.source_name,
            layers=self._layers(),
            range_proofs=self.range_proofs(),
            target=self.config.target,
            stateful=self.config.stateful,
            sliding_window=self.config.sliding_window,
            channels=self.config.channels,
            copies=self.config.copies,
            io=self.config.io,
            bus_bits=self.config.bus_bits,
            delay_factor=self.config.delay_factor,
            engines=() if firmware is None else firmware.areas,
            estimated=() if firmware is None else estimated_use(firmware.areas, self.device),
        )

    @property
    def source_name(self) -> str:
        """The model file's name without its folder, so that the same input gives the same bytes anywhere."""
        return printable(self.model.source.replace("\\", "/").rsplit("/", 1)[-1])

    def _layers(self) -> tuple[LayerFacts, ...]:
        rows = []
        for call in self.model.calls:
            layer, shape = call.layer, call.outputs[0].shape
            arrays = [array for array in vars(layer).values() if isinstance(array, np.ndarray)]
            rows.append(LayerFacts(layer.name, layer.kind, shape, sum(array.size for array in arrays)))
        return tuple(rows)

    def random_inputs(self, count: int, seed: int = 1) -> Any:
        """Return inputs (count, *input shape): half of the sequences near 0, half from all of the type's range.

        Several are returned by their names.
        """
        count, seed = not_negative("count", count), not_negative("seed", seed)
        element = self.graph.inputs[0].type.element
        low, high = element.min_integer * element.step, element.max_integer * element.step
        random = np.random.default_rng(seed)
        inputs = {}
        for port in self.ports:
            shape = (count, *port.shape)
            x = random.uniform(low, high, shape)
            x[::2] = np.clip(random.normal(0.0, 1.0, shape)[::2], low, high)
            inputs[port.name] = x
        return inputs if len(inputs) > 1 else x

    def input_integers(self, x: Inputs, lengths: npt.ArrayLike | None) -> tuple[Batch, Lengths]:
        """Return inputs (N, *shape the layers read) in steps of their types, and the steps of each sequence (N,)."""
        batch = self._as_read(check_batch("x", x, self.ports))
        return self._quantised(batch), self._checked_lengths(lengths, len(batch))

    def sent(self, integers: Batch, lengths: Lengths, fresh: Fresh) -> list[Sequences]:
        """Return what the hardware's inputs take of sequences (N, *input shape) in steps of their types."""
        told = fresh if self.config.remembers else None
        return [replace(one, fresh=told) for one in self._at_ports(self.firmware.inputs, integers, lengths)]

    def due(self, integers: Batch, lengths: Lengths, fresh: Fresh) -> list[Sequences]:
        """Return the emulator's results, as the hardware's outputs shall give them."""
        outputs = self._evaluate(self._sequences(integers, fresh), lengths, fresh)
        return self._at_ports(self.firmware.outputs, outputs, lengths)

    def _at_ports(self, ports: Sequence[StreamPort], batch: Batch, lengths: Lengths) -> list[Sequences]:
        found = []
        for port, array in zip(ports, batch.arrays, strict=True):
            counts = lengths if port.short and self.may_be_short else np.full(len(lengths), port.steps)
            vectors = array.reshape(len(array), port.steps, port.format.count)
            found.append(Sequences(vectors[np.arange(port.steps) < counts[:, np.newaxis]], counts))
        return found

    def ending_in_zeros(self, integers: Batch, lengths: Lengths, random: np.random.Generator) -> Batch:
        """Return the same sequences but for some that now end in beats of zeros, which a sender may leave out."""
        changed = []
        for port, array in zip(self.firmware.inputs, integers.arrays, strict=True):
            steps, ends = array.reshape(len(array), port.steps, -1), np.minimum(lengths, port.steps)
            changed.append(ending_in_zeros(port.format, steps, ends, random).reshape(array.shape))
        return Batch(tuple(changed))

    @cached_property
    def _saturation(self) -> SaturationWatch:
        return SaturationWatch(self.graph)

    def _watch(self, x: Inputs, lengths: npt.ArrayLike | None, fresh: npt.ArrayLike | None, outputs: Batch) -> None:
        """Warn of tensors that these inputs take beyond their types."""
        batch = check_batch("x", x, self.ports)
        steps = None if lengths is None else self._checked_lengths(lengths, len(batch))
        anew = check_fresh("fresh", fresh, len(batch), self.config.remembers)

        def evaluate(rows: npt.NDArray[np.int64], meter: ClippingMeter) -> None:
            given = None if steps is None else steps[rows]
            self.predict_float(batch[rows], given, meter, anew[rows] if self.config.remembers else None)

        ends = None if self.config.sliding_window else steps
        inputs = [shortened(array, ends) for array in self._as_read(batch).arrays]
        self._saturation.look(inputs, outputs.arrays, evaluate, in_order=self.config.remembers)

    @cached_property
    def _fast_emulator(self) -> FastEmulator | None:
        return None if self.config.stateful else try_build(self.graph)

    @cached_property
    def _fast_calls(self) -> FastEmulator | None:
        return try_build(expose_states(self.graph)[0])

    def _evaluate(self, integers: Batch, lengths: Lengths | None, fresh: Fresh) -> Batch:
        if lengths is not None and bool((lengths == self.steps).all()):
            lengths = None
        if self.config.stateful:
            call = self._fast_calls or evaluate_integers
            return Batch((evaluate_calls(call, self.graph, integers.only, fresh, self.config.channels, lengths),))
        evaluate = self._fast_emulator or evaluate_integers
        return Batch(evaluate(self.graph, integers.arrays, lengths))

    def _batches(
        self, x: Inputs, lengths: npt.ArrayLike | None, fresh: npt.ArrayLike | None, size: int
    ) -> Iterator[tuple[Batch, Lengths | None, Fresh]]:
        """Yield inputs, lengths and which are fresh, of `size` sequences at a time that need nothing of each other."""
        batch = self._as_read(check_batch("x", x, self.ports))
        steps = None if lengths is None else self._checked_lengths(lengths, len(batch))
        anew = check_fresh("fresh", fresh, len(batch), self.config.remembers)
        if self.config.stateful:
            size = len(batch)
        for start in range(0, len(batch), size):
            part = slice(start, start + size)
            given = None if steps is None or self.config.sliding_window else steps[part]
            yield self._sequences(batch, anew, part).each(_as_reals), given, anew[part]

    def _sequences(self, x: Batch, fresh: Fresh, rows: slice = slice(None)) -> Batch:
        """Return what the model sees of some inputs: themselves, or the window that ends with each."""
        if not self.config.sliding_window:
            return x[rows]
        return Batch((windows(x.only, fresh, self.graph.inputs[0].type.shape[0], self.config.channels, rows),))

    def _as_read(self, x: Batch) -> Batch:
        """Return inputs (N, *input_shape) in the shapes that the layers read, samples as they are."""
        return x if self.config.sliding_window else x.each(_shaped, [value.type.shape for value in self.graph.inputs])

    def _as_model(self, outputs: Batch) -> Batch:
        """Return results in the shapes of the model's."""
        return outputs.each(_shaped, [tensor.shape for tensor in self.model.outputs])

    def _alone(self, x: Inputs) -> Batch:
        """Return sequences in the shape that the layers read, to be looked at each by itself."""
        batch = self._as_read(check_batch("x", x, self.ports))
        return self._sequences(batch, np.zeros(len(batch), np.bool_))


def _as_reals(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return x.astype(np.float64)


def _shaped(x: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    return x.reshape(len(x), *shape)


def _write_files(folder: Path, files: Mapping[str, str]) -> list[Path]:
    paths = []
    for name, text in files.items():
        paths.append(folder / name)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_text(text)
    return paths


def _padded(received: Received) -> Integers:
    """Return results (N, vectors, count); vectors that a short one lacks are 0."""
    port, found = received.port, received.sequences
    outputs = np.zeros((len(found.lengths), port.steps, port.format.count), integer_dtype(port.format.width + 1))
    outputs[np.arange(port.steps) < found.lengths[:, np.newaxis]] = found.vectors
    return outputs
