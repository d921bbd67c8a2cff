"""Choosing how an engine's hardware is shared for a reuse factor."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from loopwire.datapath.sharing import PARALLEL, Sharing
from loopwire.errors import ConfigError, UnsupportedError
from loopwire.ir import ops
from loopwire.schedule.engine import Engine


def sharing_of(engine: Engine, reuse_factor: int) -> Sharing:
    """Return the sharing with the fewest multipliers in which a step takes `reuse_factor` cycles.

    Of equals, the one with the fewest units a chunk, for which all that is not a matrix is built. An engine that
    multiplies no matrix stays parallel.

    Raises:
        ConfigError: no sharing of the layer takes this many cycles without an idle one.
        UnsupportedError: the engine has a state or a matrix that is not made of units.
    """
    shapes = matrix_shapes(engine)
    if reuse_factor == 1 or not shapes:
        return PARALLEL
    if (problem := _not_in_units(engine, shapes)) is not None:
        raise UnsupportedError(f"reuse_factor, layer {layer_of(engine)!r}", problem, "Leave it out for this layer")
    possible = _smallest(_units(engine, shapes), tuple(shapes))
    if reuse_factor not in possible:
        raise _impossible(engine, reuse_factor, possible.keys())
    return possible[reuse_factor]


def reuse_factors(engine: Engine) -> list[int]:
    """Return every reuse factor that the engine can have: from 1 to its units times its widest matrix's columns."""
    shapes = matrix_shapes(engine)
    if not shapes or _not_in_units(engine, shapes) is not None:
        return [1]
    return sorted(_smallest(_units(engine, shapes), tuple(shapes)))


@lru_cache(maxsize=64)
def _smallest(units: int, shapes: tuple[tuple[int, int], ...]) -> Mapping[int, Sharing]:
    """Return, for each reuse factor that exists, the sharing with the fewest multipliers, then units a chunk."""
    found: dict[int, Sharing] = {}
    for sharing in sorted(sharings(units, shapes), key=lambda sharing: (multipliers(sharing, shapes), sharing.lanes)):
        found.setdefault(sharing.cycles, sharing)
    return found


def _units(engine: Engine, shapes: Sequence[tuple[int, int]]) -> int:
    return engine.states[0].read.type.size if engine.states else shapes[0][0]


def _not_in_units(engine: Engine, shapes: Sequence[tuple[int, int]]) -> str | None:
    """Say what keeps an engine's units from sharing hardware, if anything does."""
    units = _units(engine, shapes)
    for state in engine.states:
        if state.read.type.size != units:
            return f"its state %{state.read.name} has {state.read.type.size} elements, another has {units}"
    for rows, _ in shapes:
        if rows % units:
            return f"a matrix has {rows} rows, which is not a multiple of its {units} units"
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
        f"a reuse factor of {asked} does not share its products evenly; the largest that does is {max(possible)}",
        f"Nearest {'are' if ' ' in nearest else 'is'} {nearest}. [layer_reuse_factor] sets that of one layer",
    )


def matrix_shapes(engine: Engine) -> list[tuple[int, int]]:
    """Return rows and columns of every matrix of weights that an engine multiplies in a step, or of those computed."""
    nodes = (*engine.nodes, *engine.tail)
    known = {node.result for node in nodes if isinstance(node.op, ops.Const)}
    known.update(value for value, _ in engine.step_constants)
    matrices = [node.operands[0] for node in nodes if isinstance(node.op, ops.MatVec)]
    chosen = [matrix for matrix in matrices if matrix in known] or matrices
    return [(rows, columns) for rows, columns in (matrix.type.shape for matrix in chosen)]


def multipliers(sharing: Sharing, shapes: Iterable[tuple[int, int]]) -> int:
    """Return how many multipliers matrices of these shapes take."""
    return sum(rows // sharing.units * sharing.lanes * -(-columns // sharing.passes) for rows, columns in shapes)


def sharings(units: int, shapes: Iterable[tuple[int, int]]) -> Iterable[Sharing]:
    """Yield every sharing that leaves no chunk and no pass empty."""
    widest = max(columns for _, columns in shapes)
    for chunks in {-(-units // lanes) for lanes in range(1, units + 1)}:
        for passes in {-(-widest // columns) for columns in range(1, widest + 1)}:
            yield Sharing(units, chunks, passes)
