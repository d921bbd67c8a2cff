"""What else is needed to read a model file than the file itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwire.arguments import check_fields, flag, path, whole
from loopwire.errors import ConfigError


@dataclass(frozen=True)
class Reading:
    """How a model is read.

    Attributes:
        weights: the file of its weights, where the model's holds the architecture alone.
        steps: of a sequence, where the model leaves their number open.
        example_inputs: of a live PyTorch module, which are needed to export it: its positional arguments.
        trust: whether to read files in this process; else one of its own with limits of time and memory reads them.

    Raises:
        ConfigError: a number of steps is out of range, or something is of another kind.
    """

    weights: Path | None = None
    steps: int | None = None
    trust: bool = False
    example_inputs: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        check_fields(self, {"weights": path, "steps": whole, "trust": flag})
        if self.steps is not None and self.steps < 1:
            raise ConfigError("steps", f"{self.steps} steps are out of range", "Give 1 or more")

    def refuse(self, *keys: str, remedy: str) -> None:
        """Refuse what is given of `keys`, which the model's format has no use for.

        Raises:
            ConfigError: one of them is given.
        """
        for key in keys:
            if getattr(self, key) is not None:
                raise ConfigError(key, "it is not for models of this kind", remedy)


AS_IT_IS = Reading()
