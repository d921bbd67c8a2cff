"""What is studied: the networks of three tasks, and what is asked of each task's designs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from examples.flavour import train as flavour
from examples.jets import train as jets
from examples.quickdraw import train as quickdraw
from examples.training import keras
from loopwire.design_targets import DesignTargets

VU13P, KU115, ECP5 = "xcvu13p-flga2577-2-e", "xcku115-flvb2104-2-i", "LFE5U-85F-8BG756C"
DRAWINGS_PER_SECOND = 30_300


@dataclass(frozen=True)
class Goal:
    """A design that the chooser is to find for a part, and that is then proven."""

    name: str
    part: str
    clock_period_ns: float
    targets: DesignTargets


@dataclass(frozen=True)
class Effort:
    """How much is done with a network: epochs of training, and sequences that each proof simulates (0: no proof)."""

    epochs: int
    simulated_sequences: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """How the networks of one task are studied.

    Attributes:
        name: jets, flavour or quickdraw.
        full, quick: the two efforts.
        learning_rate: the first one.
        odd: features whose sign means nothing, so that mirror images train too.
        batch: events a step of the training.
        keep: what the search for types keeps (`loopwire precision --keep`): tighter than what is asked for, since the
            search sees few events.
        part: of the figure of knobs, at 5 ns.
        others_reuse_factor: of the layers that are not recurrent, by their names, in that figure.
        copies: of that figure; the last with a whole sequence a beat.
        copied: place of their reuse factor among the network's.
        goals: designs to find and prove.
    """

    name: str
    full: Effort
    quick: Effort
    learning_rate: float
    odd: tuple[int, ...] = ()
    batch: int = 256
    keep: str
    part: str
    others_reuse_factor: Mapping[str, int] = field(default_factory=dict)
    copies: tuple[int, ...]
    copied: int = 0
    goals: tuple[Goal, ...]


@dataclass(frozen=True)
class Network:
    """A network of a task.

    Attributes:
        task: of which it is one.
        make: returns it untrained.
        reuse_factors: of its recurrent layers, in the figure of knobs.
    """

    task: Task
    make: Callable[[], keras.Model]
    reuse_factors: tuple[int, ...]


JETS = Task(
    name="jets",
    full=Effort(epochs=20, simulated_sequences=100),
    quick=Effort(epochs=8, simulated_sequences=40),
    learning_rate=4e-3,
    odd=jets.ODD,
    keep="auc>=0.997",
    part=KU115,
    copies=(2, 4, 20),
    goals=(Goal("700 ns, smallest", KU115, 5.0, DesignTargets(max_latency_ns=700, max_share=0.5)),),
)
FLAVOUR = Task(
    name="flavour",
    full=Effort(epochs=16, simulated_sequences=60),
    quick=Effort(epochs=5, simulated_sequences=20),
    learning_rate=3e-3,
    odd=flavour.ODD,
    keep="auc>=0.997",
    part=VU13P,
    others_reuse_factor={"dense_1": 40, "dense_2": 20, "classes": 10},
    copies=(2,),
    copied=1,
    goals=(
        Goal("2 µs in 60 % of the part", VU13P, 5.0, DesignTargets(max_latency_ns=2000, max_share=0.6)),
        Goal("5 µs, smallest", KU115, 5.0, DesignTargets(max_latency_ns=5000, max_share=1.0)),
    ),
)
QUICKDRAW = Task(
    name="quickdraw",
    full=Effort(epochs=8, simulated_sequences=4),
    quick=Effort(epochs=2, simulated_sequences=2),
    learning_rate=2e-3,
    batch=quickdraw.BATCH,
    keep="top1>=0.985",
    part=VU13P,
    others_reuse_factor={"dense_1": 128, "dense_2": 128, "classes": 32},
    copies=(2,),
    copied=1,
    goals=(
        Goal(
            f"{DRAWINGS_PER_SECOND} drawings/s",
            VU13P,
            5.0,
            DesignTargets(max_interval_cycles=int(1e9 / DRAWINGS_PER_SECOND / 5.0), max_share=1.0),
        ),
        Goal("2 ms, smallest", ECP5, 12.0, DesignTargets(max_latency_ns=2_000_000, max_share=1.0)),
    ),
)
NETWORKS: Mapping[str, Network] = {
    "jet_lstm20": Network(JETS, jets.lstm20, (1, 2, 4, 10, 20)),
    "jet_gru16": Network(JETS, jets.gru16, (1, 2, 4, 8, 16)),
    "jet_lstm20_64": Network(JETS, jets.lstm20_64, (1, 2, 4, 10, 20)),
    "flavour_lstm120": Network(FLAVOUR, flavour.lstm120, (10, 20, 40, 60, 120)),
    "flavour_gru120": Network(FLAVOUR, flavour.gru120, (10, 20, 40, 60, 120)),
    "quickdraw_lstm128": Network(QUICKDRAW, quickdraw.lstm128, (32, 64, 128)),
    "quickdraw_gru128": Network(QUICKDRAW, quickdraw.gru128, (32, 64, 128)),
}
"""By the names of their models, folders and rows."""
