"""Every error that a user can meet.

A message says where, what was met, and what to do about it. Faults of Loopwire itself are assertions, not these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LoopwireError(Exception):
    """Base of all errors caused by what a user gave: a file, an option, data, a machine without a tool."""

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        self.where = where
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{where}: {problem}. {remedy}")

    def __reduce__(self) -> tuple[type[LoopwireError], tuple[str, str, str]]:
        """Let a process hand an error on to another."""
        return type(self), (self.where, self.problem, self.remedy)


class FixedTypeError(LoopwireError):
    """A fixed-point type that cannot exist or cannot be read."""


class ModelFileError(LoopwireError):
    """A file that is not a model, is damaged, or holds values that no firmware can carry."""


class UnsupportedError(LoopwireError):
    """A layer, option or graph that Loopwire does not compile."""


class GraphTextError(LoopwireError):
    """A text that is not a graph."""


class ConfigError(LoopwireError):
    """An option that is unknown, impossible or contradicts another."""


class DataError(LoopwireError):
    """Data that do not fit the model: shape, dtype, NaN."""


class OutputError(LoopwireError):
    """A project folder that cannot be written or read, or holds something else."""


class ToolError(LoopwireError):
    """An external tool that is missing or failed."""


class BoardError(LoopwireError):
    """A board that does not answer, or not as it should."""


class PrecisionError(LoopwireError):
    """No precision keeps what was asked for."""


class TrainingError(LoopwireError):
    """A training that cannot move any weight."""


class VerificationError(LoopwireError):
    """Simulated firmware whose bits or cycles differ from what was predicted."""


class LoopwireWarning(UserWarning):
    """What a user should know of, though the work goes on."""


NEAR = 0.6
"""How alike two names are, from 0 to 1, for one to be taken for the other."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Return ``"Did you mean 'a' or 'b'? "`` for the names closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=count, cutoff=NEAR)
    return f"Did you mean {' or '.join(repr(match) for match in close)}? " if close else ""
