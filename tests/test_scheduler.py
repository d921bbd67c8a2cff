"""Schedules, checked from nothing but delays: everything is there before it is read, fits its stage and comes round."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cell_models import CELLS
from conformance import Case, types
from loopwire.datapath.datapath import Datapath, Feedback, Operation
from loopwire.datapath.dsp_adders import with_dsp_adders
from loopwire.datapath.late_clamps import covering_tables, late_clamps
from loopwire.datapath.merge_addends import merge_addends
from loopwire.datapath.ops import Constant, Multiply, MultiplyAdd, Products, ShiftAdd, TableLookup
from loopwire.datapath.rotate_states import rotations
from loopwire.datapath.signals import Signal
from loopwire.devices import find_part
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.model import chain
from loopwire.layers.roles import LayerTypes, Role
from loopwire.passes.lower import lower
from loopwire.timing import routing_delays
from loopwire.timing.operation_delays import OperationTimes, cut_delays_ns, operation_delay_ns, to_flip_flop_ns
from loopwire.timing.pipeline import Pipeline
from loopwire.timing.scheduler import schedule
from loopwire.timing.ternary_sums import with_ternary_sums
from random_models import Weights
from test_expand import SOLVERS, only_datapath, random_model, random_types
from test_passes import gru

DELAYS = DelayModel(find_part("xcku115-flvb2104-2-i"))
EPSILON_NS = 1e-9


def some_datapath(seed: int, solver: str) -> Datapath:
    source = random.Random(seed)
    graph = lower(random_model(source), FixedType(source.randint(1, 8), 3), random_types(source))
    return only_datapath(graph, SOLVERS[solver])


def assert_in_time(pipeline: Pipeline, budget_ns: float, input_ns: float) -> None:
    there = {pipeline.datapath.x: (0, input_ns)}
    there.update({feedback.read: (entry, 0.0) for feedback, entry in pipeline.entry.items()})
    for operation, placement in pipeline.placements.items():
        if isinstance(operation.kind, Constant):
            continue
        start_ns = 0.0
        for operand in operation.operands:
            if operand in there:
                stage, ns = there[operand]
                assert stage <= placement.first_stage, f"{operand.name} is late for {operation.result.name}"
                start_ns = max(start_ns, ns if stage == placement.first_stage else 0.0)
        if isinstance(operation.kind, ShiftAdd):
            assert placement.staged is not None
            assert start_ns <= placement.staged.start_ns + EPSILON_NS
            assert placement.time[1] == placement.staged.end_ns
            assert placement.time[0] == placement.first_stage + placement.staged.latency_stages
        elif placement.time[0] > placement.first_stage:
            cut_ns = cut_delays_ns(operation, DELAYS)
            assert cut_ns is not None
            assert start_ns + cut_ns[0] <= budget_ns + EPSILON_NS
            assert placement.time == (placement.first_stage + 1, cut_ns[1])
        else:
            end_ns = start_ns + operation_delay_ns(operation, DELAYS)
            assert end_ns <= placement.time[1] + EPSILON_NS, f"{operation.result.name} is there sooner than it can be"
        assert placement.time[1] + to_flip_flop_ns(operation, DELAYS) <= budget_ns + EPSILON_NS
        there[operation.result] = placement.time
    for feedback in pipeline.datapath.feedbacks:
        stage, _ = there[feedback.following]
        assert stage <= pipeline.entry[feedback] + pipeline.loop_latency - 1, f"{feedback.read.name} returns late"
    stage, _ = there.get(pipeline.datapath.output, (0, 0.0))
    assert stage <= pipeline.depth


def loop_of(datapath: Datapath, feedback: Feedback) -> list[Operation]:
    """Return the operations that a state's next value is computed with."""
    producers = {operation.result: operation for operation in datapath.operations}
    needed: dict[Operation, None] = {}
    waiting = [feedback.following]
    while waiting:
        operation = producers.get(waiting.pop())
        if operation is not None and operation not in needed and not isinstance(operation.kind, Constant):
            needed[operation] = None
            waiting += operation.operands
    return list(needed)


