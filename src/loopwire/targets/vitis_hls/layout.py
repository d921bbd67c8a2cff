"""How files of C++ are laid out: guard, includes, namespace, and LLVM's style, as clang-format has it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loopwire.text.escapes import Comment
from loopwire.text.identifiers import Identifier
from loopwire.text.names import FileName

CLANG_FORMAT = """\
BasedOnStyle: LLVM
# The generator breaks lines, within 120 columns where names allow, and knows in which order headers belong.
ColumnLimit: 0
AlwaysBreakTemplateDeclarations: true
AlignAfterOpenBracket: DontAlign
AlignTrailingComments: false
SortIncludes: false
"""
"""The `.clang-format` of a project."""
_LABEL = re.compile(r"(?:  )?( *\w+:)")
_SETTING = re.compile(r"(\w+)=")


def header_file(
    top: Identifier, path: FileName, about: Iterable[Comment], includes: Iterable[str], body: Iterable[str]
) -> str:
    """Return a header whose names are the design's.

    Args:
        top: the design.
        path: the header's, in the firmware.
        about: the comment at its head.
        includes: paths as the header sees them.
        body: its lines.
    """
    guard = f"{top}_{re.sub('[/.]', '_', path)}_"
    lines = [*about, f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [*(f'#include "{include}"' for include in includes), ""]
    lines += [f"namespace {top}_design {{", "", *body, "", f"}} // namespace {top}_design", "", "#endif", ""]
    return "\n".join(lines)


def llvm_style(text: str) -> str:
    """Return C++ with labels a level further out, and with spaces around the '=' of directives."""
    lines = []
    for line in text.split("\n"):
        label = _LABEL.fullmatch(line)
        if label:
            lines.append(label[1])
        elif line.startswith("#pragma HLS"):
            lines.append(_SETTING.sub(r"\1 = ", line))
        else:
            lines.append(line)
    return "\n".join(lines)
