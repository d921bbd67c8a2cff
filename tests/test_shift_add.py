"""Shift-add trees: exact, as shallow as asked, staged in time, and the same in SystemVerilog."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loopwire.cmvm import builder, shift_add
from loopwire.cmvm.adder_tree import AdderTree, Interval, Output, StagedTree, Term, evaluate
from loopwire.cmvm.shift_add import Addend, minimal_depth, solve, with_addends
from loopwire.cmvm.signed_digits import csd, total_digits
from loopwire.cmvm.staging import stage
from loopwire.cmvm.summing import summed_at_once, summed_by_threes
from loopwire.cmvm.ternary import Clock, with_ternary_adders
from loopwire.cmvm.tree_text import COUNTERS, TERNARY, input_interval, module_text, output_interval
from loopwire.simulate import verilator

Matrix = npt.NDArray[np.int64]
TERNARY_LEVELS = 1.5
Product = tuple[Matrix, list[tuple[int, int]]]


@st.composite
def products(draw: st.DrawFn) -> Product:
    """Matrices with small, wide, repeated, negated and power-of-two weights, and the ranges of their inputs."""
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    weight = st.one_of(
        st.integers(-4, 4), st.integers(-(1 << 17), 1 << 17), st.integers(0, 17).map(lambda k: 1 << k), st.just(0)
    )
    matrix = np.array(
        draw(st.lists(st.lists(weight, min_size=columns, max_size=columns), min_size=rows, max_size=rows))
    )
    for row in range(1, rows):
        matrix[row] = draw(st.sampled_from([matrix[row], matrix[row], matrix[row - 1], -matrix[row - 1] * 2]))
    matrix = np.clip(matrix, -(1 << 23), 1 << 23)
    ends = st.one_of(st.integers(-(1 << 17), 1 << 17), st.integers(0, 1), st.just(0))
    ranges = [tuple(sorted((draw(ends), draw(ends)))) for _ in range(columns)]
    return matrix, ranges


def placed(tree: AdderTree, start_ns: float, period_ns: float, adders_ns: Callable[[int, float], float]) -> StagedTree:
    return stage(tree, start_ns, period_ns, adders_ns, TERNARY_LEVELS)


def samples(ranges: list[tuple[int, int]], count: int) -> Matrix:
    """Return random vectors, those of all lows and all highs among them: [count + 2, n]."""
    low, high = np.array(ranges).T
    return np.vstack([low, high, np.random.default_rng(1).integers(low, high, (count, len(low)), endpoint=True)])


@settings(deadline=None, max_examples=60)
@given(products(), st.sampled_from([None, 0, 1]))
@example((np.array([[-2, -1, 2], [-1, -3, 0]]), [(7, 7)] * 3), None)  # Inputs that never change.
def test_tree_computes_the_product(product: Product, slack: int | None) -> None:
    matrix, ranges = product
    max_depth = None if slack is None else minimal_depth(matrix) + slack
    tree = solve(matrix, ranges, max_depth)
    x = samples(ranges, 20)
    assert np.array_equal(evaluate(tree, x), x @ matrix.T)
    assert max_depth is None or tree.depth <= max_depth
    for row, weights in enumerate(matrix):
        ends = np.sort(weights[:, None] * np.array(ranges), axis=1).sum(axis=0)
        interval = tree.output_interval(row)
        assert (interval.low, interval.high) == tuple(ends)


@settings(deadline=None, max_examples=60)
@given(products(), st.data())
def test_addends_join_the_product(product: Product, data: st.DataObject) -> None:
    matrix, ranges = product
    tree = solve(matrix, ranges, minimal_depth(matrix))
    shift, interval = st.integers(0, 3), st.builds(Interval, st.integers(-1000, 0), st.integers(0, 1000))
    addend = st.none() | st.builds(Addend, interval, shift, shift)
    addends = data.draw(st.lists(addend, min_size=len(matrix), max_size=len(matrix)))
    whole = with_addends(tree, tuple(addends))
    x = samples(ranges + [(a.interval.low, a.interval.high) for a in addends if a], 20)
    due, column = x[:, : len(ranges)] @ matrix.T, len(ranges)
    for row, a in enumerate(addends):
        if a:
            due[:, row] = (due[:, row] << a.product_shift) + (x[:, column] << a.shift)
            column += 1
    assert np.array_equal(evaluate(whole, x), due)
    assert whole.depth <= tree.depth + 1


@settings(deadline=None, max_examples=60)
@given(products(), st.integers(1, 3), st.floats(0, 4), st.floats(1, 9), st.floats(1, 2), st.floats(0, 2))
@example((np.array([[-1, -1, -2, -1, -4]]), [(-8, 7)] * 5), 1, 0.0, 9.0, 1.5, 0.0)  # No term is positive.
@example((np.array([[1] * 16]), [(-8, 7)] * 16), 1, 0.0, 9.0, 1.5, 0.0)  # In time as two sums of three times three.
def test_ternary_adders_compute_the_product_in_time(
    product: Product, apart: int, start: float, period: float, ternary: float, spare: float
) -> None:
    matrix, ranges = product
    groups = [rows for k in range(apart) if (rows := range(k, len(matrix), apart))]
    tree = solve(matrix, ranges, minimal_depth(matrix), groups)
    start = min(start, period)
    clock = Clock(start, period, min(ternary, period))
    changed = with_ternary_adders(tree, clock, spare)
    x = samples(ranges, 20)
    assert np.array_equal(evaluate(changed, x), x @ matrix.T)
    assert changed.groups == tree.groups and len(changed.nodes) <= len(tree.nodes)
    nodes = [set(changed.needed(rows)) for rows in groups]
    assert sum(map(len, nodes)) == len(set().union(*nodes)) == len(changed.nodes)
    before, after = (
        stage(each, start, period, lambda width, levels: levels, clock.ternary) for each in (tree, changed)
    )
    assert after.latency_stages <= before.latency_stages
    if after.latency_stages == before.latency_stages:
        assert after.end_ns <= before.end_ns + spare + 1e-6


@pytest.mark.parametrize(("terms", "adders"), [(2, 1), (3, 1), (4, 3), (5, 2), (8, 4), (9, 4), (16, 9), (27, 13)])
def test_a_sum_takes_few_ternary_adders_in_its_time(terms: int, adders: int) -> None:
    tree = solve([[1] * terms], [(-8, 7)] * terms, (terms - 1).bit_length())
    assert len(with_ternary_adders(tree, Clock(0.0, 99.0, 1.5)).nodes) == adders


@settings(deadline=None, max_examples=40)
@given(products(), st.integers(1, 3), st.floats(1, 4))
def test_groups_share_no_adder_and_their_parts_are_the_product(product: Product, apart: int, period_ns: float) -> None:
    matrix, ranges = product
    groups = [rows for k in range(apart) if (rows := range(k, len(matrix), apart))]
    tree = with_addends(
        solve(matrix, ranges, minimal_depth(matrix), groups), (Addend(Interval(-3, 5), 1, 0),) * len(matrix)
    )
    nodes = [set(tree.needed(rows)) for rows in groups]
    assert sum(map(len, nodes)) == len(set().union(*nodes)) == len(tree.nodes)
    staged = placed(tree, 0.5, period_ns, lambda width, levels: levels)
    x = samples(ranges + [(-3, 5)] * len(matrix), 20)
    due = x[:, : len(ranges)] @ matrix.T + 2 * x[:, len(ranges) :]
    for rows in groups:
        part = staged.part(rows)
        assert np.array_equal(evaluate(part.tree, x), due[:, list(rows)])
        assert (part.latency_stages, len(part.stages)) == (staged.latency_stages, x.shape[1] + len(part.tree.nodes))


def test_an_addend_of_nothing_takes_no_adder() -> None:
    """As the bias of a GRU's candidate may be: shifted beyond the row's bits, it would be read in none of them."""
    tree = solve([[1, 1], [3, 1]], [(-8, 7)] * 2, 2)
    whole = with_addends(tree, (Addend(Interval(0, 0), 20, 0), Addend(Interval(-3, 5), 1, 0)))
    assert len(whole.nodes) == len(tree.nodes) + 1
    assert_declared(whole)


def test_an_addend_all_of_whose_bits_are_cut_off() -> None:
    """-256 or -255, plus 256: what is added changes no bit of the sum, which has one."""
    whole = with_addends(solve([[1]], [(-256, -255)], 0), (Addend(Interval(1, 1), 8, 0),))
    assert whole.output_interval(0) == Interval(0, 1)
    assert 0 in whole.widths
    for period_ns in (9.0, 1.0):
        assert_declared(whole, period_ns)


def assert_declared(tree: AdderTree, period_ns: float = 9.0) -> None:
    text = module_text("sums", placed(tree, period_ns, period_ns, lambda width, levels: levels), "Sums.")
    declarations = "".join(line for line in text.splitlines() if line.startswith("  logic "))
    assert set(re.findall("[xn][0-9]+(?:_q[0-9]+)?", text)) == set(re.findall("[xn][0-9]+(?:_q[0-9]+)?", declarations))


@pytest.mark.parametrize(("terms", "depth"), [(7, 3), (8, 4)])
def test_an_addend_takes_no_level_where_the_tree_has_room(terms: int, depth: int) -> None:
    tree = solve([[1] * terms], [(-8, 7)] * terms, 3)
    assert with_addends(tree, (Addend(Interval(-8, 7), 0, 0),)).depth == depth


@pytest.mark.parametrize(
    ("matrix", "depth"),
    [([[0]], 0), ([[4]], 0), ([[-1]], 1), ([[3]], 1), ([[1] * 8], 3), ([[-1] * 7], 3), ([[-1] * 8], 4), ([[2, -1]], 1)],
)
def test_the_least_depth_is_reached(matrix: list[list[int]], depth: int) -> None:
    assert minimal_depth(matrix) == depth
    assert solve(matrix, [(-8, 7)] * len(matrix[0]), max_depth=depth).depth == depth


def test_common_terms_are_shared() -> None:
    """Two rows that differ in a sign take four adders: a + b, c + d, their sum and their difference."""
    assert len(solve([[1, 1, 1, 1], [1, 1, -1, -1], [4, 4, 4, 4]], [(-8, 7)] * 4, max_depth=2).nodes) == 4


def test_a_large_matrix_is_solved_in_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.random.default_rng(3).integers(-99, 99, (9, 4))
    whole = solve(matrix, [(-8, 7)] * 4, minimal_depth(matrix))
    monkeypatch.setattr(shift_add, "SOLVER_DIGITS", 20)
    tree = solve(matrix, [(-8, 7)] * 4, minimal_depth(matrix))
    x = samples([(-8, 7)] * 4, 20)
    assert np.array_equal(evaluate(tree, x), x @ matrix.T)
    assert len(tree.nodes) > len(whole.nodes)


def additive(width: int, levels: float) -> float:
    """Adders of 1 ns and 0.05 ns a bit, one after the other."""
    return levels * (1.0 + 0.05 * width)


@settings(deadline=None, max_examples=60)
@given(products(), st.integers(0, 2), st.sampled_from([1, 3]))
def test_rows_summed_at_once_are_the_product(product: Product, kept_depth: int, apart: int) -> None:
    matrix, ranges = product
    groups = [rows for k in range(apart) if (rows := range(k, len(matrix), apart))]
    tree = solve(matrix, ranges, minimal_depth(matrix), groups)
    summed = summed_at_once(tree, kept_depth)
    x = samples(ranges, 20)
    assert np.array_equal(evaluate(summed, x), x @ matrix.T)
    assert summed.depth <= min(tree.depth, kept_depth + 1) and summed.groups == tree.groups
    assert [summed.output_interval(row) for row in range(len(matrix))] == [
        tree.output_interval(row) for row in range(len(matrix))
    ]
    assert all(node.depth <= kept_depth + 1 for node in summed.nodes)
    nodes = [set(summed.needed(rows)) for rows in groups]
    assert sum(map(len, nodes)) == len(set().union(*nodes)) == len(summed.nodes)


@settings(deadline=None, max_examples=40)
@given(products(), st.integers(0, 2), st.sampled_from([1, 3]))
def test_rows_summed_by_threes_are_the_product(product: Product, kept_depth: int, apart: int) -> None:
    """The first is as quick as one that counts all that is left, and each is slower than the one before."""
    matrix, ranges = product
    groups = [rows for k in range(apart) if (rows := range(k, len(matrix), apart))]
    tree = solve(matrix, ranges, minimal_depth(matrix), groups)
    x = samples(ranges, 10)
    period = 1e3
    ends = []
    for summed in summed_by_threes(tree, kept_depth, TERNARY_LEVELS):
        assert np.array_equal(evaluate(summed, x), x @ matrix.T)
        assert summed.groups == tree.groups
        ends.append(placed(summed, 0.0, period, lambda width, levels: levels).end_ns)
    at_once = placed(summed_at_once(tree, kept_depth), 0.0, period, lambda width, levels: levels)
    assert not ends or ends[0] <= at_once.end_ns + 1e-9
    assert ends == sorted(ends)


def test_sums_of_three_take_fewer_look_up_tables_than_counters() -> None:
    tree = solve([[1] * 27], [(0, 255)] * 27, 5)
    bits = [summed.adder_bits for summed in summed_by_threes(tree, 0, TERNARY_LEVELS)]
    assert bits == sorted(bits, reverse=True) and bits[-1] < 0.75 * bits[0]
    assert bits[0] == summed_at_once(tree, 0).adder_bits


@settings(deadline=None, max_examples=60)
@given(products(), st.floats(0, 5), st.floats(3, 8))
def test_no_stage_exceeds_the_period(product: Product, start_ns: float, period_ns: float) -> None:
    matrix, ranges = product
    start_ns = min(start_ns, period_ns)
    tree = solve(matrix, ranges, minimal_depth(matrix))
    staged = placed(tree, start_ns, period_ns, additive)
    arrivals = [start_ns] * len(ranges)
    for source, node in enumerate(tree.nodes, len(ranges)):
        begins = [arrivals[o] if staged.stages[o] == staged.stages[source] else 0.0 for o in node.operands]
        assert all(staged.stages[operand] <= staged.stages[source] for operand in node.operands)
        arrivals.append(max(begins) + additive(node.adder_width, 1))
        assert arrivals[-1] <= period_ns
    used = {output.source for output in tree.outputs if output.source is not None}
    assert all(staged.stages[source] <= staged.latency_stages for source in used)
    assert all(arrivals[s] <= staged.end_ns for s in used if staged.stages[s] == staged.latency_stages)


def test_stages_are_filled_before_another_is_begun() -> None:
    tree = solve([[1] * 8], [(0, 15)] * 8, max_depth=3)
    latencies = {start: placed(tree, start, 3.0, lambda width, levels: levels) for start in (0.0, 0.5, 2.5)}
    assert [(s.latency_stages, s.end_ns) for s in latencies.values()] == [(0, 3.0), (1, 1.0), (1, 3.0)]
    assert [s.register_bits for s in latencies.values()] == [0, 2 * 6, 8 * 4]


def test_each_group_registers_its_inputs_itself() -> None:
    tree = solve([[1] * 8] * 3, [(0, 15)] * 8, 3, [(0, 2), (1,)])
    assert placed(tree, 2.5, 3.0, lambda width, levels: levels).register_bits == 2 * 8 * 4


def test_an_adder_slower_than_the_period_is_refused() -> None:
    with pytest.raises(AssertionError, match="an adder of 5 bits exceeds"):
        placed(solve([[1, 1]], [(0, 15)] * 2), 0.0, 1.0, additive)


LIBRARY = [Path(str(resources.files("loopwire.hdl").joinpath(f"{name}.sv"))) for name in (TERNARY, COUNTERS)]
DESIGNS: dict[str, tuple[Matrix, list[tuple[int, int]], float]] = {
    "deep": (np.random.default_rng(2).integers(-2000, 2000, (5, 6)), [(-1024, 1024)] * 6, 2.5),
    "mixed": (
        np.array([[3, -7, 0, 5], [0, 0, 0, 0], [-1, 0, 0, 0], [0, 8, 0, 0], [-3, 7, 0, -5], [100, 1, 0, 77777]]),
        [(-3, 90), (0, 255), (-9, 9), (5, 5)],
        9.0,
    ),
    "unsigned_sums": (np.array([[1, 2, 3], [7, 0, 1]]), [(0, 1), (0, 3), (2, 1000)], 3.0),
    "single": (np.array([[-5]]), [(-8, 7)], 99.0),
    "delayed_input": (np.array([[1, 0], [0, 171]]), [(-8, 7), (-1, 0)], 1.0),
    "deep_ternary": (np.random.default_rng(2).integers(-2000, 2000, (5, 6)), [(-1024, 1024)] * 6, 2.5),
    "mixed_ternary": (np.array([[3, -7, 11, 5], [-3, -7, -5, -1], [64, 3, 0, 5]]), [(-3, 90), (0, 255)] * 2, 9.0),
    "cancelling": (np.array([[1, 0], [0, 1], [1, 1], [1, -1]]), [(3, 4), (-7, -6)], 3.0),
    "deep_summed": (np.random.default_rng(2).integers(-2000, 2000, (5, 6)), [(-1024, 1024)] * 6, 4.0),
    "deep_counted": (np.random.default_rng(2).integers(-2000, 2000, (5, 6)), [(-1024, 1024)] * 6, 4.0),
    "negative_summed": (np.array([[-18, -20, -16], [15, -16, -11], [-20, 6, -16]]), [(-16, 15)] * 3, 9.0),
    "negated_summed": (np.array([[-1, -2, -4, 0], [1, 3, 5, 7]]), [(-16, 15)] * 4, 9.0),
    "negated_counted": (np.array([[-1, -2, -4, 0], [0, -3, 0, -2]]), [(-16, 15)] * 4, 9.0),
    "mixed_counted": (np.array([[3, -7, 11, 5], [-3, -7, -5, -1], [64, 3, 0, 5]]), [(-3, 90), (0, 255)] * 2, 9.0),
}
"""Summed at once with what a simulator reads, and counted with what synthesis reads."""


def vector_words(values: Matrix, width: int) -> str:
    """Return vectors as hexadecimal words, element 0 lowest: integers [count, n]."""
    words = (sum((int(v) & (1 << width) - 1) << (k * width) for k, v in enumerate(vector)) for vector in values)
    return "".join(f"{word:x}\n" for word in words)


def design_text(name: str) -> tuple[StagedTree, str]:
    matrix, ranges, period_ns = DESIGNS[name]
    tree = solve(matrix, ranges, minimal_depth(matrix))
    if name.endswith("_ternary"):
        tree = with_ternary_adders(tree, Clock(0.5, period_ns, TERNARY_LEVELS))
        assert any(node.is_ternary and node.passed_bits for node in tree.nodes)
    if name.endswith(("_summed", "_counted")):
        tree = summed_at_once(tree, int(name.startswith("deep")))
        assert any(tree.heaps)
    staged = placed(tree, 0.5, period_ns, lambda width, levels: levels)
    text = module_text(name, staged, f"The product {name}.")
    return staged, f"`define SYNTHESIS\n{text}`undef SYNTHESIS\n" if name.endswith("_counted") else text


def test_the_modules_compute_the_products(tmp_path: Path) -> None:
    count = 40
    sources, instances, latencies = [], "", {}
    for name, (matrix, ranges, _) in DESIGNS.items():
        staged, text = design_text(name)
        latencies[name] = staged.latency_stages
        (tmp_path / f"{name}.sv").write_text(text)
        sources.append(tmp_path / f"{name}.sv")
        x = samples(ranges, count - 2)
        x_width, y_width = input_interval(staged.tree).width, output_interval(staged.tree).width
        (tmp_path / f"{name}_x.mem").write_text(vector_words(x, x_width))
        (tmp_path / f"{name}_y.mem").write_text(vector_words(x @ matrix.T, y_width))
        x_bits, y_bits, latency = x_width * len(ranges), y_width * len(matrix), staged.latency_stages
        instances += f"""
  logic [{x_bits - 1}:0] {name}_x, {name}_xs [0:{count - 1}];
  logic [{y_bits - 1}:0] {name}_y, {name}_ys [0:{count - 1}];
  {name} {name}_product ({".aclk, " if latency else ""}.x({name}_x), .y({name}_y));
  initial begin
    $readmemh("{name}_x.mem", {name}_xs);
    $readmemh("{name}_y.mem", {name}_ys);
  end
  always @(negedge aclk) if (cycle < {count}) {name}_x <= {name}_xs[cycle];
  always @(posedge aclk) if (cycle > {latency} && cycle <= {count} + {latency}) begin
    if ({name}_y === {name}_ys[cycle - {latency + 1}]) good = good + 1;
    else $display("{name} %0d: %h, not %h", cycle, {name}_y, {name}_ys[cycle - {latency + 1}]);
  end
