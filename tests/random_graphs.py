"""Random graphs for property tests: every op, type and mode, scans with several states, constants that are sequences.

Fuzz a pass or a target by comparing outputs for equal inputs:

    @given(random_graphs(), st.integers(0, 1000))
    def test_pass_keeps_the_numbers(graph, seed):
        inputs = random_inputs(graph, seed)
        before, after = evaluate_integers(graph, inputs), evaluate_integers(my_pass(graph), inputs)
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from hypothesis import note
from hypothesis import strategies as st

from loopwire.ir.builder import BodyResult, Builder
from loopwire.ir.fixed_point import Integers, integer_dtype
from loopwire.ir.functions import FUNCTIONS
from loopwire.ir.graph import Graph, Value
from loopwire.ir.text import print_graph
from loopwire.ir.types import FixedType, Overflow, Rounding, TensorType

MAX_TABLE_WIDTH = 7
"""Bits of a table's operand and result: so small a table is designed in milliseconds."""
TOTAL_FUNCTIONS = sorted(name for name, f in FUNCTIONS.items() if f.defined_above == -np.inf)
KINDS = (
    *("matvec", "add", "sub", "mul", "max", "min", "reduce_sum", "reduce_max", "cast", "table", "slice", "concat"),
    *("reshape", "transpose", "computed_matvec", "reverse", "const", "blend", "below_largest"),
    *("greater", "where", "lookup", "scan"),
)


@st.composite
def fixed_types(draw: st.DrawFn, max_width: int) -> FixedType:
    """Types of up to `max_width` bits whose point lies in or near them."""
    width = draw(st.integers(1, max_width))
    return FixedType(
        width,
        draw(st.integers(-2, width + 2)),
        draw(st.booleans()),
        draw(st.sampled_from(Rounding)),
        draw(st.sampled_from(Overflow)),
    )


@st.composite
def random_graphs(draw: st.DrawFn, max_nodes: int = 8, max_width: int = 70, nested: bool = False) -> Graph:
    """Graphs of about `max_nodes` ops, and as many in the body of each scan.

    Sequences of one graph have one length T. No value is wider than `max_width` where it is used as an operand.
    `nested` allows scans in the bodies of scans. A failing test shows its graph's text.
    """
    graph = _Growth(draw, max_nodes, max_width).graph(scan_depth=2 if nested else 1)
    note(print_graph(graph))
    return graph


def random_inputs(graph: Graph, seed: int, batch: int = 3) -> tuple[Integers, ...]:
    """Return integers (batch, *shape) for each input of a graph; the ends of the types are as likely as all between."""
    source = random.Random(seed)

    def array(type: TensorType) -> Integers:
        low, high = type.element.min_integer, type.element.max_integer
        values = [source.choice((low, high, source.randint(low, high))) for _ in range(batch * type.size)]
        return np.array(values, integer_dtype(type.element.width + 1)).reshape(batch, *type.shape)

    return tuple(array(value.type) for value in graph.inputs)


