"""Which element of which array each constant of a graph comes from, found by trying.

Between a model's arrays and the constants of its graph lie transpositions, merged biases and merged normalisations.
Where each element of a constant is one element of an array times a factor, plus what other arrays add, training can
move the constant and the array can follow. This is found by moving the arrays and looking, so no layer need say it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Value

Reals = npt.NDArray[np.float64]
Arrays = Mapping[str, Reals]
Build = Callable[[Arrays], Graph]
"""Makes the graph of a model from all of its arrays."""

MOST_ROWS = 4
"""Of an array whose rows are looked at one by one."""
TOLERANCE = 1e-9
"""Relative error of a constant that is taken for an element times a factor."""


@dataclass(frozen=True, eq=False)
class Link:
    """Element j of constant `constant` grows by factor[j] times what element index[j] of array `array` grows by.

    `index` and `factor` have the constant's shape; `index` counts the array's elements in row-major order.
    """

    constant: str
    array: str
    index: npt.NDArray[np.int64]
    factor: Reals


def constants(graph: Graph) -> dict[str, Value]:
    """Return the results of all `Const` nodes, those of scan bodies too, by name."""
    return {node.result.name: node.result for node in graph.walk() if isinstance(node.op, ops.Const)}


def reals(graph: Graph) -> dict[str, Reals]:
    """Return the real numbers of all constants by name."""
    return {node.result.name: node.op.reals for node in graph.walk() if isinstance(node.op, ops.Const)}


def links(build: Build, arrays: Arrays, seed: int = 1) -> tuple[Link, ...]:
    """Return all links of a model's arrays, matrices before vectors; at most one a constant and array.

    Where a constant is the sum of several rows of an array, as of the two biases that Keras's GRU keeps in one, it is
    linked to the first of these rows.
    """
    start = reals(build(arrays))
    random = np.random.default_rng(seed)
    found: list[Link] = []
    for name in sorted(arrays, key=lambda name: -arrays[name].ndim):
        array = arrays[name]
        whole = np.arange(array.size)
        rows = whole.reshape(array.shape) if array.ndim > 1 and len(array) <= MOST_ROWS else ()
        left = set(start)
        for elements in (whole, *rows):
            if not left:
                break
            moved, of_elements = _links_of(
                build, arrays, name, elements.reshape(-1), {k: start[k] for k in left}, random
            )
            found += of_elements
            left = moved - {link.constant for link in of_elements}
    return tuple(found)


def _links_of(
    build: Build,
    arrays: Arrays,
    name: str,
    elements: npt.NDArray[np.int64],
    start: Mapping[str, Reals],
    random: np.random.Generator,
) -> tuple[set[str], list[Link]]:
    """Return which constants some elements of an array move, and the links to these elements."""
    count = arrays[name].size
    trials = []
    for by in (np.ones(count), np.arange(1.0, count + 1), random.normal(size=count)):
        trials.append(np.zeros(count))
        trials[-1][elements] = by[elements]
    after = [reals(build({**arrays, name: arrays[name] + trial.reshape(arrays[name].shape)})) for trial in trials]
    moved, found = set(), []
    for constant, before in start.items():
        factor, numbered, mixed = (reached[constant] - before for reached in after)
        if not factor.any():
            continue
        moved.add(constant)
        if (factor == 0).any():
            continue
        index = np.rint(numbered / factor).astype(np.int64) - 1
        if index.min() < 0 or index.max() >= count:
            continue
        scale = 1 + np.abs(before) + np.abs(mixed)
        if (np.abs(mixed - factor * trials[2][index]) <= TOLERANCE * count * scale).all():
            found.append(Link(constant, name, index, factor))
    return moved, found


def followed(
    build: Build, arrays: Arrays, found: tuple[Link, ...], wanted: Arrays, margin: float = 0.0
) -> dict[str, Reals]:
    """Return the arrays for which the constants are `wanted`, as integers of their types.

    Args:
        build: makes the graph.
        arrays: as they are.
        found: what `links` gives for them.
        wanted: real numbers of constants by name; others may be anything.
        margin: of a step, added to each of these, so that arrays may be rounded a little afterwards.

    Raises:
        UnsupportedError: there are none.
    """
    given = {name: array.copy() for name, array in arrays.items()}
    steps = {name: value.type.element.step for name, value in constants(build(given)).items()}
    for link in found:
        if link.constant in wanted:
            aim = wanted[link.constant] + margin * steps[link.constant]
            missing = aim - reals(build(given))[link.constant]
            given[link.array].reshape(-1)[link.index.reshape(-1)] += (missing / link.factor).reshape(-1)
    if (name := not_carried(build(given), wanted)) is not None:
        raise UnsupportedError(
            f"tensor {name!r}",
            "its trained numbers cannot be carried by the model's arrays",
            "Train a model without shared layers, and with BatchNormalization merged before",
        )
    return given


def not_carried(graph: Graph, wanted: Arrays) -> str | None:
    """Return the first constant of a graph that has other integers than those of `wanted`, if there is one."""
    made = {node.result.name: node.op for node in graph.walk() if isinstance(node.op, ops.Const)}
    for name, numbers in wanted.items():
        if (made[name].integers != ops.Const(numbers, made[name].type).integers).any():
            return name
    return None
