"""SVG by hand: text and boxes in the colours of the page, or of the notebook, that a picture is shown in."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#ff9da7", "#9c755f", "#bab0ac")
"""Can be distinguished on white and on black."""
INK = "currentColor"


def text(x: float, y: float, content: str, anchor: str = "start", colour: str = INK, more: str = "") -> str:
    """Return a line of text; `anchor` is start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {more}>{escape(content)}</text>'


def box(x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0, more: str = "") -> str:
    """Return a filled box; `more` are further attributes."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" fill="{colour}" '
        f'fill-opacity="{opacity:g}" {more}/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, opacity: float = 0.4) -> str:
    """Return a thin line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{INK}" stroke-opacity="{opacity:g}"/>'
    )


def cut(content: str, characters: int) -> str:
    """Return a text no longer than a given number of characters."""
    return content if len(content) <= characters else f"{content[: characters - 1]}…"


ON_ITS_OWN = "<style>svg{color:#222;background:#fff}</style>"
"""Colours of a file that no page gives any."""


def picture(width: float, height: float, parts: Sequence[str], title: str, on_its_own: bool = False) -> str:
    """Return an SVG element of these parts, as wide as its place, but no wider than it is drawn.

    `on_its_own` is true for a file, whose colours no page decides.
    """
    style = ON_ITS_OWN if on_its_own else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'style="width:100%;max-width:{width:g}px" font-family="sans-serif" font-size="11">'
        f"<title>{escape(title)}</title>{style}{''.join(parts)}</svg>"
    )
