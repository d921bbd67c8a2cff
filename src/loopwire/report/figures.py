"""What all figures share: the style of the field, and how they become files or part of a page.

matplotlib and mplhep are the extra `plots`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwire.errors import ToolError
from loopwire.system.outputs import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE_INCHES = (7.0, 5.5)
DPI = 150
STYLE: dict[str, Any] = {
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "font.size": 12.0,
    "axes.linewidth": 1.0,
    "axes.labelsize": 13.0,
    "axes.titlesize": 12.0,
    "xtick.labelsize": 11.0,
    "ytick.labelsize": 11.0,
    "legend.fontsize": 10.5,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "loopwire",
}
"""Smaller than mplhep's, which are made for slides."""
FIXED_DATE = {"CreationDate": None}
"""Metadata of a PDF without the time, so that the same figure gives the same bytes."""


@contextmanager
def figure(size_inches: tuple[float, float] = SIZE_INCHES) -> Iterator[Figure]:
    """Give an empty figure in mplhep's style.

    Raises:
        ToolError: matplotlib or mplhep is not installed.
    """
    try:
        import matplotlib as mpl
        import mplhep
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolError(
            "figures", f"the Python package {error.name!r} is missing", "Install it: pip install 'loopwire[plots]'"
        ) from None
    with mpl.rc_context():
        mplhep.style.use("CMS")
        mpl.rcParams.update(STYLE)
        yield Figure(figsize=size_inches, layout="constrained")


def save(drawn: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG and as PDF beside it; return both paths.

    Raises:
        OutputError: one cannot be written.
    """
    for kind in ("png", "pdf"):
        write_file(path.with_suffix(f".{kind}"), content(drawn, kind))
    return [path.with_suffix(".png"), path.with_suffix(".pdf")]


def content(drawn: Figure, kind: str) -> bytes:
    """Return the bytes of a figure as 'png' or 'pdf'."""
    written = io.BytesIO()
    if kind == "png":
        drawn.savefig(written, format=kind, dpi=DPI)
    else:
        drawn.savefig(written, format=kind, metadata=FIXED_DATE)
    return written.getvalue()


def svg(drawn: Figure) -> str:
    """Return a figure as an SVG element that is no wider than its place in a page."""
    text = io.StringIO()
    drawn.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    element = text.getvalue()[text.getvalue().index("<svg") :]
    return element.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)
