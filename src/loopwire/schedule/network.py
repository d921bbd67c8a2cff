"""Networks: engines joined by channels. A chain of engines is a network without forks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loopwire.schedule.engine import Engine
from loopwire.schedule.reshaping import Reshaping


@dataclass(frozen=True)
class Source:
    """Where a channel begins: output `index` of an engine, or input `index` of the design, where `engine` is None."""

    engine: int | None
    index: int

    @property
    def place(self) -> tuple[int | None, int]:
        """The engine, all of whose outputs leave together, or the input."""
        return self.engine, self.index if self.engine is None else 0


@dataclass(frozen=True)
class Feed:
    """How a reader gets what a source gives.

    `last` takes of each sequence the last step only, then `reshaping` gives it other steps, `reverse` turns it round,
    and `held` keeps one vector for all steps of a sequence.
    """

    source: Source
    last: bool = False
    reshaping: Reshaping | None = None
    reverse: bool = False
    held: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the reader gets just what the source gives."""
        return not self.last and self.reshaping is None and not self.reverse and not self.held


@dataclass(frozen=True)
class Network:
    """Engines, each after those that it reads of; `feeds` tells for each of its `xs` where they come from."""

    engines: tuple[Engine, ...]
    feeds: tuple[tuple[Feed, ...], ...]
    outputs: tuple[Feed, ...]

    def all_feeds(self) -> Iterator[Feed]:
        """Yield what every engine reads, then what leaves."""
        for feeds in (*self.feeds, self.outputs):
            yield from feeds

    def readers(self, source: Source) -> int:
        """Return how many read what leaves together with a source."""
        return sum(feed.source.place == source.place for feed in self.all_feeds())

    @property
    def last_scan(self) -> int:
        """The last engine that reads more than a vector a sequence; -1 where none does."""
        return max((index for index, engine in enumerate(self.engines) if engine.nodes), default=-1)

    @property
    def copied(self) -> int:
        """How many engines, from the first one on, are in each copy of several.

        What follows the last scan exists once, where a single channel leads to it: there are enough cycles for one.
        """
        for split in range(self.last_scan + 1, len(self.engines)):
            later = [feed for feeds in self.feeds[split:] for feed in feeds] + list(self.outputs)
            crossing = [feed for feed in later if feed.source.engine is None or feed.source.engine < split]
            if len(crossing) == 1 and crossing[0].is_plain and self.readers(crossing[0].source) == 1:
                return split if crossing[0].source.engine is not None else len(self.engines)
        return len(self.engines)

    def forgets(self, engine: int) -> bool:
        """Whether an engine must know which sequences start afresh: its states last, or those of one that reads it."""
        if self.engines[engine].stateful:
            return True
        readers = [k for k, feeds in enumerate(self.feeds) if feeds and feeds[self.telling(k)].source.engine == engine]
        return any(self.forgets(reader) for reader in readers)

    def telling(self, engine: int) -> int:
        """Return which of its feeds tells an engine that a sequence starts afresh: the first with as many steps."""
        return next((k for k, feed in enumerate(self.feeds[engine]) if feed.reshaping is None), 0)

    def inputs_of(self, source: Source) -> set[int]:
        """Return the inputs that a source depends on."""
        if source.engine is None:
            return {source.index}
        return {found for feed in self.feeds[source.engine] for found in self.inputs_of(feed.source)}

    @property
    def is_chain(self) -> bool:
        """Whether each engine reads just what the one before it gives, and the only output is the last one's."""
        places = [feed.source.place for feed in self.all_feeds()]
        expected: list[tuple[int | None, int]] = [(None, 0), *((k, 0) for k in range(len(self.engines)))]
        return places == expected and all(feed.is_plain for feed in self.all_feeds())
