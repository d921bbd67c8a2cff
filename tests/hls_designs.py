"""Small designs for the tests of the HLS target: models lowered with given types, written out, compiled together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.datapath.reuse import layer_of, reuse_factors
from loopwire.devices import find_part
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.ir.fixed_point import Integers, integer_dtype
from loopwire.ir.graph import Graph, Value
from loopwire.ir.types import FixedType
from loopwire.knobs import Knobs
from loopwire.layers.model import Layer, chain
from loopwire.layers.roles import LayerTypes, Role
from loopwire.passes.lower import lower
from loopwire.passes.pipeline import LOOPS, run_passes
from loopwire.schedule.cutting import cut
from loopwire.schedule.origins import Apart
from loopwire.simulate.hls_compile import HlsEmulator, compile_all
from loopwire.targets.vitis_hls import HlsProject, generate
from loopwire.targets.vitis_hls.processes import products

PART = "xcku115-flvb2104-2-i"
DEFAULT = FixedType.parse("fixed<12,4,RND,SAT>")
ROLES = ("past", "log_gate", *(role for role in Role if role not in (Role.INPUT, Role.PREACTIVATION)))


@dataclass(frozen=True)
class Case:
    """A graph and the knobs it is built with."""

    name: str
    graph: Graph
    knobs: Mapping[str, Any]


def lowered(
    shape: tuple[int, ...],
    layers: Sequence[Layer],
    types: Mapping[Role, FixedType] | None = None,
    input_type: FixedType = DEFAULT,
    table_size: int | None = None,
) -> Graph:
    """Return the graph of a chain of layers, all tensors of one type but those in `types`."""
    given = {**dict.fromkeys(ROLES, DEFAULT), **(types or {})}
    model = chain("model", shape, tuple(layers), "test")
    return lower(model, input_type, lambda _: LayerTypes(given, table_size=table_size))


def project_of(graph: Graph, name: str = "tagger", part: str = PART, **knobs: Any) -> HlsProject:
    """Return a project with arrays at its ports, unless the knobs say otherwise."""
    return generate(graph, find_part(part), 5.0, name, Knobs(**{"io": "parallel", **knobs}))


def with_fitting_factors(graph: Graph, knobs: Mapping[str, Any]) -> dict[str, Any]:
    """Return knobs in which each layer has the greatest reuse factor that it can have, up to the one asked for."""
    factors: dict[str, set[int]] = {}
    for engine in cut(run_passes(LOOPS, graph, Knobs(**knobs)), Apart.LAYERS).engines:
        for _, shared in products(engine):
            possible = set(reuse_factors(shared))
            factors[layer_of(shared)] = factors.get(layer_of(shared), possible) & possible
    asked = knobs.get("reuse_factor", 1)
    own = {layer: max(factor for factor in possible if factor <= asked) for layer, possible in factors.items()}
    return {**knobs, "layer_reuse_factor": own} if asked > 1 else dict(knobs)


def write(files: Mapping[str, str], folder: Path) -> Path:
    """Write a project's files."""
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def built(cases: Sequence[Case], folder: Path, **options: Any) -> list[HlsEmulator]:
    """Generate and compile all cases; their names become those of the top functions."""
    projects = []
    for case in cases:
        project = project_of(case.graph, case.name, **with_fitting_factors(case.graph, case.knobs))
        assert project.top == case.name
        projects.append(write(project.files, folder / case.name))
    return compile_all(projects, **{"optimise": False, **options})


def random_integers(x: Value, count: int, seed: int) -> Integers:
    """Return integers (count, *shape): the ends of the type, small numbers, and all between."""
    random, element = np.random.default_rng(seed), x.type.element
    shape = (count, *x.type.shape)
    anything = random.integers(element.min_integer, element.max_integer, shape, endpoint=True)
    ends = random.choice([element.min_integer, element.max_integer], shape)
    kind = random.integers(0, 4, shape)
    numbers = np.select([kind == 0, kind == 1], [ends, anything], anything >> (element.width // 3))
    return numbers.astype(integer_dtype(element.width + 1))


def random_lengths(case: Case, count: int) -> npt.NDArray[np.int64] | None:
    """Return lengths where the case takes short sequences."""
    steps = {x.type.shape[0] for x in case.graph.inputs if len(x.type.shape) == 2}
    if case.knobs.get("io") != "stream" or len(steps) != 1:
        return None
    return np.random.default_rng(count).integers(1, steps.pop(), count, endpoint=True)


def assert_equal_to_emulator(case: Case, emulator: HlsEmulator, count: int = 40, seed: int = 0) -> None:
    """Compare every bit of `count` random sequences, short ones among them where the design takes them."""
    x = tuple(random_integers(value, count, seed + index) for index, value in enumerate(case.graph.inputs))
    lengths = random_lengths(case, count)
    given, due = (
        np.concatenate([array.reshape(count, -1) for array in arrays], axis=1)
        for arrays in (x, evaluate_integers(case.graph, x, lengths))
    )
    np.testing.assert_array_equal(emulator.predict(given, lengths), due, case.name)