def assert_cuts_hold(pipeline: Pipeline) -> None:
    """Whatever is computed behind a cut for a state's next value must depend on nothing but what the cut holds."""
    places = pipeline.stage_of()
    for feedback in pipeline.datapath.feedbacks:
        cut, entry = pipeline.cuts[feedback], pipeline.entry[feedback]
        assert entry <= cut.stage < entry + pipeline.loop_latency
        for operation in loop_of(pipeline.datapath, feedback):
            placement = pipeline.placements[operation]
            if placement.first_stage > cut.stage:
                for operand in operation.operands:
                    assert operand is not pipeline.datapath.x or pipeline.input_stage <= cut.stage, "x comes behind it"
                    held = operand in cut.signals or places.get(operand, cut.stage + 1) > cut.stage
                    assert held or operand not in places, f"{operand.name} is not held for {operation.result.name}"
            else:
                assert placement.time[0] <= cut.stage, f"the cut goes through the tree of {operation.result.name}"
        assert places[feedback.following] > cut.stage or feedback.following in cut.signals


@pytest.mark.parametrize("solver", SOLVERS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from([3.0, 4.0, 5.0, 8.0, 30.0]), st.integers(1, 12))
@example(179, 8.0, 2)  # A tree waits for another in one stage.
@example(4096, 3.0, 1)  # A product of the input is sunk behind the cut of the loop that it belongs to.
def test_schedules_of_random_models_hold(solver: str, seed: int, period_ns: float, least_loop_latency: int) -> None:
    datapath = some_datapath(seed, solver)
    assert_schedule_holds(datapath, period_ns, least_loop_latency)
    assert_schedule_holds(late_clamps(merge_addends(datapath)), period_ns, least_loop_latency)
    assert_schedule_holds(with_dsp_adders(datapath, DELAYS), period_ns, least_loop_latency)
    for rotated in rotations(datapath):
        assert_schedule_holds(rotated, period_ns, least_loop_latency)
    with suppress(ConfigError):  # A table with its ends repeated may take longer than the clock.
        assert_schedule_holds(late_clamps(merge_addends(covering_tables(datapath))), period_ns, least_loop_latency)


@pytest.mark.parametrize("period_ns", [3.0, 4.0, 5.0, 8.0])
def test_no_loop_holds_in_front_of_its_input(period_ns: float) -> None:
    """The window of a quasi-recurrent cell is a state that nothing but x follows."""
    cell = CELLS["qrnn"].make(Weights(1), "a", 2, 2)
    datapath = only_datapath(Case("held", (4, 2), [cell], types("fixed<8,3>")).graph(), SOLVERS["trees"])
    for stage in range(2):
        assert_cuts_hold(schedule(datapath, DELAYS, period_ns, (stage, 0.0), 2))


def assert_schedule_holds(datapath: Datapath, period_ns: float, least_loop_latency: int) -> None:
    input_ns = DELAYS.gate()
    pipeline = schedule(datapath, DELAYS, period_ns, (0, input_ns), least_loop_latency)
    assert pipeline.loop_latency >= least_loop_latency
    for each in (pipeline, with_ternary_sums(pipeline, DELAYS, period_ns)):
        assert (each.loop_latency, each.depth) == (pipeline.loop_latency, pipeline.depth)
        assert_in_time(each, DELAYS.stage_budget_ns(period_ns), input_ns)
        assert_cuts_hold(each)


