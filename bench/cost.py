"""Compares the cost by which `loopwire precision` ranks types with the full estimate, and with stored syntheses.

    python bench/cost.py MODEL ... --data FILE.npz

tries random types of each model on xcvu13p, and prints the error and the rank correlation of the cost over all; and by
what its products, sums and tables would be multiplied to fit every second of them best (least squares, relative). The
parallel networks of synthesis.json follow.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import loopwire
from loopwire.compiler import compile_silently
from loopwire.config import CompileConfig
from loopwire.layers.model import Model
from loopwire.optimise.cost import Cost, estimate
from loopwire.optimise.groups import Probe, configuration, fixed
from loopwire.optimise.integer_bits import bits_from_data
from loopwire.tools.fabrics import LUTS
from loopwire.tools.synthesis import BETWEEN
from synthesis import read  # type: ignore[import-not-found]

PART = "xcvu13p-flga2577-2-e"
TYPES = 40
EVENTS = 2000


def random_types(model: Model, x: NDArray[Any], count: int) -> Iterator[tuple[Cost, int]]:
    """Yield the cost and the estimated LUTs of random types."""
    probe = Probe(model)
    integer = bits_from_data(probe, (x,))
    source = np.random.default_rng(3)
    for _ in range(count):
        fraction = source.integers(1, 11)
        types = {}
        for group in probe.groups:
            width = integer[group] + int(np.clip(fraction + source.integers(-4, 5), 0, 12))
            types[group] = fixed(max(2, width), integer[group])
        design = compile_silently(probe.model, configuration(types, CompileConfig(part=PART)))
        luts = next(use.used for use in design.report().estimated if use.name == "LUTs")
        yield estimate(design.graph), luts


def stored() -> Iterator[tuple[Cost, int]]:
    """Yield the cost and the synthesised LUTs of the stored networks without reuse on the part."""
    for row in read():
        network = row.network
        if network.reuse_factor == 1 and network.copies == 1 and network.part == "xcvu13p":
            layers = (found[LUTS] for name, found in row.synthesised.items() if name != BETWEEN)
            yield estimate(network.design().graph), sum(layers)


def show(name: str, found: list[tuple[Cost, int]]) -> None:
    """Print error and rank correlation."""
    costs, luts = [cost.luts for cost, _ in found], [count for _, count in found]
    error = statistics.median(abs(cost / count - 1) for cost, count in zip(costs, luts, strict=True))
    print(
        f"{name}: {len(found)} designs, median error {error:.1%}, rank correlation {rank_correlation(costs, luts):.4f}"
    )


def factors(found: list[tuple[Cost, int]]) -> str:
    """Return by what products, sums and tables are multiplied to fit the counts best, in words."""
    parts = np.array([[cost.products, cost.sums, cost.tables] for cost, _ in found])
    counts = np.array([count for _, count in found])
    fitted, *_ = np.linalg.lstsq(parts / counts[:, np.newaxis], np.ones(len(found)), rcond=None)
    names = ("products", "sums", "tables")
    return ", ".join(f"{name} × {factor:.2f}" for name, factor in zip(names, fitted.tolist(), strict=True))


def rank_correlation(one: list[float], other: list[int]) -> float:
    """Return Spearman's."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--data")
    chosen = parser.parse_args()
    everything: list[tuple[Cost, int]] = []
    for path in chosen.models:
        model = compile_silently(loopwire.load(path)).model
        x = np.load(chosen.data)["X"][:EVENTS]
        everything += (found := list(random_types(model, x, TYPES)))
        show(Path(path).name, found)
    if everything:
        show("all of them", everything)
        print(f"fitted to every second: {factors(everything[::2])}")
    show("synthesised networks", list(stored()))


if __name__ == "__main__":
    sys.exit(main())
