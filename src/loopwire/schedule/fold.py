"""Choosing how an engine is folded for a reuse factor."""

from __future__ import annotations

from collections.abc import Iterable

from loopwire.ir import ops
from loopwire.schedule.datapath import Folding
from loopwire.schedule.engine import Engine


def fold(engine: Engine, reuse_factor: int) -> Folding | None:
    """Return the folding with the fewest multipliers whose cycles a step do not exceed the reuse factor.

    Of equals, the one with the fewest units a chunk, for which all that is not a matrix is built. None where the engine
    stays parallel: at a reuse factor of 1, and where it multiplies no matrix.
    """
    shapes = matrix_shapes(engine)
    if reuse_factor == 1 or not shapes:
        return None
    units = engine.states[0].read.type.size if engine.states else shapes[0][0]
    fitting = [folding for folding in foldings(units, shapes) if folding.cycles <= reuse_factor]
    return min(fitting, key=lambda folding: (multipliers(folding, shapes), folding.lanes, folding.cycles))


def matrix_shapes(engine: Engine) -> list[tuple[int, int]]:
    """Return rows and columns of every matrix that an engine multiplies in a step."""
    nodes = (*engine.nodes, *engine.tail)
    shapes = (node.operands[0].type.shape for node in nodes if isinstance(node.op, ops.MatVec))
    return [(rows, columns) for rows, columns in shapes]


def multipliers(folding: Folding, shapes: Iterable[tuple[int, int]]) -> int:
    """Return how many multipliers a folding takes for matrices of these shapes."""
    return sum(rows // folding.units * folding.lanes * -(-columns // folding.passes) for rows, columns in shapes)


def foldings(units: int, shapes: Iterable[tuple[int, int]]) -> Iterable[Folding]:
    """Yield every folding that leaves no chunk and no pass empty."""
    widest = max(columns for _, columns in shapes)
    for chunks in {-(-units // lanes) for lanes in range(1, units + 1)}:
        for passes in {-(-widest // columns) for columns in range(1, widest + 1)}:
            yield Folding(units, chunks, passes)