"""
    bench = f"""module bench;
  logic aclk = 0;
  int cycle = 0, good = 0;
  always #5 aclk = !aclk;
  always @(negedge aclk) cycle <= cycle + 1;
{instances}
  initial begin
    #{10 * (count + 20)};
    $display("good %0d", good);
    $finish;
  end
endmodule
"""
    (tmp_path / "bench.sv").write_text(bench)
    assert max(latencies.values()) >= 2 and min(latencies.values()) == 0
    printed = verilator.run_testbench("bench", [tmp_path / "bench.sv", *sources, *LIBRARY])
    assert f"good {count * len(DESIGNS)}\n" in printed, printed


@pytest.mark.parametrize("name", [name for name in DESIGNS if not name.endswith("_counted")])
def test_the_module_is_lint_clean(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.sv").write_text(design_text(name)[1])
    assert verilator.lint(name, [tmp_path / f"{name}.sv", *LIBRARY]) == ""


class Plain(builder.Builder):
    """Weighs each sum anew, where the builder carries the weight along."""

    def output(self, row: Term | None, max_depth: int | None) -> Output:
        if row is None or max_depth is None or (not row.negative and self._depth(row.source) <= max_depth):
            return super().output(row, max_depth)
        factors = {row.source: -1 if row.negative else 1}
        if row.source >= len(self.inputs):
            factors = self._expanded(factors, row.source)
        while (weight := self._weight(factors).total) > 1 << max_depth:
            choices = []
            for source in factors:
                if source >= len(self.inputs):
                    expanded = self._expanded(factors, source)
                    new_weight = self._weight(expanded).total
                    choices.append((self.users[source] > 1 or new_weight > weight, new_weight, source, expanded))
            factors = min(choices)[-1]
        return self._sum(factors, row.shift)

    def _expanded(self, factors: dict[int, int], source: int) -> dict[int, int]:
        node = self.nodes[source - len(self.inputs)]
        expanded = Counter(factors)
        factor = expanded.pop(source)
        for term in node.terms:
            expanded[term.source] += (-factor if term.negative else factor) << term.shift
        return {source: factor for source, factor in expanded.items() if factor}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 16), st.integers(2, 24), st.integers(0, 1))
def test_weights_carried_along_choose_the_same_terms(seed: int, rows: int, columns: int, slack: int) -> None:
    matrix = np.random.default_rng(seed).integers(-127, 128, (rows, columns))
    ranges = [(-128, 127)] * columns
    tree = solve(matrix, ranges, minimal_depth(matrix) + slack)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shift_add, "Builder", Plain)
        shift_add._solved.cache_clear()
        assert solve(matrix, ranges, minimal_depth(matrix) + slack) == tree


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-9, 9)))
def test_the_digits_of_many_numbers(values: list[int]) -> None:
    digits = sum(len(csd(value)) for value in values)
    assert total_digits(np.array([values, values], np.int64).T) == 2 * digits
    assert total_digits(np.array([value << 9 for value in values], object)) == digits
