"""Giving a sequence other steps on its way: its elements, in order, cut into vectors of another size.

Vectors are split into parts that both sizes are made of, and these are joined again. A short sequence is filled up with
0 before, as a Reshape takes all of its elements.

Ref: the modules loopwire_fill, loopwire_split and loopwire_join.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True)
class Reshaping:
    """From `given_steps` vectors of `given_count` elements to `steps` of `count`; one step is a vector a sequence."""

    given_steps: int
    given_count: int
    steps: int
    count: int

    @property
    def part_count(self) -> int:
        """Elements of the parts."""
        return gcd(self.given_count, self.count)

    @property
    def parts_given(self) -> int:
        """Parts into which a vector is split."""
        return self.given_count // self.part_count

    @property
    def parts_taken(self) -> int:
        """Parts of which a vector is made."""
        return self.count // self.part_count


Room = Callable[[Sequence[int]], int]
"""Given when the vectors of a sequence left that are before it, the first cycle in which a vector can leave."""


class ReshapingState:
    """When vectors pass, sequence after sequence: a part a cycle, none that would end a vector that cannot leave."""

    def __init__(self, reshaping: Reshaping) -> None:
        self._given, self._taken = reshaping.parts_given, reshaping.parts_taken
        self._last = -1
        """Cycle of the last part."""

    def accepts(self, before: Sequence[int], room: Room) -> int:
        """Return the first cycle in which a vector can come, `before` when the earlier ones of its sequence came."""
        last, left = self._parts(before, room)
        return self._earliest(last + 1, len(before) * self._given, left, room)

    def take(self, cycles: Sequence[int], room: Room) -> list[int]:
        """Take a sequence's vectors in these cycles, and return those in which vectors leave."""
        self._last, left = self._parts(cycles, room)
        return left

    def situation(self, now: int) -> tuple[int, ...]:
        """Return what further sequences depend on, counted from `now`."""
        return (max(self._last + 1 - now, 0),)

    def _parts(self, cycles: Sequence[int], room: Room) -> tuple[int, list[int]]:
        last, left = self._last, list[int]()
        for number in range(len(cycles) * self._given):
            vector, part = divmod(number, self._given)
            last = self._earliest(last + 1 if part else cycles[vector], number, left, room)
            if number % self._taken == self._taken - 1:
                left.append(last)
        return last, left

    def _earliest(self, cycle: int, number: int, left: Sequence[int], room: Room) -> int:
        return max(cycle, room(left)) if number % self._taken == self._taken - 1 else cycle
