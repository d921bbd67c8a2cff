"""The search: trials in a journal, from which it goes on after a stop.

A trial is asked for when the one `AHEAD` before it is closed: when optuna knows its values. Trials are closed in their
order. So workers need not wait for one another, and the same seed gives the same designs whatever their number, and
after a restart.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwire.errors import OutputError, ToolError
from loopwire.system.progress import Progress
from loopwire.system.workers import Workers
from loopwire.tradeoff.seeds import seeds
from loopwire.tradeoff.space import Space
from loopwire.tradeoff.trial import Outcome, Refused, Task, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from loopwire.tradeoff.journal import Journal
    from loopwire.tradeoff.sampler import Sampler

OBJECTIVES = {"latency": "latency_ns", "interval": "interval_ns", "share": "share", "loss": "loss"}
"""What can be made small, and which number of an outcome it is."""
POPULATION = 48
"""Trials of a generation."""
AHEAD = 24
"""Trials that are asked for and not yet closed: as many workers always have one to run."""
REACHED: Mapping[str, Callable[[Outcome], float]] = {
    "max_latency_ns": lambda outcome: outcome.latency_ns,
    "max_interval_cycles": lambda outcome: outcome.interval_cycles,
    "max_luts": lambda outcome: outcome.resources.get("LUTs", 0),
    "max_ffs": lambda outcome: outcome.resources.get("FFs", 0),
    "max_dsps": lambda outcome: outcome.resources.get("DSPs", 0),
    "max_brams": lambda outcome: outcome.resources.get("BRAM 18k", 0),
    "max_share": lambda outcome: outcome.share,
}
"""What each bound of `DesignTargets` is on."""
OUTCOME, REFUSED, SEARCH = "outcome", "refused", "search"
"""What the journal keeps of a trial beside its values, and of the search."""


class Search:
    """A search in a journal, begun now or earlier."""

    def __init__(
        self,
        task: Task,
        space: Space,
        objectives: Sequence[str],
        bounds: Mapping[str, float],
        seed: int,
        journal: Path | None,
        digest: str,
    ) -> None:
        """Open or begin a journal.

        Args:
            task: what each trial is judged by.
            space: what is varied.
            objectives: from `OBJECTIVES`.
            bounds: of `DesignTargets`, on what a design reaches.
            seed: of all random choices.
            journal: the file; None: in memory.
            digest: of all that decides the search's course.

        Raises:
            OutputError: the journal cannot be written, or is of another search.
            ToolError: optuna is missing.
        """
        self._task, self._space, self._objectives, self._bounds, self._seed = task, space, objectives, bounds, seed
        self._variables = space.distributions()
        self._path = journal
        with self._writes():
            self._journal = _journal(journal)
            try:
                self._study = _study(len(objectives), self._journal)
                known = self._study.user_attrs.get(SEARCH)
            except (ValueError, LookupError) as error:
                problem = f"it is not the journal of a search ({error})"
                raise OutputError(str(journal), problem, "Choose another place") from None
            if known is None:
                self._study.set_user_attr(SEARCH, digest)
        if known not in (None, digest):
            raise OutputError(
                str(journal),
                "it belongs to another search: model, data or options differ",
                "Choose another folder, or give the same model, data and options to continue",
            )

    def run(
        self,
        workers: Workers,
        trials: int | None,
        end_s: float | None,
        progress: Progress,
    ) -> None:
        """Try designs.

        Args:
            workers: where.
            trials: until there are so many.
            end_s: until this time, of `time.monotonic`; trials that run then are tried again when the search goes on.
            progress: called with the trials done, of how many; 0: unknown.

        Raises:
            OutputError: the journal cannot be written.
        """
        if not self._study.get_trials(deepcopy=False):
            first = seeds(self._task, self._space, self._bounds, self._seed, workers)
            with self._writes():
                for values in first:
                    self._study.enqueue_trial(dict(values))
        with self._writes():
            asked = deque(self._begun())
        closed, most = len(self.finished()), math.inf if trials is None else trials
        outcomes = {trial.number: trial.user_attrs[OUTCOME] for trial in asked if OUTCOME in trial.user_attrs}
        unsent = [trial for trial in asked if trial.number not in outcomes]
        sent: list[Trial] = []
        with workers.tasks(evaluate, self._task) as tasks:
            while closed < most and (end_s is None or time.monotonic() < end_s):
                with self._writes():
                    while len(asked) < AHEAD or (closed < most and closed in outcomes):
                        if len(asked) < AHEAD:
                            asked.append(self._next(closed + len(asked)))
                            unsent.append(asked[-1])
                        else:
                            self._close(asked.popleft(), outcomes.pop(closed))
                            closed += 1
                for trial in unsent:
                    tasks.add(self._space.config(trial.params))
                sent, unsent = sent + unsent, []
                if closed < most:
                    place, outcome = next(tasks)
                    with self._writes():
                        outcomes[sent[place].number] = self._keep(sent[place], outcome)
                    progress(closed + len(outcomes), trials or 0)

    @contextmanager
    def _writes(self) -> Iterator[None]:
        """Write to the journal, all or nothing; what was written is on the disk afterwards.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            yield
            if self._journal is not None:
                self._journal.flush()
        except OSError as error:
            problem = f"it cannot be written ({error.strerror or error})"
            remedy = "Free some space, or choose another folder; the search continues there"
            raise OutputError(str(self._path), problem, remedy) from None

    def finished(self) -> list[FrozenTrial]:
        """Return all trials that were made, or refused."""
        from optuna.trial import TrialState

        finished = (TrialState.COMPLETE, TrialState.FAIL)
        return list(self._study.get_trials(deepcopy=False, states=finished))

    def front(self) -> list[FrozenTrial]:
        """Return the trials within all bounds that none beats, one of equals, by their values."""
        good = [t for t in self.finished() if t.values and all(over <= 0 for over in t.constraints.values())]
        unbeaten = [trial for trial in good if not any(_beats(other.values, trial.values) for other in good)]
        firsts = {tuple(trial.values): trial for trial in reversed(unbeaten)}
        return [trial for _, trial in sorted(firsts.items(), key=lambda pair: pair[0])]

    def _begun(self) -> list[Trial]:
        """Return the trials that were asked for before a stop and not closed, each whole."""
        from optuna import Trial
        from optuna.trial import TrialState

        found = []
        for begun in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.sampler = self._sampler(begun.number)
            found.append(Trial(self._study, begun._trial_id))
            for name, variable in self._variables.items():
                found[-1]._suggest(name, variable)
        return found

    def _next(self, number: int) -> Trial:
        """Return the next trial."""
        self._study.sampler = self._sampler(number)
        return self._study.ask(self._variables)

    def _sampler(self, number: int) -> Sampler:
        from loopwire.tradeoff.sampler import Sampler

        return Sampler(self._variables, number, self._seed, POPULATION, AHEAD)

    def _keep(self, trial: Trial, outcome: Outcome | Refused) -> dict[str, Any] | None:
        """Write an outcome to the journal at once, and return it as the journal has it; None where it is refused."""
        if isinstance(outcome, Refused):
            trial.set_user_attr(REFUSED, outcome.why)
            trial.set_user_attr(OUTCOME, None)
            return None
        for name, bound in self._bounds.items():
            trial.set_constraint(name, REACHED[name](outcome) - bound)
        trial.set_constraint("keep", -outcome.margin)
        kept = outcome.to_dict()
        trial.set_user_attr(OUTCOME, kept)
        return kept

    def _close(self, trial: Trial, outcome: Mapping[str, Any] | None) -> None:
        from optuna.trial import TrialState

        if outcome is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, [outcome[OBJECTIVES[name]] for name in self._objectives])


def _beats(theirs: Sequence[float], ours: Sequence[float]) -> bool:
    return list(theirs) != list(ours) and all(a <= b for a, b in zip(theirs, ours, strict=True))


def _journal(path: Path | None) -> Journal | None:
    try:
        import optuna

        from loopwire.tradeoff.journal import Journal
    except ImportError:
        raise ToolError(
            "explore", "the Python package optuna is missing", "Install it: pip install 'loopwire[explore]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return None if path is None else Journal(path)


def _study(objectives: int, journal: Journal | None) -> Study:
    from optuna import create_study
    from optuna.storages import InMemoryStorage, JournalStorage

    storage: Any = InMemoryStorage() if journal is None else JournalStorage(journal)
    return create_study(
        storage=storage, study_name="loopwire", directions=["minimize"] * objectives, load_if_exists=True
    )
