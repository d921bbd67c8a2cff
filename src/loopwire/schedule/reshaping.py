"""Giving a sequence other steps on its way: some of its elements, in order, cut into vectors of another size.

Vectors are split into parts that all sizes are made of, and these are joined again. Parts at the beginning and at the
end may be left out, and parts of zeros added behind. A short sequence is filled up with 0 before, as all of its
elements count.

Ref: the modules loopwire_fill, loopwire_split, loopwire_crop and loopwire_join.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True)
class Reshaping:
    """From `given_steps` vectors of `given_count` elements to `steps` of `count`; one step is a vector a sequence.

    Of all elements given those in `kept` pass; zeros follow, as many as the last vectors lack.
    """

    given_steps: int
    given_count: int
    steps: int
    count: int
    kept: range

    @property
    def part_count(self) -> int:
        """Elements of the parts."""
        return gcd(self.given_count, self.count, self.kept.start, self.kept.stop)

    @property
    def parts_given(self) -> int:
        """Parts into which a vector is split."""
        return self.given_count // self.part_count

    @property
    def parts_kept(self) -> range:
        """The parts of a sequence that pass."""
        return range(self.kept.start // self.part_count, self.kept.stop // self.part_count)

    @property
    def crops(self) -> bool:
        """Whether some parts are left out."""
        return len(self.parts_kept) < self.given_steps * self.parts_given

    @property
    def parts_taken(self) -> int:
        """Parts of which a vector is made."""
        return self.count // self.part_count

    @property
    def parts_left(self) -> int:
        """Parts of a sequence that leave, those of zeros included."""
        return self.steps * self.parts_taken

    @property
    def pads(self) -> bool:
        """Whether parts of zeros follow."""
        return self.parts_left > len(self.parts_kept)


Room = Callable[[Sequence[int]], int]
"""Given when the vectors of a sequence left that are before it, the first cycle in which a vector can leave."""


class ReshapingState:
    """When vectors pass, sequence after sequence: a part a cycle, none that would end a vector that cannot leave."""

    def __init__(self, reshaping: Reshaping) -> None:
        self._given, self._taken = reshaping.parts_given, reshaping.parts_taken
        self._kept, self._all = reshaping.parts_kept, reshaping.parts_left
        self._last = self._added = -1
        """Cycle of the last part, and of the last one of zeros."""

    def accepts(self, before: Sequence[int], room: Room) -> int:
        """Return the first cycle in which a vector can come, `before` when the earlier ones of its sequence came."""
        last, _, left = self._parts(before, room)
        return self._earliest(last + 1, len(before) * self._given, left, room)

    def take(self, cycles: Sequence[int], room: Room) -> list[int]:
        """Take a sequence's vectors in these cycles, and return those in which vectors leave."""
        self._last, self._added, left = self._parts(cycles, room)
        return left

    def situation(self, now: int) -> tuple[int, ...]:
        """Return what further sequences depend on, counted from `now`."""
        return max(self._last + 1 - now, 0), max(self._added + 1 - now, 0)

    def _parts(self, cycles: Sequence[int], room: Room) -> tuple[int, int, list[int]]:
        last, added, left = self._last, self._added, list[int]()
        for number in range(len(cycles) * self._given):
            vector, part = divmod(number, self._given)
            last = self._earliest(last + 1 if part else cycles[vector], number, left, room)
            if number in self._kept and self._ends_vector(number - self._kept.start):
                left.append(last)
            if number == self._kept.stop - 1 and len(self._kept) < self._all:
                added = last
                for place in range(len(self._kept), self._all):
                    added += 1
                    if self._ends_vector(place):
                        added = max(added, room(left))
                        left.append(added)
        return last, added, left

    def _ends_vector(self, place: int) -> bool:
        return place % self._taken == self._taken - 1

    def _earliest(self, cycle: int, number: int, left: Sequence[int], room: Room) -> int:
        """Return when a part passes that could in `cycle`: one that is kept passes behind the zeros before it."""
        if number not in self._kept:
            return cycle
        cycle = max(cycle, self._added + 1)
        return max(cycle, room(left)) if self._ends_vector(number - self._kept.start) else cycle
