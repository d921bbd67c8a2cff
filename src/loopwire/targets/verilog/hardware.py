"""The SystemVerilog of a model and its simulation."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from loopwire.data import Batch
from loopwire.devices import Device
from loopwire.hdl.axi_stream import Sequences, StreamPort
from loopwire.hdl.framing import ending_in_zeros
from loopwire.quantised_model import QuantisedModel
from loopwire.report.summary import Cycles
from loopwire.simulate import verilator
from loopwire.simulate.simulation import SimulationResult, Stimulus
from loopwire.simulate.simulator import Simulator
from loopwire.system.folders import fill, new_folder, release
from loopwire.targets.verilog.firmware import Firmware, generate

Fresh = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VerilogHardware:
    """The SystemVerilog of a model for a device."""

    model: QuantisedModel
    device: Device

    @cached_property
    def firmware(self) -> Firmware:
        """The hardware, planned and written when first asked for.

        Raises:
            UnsupportedError: no hardware can be made of this model.
        """
        model, clock_ns = self.model, self.model.config.clock_period_ns
        return generate(model.graph, self.device, clock_ns, model.name, model.config, model.port_names)

    @property
    def predicted_cycles(self) -> Cycles:
        """Latency and interval of the hardware as its schedule predicts them."""
        firmware = self.firmware
        known = firmware.latency_range_cycles or ()
        return Cycles(firmware.latency_cycles, firmware.initiation_interval_cycles, *known)

    @cached_property
    def simulator(self) -> Simulator:
        """The hardware compiled to a simulation, when first asked for.

        Raises:
            ToolError: Verilator or a C++ compiler is missing or fails.
        """
        firmware, folder = self.firmware, new_folder()
        sources = [path for path in fill(folder / "rtl", firmware.files) if path.suffix == ".sv"]
        simulator = verilator.build(
            firmware.top,
            sources,
            firmware.inputs,
            firmware.outputs,
            folder / "simulation",
            firmware.sideband,
            has_status=not self.model.config.sliding_window,
            repeats=firmware.copies > 1,
        )
        weakref.finalize(self, release, folder)
        return simulator

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

    def sent(self, integers: Batch, lengths: Lengths, fresh: Fresh) -> list[Sequences]:
        """Return what the hardware's inputs take of sequences (N, *input shape) in steps of their types."""
        kept = fresh if self.model.config.remembers else None
        return [replace(one, fresh=kept) for one in self._at_ports(self.firmware.inputs, integers, lengths)]

    def due(self, integers: Batch, lengths: Lengths, fresh: Fresh) -> list[Sequences]:
        """Return the emulator's results, as the hardware's outputs shall give them."""
        outputs = self.model.emulated(integers, lengths, fresh)
        return self._at_ports(self.firmware.outputs, outputs, lengths)

    def _at_ports(self, ports: Sequence[StreamPort], batch: Batch, lengths: Lengths) -> list[Sequences]:
        found = []
        for port, array in zip(ports, batch.arrays, strict=True):
            counts = lengths if port.short and self.model.may_be_short else np.full(len(lengths), port.steps)
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