class _Growth:
    """One graph while it is drawn."""

    def __init__(self, draw: st.DrawFn, max_nodes: int, max_width: int) -> None:
        self.draw = draw
        self.max_nodes = max_nodes
        self.max_width = max_width
        self.length = draw(st.integers(1, 4))

    def graph(self, scan_depth: int) -> Graph:
        b = Builder()
        b.layer = self.draw(st.sampled_from(["", "layer", "a layer"]))
        shapes = [self.shape(), (self.length, *self.shape())]
        pool = [b.input(f"x{k}", TensorType(shape, self.type())) for k, shape in enumerate(shapes)]
        self.grow(b, pool, scan_depth)
        count = min(len(pool), 3)
        others = self.draw(st.lists(st.sampled_from(pool), max_size=2))
        return b.graph((*pool[-count:], *others))

    def shape(self) -> tuple[int, ...]:
        return self.draw(st.sampled_from([(), (1,), (2,), (3,)]))

    def type(self) -> FixedType:
        return self.draw(fixed_types(self.draw(st.sampled_from([8, 8, 16, self.max_width]))))

    def grow(self, b: Builder, pool: list[Value], scan_depth: int) -> None:
        """Add ops to `b` that read values of `pool`, and their results to `pool`; scans `scan_depth` deep."""
        for _ in range(self.draw(st.integers(1, self.max_nodes))):
            kind = self.draw(st.sampled_from(KINDS))
            added = self.add(b, pool, kind) if kind != "scan" else self.scan(b, pool, scan_depth)
            pool.extend(self.narrow(b, value) for value in added)

    def narrow(self, b: Builder, value: Value) -> Value:
        return value if value.type.element.width <= self.max_width else b.cast(value, self.type())

    def pick(self, pool: Sequence[Value], *ranks: int) -> Value | None:
        fitting = [value for value in pool if len(value.type.shape) in ranks]
        return self.draw(st.sampled_from(fitting)) if fitting else None

    def constant(self, b: Builder, shape: tuple[int, ...]) -> Value:
        type = self.type()
        size = int(np.prod(shape))
        steps = self.draw(st.lists(st.floats(-1.5, 1.5), min_size=size, max_size=size))
        reals = np.array(steps).reshape(shape) * 2.0 ** (type.integer - type.signed)
        return b.const(reals, type, "k", self.draw(st.sampled_from(["", "k \\ one\ntwo"])))

    def partner(self, b: Builder, pool: Sequence[Value], shape: tuple[int, ...]) -> Value:
        """Return a value that combines with one of this shape element by element."""
        fitting = [value for value in pool if value.type.shape in ((), shape)]
        return self.draw(st.sampled_from(fitting)) if fitting else self.constant(b, shape)

    def add(self, b: Builder, pool: Sequence[Value], kind: str) -> Sequence[Value]:
        a = self.pick(pool, 0, 1)
        vector = self.pick(pool, 1)
        sequence = self.pick(pool, 2)
        if kind == "const":
            return [self.constant(b, self.draw(st.sampled_from([(), (2,), (self.length, 2)])))]
        if kind == "reverse" and sequence:
            return [b.reverse(sequence)]
        if kind == "reshape" and sequence:
            return [b.reshape(sequence, (sequence.type.size,))]
        if kind in ("add", "sub", "mul", "max", "min", "greater") and a:
            operands = [a, self.partner(b, pool, a.type.shape)]
            return [getattr(b, kind)(*self.draw(st.permutations(operands)))]
        if kind == "where" and a:
            limit, other = (self.partner(b, pool, a.type.shape) for _ in range(2))
            condition = b.greater(*self.draw(st.permutations([a, limit])))
            return [b.where(condition, *self.draw(st.permutations([a, other])))]
        if kind == "lookup" and (scalar := self.pick(pool, 0)):
            bits = self.draw(st.integers(1, 4))
            index = b.cast(scalar, FixedType(bits, bits, False, overflow=self.draw(st.sampled_from(Overflow))), "index")
            return [b.lookup(self.constant(b, (self.draw(st.integers(1, 9)), 2)), index)]
        if kind == "cast" and a:
            return [b.cast(a, self.type())]
        if kind == "table" and a:
            function = self.draw(st.sampled_from(TOTAL_FUNCTIONS))
            small = fixed_types(MAX_TABLE_WIDTH)
            entries = self.draw(st.sampled_from([None, None, 8]))
            return [b.table(function, b.cast(a, self.draw(small)), self.draw(small), max_entries=entries)]
        if kind == "blend" and a:
            return [self.blend(b, a, self.partner(b, pool, a.type.shape), self.partner(b, pool, a.type.shape))]
        if vector:
            return [self.add_to_vector(b, pool, kind, vector)]
        return []

    def add_to_vector(self, b: Builder, pool: Sequence[Value], kind: str, vector: Value) -> Value:
        size = vector.type.size
        match kind:
            case "matvec":
                return b.matvec(self.constant(b, (self.draw(st.integers(1, 3)), size)), vector)
            case "computed_matvec":
                matrix = b.concat([vector] * self.draw(st.integers(1, 3)), "rows")
                return b.matvec(b.reshape(matrix, (matrix.type.size // size, size)), vector)
            case "transpose":
                columns = self.draw(st.integers(1, 3))
                return b.transpose(b.concat([vector] * columns, "columns"), self.draw(st.sampled_from([size, columns])))
            case "below_largest":
                return b.sub(vector, b.reduce_max(vector))
            case "slice":
                start = self.draw(st.integers(0, size - 1))
                return b.slice(vector, start, self.draw(st.integers(start + 1, size)))
            case "concat":
                same = [v for v in pool if v.type.element == vector.type.element and len(v.type.shape) == 1]
                return b.concat([vector, *self.draw(st.lists(st.sampled_from(same), max_size=1))])
            case "reduce_sum":
                return b.reduce_sum(vector)
            case _:
                return b.reduce_max(vector)

    def blend(self, b: Builder, z: Value, a: Value, c: Value) -> Value:
        """(1 - z)·a + z·c, as in a GRU."""
        bits = self.draw(st.integers(1, 6))
        unit = FixedType(bits + 1, 1, False, Rounding.RND, Overflow.SAT)
        one = b.const(1.0, FixedType(bits + 1, 1, False), "one")
        gate = b.min(b.cast(z, unit, "z"), one, "z_unit")
        return b.add(b.mul(b.sub(one, gate), a, "fresh"), b.mul(gate, c, "kept"), "blend")

    def scan(self, b: Builder, pool: Sequence[Value], depth: int) -> Sequence[Value]:
        if depth == 0:
            return []
        sequences = [v for v in pool if len(v.type.shape) == 2 and v.type.shape[0] == self.length]
        read = self.draw(st.lists(st.sampled_from(sequences), max_size=2)) if sequences else []
        read = read or [self.constant(b, (self.length, 2))]
        carried = [v for v in pool if len(v.type.shape) <= 1]
        states = self.draw(st.lists(st.sampled_from(carried), max_size=3)) if carried else []
        names = [*(f"last{k}" for k in range(len(states))), *(f"y{k}" for k in range(self.draw(st.integers(1, 2))))]

        def body(inner: Builder, states: Sequence[Value], steps: Sequence[Value]) -> BodyResult:
            values = [*states, *steps]
            self.grow(inner, values, depth - 1)
            following = [self.next_state(inner, state, values) for state in states]
            return following, [self.draw(st.sampled_from(values)) for _ in names[len(states) :]]

        return b.scan(states, read, body, names=names, note="steps // of a scan")

    def next_state(self, b: Builder, state: Value, values: Sequence[Value]) -> Value:
        alike = [value for value in values if value.type.shape == state.type.shape]
        return b.cast(self.draw(st.sampled_from(alike)), state.type.element)
