"""A compiled model: its numbers, its hardware, its simulation, and the folder it is written to."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.config import CompileConfig
from loopwire.data import check_fresh, check_inputs, check_lengths, check_results
from loopwire.devices import Device
from loopwire.ir.fixed_point import Integers, integer_dtype, quantise, to_real
from loopwire.ir.graph import Graph
from loopwire.layers.model import Model
from loopwire.project import write_project
from loopwire.project_files import project_files
from loopwire.report.area import estimated_use
from loopwire.report.clipping import Clipping, ClippingMeter
from loopwire.report.profile import TensorProfile, profile
from loopwire.report.range_proof import RangeProof, range_proofs
from loopwire.report.summary import CSimulation, Cycles, LayerFacts, Report, Verification
from loopwire.report.trace import TensorTrace, trace
from loopwire.synth import hls_compile, verilator
from loopwire.synth.simulation import SimulationResult, Simulator, Stimulus
from loopwire.system.folders import new_folder, release, temporary_folder
from loopwire.targets import vitis_hls
from loopwire.targets.calls import evaluate_calls
from loopwire.targets.evaluate import evaluate_integers, evaluate_real
from loopwire.targets.fast_calls import FastCalls, try_build_calls
from loopwire.targets.fast_emulator import FastEmulator, try_build
from loopwire.targets.verilog import Firmware, generate
from loopwire.targets.windows import windows
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
        outputs: reals (N, *output shape); steps that a short sequence lacks are 0.
        cycles: when each beat was accepted and each result valid.
    """

    outputs: npt.NDArray[np.float64]
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
        """Shape of an input: the model's, or of a sample of its sliding window."""
        return self._graph_shape[1:] if self.config.sliding_window else self.model.input_shape

    @property
    def steps(self) -> int:
        """Steps T of a full sequence as the layers read it; 1 for inputs that are no sequences, and for samples."""
        return self._graph_shape[0] if len(self._graph_shape) == 2 and not self.config.sliding_window else 1

    @property
    def _graph_shape(self) -> tuple[int, ...]:
        return self.graph.inputs[0].type.shape

    def predict(
        self, x: npt.ArrayLike, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the fixed-point outputs (N, *output shape), bit for bit those of the hardware.

        Raises:
            DataError: x, lengths or fresh do not fit the model.
        """
        return to_real(self.predict_integers(x, lengths, fresh), self.graph.outputs[0].type.element.fraction)

    def predict_integers(
        self, x: npt.ArrayLike, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None
    ) -> Integers:
        """Return the same outputs counted in steps of their type."""
        element = self.graph.inputs[0].type.element
        size = DEFINITION_BATCH if self._fast_emulator is None else FAST_BATCH
        batches = self._batches(x, lengths, fresh, size)
        return self._as_model(
            np.concatenate([self._evaluate(quantise(part, element), n, anew) for part, n, anew in batches])
        )

    def predict_float(
        self,
        x: npt.ArrayLike,
        lengths: npt.ArrayLike | None = None,
        meter: ClippingMeter | None = None,
        fresh: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return the outputs (N, *output shape) of the model in floating point.

        Args:
            x: inputs.
            lengths: steps of each sequence.
            meter: told of all values on the way.
            fresh: which sequences of a stateful design start from the initial states.

        Raises:
            DataError: x, lengths or fresh do not fit the model, or a result is beyond double precision.
        """
        evaluate = evaluate_real if meter is None else partial(evaluate_real, observe=meter.observe)
        results: list[npt.NDArray[np.float64]] = []
        for part, n, anew in self._batches(x, lengths, fresh, DEFINITION_BATCH):
            if meter is not None:
                meter.observe_input(self.graph.inputs[0], part)
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked at below
                if self.config.stateful:
                    results.append(evaluate_calls(evaluate, self.graph, part, anew, self.config.channels, n))
                else:
                    results += evaluate(self.graph, (part,), n)
        return self._as_model(check_results("x", np.concatenate(results)))

    def clipping(self, x: npt.ArrayLike) -> tuple[Clipping, ...]:
        """Return the tensors that hold values beyond their types on these inputs.

        Raises:
            DataError: x does not fit the model.
        """
        meter = ClippingMeter()
        self.predict_float(x, meter=meter)
        return meter.rows(self.graph)

    def profile(self, x: npt.ArrayLike) -> tuple[TensorProfile, ...]:
        """Return range and distribution of every tensor on these inputs, in float and in fixed point.

        Raises:
            DataError: x does not fit the model.
        """
        return profile(self.graph, self._alone(x))

    def trace(self, x: npt.ArrayLike) -> tuple[TensorTrace, ...]:
        """Return every tensor's errors on these inputs, fixed point against float.

        Raises:
            DataError: x does not fit the model.
        """
        return trace(self.graph, self._alone(x))

    def range_proofs(self) -> tuple[RangeProof, ...]:
        """Return which tensors cannot overflow, whatever the input."""
        return range_proofs(self.graph)

    @cached_property
    def firmware(self) -> Firmware:
        """The hardware, planned and written as SystemVerilog when first asked for.

        Raises:
            UnsupportedError: no hardware can be made of this model.
        """
        return generate(self.graph, self.device, self.config.clock_period_ns, self.name, self.config)

    @cached_property
    def hls(self) -> vitis_hls.HlsProject:
        """The HLS C++, written when first asked for.

        Raises:
            ConfigError: the part is not named as HLS tools want it.
            UnsupportedError: HLS cannot express this model with these knobs.
        """
        return vitis_hls.generate(self.graph, self.device, self.config.clock_period_ns, self.name, self.config)

    @cached_property
    def c_simulation(self) -> hls_compile.HlsEmulator:
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
        firmware = self.firmware
        folder = new_folder()
        sources = [path for path in _write_files(folder / "rtl", firmware.files) if path.suffix == ".sv"]
        simulator = verilator.build(
            firmware.top,
            sources,
            firmware.input,
            firmware.output,
            firmware.length,
            folder / "simulation",
            firmware.remembers,
            repeats=firmware.copies > 1,
        )
        weakref.finalize(self, release, folder)
        return simulator

    def simulate(
        self,
        x: npt.ArrayLike,
        lengths: npt.ArrayLike | None = None,
        stimulus: Stimulus | None = None,
        fresh: npt.ArrayLike | None = None,
    ) -> Simulation:
        """Run inputs through the hardware, cycle by cycle.

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
        integers, steps = self.input_integers(x, lengths)
        anew = check_fresh("fresh", fresh, len(steps), self.config.remembers)
        vectors = self.input_vectors(integers, steps)
        patience = self.firmware.timeout_cycles
        result = self.simulator.run(vectors, steps, stimulus or Stimulus(seed=1), patience, fresh=anew)
        element = self.graph.outputs[0].type.element
        per_sequence = self.firmware.length if self.firmware.per_step else 1
        outputs = np.zeros((len(steps), per_sequence, self.firmware.output.count), integer_dtype(element.width + 1))
        for sequence, vectors in enumerate(result.outputs):
            outputs[sequence, : len(vectors)] = vectors
        return Simulation(to_real(self._as_model(outputs), element.fraction), result)

    def write(self, path: str | Path, x: npt.ArrayLike | None = None, more: Mapping[str, str] | None = None) -> Path:
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
        return write_project(Path(path), {**project_files(self, x), **(more or {})})

    def report(self, verification: Verification | CSimulation | None = None) -> Report:
        """Return what is known of the design, each number with the stage that it comes from."""
        firmware = None if self.config.target == "vitis_hls" else self.firmware
        return Report(
            self.name,
            self.device.name,
            self.config.clock_period_ns,
            self.hls.knobs.interleave if firmware is None else firmware.interleave,
            None if firmware is None else firmware.loop_latency_cycles,
            None if firmware is None else Cycles(firmware.latency_cycles, firmware.initiation_interval_cycles),
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
        shape = self.model.input_shape
        rows = []
        for layer in self.model.layers:
            shape = layer.output_shape(shape)
            arrays = [array for array in vars(layer).values() if isinstance(array, np.ndarray)]
            rows.append(LayerFacts(layer.name, layer.kind, shape, sum(array.size for array in arrays)))
        return tuple(rows)

    def random_inputs(self, count: int, seed: int = 1) -> npt.NDArray[np.float64]:
        """Return inputs (count, *input shape): half of the sequences near 0, half from all of the type's range."""
        element = self.graph.inputs[0].type.element
        low, high = element.min_integer * element.step, element.max_integer * element.step
        random = np.random.default_rng(seed)
        shape = (count, *self.input_shape)
        x = random.uniform(low, high, shape)
        x[::2] = np.clip(random.normal(0.0, 1.0, shape)[::2], low, high)
        return x

    def input_integers(self, x: npt.ArrayLike, lengths: npt.ArrayLike | None) -> tuple[Integers, Lengths]:
        """Return inputs (N, *shape the layers read) in steps of their type, and the steps of each sequence (N,)."""
        array = self._as_read(check_inputs("x", x, self.input_shape))
        given = np.full(len(array), self.steps) if lengths is None else lengths
        steps = check_lengths("lengths", given, len(array), self.steps)
        return quantise(array, self.graph.inputs[0].type.element), steps

    def input_vectors(self, integers: Integers, lengths: Lengths) -> Integers:
        """Return the steps [n_steps, count] of sequences (N, *input shape), as the hardware takes them."""
        return _vectors(integers.reshape(len(integers), self.firmware.length, self.firmware.input.count), lengths)

    def expected_vectors(self, integers: Integers, lengths: Lengths, fresh: Fresh) -> tuple[Integers, Lengths]:
        """Return the emulator's results as vectors [n_vectors, count], and the vectors of each sequence's result."""
        full = bool((lengths == self.steps).all())
        outputs = self._evaluate(self._sequences(integers, fresh), None if full else lengths, fresh)
        counts = lengths if self.firmware.per_step else np.ones_like(lengths)
        return _vectors(outputs.reshape(len(outputs), -1, self.firmware.output.count), counts), counts

    @cached_property
    def _fast_emulator(self) -> FastEmulator | None:
        return None if self.config.stateful else try_build(self.graph)

    @cached_property
    def _fast_calls(self) -> FastCalls | None:
        return try_build_calls(self.graph)

    def _evaluate(self, integers: Integers, lengths: Lengths | None, fresh: Fresh) -> Integers:
        if self.config.stateful:
            evaluate = self._fast_calls or evaluate_integers
            return evaluate_calls(evaluate, self.graph, integers, fresh, self.config.channels, lengths)
        if self._fast_emulator is not None:
            return self._fast_emulator.run(integers, lengths)
        (outputs,) = evaluate_integers(self.graph, (integers,), lengths)
        return outputs

    def _batches(
        self, x: npt.ArrayLike, lengths: npt.ArrayLike | None, fresh: npt.ArrayLike | None, size: int
    ) -> Iterator[tuple[npt.NDArray[Any], Lengths | None, Fresh]]:
        """Yield inputs, lengths and which are fresh, of `size` sequences at a time that need nothing of each other."""
        array = self._as_read(check_inputs("x", x, self.input_shape))
        steps = None if lengths is None else check_lengths("lengths", lengths, len(array), self.steps)
        anew = check_fresh("fresh", fresh, len(array), self.config.remembers)
        if self.config.stateful:
            size = len(array)
        for start in range(0, len(array), size):
            part = slice(start, start + size)
            given = None if steps is None or self.config.sliding_window else steps[part]
            yield self._sequences(array, anew, part).astype(np.float64), given, anew[part]

    def _sequences(self, x: npt.NDArray[Any], fresh: Fresh, rows: slice = slice(None)) -> npt.NDArray[Any]:
        """Return what the model sees of some inputs: themselves, or the window that ends with each."""
        if not self.config.sliding_window:
            return x[rows]
        return windows(x, fresh, self._graph_shape[0], self.config.channels, rows)

    def _as_read(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return inputs (N, *input_shape) in the shape that the layers read, samples as they are."""
        return x if self.config.sliding_window else x.reshape(len(x), *self._graph_shape)

    def _as_model(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return results in the shape of the model's."""
        return outputs.reshape(len(outputs), *self.model.output_shape())

    def _alone(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return sequences in the shape that the layers read, to be looked at each by itself."""
        array = self._as_read(check_inputs("x", x, self.input_shape))
        return self._sequences(array, np.zeros(len(array), np.bool_))


def _write_files(folder: Path, files: Mapping[str, str]) -> list[Path]:
    paths = []
    for name, text in files.items():
        paths.append(folder / name)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_text(text)
    return paths


def _vectors(sequences: Integers, lengths: Lengths) -> Integers:
    """Return the first `lengths` vectors of sequences (N, vectors, count), one sequence after the other."""
    vectors: Integers = sequences[np.arange(sequences.shape[1]) < lengths[:, np.newaxis]]
    return vectors
