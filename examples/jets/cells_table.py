"""Print what the LSTM and the trained cells take: fixed-point AUC, cycles, the clock that is best, area."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

import loopwire
from examples.events import Events, read_events
from examples.jets.cells import CLASSES, NETWORKS, Tagger, areas
from loopwire.layers import Model

DEMONSTRATION = "lstm"
PART = "xcvu13p"
PERIODS_NS = (5.0, 4.5, 4.0, 3.75, 3.5, 3.25, 3.0, 2.75)


def trained(folder: Path, name: str) -> Model:
    """Return a network with the weights that the training wrote, or the demonstration's."""
    if name == DEMONSTRATION:
        return loopwire.load("examples/jets/jet_lstm20.keras")
    tagger = Tagger(NETWORKS[name]())
    tagger.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True))
    return tagger.model(f"jet_{name}")


def designs(model: Model) -> Iterator[loopwire.Design]:
    """Yield a design for each clock that carries it."""
    for period_ns in PERIODS_NS:
        config = loopwire.CompileConfig.from_dict({"part": PART, "clock_period_ns": period_ns})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", loopwire.errors.LoopwireWarning)
            design = loopwire.compile(model, config)
        try:
            design.predicted_cycles  # noqa: B018 - plans the hardware
        except loopwire.errors.ConfigError:  # an operation takes longer than the period
            return
        yield design


def latency_ns(design: loopwire.Design) -> float:
    """Return the predicted latency."""
    return design.predicted_cycles.latency_cycles * design.config.clock_period_ns


def row(name: str, model: Model, test: Events, verified: int) -> str:
    """Return a network's row of the table; `verified` sequences are simulated at the best clock, if any."""
    best = min(designs(model), key=latency_ns)
    scores = areas(best.predict(test.inputs), test.labels)
    cycles, resources = best.predicted_cycles, [area.resources for area in best.firmware.areas]
    proof = ""
    if verified:
        loopwire.verify(best, test.inputs, verified)
        proof = "yes"
    cells = (
        name,
        *(f"{score:.3f}" for score in scores),
        cycles.latency_cycles,
        f"{best.config.clock_period_ns:g}",
        f"{latency_ns(best):.0f}",
        f"{cycles.initiation_interval_cycles:g}",
        f"{sum(each.luts for each in resources):,}".replace(",", " "),
        sum(each.dsps for each in resources),
        proof,
    )
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print the table."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--test", type=Path, default=Path("examples/jets/jets_test2k.npz"), help="test jets")
    names = [DEMONSTRATION, *NETWORKS]
    parser.add_argument("--networks", nargs="+", choices=names, default=names)
    parser.add_argument("--weights", type=Path, default=Path("build/jets/cells"), help="folder of the weights")
    parser.add_argument("--verify", type=int, default=0, help="jets that are simulated with each")
    chosen = parser.parse_args()
    test = read_events(chosen.test, CLASSES)
    print(f"| network | {' | '.join(CLASSES)} | cycles | clock, ns | latency, ns | interval | LUTs | DSPs | verified |")
    print("|---" * 13 + "|")
    for name in chosen.networks:
        print(row(name, trained(chosen.weights, name), test, chosen.verify), flush=True)


if __name__ == "__main__":
    main()
