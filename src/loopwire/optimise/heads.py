"""Heads: what follows the recurrent layers, as one option for each engine that works once a sequence.

Such engines share what latency the recurrent layers leave, so that of all heads only those count that nothing beats in
both latency and area.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopwire.area.cells import KINDS, Resources, capacities
from loopwire.devices import Device
from loopwire.schedule.engine_cycles import EngineTiming

Size = tuple[float, float]
"""The largest share of any resource of the part, and the sum of all shares: what is smaller is the better."""


def size_of(resources: Resources, device: Device) -> Size:
    """Return the size of what takes some resources of a device."""
    shares = resources.shares(device).values()
    return max(shares, default=0.0), sum(shares)


@dataclass(frozen=True)
class Option:
    """An engine with one reuse factor and interleave."""

    layer: str
    reuse_factor: int
    timing: EngineTiming
    resources: Resources
    size: Size

    @property
    def interval_cycles(self) -> float:
        """The least time from sequence to sequence."""
        return self.timing.steps * self.timing.round_cycles / self.timing.slots


@dataclass(frozen=True)
class Later:
    """Options of an engine that works once a sequence, and whether it is in each copy."""

    options: list[Option]
    copied: bool


@dataclass(frozen=True)
class Head:
    """Options for the engines that work once a sequence, one each, with the size of all."""

    options: tuple[Option, ...]
    depth: int
    interval_cycles: float
    resources: Resources
    size: Size


def heads(
    later: Sequence[Later],
    interval_cycles: float,
    latency_cycles: float,
    others: Resources,
    copies: int,
    device: Device,
) -> list[Head]:
    """Return choices of an option for each engine that works once a sequence, fastest first, none beaten.

    Their resources and sizes are counted with those of `others`, whose scarcest resource is to be spared.

    Args:
        later: the engines.
        interval_cycles: options that exceed it are left out.
        latency_cycles: heads that exceed it are left out.
        others: what the recurrent layers of all copies take.
        copies: of the recurrent layers.
        device: of which all take resources.
    """
    found = [Head((), 0, 0, others, size_of(others, device))]
    for engine in later:
        times = copies if engine.copied else 1
        fitting = [option for option in engine.options if option.interval_cycles <= times * interval_cycles]
        depths = np.add.outer([head.depth for head in found], [option.timing.depth for option in fitting])
        depths = depths.reshape(len(found), len(fitting))
        counts = _counts(found)[:, None] + times * _counts(fitting)[None]
        chosen = _unbeaten(depths, counts / capacities(device), latency_cycles)
        found = [_longer(found[head], fitting[option], times, device) for head, option in chosen]
    return found


def _longer(head: Head, option: Option, times: int, device: Device) -> Head:
    resources = head.resources + option.resources * times
    interval_cycles = max(head.interval_cycles, option.interval_cycles / times)
    depth = head.depth + option.timing.depth
    return Head((*head.options, option), depth, interval_cycles, resources, size_of(resources, device))


def _counts(choices: Sequence[Head] | Sequence[Option]) -> NDArray[np.int64]:
    """Return the cells that each choice takes, one kind a column."""
    return np.array([choice.resources.counts() for choice in choices], np.int64).reshape(len(choices), len(KINDS))


def _unbeaten(depths: NDArray[np.int64], shares: NDArray[np.float64], deepest: float) -> list[tuple[int, int]]:
    """Return pairs of a head and an option, the least depth first, that are smaller than all of at most their depth.

    Args:
        depths: cycles, (heads, options).
        shares: of each kind of cell, (heads, options, kinds).
        deepest: depths above it do not count.
    """
    largest, together = shares.max(-1, initial=0.0), shares.sum(-1)
    order = np.lexsort((together.ravel(), largest.ravel(), depths.ravel()))
    order = order[depths.ravel()[order] <= deepest]
    ordered = largest.ravel()[order]
    chosen, smallest = [], (math.inf, math.inf)
    for place in order[ordered <= np.minimum.accumulate(ordered)]:
        head, option = divmod(int(place), depths.shape[1])
        size = float(largest[head, option]), float(together[head, option])
        if size < smallest:
            smallest = size
            chosen.append((head, option))
    return chosen
