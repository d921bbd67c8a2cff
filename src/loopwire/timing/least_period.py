"""The shortest clock period in which each operation has the time that it needs between two registers."""

from __future__ import annotations

from math import ceil

from loopwire.cmvm.adder_tree import AdderTree
from loopwire.cmvm.staging import adder_levels
from loopwire.datapath import ops as dp
from loopwire.datapath.datapath import Datapath, Operation
from loopwire.devices.delay_model import DelayModel
from loopwire.errors import ConfigError
from loopwire.timing.operation_delays import OperationTimes


def require_time(datapath: Datapath, times: OperationTimes, clock_period_ns: float, input_ns: float) -> None:
    """Refuse a clock period that is too short for an operation; name the one that needs most.

    Args:
        datapath: of the operations.
        times: of operations on the device.
        clock_period_ns: time between two clock edges.
        input_ns: when x is there, after the clock edge of its stage.

    Raises:
        ConfigError: an operation takes longer than the clock period.
    """
    delays = times.delays
    needs = [(input_ns, f"choosing the sequence whose step %{datapath.x.name} is next")]
    timed = {datapath.x, *(feedback.read for feedback in datapath.feedbacks)}
    for operation in datapath.operations:
        if isinstance(operation.kind, dp.StepRom | dp.WordRom) or not timed.isdisjoint(operation.operands):
            timed.add(operation.result)
            widths = " by ".join(str(operand.width) for operand in operation.operands)
            what = f"{type(operation.kind).__name__} of {widths} bits in %{operation.result.name}"
            needs.append((_uncut_ns(operation, times), what))
    delay_ns, what = max(needs)
    if delay_ns > delays.stage_budget_ns(clock_period_ns):
        # Rounded up, by more than floating point is off, so that it can be given as the clock period.
        needed_ns = ceil((delay_ns + delays.register_overhead_ns) * 100 + 1e-6) / 100
        raise ConfigError(
            f"clock period {clock_period_ns:g} ns",
            f"{what} needs {needed_ns:.2f} ns between two registers of {delays.device.name}",
            "Give a longer clock period, narrower types or a faster part",
        )


def _uncut_ns(operation: Operation, times: OperationTimes) -> float:
    """Return what an operation takes of a stage at least: a tree is cut between its adders."""
    if isinstance(operation.kind, dp.ShiftAdd):
        return _slowest_adder_ns(operation.kind.tree, times.delays)
    register_ns = times.to_flip_flop_ns(operation)
    whole_ns = times.whole_ns(operation) + register_ns
    cut_ns = times.cut_ns(operation)
    return min(whole_ns, max(cut_ns[0], cut_ns[1] + register_ns)) if cut_ns else whole_ns


def _slowest_adder_ns(tree: AdderTree, delays: DelayModel) -> float:
    """Return the time of the adder of a tree that takes longest."""
    widest = tree.widest_adders.items()
    return max((delays.adders(w, adder_levels(luts, delays.ternary_levels)) for luts, w in widest), default=0.0)
