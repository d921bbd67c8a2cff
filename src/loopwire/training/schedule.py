"""How a training goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from loopwire.arguments import flag, instance, not_negative, number, positive, table, whole
from loopwire.errors import ConfigError, nearest


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a training goes.

    Attributes:
        epochs: passes over the training events, at most.
        learning_rate: of Adam, at first; it falls to 0 along half a cosine.
        batch: events a step.
        held_out: share of the events, chosen by `seed`, that only judge.
        patience: epochs without a smaller held-out loss after which the training ends.
        seed: of all random choices.
        bit_price: what a mean bit of a matrix's weight adds to the loss. Above 0, each weight's grid is trained too;
            but matrices that multiply a flattened sequence, whose bits gain little, are left out.
        narrow: whether the activations' types lose fraction bits too, each mean bit at the same price.
        pruned: share of the weights that become 0 in each row of a matrix, by its layer and role, such as
            `{"lstm.recurrent_weight": 0.75}`: ever more in the first half of the epochs, which are not kept.
        digits: about the mean signed digits of a weight at the end, of all matrices that are multiplied as constants;
            None: as many as there are. Weights are real numbers until they have settled, in the last epochs, of which
            one is kept.

    Raises:
        ConfigError: a value is out of range.
    """

    epochs: int = 20
    learning_rate: float = 1e-3
    batch: int = 256
    held_out: float = 0.1
    patience: int = 5
    seed: int = 1
    bit_price: float = 0.0
    narrow: bool = False
    pruned: Mapping[str, float] = field(default_factory=dict)
    digits: float | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "patience"):
            positive(f"finetune, {name}", whole(f"finetune, {name}", getattr(self, name)))
        for name in ("learning_rate", "held_out"):
            positive(f"finetune, {name}", getattr(self, name))
        not_negative("finetune, seed", self.seed)
        if not 0 <= number("finetune, bit_price", self.bit_price) < float("inf"):
            raise ConfigError("finetune, bit_price", f"{self.bit_price} is out of range", "Give 0 or more")
        if self.digits is not None:
            positive("finetune, digits", self.digits)
            if self.bit_price or self.pruned:
                problem = "'bit_price' and 'pruned' also choose which weights become cheap"
                raise ConfigError("finetune, digits", problem, "Give one of the three")
        if flag("finetune, narrow", self.narrow) and not self.bit_price:
            problem = "it needs a bit_price, which is 0"
            raise ConfigError("finetune, narrow", problem, "Give a bit_price above 0, such as 0.01")
        for name, share in table("finetune, pruned", self.pruned, number).items():
            if not 0 <= share < 1:
                problem = f"a share of {share:g} is out of range"
                raise ConfigError(f"finetune, pruned, {name}", problem, "Give 0 to below 1")
        if self.held_out >= 0.9:
            raise ConfigError("finetune, held_out", f"{self.held_out} leaves little to train on", "Give less than 0.9")

    @classmethod
    def of(cls, given: Schedule | Mapping[str, Any] | None) -> Schedule:
        """Return a schedule that is given as such, or as some of its values by their names; None: the default one.

        Raises:
            ConfigError: it is of another kind, a name is unknown, or a value is out of range.
        """
        if given is None:
            return cls()
        if isinstance(given, Mapping):
            names = [field.name for field in fields(cls)]
            for name in given:
                if name not in names:
                    remedy = f"{nearest(str(name), names)}Choose from {', '.join(names)}"
                    raise ConfigError("schedule", f"{name!r} is not a setting", remedy)
            return cls(**given)
        made: Schedule = instance(cls, "Give its values by name: {'epochs': 20}")("schedule", given)
        return made
