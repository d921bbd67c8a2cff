"""When beats pass what is between engines and at the ports: slices, queues, and what cuts and gathers beats.

Ref: the modules loopwire_slice, loopwire_queue, loopwire_split and loopwire_join.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.schedule.engine_cycles import Pace
from loopwire.schedule.reshaping import Room


class Slice:
    """loopwire_slice: a word is handed on the cycle after it came, at the earliest; there is room for two."""

    def __init__(self) -> None:
        self._taken = -1
        self._left = [-1, -1]

    def takes(self, cycle: int) -> int:
        """Return the cycle in which a word is taken that is offered in `cycle`."""
        self._taken = max(cycle, self._taken + 1, self._left[-2] + 1)
        return self._taken

    def offers(self) -> int:
        """Return the first cycle in which the word last taken can leave."""
        return max(self._taken, self._left[-1]) + 1

    def left(self, cycle: int) -> None:
        """Say when the word last taken left."""
        self._left = [self._left[-1], cycle]

    def accepts(self, before: Sequence[int], room: Room) -> int:
        """Return the first cycle in which a word can come, `before` when the earlier ones of its sequence came."""
        tried = Slice()
        tried._taken, tried._left = self._taken, self._left
        tried.take(before, room)
        return tried.takes(0)

    def take(self, cycles: Sequence[int], room: Room) -> list[int]:
        """Take a sequence's words in these cycles, and return those in which they leave."""
        leaving: list[int] = []
        for cycle in cycles:
            self.takes(cycle)
            leaving.append(max(self.offers(), room(leaving)))
            self.left(leaving[-1])
        return leaving

    def situation(self, now: int) -> tuple[int, ...]:
        """Return all that further sequences depend on, counted from `now`."""
        return tuple(max(cycle - now, -1) for cycle in (self._taken, *self._left))


class Queue:
    """Beats between two places."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self._written = 0
        self._left: list[int] = []

    def accepts(self, ahead: int = 0) -> int:
        """Return the first cycle in which there is room for the beat after `ahead` further ones."""
        number = self._written + ahead
        return self._left[number - self.depth] + 1 if number >= self.depth else 0

    def write(self, count: int) -> None:
        self._written += count

    def left(self, cycles: Sequence[int]) -> None:
        self._left += cycles

    def situation(self, now: int) -> tuple[int, ...]:
        return tuple(max(cycle + 1 - now, 0) for cycle in self._left[-self.depth :]) if self.depth else ()


class Inlet:
    """What hands on a port's beats in a copy: a queue, where the next copy's beats shall not wait, and a split."""

    def __init__(self, depth: int) -> None:
        self.queue = Queue(depth)
        self.free = 0
        """First cycle in which the next vector can be handed on."""

    def situation(self, now: int) -> tuple[int, ...]:
        return max(self.free - now, 0), *self.queue.situation(now)


class Port:
    """An output, which takes the beats of all copies in turn."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.free = self.due = 0
        self.beats: list[int] = []
        """When the beats of the sequence at hand leave; of a vector in several beats, the first."""

    def accepts(self) -> int:
        return max(self.free, self.due)

    def take(self, cycle: int) -> None:
        self.beats.append(cycle)
        self.free = cycle + self.pace.beats_per_vector


class Outlet:
    """What gathers a copy's results to beats, and keeps these until the port takes them."""

    def __init__(self, port: Port, depth: int) -> None:
        self._port = port
        self._queue = Queue(depth)

    def _completes(self, number: int, vectors: int) -> bool:
        return (number + 1) % self._port.pace.vectors_per_beat == 0 or number == vectors - 1

    def accepts(self, number: int, vectors: int) -> int:
        """Return the first cycle in which it takes a vector, by its number, of so many."""
        if not self._completes(number, vectors):
            return 0
        return self._queue.accepts() if self._queue.depth else self._port.accepts()

    def take(self, number: int, vectors: int, cycle: int) -> None:
        """Take a vector in a cycle."""
        if self._completes(number, vectors):
            leaves = max(cycle, self._port.accepts())
            self._port.take(leaves)
            self._queue.write(1)
            self._queue.left([leaves])

    def situation(self, now: int) -> tuple[int, ...]:
        return self._queue.situation(now)
