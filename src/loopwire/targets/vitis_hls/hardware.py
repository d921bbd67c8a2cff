"""The HLS C++ of a model and its C simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from loopwire.data import Batch
from loopwire.devices import Device
from loopwire.quantised_model import QuantisedModel
from loopwire.simulate import hls_compile
from loopwire.simulate.hls_compile import HlsEmulator
from loopwire.system.folders import fill, temporary_folder
from loopwire.targets.vitis_hls.firmware import HlsProject, generate


@dataclass(frozen=True, eq=False)
class HlsHardware:
    """The HLS C++ of a model for a device."""

    model: QuantisedModel
    device: Device

    @cached_property
    def project(self) -> HlsProject:
        """The C++, written when first asked for.

        Raises:
            ConfigError: the part is not named as HLS tools want it.
            UnsupportedError: HLS cannot express this model with these knobs.
        """
        model, clock_ns = self.model, self.model.config.clock_period_ns
        return generate(model.graph, self.device, clock_ns, model.name, model.config, model.port_names)

    @cached_property
    def c_simulation(self) -> HlsEmulator:
        """The C++ compiled for this computer, when first asked for.

        Raises:
            ToolError: a C++ compiler or the `ap_fixed` headers are missing, or compiling fails.
        """
        with temporary_folder() as folder:
            fill(folder, self.project.files)
            return hls_compile.compile(folder)

    def shortened(self, lengths: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
        """Return the steps of sequences (N,), every other one's at random where short sequences are taken."""
        if not self.project.knobs.short_sequences or not self.model.may_be_short:
            return lengths
        some = lengths.copy()
        some[1::2] = np.random.default_rng(seed).integers(1, self.model.steps, len(some[1::2]), endpoint=True)
        return some


def flat(batch: Batch) -> npt.NDArray[np.int64]:
    """Return the numbers (N, elements) of all arrays of a batch, one after another."""
    return np.concatenate([array.reshape(len(array), -1) for array in batch.arrays], axis=1)
