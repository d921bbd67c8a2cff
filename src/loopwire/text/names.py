"""Names from outside: of models, layers, classes, files. Each is checked once, where it comes in.

What comes in is one line that can be seen: no control characters, no marks that reorder text, no halves of surrogate
pairs. It may hold anything else, such as `*/` or `$(rm)`: what a language makes of that is for its escaper to prevent.
"""

from __future__ import annotations

import re
from typing import NewType

from loopwire.errors import LoopwireError

MOST_CHARACTERS = 1000
"""Of a name. Keras sets no limit, and names of some hundred are met; firmware shortens them."""
REMEDY = f"Give it a name of 1 to {MOST_CHARACTERS} characters that can be printed"
SHOWN_CHARACTERS = 60
"""Of a name in a message about it."""

FileName = NewType("FileName", str)
"""A path in a folder, of letters, digits, `_`, `.` and `-`: the same word in every shell, script and command line."""
_FILE_NAME = re.compile(r"(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*/)*[A-Za-z0-9_.][A-Za-z0-9_.-]*")
_KIND = re.compile(
    r"(^|/)[^./]+$|\.(clang-format|core|cpp|csv|dat|f|h|hex|html|json|lpf|md|mk|pdf|png|q[ps]f|sdc|svg?|svh|tcl|toml|txt|v"
    r"|xdc|yml)$|^testbench/test_\w+\.py$"
)
MOST_FILE_NAME_CHARACTERS = 400


def take_in(name: object, where: str, what: str, error: type[LoopwireError]) -> str:
    """Return a name from outside.

    Args:
        name: as it was read.
        where: it was read, for the message.
        what: it names, such as "a layer".
        error: to raise.

    Raises:
        LoopwireError: of the class `error`: it is not a text, empty, too long, or cannot be printed.
    """
    if not isinstance(name, str):
        problem = "is not a text"
    elif not name.strip():
        problem = "is empty"
    elif len(name) > MOST_CHARACTERS:
        problem = f"has {len(name)} characters, more than {MOST_CHARACTERS}"
    elif not name.isprintable():
        problem = "holds characters that cannot be printed"
    else:
        return name
    raise error(where, f"the name of {what}, {shown(name)}, {problem}", REMEDY)


def is_name(name: object) -> bool:
    """Say whether a name that was read back can be one that was taken in."""
    return isinstance(name, str) and 1 <= len(name) <= MOST_CHARACTERS and name.isprintable()


def shown(name: object) -> str:
    """Return what a message shows of anything: all characters that cannot be printed escaped, and not too many."""
    text = repr(name)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def printable(text: str) -> str:
    """Return a text with the characters that cannot be printed escaped, as Python writes them."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def file_name(name: object, where: str, error: type[LoopwireError]) -> FileName:
    """Return the path of a file in a project, which no tool that reads it can take for anything else.

    Raises:
        LoopwireError: of the class `error`: it leads out of the folder, holds other characters, or is of a kind that no
            project holds (a Python module would be imported by a tool that runs beside it; the cocotb bench is called
            as no module that a tool imports).
    """
    if (
        not isinstance(name, str)
        or len(name) > MOST_FILE_NAME_CHARACTERS
        or not _FILE_NAME.fullmatch(name)
        or not {".", ".."}.isdisjoint(name.split("/"))
        or not _KIND.search(name)
    ):
        raise error(
            where, f"{shown(name)} is not a name of a project's file", "Move it away, or compile the model again"
        )
    return FileName(name)
