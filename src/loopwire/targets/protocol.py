"""What a target is: it refuses what it cannot express, makes hardware of a model, and proves that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from loopwire.config import CompileConfig
from loopwire.data import Batch
from loopwire.devices import Device
from loopwire.fact_kinds import Kinds
from loopwire.quantised_model import QuantisedModel
from loopwire.report.summary import HardwareFacts, Verification
from loopwire.system.progress import Progress


class Target(Protocol):
    """The module `target` of a target's folder.

    `hardware` is what `generate` returns: of a class of the target's own, it holds a model and a device, and plans when
    it is first asked for anything.

    Attributes:
        PREDICTS: whether cycles and area are known without a vendor's tool.
        KINDS: what commands build on of `facts`.
    """

    PREDICTS: bool
    KINDS: Kinds

    @staticmethod
    def check(model: QuantisedModel, device: Device) -> CompileConfig:
        """Return the model's configuration, with what it leaves to the target.

        Raises:
            ConfigError: a knob is set to what cannot be.
            UnsupportedError: the target cannot express the model or a knob.
        """

    @staticmethod
    def generate(model: QuantisedModel, device: Device) -> Any:
        """Return the hardware of a model that was checked."""

    @staticmethod
    def files(hardware: Any, x: Batch) -> Mapping[str, str]:
        """Return the files of the project by their paths in its folder: sources, test bench and README.

        Args:
            hardware: from `generate`.
            x: inputs, (N, ...) of the input's shape, which become the test bench's vectors.

        Raises:
            UnsupportedError: no hardware can be made of this model.
        """

    @staticmethod
    def facts(hardware: Any) -> Mapping[str, object]:
        """Return what `design.json` tells of the hardware, as JSON knows it; `top`, the top module, among it."""

    @staticmethod
    def summary(hardware: Any) -> HardwareFacts:
        """Return what the report tells of the hardware."""

    @staticmethod
    def pictures(hardware: Any) -> list[str]:
        """Return pictures of the schedule for the report page, as SVG; none where only a tool knows it."""

    @staticmethod
    def build(hardware: Any) -> None:
        """Build what `prove` runs, so that a command can tell of the two apart.

        Raises:
            ToolError: a program is missing or fails.
        """

    @staticmethod
    def prove(hardware: Any, x: Batch, seed: int, progress: Progress | None) -> Verification:
        """Run inputs through the hardware, and compare every bit with the emulator's.

        Args:
            hardware: from `generate`.
            x: inputs, (N, ...) of the input's shape.
            seed: of all random choices.
            progress: called now and then.

        Raises:
            DataError: these inputs prove nothing.
            ToolError: a program is missing or fails.
            VerificationError: a bit or a cycle differs.
        """