def fewest_stages(datapath: Datapath, feedback: Feedback, budget_ns: float, extra_ns: float) -> int:
    """Return the least stages from a state to its next value, over all ways to put registers before operations.

    `extra_ns` is what must still fit behind the next value. All else that the loop reads counts as there.
    """
    depends: set[Signal] = {feedback.read}
    loop = []
    needed = set(loop_of(datapath, feedback))
    for operation in datapath.operations:
        if operation in needed and depends.intersection(operation.operands):
            depends.add(operation.result)
            loop.append(operation)
    best = 1 << 30
    for registered in itertools.product((False, True), repeat=len(loop) + 1):
        times = {feedback.read: (0, 0.0)}
        fits = True
        for operation, begins in zip(loop, registered, strict=False):
            stage, ns = max(times[v] for v in operation.operands if v in times)
            stage, ns = (stage + 1, 0.0) if begins else (stage, ns)
            ns += operation_delay_ns(operation, DELAYS)
            fits &= ns <= budget_ns
            times[operation.result] = stage, ns
        stage, ns = times[feedback.following]
        stage, ns = (stage + 1, 0.0) if registered[-1] else (stage, ns)
        if fits and ns + extra_ns <= budget_ns:
            best = min(best, stage + 1)
    return best


@pytest.mark.parametrize("period_ns", [3.0, 4.0, 5.0, 7.0])
def test_no_placement_has_a_shorter_loop(period_ns: float) -> None:
    checked = 0
    for seed in range(40):
        datapath = some_datapath(seed, "multipliers")
        if len(datapath.feedbacks) != 1 or len(loop_of(datapath, datapath.feedbacks[0])) > 9:
            continue
        (feedback,) = datapath.feedbacks
        budget_ns = DELAYS.stage_budget_ns(period_ns)
        least = fewest_stages(datapath, feedback, budget_ns, extra_ns=0.0)
        with_hold = fewest_stages(datapath, feedback, budget_ns, extra_ns=DELAYS.gate())
        assert least <= schedule(datapath, DELAYS, period_ns, (0, 0.0)).loop_latency <= with_hold
        checked += 1
    assert checked >= 5


def test_a_state_is_registered_on_its_way_to_the_rows_of_a_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """What of the way is not behind it at the end of a stage, at most half, is before it in the next."""
    far = DelayModel(replace(DELAYS.device, delays=replace(DELAYS.device.delays, net_reach_ns=0.05)))
    budget_ns, shorter = far.stage_budget_ns(4.0), 0
    for seed in range(300):
        if seed >= 30 and shorter:
            break
        datapath = some_datapath(seed, "multipliers")
        pipeline = schedule(datapath, far, 4.0, (0, 0.0))
        times = {op.result: placement.time for op, placement in pipeline.placements.items()}
        for feedback, entry in pipeline.entry.items():
            stage, ns = times[feedback.following]
            left_ns = budget_ns - ns if stage == entry + pipeline.loop_latency - 1 else budget_ns
            for reader in datapath.readers[feedback.read]:
                if reader is not None and isinstance(reader.kind, Products) and times[reader.result][0] == entry:
                    way_ns = routing_delays.routing_delays(datapath, OperationTimes(far), budget_ns)[0].left_ns[reader]
                    after_ns = times[reader.result][1] - operation_delay_ns(reader, far)
                    assert after_ns >= way_ns - min(way_ns / 2, left_ns) - EPSILON_NS
        with monkeypatch.context() as patched:
            patched.setattr(routing_delays, "SHARES", (0.0,))
            in_front = schedule(datapath, far, 4.0, (0, 0.0)).loop_latency
        assert pipeline.loop_latency <= in_front
        shorter += pipeline.loop_latency < in_front
    assert shorter


