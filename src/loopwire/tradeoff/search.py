"""The search: generations of trials in a journal, from which it goes on after a stop.

Ref: K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans. Evol. Comput. 6 (2002)
182-197, as optuna has it. A generation is asked for as a whole before any of it counts, and each trial has a random
seed of its own: so the same seed gives the same designs whatever the number of workers, and after a restart.
"""

from __future__ import annotations

import hashlib
import time
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

OBJECTIVES = {"latency": "latency_ns", "interval": "interval_ns", "share": "share", "loss": "loss"}
"""What can be made small, and which number of an outcome it is."""
POPULATION = 48
"""Trials of a generation."""
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
        """Try designs, generation by generation.

        Args:
            workers: where.
            trials: until there are so many.
            end_s: until the first generation that ends after this time, of `time.monotonic`.
            progress: called with the trials done, of how many; 0: unknown.

        Raises:
            OutputError: the journal cannot be written.
        """
        if not self._study.get_trials(deepcopy=False):
            first = seeds(self._task, self._space, self._bounds, self._seed, workers)
            with self._writes():
                for values in first:
                    self._study.enqueue_trial(dict(values))
        while (ended := len(self.finished())) < (trials or ended + 1):
            if end_s is not None and time.monotonic() >= end_s:
                return
            with self._writes():
                generation = self._generation(ended)[: None if trials is None else trials - ended]
            opened = [trial for trial in generation if OUTCOME not in trial.user_attrs]
            configs = [self._space.config(trial.params) for trial in opened]
            done = ended + len(generation) - len(opened)
            for place, outcome in workers.run(evaluate, self._task, configs):
                with self._writes():
                    self._keep(opened[place], outcome)
                done += 1
                progress(done, trials or 0)
            with self._writes():
                for trial in generation:
                    self._tell(trial)

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

    def _generation(self, ended: int) -> list[Trial]:
        """Return the trials of a generation that have not ended: those begun before a stop, and new ones."""
        from optuna import Trial
        from optuna.samplers import NSGAIISampler
        from optuna.trial import TrialState

        begun = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        generation = [Trial(self._study, trial._trial_id) for trial in begun]
        while not generation or (ended + len(generation)) % POPULATION:
            own = hashlib.sha256(f"{self._seed} {ended + len(generation)}".encode()).digest()
            self._study.sampler = NSGAIISampler(population_size=POPULATION, seed=int.from_bytes(own[:4]))
            generation.append(self._study.ask(self._variables))
        return generation

    def _keep(self, trial: Trial, outcome: Outcome | Refused) -> None:
        """Write an outcome to the journal at once."""
        if isinstance(outcome, Refused):
            trial.set_user_attr(REFUSED, outcome.why)
            trial.set_user_attr(OUTCOME, None)
            return
        for name, bound in self._bounds.items():
            trial.set_constraint(name, REACHED[name](outcome) - bound)
        trial.set_constraint("keep", -outcome.margin)
        trial.set_user_attr(OUTCOME, outcome.to_dict())

    def _tell(self, trial: Trial) -> None:
        from optuna.trial import TrialState

        outcome = trial.user_attrs[OUTCOME]
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
