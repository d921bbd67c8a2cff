"""Finds the target that a configuration names: those of this folder, and those that other packages register."""

from __future__ import annotations

from typing import cast

from loopwire.plugins import TARGETS
from loopwire.targets.protocol import Target


def find_target(name: str) -> Target:
    """Return a target.

    Raises:
        ConfigError: there is none of this name.
        ToolError: it comes from another package and cannot be imported.
    """
    return cast(Target, TARGETS.load(name))
