"""How any text is written in each language that Loopwire writes, so that it is nothing but text there.

HTML and SVG are escaped by jinja2 and `html.escape`, JSON by `json`, command lines by `shlex`.
"""

from __future__ import annotations

import re
import textwrap
from typing import NewType

from loopwire.text.names import printable

Comment = NewType("Comment", str)
"""A line that is a comment in SystemVerilog and in C++, from its `//` to its end."""
Markdown = NewType("Markdown", str)
"""A text that Markdown shows as it was, in a line or in a table's cell."""
MathText = NewType("MathText", str)
"""A text that matplotlib draws as it was."""

_CONTINUES = re.compile(r"(\\|\?\?/)\s*$")
"""What would make the line after a C++ comment one more line of it: a backslash, and the trigraph of one."""
_DIRECTIVE = re.compile(
    r"\W*(verilator|synopsys|synthesis|pragma|translate|coverage|altera|cadence|clang-format)\b", re.IGNORECASE
)
"""How comments begin that tools obey."""
_MARKDOWN = re.compile(r"[\\`*|\[\]~$]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|&(?=[#\w])")
"""Characters with a meaning in Markdown wherever they are: `fixed<16,6>` and `a_b` have none."""


def comment(text: str) -> Comment:
    """Return a text as one comment."""
    line = printable(text)
    if _CONTINUES.search(line):
        line += " ."
    if _DIRECTIVE.match(line):
        line = f": {line}"
    return Comment(f"// {line}")


def comments(text: str, width: int) -> list[Comment]:
    """Return a text as comments in lines of a given number of columns."""
    return [comment(line) for line in textwrap.wrap(printable(text), width - len("// "))]


def markdown(text: str) -> Markdown:
    """Return a text as Markdown that shows it."""
    return Markdown(_MARKDOWN.sub(r"\\\g<0>", printable(text)))


def markdown_code(text: str) -> Markdown:
    """Return a text as a code span, or plain where a code span could not hold it, in a table's cell too."""
    line = printable(text)
    return markdown(text) if set("`|\\") & set(line) else Markdown(f"`{line}`")


def mathtext(text: str) -> MathText:
    """Return a text as matplotlib draws it: no formula, and no label that a legend leaves out."""
    line = printable(text).replace("$", r"\$")
    return MathText(f" {line}" if line.startswith("_") else line)
