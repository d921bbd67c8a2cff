"""The front of a trade-off as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loopwire.report.figures import figure
from loopwire.tradeoff.trial import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LABELLED = (1.0, 2.0, 5.0)
"""Numbers of each decade."""


@contextmanager
def front_figure(front: Sequence[Outcome]) -> Iterator[Figure]:
    """Draw latency against the largest share of a resource of the part, each design in the colour of its loss.

    Raises:
        ToolError: matplotlib or mplhep is not installed.
    """
    with figure() as drawn:
        from matplotlib.ticker import LogLocator, NullFormatter  # there, since `figure` has not refused

        axes = drawn.add_subplot()
        points = axes.scatter(
            [100 * outcome.share for outcome in front],
            [outcome.latency_ns for outcome in front],
            c=[outcome.loss for outcome in front],
            cmap="viridis",
            zorder=2,
        )
        axes.set_xlabel("share of the part, % (estimated)")
        axes.set_ylabel("latency, ns (predicted)")
        axes.loglog()
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=LABELLED))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
        drawn.colorbar(points, ax=axes, label="loss (emulated)")
        yield drawn
