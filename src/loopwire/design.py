"""A compiled model on a device: its hardware, its simulation, its report, and the folder it is written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from loopwire import arguments
from loopwire.arguments import instance
from loopwire.data import Batch, Inputs, check_fresh
from loopwire.devices import Device
from loopwire.errors import ConfigError
from loopwire.ir.fixed_point import Integers, integer_dtype
from loopwire.project.files import project_files
from loopwire.project.folder import write_project
from loopwire.report.layers import input_facts, layer_facts
from loopwire.report.summary import Cycles, Report, Verification
from loopwire.shown_design import ShownDesign
from loopwire.simulate.hls_compile import HlsEmulator
from loopwire.simulate.simulation import Received, SimulationResult, Stimulus
from loopwire.targets.protocol import Target
from loopwire.targets.registry import find_target
from loopwire.targets.verilog.firmware import Firmware
from loopwire.targets.verilog.hardware import VerilogHardware
from loopwire.targets.vitis_hls.firmware import HlsProject
from loopwire.targets.vitis_hls.hardware import HlsHardware
from loopwire.text.table import Table, grouped

HardwareKind = TypeVar("HardwareKind")


@dataclass(frozen=True, repr=False)
class Simulation:
    """What the simulated hardware gave.

    Attributes:
        outputs: reals (N, *output shape), several by their names; steps that a short sequence lacks are 0.
        cycles: when each beat was accepted and each result valid.
    """

    outputs: Any
    cycles: SimulationResult

    def table(self) -> Table:
        """Return what was counted."""
        found = self.cycles
        rows = [("Sequences", grouped(len(found.latency_cycles))), ("Latency, cycles", _range(found.latency_cycles))]
        if len(found.interval_cycles):
            rows.append(("Initiation interval, cycles", _range(found.interval_cycles)))
        rows.append(("Cycles simulated", grouped(found.cycles)))
        return Table("Simulation, cycle by cycle", ("Quantity", "Counted"), tuple(rows))

    def __repr__(self) -> str:
        found = "; ".join(f"{name.lower()} {value}" for name, value in self.table().rows)
        return f"<Simulation: {found}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


@dataclass(frozen=True, eq=False, repr=False)
class Design(ShownDesign):
    """A model with the types of all its tensors chosen, for a device; `loopwire.compile` makes one.

    Its hardware is planned and written when it is first asked for.
    """

    device: Device

    @property
    def target(self) -> Target:
        """What the model is compiled to."""
        return find_target(self.config.target)

    @cached_property
    def hardware(self) -> Any:
        """What the target made of the model: `VerilogHardware`, `HlsHardware`, or of another target's class."""
        return self.target.generate(self, self.device)

    def _hardware_of(self, kind: type[HardwareKind]) -> HardwareKind:
        if not isinstance(self.hardware, kind):
            problem = f"the model is compiled to {self.config.target!r}, which has no {kind.__name__}"
            raise ConfigError("target", problem, "Compile it to another target")
        return self.hardware

    @property
    def firmware(self) -> Firmware:
        """The SystemVerilog.

        Raises:
            ConfigError: the target is another.
            UnsupportedError: no hardware can be made of this model.
        """
        return self._hardware_of(VerilogHardware).firmware

    @property
    def predicted_cycles(self) -> Cycles:
        """Latency and interval of the SystemVerilog, as its schedule predicts them."""
        return self._hardware_of(VerilogHardware).predicted_cycles

    @property
    def hls(self) -> HlsProject:
        """The HLS C++.

        Raises:
            ConfigError: the target is another, or the part is not named as HLS tools want it.
            UnsupportedError: HLS cannot express this model with these knobs.
        """
        return self._hardware_of(HlsHardware).project

    def pictures(self) -> list[str]:
        """Return pictures of the schedule as SVG; none where only a tool knows it."""
        return self.target.pictures(self.hardware)

    @property
    def c_simulation(self) -> HlsEmulator:
        """The HLS C++ compiled for this computer.

        Raises:
            ConfigError: the target is another.
            ToolError: a C++ compiler or the `ap_fixed` headers are missing, or compiling fails.
        """
        return self._hardware_of(HlsHardware).c_simulation

    def simulate(
        self,
        x: Inputs,
        lengths: npt.ArrayLike | None = None,
        stimulus: Stimulus | None = None,
        fresh: npt.ArrayLike | None = None,
    ) -> Simulation:
        """Run inputs through the SystemVerilog, cycle by cycle; warn as `predict` does.

        Args:
            x: inputs.
            lengths: steps of each sequence.
            stimulus: random gaps, stalls and a reset; none of them if None.
            fresh: which sequences of a stateful design start from the initial states.

        Raises:
            ConfigError: the target is another.
            DataError: x, lengths or fresh do not fit the model.
            ToolError: Verilator or a C++ compiler is missing or fails.
            VerificationError: the hardware hangs or breaks a rule of AXI4-Stream.
        """
        stimulus = Stimulus(seed=1) if stimulus is None else stimulus
        instance(Stimulus, "Give loopwire.simulate.simulation.Stimulus(seed=1), or None")("stimulus", stimulus)
        hardware = self._hardware_of(VerilogHardware)
        integers, steps = self.input_integers(x, lengths)
        anew = check_fresh("fresh", fresh, len(steps), self.config.remembers)
        result = hardware.run(integers, steps, anew, stimulus)
        outputs = Batch(tuple(map(_padded, result.outputs)))
        return Simulation(self.watched(x, lengths, fresh, outputs), result)

    def write(self, path: str | Path, x: Inputs | None = None, more: Mapping[str, str] | None = None) -> Path:
        """Write the project folder: what the target makes, testbench with vectors, README, facts.

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
        files = project_files(self, self.device, self.target, self.hardware, x)
        return write_project(folder, {**files, **further})

    def report(self, verification: Verification | None = None) -> Report:
        """Return what is known of the design, each number with the stage that it comes from."""
        if verification is not None:
            instance(Verification, "Give what loopwire.verify returns")("verification", verification)
        known = self.target.summary(self.hardware)
        return Report(
            self.name,
            self.device.name,
            self.config.clock_period_ns,
            known.interleave,
            known.loop_latency_cycles,
            known.predicted,
            verification,
            loopwire_version=version("loopwire"),
            source=self.source_name,
            inputs=input_facts(self.model),
            layers=layer_facts(self.model),
            stages=known.stages,
            range_proofs=self.range_proofs(),
            target=self.config.target,
            knobs=self.config.knobs,
            delay_factor=self.config.delay_factor,
            engines=known.engines,
            estimated=known.estimated,
        )


def _range(counts: npt.NDArray[Any]) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low} to {high}" if low < high else str(low)


def _padded(received: Received) -> Integers:
    """Return results (N, vectors, count); vectors that a short one lacks are 0."""
    port, found = received.port, received.sequences
    outputs = np.zeros((len(found.lengths), port.steps, port.format.count), integer_dtype(port.format.width + 1))
    outputs[np.arange(port.steps) < found.lengths[:, np.newaxis]] = found.vectors
    return outputs
