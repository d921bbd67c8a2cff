"""A picture as Python shows it: in a notebook by itself, or saved as a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loopwire import arguments
from loopwire.errors import ConfigError
from loopwire.report.figures import content, svg
from loopwire.system.outputs import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = (".svg", ".png", ".pdf")


@dataclass(frozen=True, repr=False)
class Picture:
    """A picture as an SVG element.

    Attributes:
        svg: its text.
        draw: draws it once more with matplotlib, for other formats; None where it is SVG only.
    """

    svg: str
    draw: Callable[[], AbstractContextManager[Figure]] | None = None

    @classmethod
    def drawn(cls, draw: Callable[[], AbstractContextManager[Figure]]) -> Picture:
        """Return the picture of a matplotlib figure.

        Raises:
            ToolError: matplotlib or mplhep is not installed.
        """
        with draw() as figure:
            return cls(svg(figure), draw)

    def save(self, path: str | Path) -> Path:
        """Write the picture; its ending says how: .svg, and of what matplotlib draws .png and .pdf too.

        Raises:
            ConfigError: the ending is another.
            OutputError: the file cannot be written.
        """
        file = arguments.path("path", path)
        known = DRAWN if self.draw is not None else DRAWN[:1]
        if file.suffix not in known:
            raise ConfigError(str(file), f"it ends in {file.suffix!r}", f"Use a name that ends in {' or '.join(known)}")
        if file.suffix == ".svg" or self.draw is None:
            write_file(file, self.svg.encode())
        else:
            with self.draw() as figure:
                write_file(file, content(figure, file.suffix.removeprefix(".")))
        return file

    def __repr__(self) -> str:
        return f"<Picture of {len(self.svg)} characters of SVG; .save(path) writes it>"

    def _repr_html_(self) -> str:
        return self.svg  # an element of the notebook itself, so that it takes its colours
