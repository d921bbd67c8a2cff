"""What commands build on of a project's `design.json`: each fact of its kind, which its target tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwire.errors import OutputError
from loopwire.fact_kinds import Kinds, first_wrong, is_positive, is_table_of_streams
from loopwire.plugins import TARGETS
from loopwire.project.folder import MARKER
from loopwire.targets.registry import find_target

BOARD: Kinds = {"board": {"clock_mhz": is_positive}}


def check_facts(where: str, facts: Mapping[str, Any]) -> None:
    """Compare facts with what commands take for granted.

    Raises:
        OutputError: one is missing or of another kind.
    """
    target = facts.get("target")
    if target not in TARGETS:
        raise _wrong(where, "target", target)
    kinds = find_target(str(target)).KINDS
    if "inputs" in facts and "input" in kinds:
        kinds = {key: kind for key, kind in kinds.items() if key not in ("input", "output")}
        kinds |= {"inputs": is_table_of_streams, "outputs": is_table_of_streams}
    wrong = first_wrong(facts, {**kinds, **BOARD} if "board" in facts else kinds)
    if wrong is not None:
        raise _wrong(where, *wrong)


def _wrong(where: str, name: str, value: Any) -> OutputError:
    return OutputError(where, f"{MARKER} says that {name!r} is {value!r:.80}", "Compile the model again")
