"""What all campaigns of mutated files share: a case by its number, its check, and the fewest mutations that fail.

A case is an original (a file, or a folder of files) and up to eight mutations of it. All follow from the seed of the
run and the case's number.
"""

from __future__ import annotations

import random
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from fuzz.mutations import Mutator, mutate_bytes
from fuzz.workers import Limits, Outcome, alone, run_cases

Files = Mapping[str, bytes]
"""Contents by their paths in the folder of a case."""
APART_EVERY = 200
"""Cases of which one is run in a process of its own at once."""
MUTATIONS = (1, 1, 1, 2, 2, 3, 4, 8)
"""How many a case has."""


@dataclass(frozen=True)
class Mutation:
    """One step: which file of the case, what damages it, and the seed of how."""

    file: str
    mutator: Mutator
    seed: int

    def __call__(self, files: Files) -> dict[str, bytes]:
        """Return the files, one of them damaged: in its bytes where the mutator cannot take what earlier ones made."""
        content, source = files[self.file], random.Random(self.seed)
        try:
            return {**files, self.file: self.mutator(content, source)}
        except Exception:
            return {**files, self.file: mutate_bytes(content, source)}


class FileCampaign(ABC):
    """Mutated files of one kind.

    Attributes:
        name: of the campaign.
        limits: of a case in a worker that takes many.
        apart_limits: of a case that failed there, and is run again in a process of its own.
    """

    name: str
    limits = Limits(seconds=1.0)
    apart_limits = Limits(seconds=10.0)

    @cached_property
    @abstractmethod
    def originals(self) -> Sequence[Files]:
        """Sound files that mutation begins with."""

    @abstractmethod
    def mutators(self, file: str) -> Sequence[Mutator]:
        """Return what damages a file; `mutate_bytes` comes last of a case, as nothing reads the structure after it."""

    @abstractmethod
    def check(self, folder: Path) -> None:
        """Read the files of a folder.

        Raises:
            LoopwireError: they are refused.
            AssertionError: what was read of them is not sound.
        """

    def finished(self, files: dict[str, bytes], source: random.Random) -> Files:
        """Return the files once all mutations are done; here a campaign may mend what would hide them."""
        return files

    def case(self, seed: int, number: int) -> tuple[Files, list[Mutation]]:
        """Return the original and the mutations of a case."""
        source = random.Random(f"{self.name} {seed} {number}")
        original = source.choice(self.originals)
        mutations = []
        mutable = [file for file in sorted(original) if self.mutators(file)]
        for _ in range(source.choice(MUTATIONS)):
            file = source.choice(mutable)
            mutations.append(Mutation(file, source.choice(self.mutators(file)), source.getrandbits(64)))
        return original, sorted(mutations, key=lambda mutation: mutation.mutator is mutate_bytes)

    def mutated(self, seed: int, number: int, kept: Sequence[int] | None = None) -> Files:
        """Return the files of a case, of whose mutations only some may be kept."""
        original, mutations = self.case(seed, number)
        files = dict(original)
        for place in range(len(mutations)) if kept is None else kept:
            files = mutations[place](files)
        return self.finished(files, random.Random(f"{seed} {number}"))

    def run(self, seed: int, numbers: range, deadline: float) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes of cases until the deadline (CLOCK_MONOTONIC, s).

        Of those that failed, and of some others, it is the one in a process of their own.
        """
        for files in self.originals:  # here too, so that what is made once for all is made before the workers fork
            with written(files) as folder:
                self.check(folder)
        for number, outcome in run_cases(partial(self._case, seed), numbers, self.limits, deadline):
            if outcome.failed or number % APART_EVERY == 0:
                yield number, self.outcome(self.mutated(seed, number))
            else:
                yield number, outcome

    def check_apart(self, folder: Path) -> None:
        """Check the files as a user's are, where `check` takes a shorter way."""
        self.check(folder)

    def outcome(self, files: Files) -> Outcome:
        """Return how files end in a process of their own; `{folder}` stands for their folder in its text."""
        with written(files) as folder:
            outcome = alone(partial(self.check_apart, folder), self.apart_limits)
            return replace(outcome, text=outcome.text.replace(str(folder), "{folder}"))

    def minimal(self, seed: int, number: int, outcome: Outcome, patience_s: float = 60.0) -> Files:
        """Return the files of a failing case with as few mutations as fail alike."""
        _, mutations = self.case(seed, number)
        kept = list(range(len(mutations)))
        deadline = time.monotonic() + patience_s
        for place in reversed(range(len(mutations))):
            fewer = [k for k in kept if k != place]
            if time.monotonic() < deadline and self.outcome(self.mutated(seed, number, fewer)).place == outcome.place:
                kept = fewer
        return self.mutated(seed, number, kept)

    def _case(self, seed: int, number: int) -> None:
        with written(self.mutated(seed, number)) as folder:
            self.check(folder)


@contextmanager
def written(files: Files) -> Iterator[Path]:
    """Write files into a temporary folder."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="loopwire-fuzz-", dir=place) as folder:
        for name, content in files.items():
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Path(folder)
