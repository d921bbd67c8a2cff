"""The next design to try: NSGA-II, with generations that overlap.

Ref: K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans. Evol. Comput. 6 (2002)
182-197, as optuna has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.samplers import NSGAIISampler, RandomSampler
from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class Sampler(NSGAIISampler):  # type: ignore[misc]  # optuna, where it is missing, has type Any
    """NSGA-II for one trial, whose choice follows from its number, the seed, and the trials closed before it began.

    optuna takes a generation's parents from all trials that are closed when it begins, and forgets those of the
    generation before that come later. Here each trial's number decides which generation has it among the candidates for
    parents, so that none is forgotten where trials are asked for `ahead` of those closed.
    """

    def __init__(
        self, variables: Mapping[str, BaseDistribution], number: int, seed: int, population: int, ahead: int
    ) -> None:
        """Begin a trial.

        Args:
            variables: all that is varied.
            number: of the trial.
            seed: of the search.
            population: trials of a generation, and parents of the next one at most.
            ahead: how many trials are asked for that are not closed.
        """
        super().__init__(population_size=population, seed=_digest(seed, number))
        self._variables = {name: of for name, of in variables.items() if not of.single()}
        self._number, self._seed, self._population, self._ahead = number, seed, population, ahead

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all that is varied: every trial has all of it."""
        return self._variables

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a random value, whatever was drawn before it: half a trial goes on as it began."""
        source = RandomSampler(_digest(self._seed, self._number, param_name))
        return source.sample_independent(study, trial, param_name, param_distribution)

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        """Return the generation of a trial, by its number."""
        return int(trial.number) // self._population

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the candidates for parents of the next generation that those of this one were not."""
        first, last = (k * self._population - self._ahead for k in (generation, generation + 1))
        made = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [trial for trial in made if first <= trial.number < last]

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation; none where there are not two to cross."""
        known = self.get_population(study, generation - 1) + self.get_parent_population(study, generation - 1)
        return list(super().select_parent(study, generation)) if len(known) > 1 else []


def _digest(*parts: object) -> int:
    """Return a seed that follows from some values."""
    text = " ".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
