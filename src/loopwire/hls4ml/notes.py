"""What of an hls4ml configuration has no effect, or another one than its user may expect: noted, never dropped."""

from __future__ import annotations

import warnings


class Hls4mlWarning(UserWarning):
    """A setting of hls4ml that has no meaning in Loopwire, or a slightly different one."""


class Notes:
    """Remarks, each with all the places that it concerns."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, place: str, remark: str) -> None:
        """Remark something of a place, such as 'LayerName.lstm.Static'."""
        places = self._places.setdefault(remark, [])
        if place not in places:
            places.append(place)

    def lines(self) -> tuple[str, ...]:
        """Return a line for each remark: where, and what."""
        return tuple(f"{', '.join(places)}: {remark}" for remark, places in self._places.items())

    def warn(self) -> None:
        """Give each line as a Python warning, at the line that called the caller."""
        for line in self.lines():
            warnings.warn(line, Hls4mlWarning, stacklevel=3)
