"""How files of C++ are laid out: guard, includes, namespace, and what clang-format reads."""

from __future__ import annotations

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
    guard = f"{top}_{path.replace('/', '_').replace('.', '_')}_"
    lines = [*about, f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [*(f'#include "{include}"' for include in includes), ""]
    lines += [f"namespace {top}_design {{", "", *body, "", f"}} // namespace {top}_design", "", "#endif", ""]
    return "\n".join(lines)
