"""Choosing how an engine is folded for a reuse factor."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from loopwire.datapath.ops import Folding
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.ir import ops
from loopwire.schedule.engine import Engine


def fold(engine: Engine, reuse_factor: int) -> Folding | None:
    """Return the folding with the fewest multipliers in which a step takes `reuse_factor` cycles.

    Of equals, the one with the fewest units a chunk, for which all that is not a matrix is built. None where the engine
    stays parallel: at a reuse factor of 1, and where it multiplies no matrix.

    Raises:
        ConfigError: no folding of the layer takes so many cycles without an idle one.
        UnsupportedError: the engine has a state or a matrix that is not made of units.
    """
    shapes = matrix_shapes(engine)
    if reuse_factor == 1 or not shapes:
        return None
    if (problem := _not_in_units(engine, shapes)) is not None:
        raise UnsupportedError(f"reuse_factor, layer {layer_of(engine)!r}", problem, "Leave it out for this layer")
    possible = list(foldings(_units(engine, shapes), shapes))
    fitting = [folding for folding in possible if folding.cycles == reuse_factor]
    if not fitting:
        raise _impossible(engine, reuse_factor, {folding.cycles for folding in possible})
    return min(fitting, key=lambda folding: (multipliers(folding, shapes), folding.lanes))


def reuse_factors(engine: Engine) -> list[int]:
    """Return every reuse factor that the engine can have: from 1 to its units times its widest matrix's columns."""
    shapes = matrix_shapes(engine)
    if not shapes or _not_in_units(engine, shapes) is not None:
        return [1]
    return sorted({folding.cycles for folding in foldings(_units(engine, shapes), shapes)})


def _units(engine: Engine, shapes: Sequence[tuple[int, int]]) -> int:
    return engine.states[0].read.type.size if engine.states else shapes[0][0]


def _not_in_units(engine: Engine, shapes: Sequence[tuple[int, int]]) -> str | None:
    """Say what keeps an engine's units from sharing hardware, if anything does."""
    units = _units(engine, shapes)
    for state in engine.states:
        if state.read.type.size != units:
            return f"its state %{state.read.name} has {state.read.type.size} elements beside another of {units}"
    for rows, _ in shapes:
        if rows % units:
            return f"a matrix has {rows} rows, which is no multiple of its {units} units"
    return None


def layer_of(engine: Engine) -> str:
    """Return the layer whose matrices an engine multiplies; nothing where it has none."""
    nodes = (*engine.nodes, *engine.tail)
    return next((node.result.layer for node in nodes if isinstance(node.op, ops.MatVec)), "")


def _impossible(engine: Engine, asked: int, possible: Collection[int]) -> ConfigError:
    below = max((factor for factor in possible if factor < asked), default=None)
    above = min((factor for factor in possible if factor > asked), default=None)
    nearest = " and ".join(str(factor) for factor in (below, above) if factor is not None)
    return ConfigError(
        f"layer {layer_of(engine)!r}",
        f"a reuse factor of {asked} does not share its products evenly, {max(possible)} being the most",
        f"Nearest {'are' if ' ' in nearest else 'is'} {nearest}. [layer_reuse_factor] sets that of one layer",
    )


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
