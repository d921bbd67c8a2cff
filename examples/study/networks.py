"""What is studied: six networks of three tasks, and what is asked of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from examples.flavour import train as flavour
from examples.jets import train as jets
from examples.quickdraw import train as quickdraw
from examples.training import keras
from loopwire.design_targets import DesignTargets

QUICKDRAW_RATE_HZ = 30_000


@dataclass(frozen=True)
class Goal:
    """A design that the chooser is to find for a part, and that is then proven."""

    name: str
    part: str
    clock_period_ns: float
    targets: DesignTargets


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network and how it is studied.

    Attributes:
        task: jets, flavour or quickdraw.
        make: returns it untrained.
        epochs: of a full and of a quick training.
        learning_rate: the first one.
        keep: what the search for types keeps (`loopwire precision --keep`).
        part: of the figure of knobs, at 5 ns.
        reuse_factors: of that figure.
        copies: of that figure, at the first reuse factor.
        goals: designs to find and prove.
    """

    task: str
    make: Callable[[], keras.Model]
    epochs: tuple[int, int]
    learning_rate: float
    keep: str
    part: str
    reuse_factors: tuple[int, ...]
    copies: tuple[int, ...]
    goals: tuple[Goal, ...]


VU13P, KU115, ECP5 = "xcvu13p-flga2577-2-e", "xcku115-flvb2104-2-i", "LFE5U-85F-8BG756C"
JETS = Network(
    make=jets.lstm20,
    task="jets",
    epochs=(40, 6),
    learning_rate=4e-3,
    keep="auc>=0.995",
    part=KU115,
    reuse_factors=(1, 2, 4, 10, 20),
    copies=(2, 4, 20),
    goals=(Goal("700 ns, smallest", KU115, 5.0, DesignTargets(max_latency_ns=700, max_share=0.5)),),
)
FLAVOUR = Network(
    make=flavour.lstm120,
    task="flavour",
    epochs=(20, 4),
    learning_rate=2e-3,
    keep="auc>=0.995",
    part=VU13P,
    reuse_factors=(10, 20, 40, 60, 120),
    copies=(2,),
    goals=(
        Goal("2 µs in 60 % of the part", VU13P, 5.0, DesignTargets(max_latency_ns=2000, max_share=0.6)),
        Goal("fits the part", KU115, 5.0, DesignTargets(max_share=1.0)),
    ),
)
QUICKDRAW = Network(
    make=quickdraw.lstm128,
    task="quickdraw",
    epochs=(20, 3),
    learning_rate=2e-3,
    keep="top1>=0.98",
    part=VU13P,
    reuse_factors=(32, 64, 128),
    copies=(2,),
    goals=(
        Goal(
            f"{QUICKDRAW_RATE_HZ} drawings/s",
            VU13P,
            5.0,
            DesignTargets(max_interval_cycles=int(1e9 / QUICKDRAW_RATE_HZ / 5.0), max_share=1.0),
        ),
        Goal("fits the part", ECP5, 12.0, DesignTargets(max_share=0.6)),
    ),
)
NETWORKS: Mapping[str, Network] = {
    "jet_lstm20": JETS,
    "jet_gru16": replace(JETS, make=jets.gru16),
    "flavour_lstm120": FLAVOUR,
    "flavour_gru120": replace(FLAVOUR, make=flavour.gru120),
    "quickdraw_lstm128": QUICKDRAW,
    "quickdraw_gru128": replace(QUICKDRAW, make=quickdraw.gru128),
}
"""By the names of their folders and rows."""