def test_the_way_to_a_tree_is_whole_in_one_stage_or_takes_several() -> None:
    """Of a GRU's r∘h, a product in DSP blocks: with that, the way and the net to a register, or the stages behind."""
    types = dict.fromkeys(Role, FixedType(16, 6, rounding=Rounding.RND, overflow=Overflow.SAT))
    model = chain("m", (3, 2), (gru(np.random.default_rng(1), 2, reset_after=False),), "test")
    datapath = only_datapath(lower(model, FixedType(16, 6), lambda layer: LayerTypes(types)), SOLVERS["trees"])
    (tree,) = (op for op in datapath.operations if op.result.name == "gru.U_rh")
    begins = set()
    for reach_ns in np.arange(0.01, 0.3, 0.01):
        far = DelayModel(replace(DELAYS.device, delays=replace(DELAYS.device.delays, net_reach_ns=reach_ns)))
        budget_ns = far.stage_budget_ns(5.0)
        routing = routing_delays.routing_delays(datapath, OperationTimes(far), budget_ns)[0]
        placements = schedule(datapath, far, 5.0, (0, 0.0)).placements
        (product,) = (placements[op] for op in datapath.operations if op.result is tree.operands[0])
        way_ns, relays = routing.left_ns[tree], routing.relays[tree]
        fits = product.time[1] + way_ns + far.device.delays.dsp_to_flip_flop_ns <= budget_ns and not relays
        assert placements[tree].first_stage == product.time[0] + (not fits) + relays
        assert way_ns <= budget_ns
        begins.add((fits, relays))
    assert {(True, 0), (False, 0), (False, 1)} <= begins


def test_products_and_tables_of_two_roms_are_cut_inside_where_a_stage_is_short() -> None:
    types = dict.fromkeys(Role, FixedType(16, 6, rounding=Rounding.RND, overflow=Overflow.SAT))
    model = chain("m", (3, 2), (gru(np.random.default_rng(1), 2),), "test")
    datapath = with_dsp_adders(only_datapath(lower(model, FixedType(16, 6), lambda layer: LayerTypes(types))), DELAYS)
    inside = {}
    for period_ns in (2.3, 30.0):
        assert_schedule_holds(datapath, period_ns, 1)
        placements = schedule(datapath, DELAYS, period_ns, (0, 0.0)).placements
        several = {op for op, placement in placements.items() if placement.first_stage < placement.time[0]}
        inside[period_ns] = {type(op.kind) for op in several}
    assert inside == {2.3: {Products, Multiply, MultiplyAdd, TableLookup}, 30.0: set()}


def test_a_clock_too_fast_for_an_operation_is_refused() -> None:
    datapath = some_datapath(3, "multipliers")
    with pytest.raises(ConfigError) as caught:
        schedule(datapath, DELAYS, 1.2, (0, 0.0))
    where, problem = str(caught.value).split(": ", 1)
    assert where == "clock period 1.2 ns"
    assert " bits in %" in problem and "ns between two registers of xcku115" in problem
    assert problem.endswith("Give a longer clock period, narrower types or a faster part")


@pytest.mark.parametrize("part", ["xcku115", "xc7z010-1", "lfe5u-85"])
def test_the_clock_period_that_a_refusal_asks_for_is_enough(part: str) -> None:
    delays = DelayModel(find_part(part))
    for seed in range(8):
        datapath = some_datapath(seed, "multipliers" if seed % 2 else "trees")
        with pytest.raises(ConfigError, match=r" needs \d+\.\d\d ns between two registers") as caught:
            schedule(datapath, delays, delays.register_overhead_ns + 1.01 * delays.gate(), (0, 0.0))
        period_ns = float(str(caught.value).split(" needs ")[1].split()[0])
        schedule(datapath, delays, period_ns, (0, 0.0))
        with pytest.raises(ConfigError, match=f" needs {period_ns:.2f} ns "):
            schedule(datapath, delays, period_ns - 0.02, (0, 0.0))


def test_a_longer_clock_period_never_lengthens_the_loop() -> None:
    for seed in range(12):
        datapath = some_datapath(seed, "multipliers")
        latencies = [schedule(datapath, DELAYS, period, (0, 0.0)).loop_latency for period in (3.0, 4.0, 5.0, 8.0, 30.0)]
        assert latencies == sorted(latencies, reverse=True)
