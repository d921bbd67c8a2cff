"""The passes on datapaths, in their order, and why each is where it is.

None changes what a datapath computes. Expansion makes the first one; the scheduler places registers in the last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from loopwire.datapath.counted_sums import counted_sums
from loopwire.datapath.datapath import Datapath
from loopwire.datapath.dsp_adders import with_dsp_adders
from loopwire.datapath.index_offsets import without_index_offsets
from loopwire.datapath.late_clamps import covering_tables, late_clamps
from loopwire.datapath.lut_products import with_lut_products
from loopwire.datapath.merge_addends import merge_addends
from loopwire.datapath.merge_bounds import merge_bounds
from loopwire.datapath.merge_rounding import merge_rounding
from loopwire.datapath.multipliers import Solver, with_multipliers
from loopwire.datapath.plain_tables import plain_tables
from loopwire.datapath.rewrite import without_unread_feedbacks, without_unused
from loopwire.datapath.rotate_states import rotations
from loopwire.datapath.sharing import Sharing
from loopwire.datapath.time_multiplexing import time_multiplexed
from loopwire.datapath.verify import verify
from loopwire.devices.delay_model import DelayModel


@dataclass(frozen=True)
class Pass:
    """A pass, why it is where it is in its list, and whether it is for hardware that takes turns too."""

    run: Callable[[Datapath], Datapath]
    why: str
    shared: bool = True


SIMPLIFICATIONS = (
    Pass(
        without_unread_feedbacks, "first, since what makes a state that no step reads may be unused then", shared=False
    ),
    Pass(merge_bounds, "before unused operations go: what a clamp leaves to the table behind it is one of them"),
    Pass(without_unused, "before rounding, which looks at all readers of a signal"),
    Pass(merge_rounding, "last, as the sums and products that can take a half on are known"),
)
"""What makes any datapath smaller."""
KEPT_DEPTHS = (1, 0)
"""Adders before counters that are tried: sums of pairs are shared by rows."""
TABLES = Pass(covering_tables, "after the clamps that are merged into tables; late clamps need such tables")
OFFSETS = Pass(without_index_offsets, "after tables of all numbers of a type, which have no offset")


def simplified(datapath: Datapath, sharing: Sharing, solve: Solver) -> Datapath:
    """Return an expanded datapath with its multipliers, after `SIMPLIFICATIONS`.

    Args:
        datapath: as expansion makes it.
        sharing: how its hardware takes turns.
        solve: chooses how each constant matrix of parallel hardware is multiplied.
    """
    multiplied = (
        Pass(
            lambda d: time_multiplexed(d, sharing),
            "first, while a product of a matrix is one operation: its rows and columns are what takes turns",
        ),
        Pass(lambda d: with_multipliers(d, solve), "before all that looks at adders, rounding among them"),
    )
    return _run((*multiplied, *SIMPLIFICATIONS), datapath)


def prepared(
    datapath: Datapath,
    sharing: Sharing,
    solve: Solver,
    delays: DelayModel,
    copies: int,
    lut_product_bits: Callable[[str], int | None],
) -> list[Datapath]:
    """Return an expanded datapath after all passes that always help, and with tables counted from 0 where some can be.

    Args:
        datapath: as expansion makes it.
        sharing: how its hardware takes turns.
        solve: chooses how each constant matrix of parallel hardware is multiplied.
        delays: of the part.
        copies: of the engine, which share the part's DSP blocks.
        lut_product_bits: as the knob, by layer.
    """
    products = Pass(
        lambda d: with_lut_products(d, delays, copies, lut_product_bits),
        "last, as it marks products by their final widths",
    )
    covering = _run((TABLES,), simplified(datapath, sharing, solve))
    from_zero = _run((OFFSETS,), covering)
    return [_run((products,), each) for each in dict.fromkeys((covering, from_zero))]


def alternatives(datapath: Datapath, delays: DelayModel) -> list[Datapath]:
    """Return the datapath and what is an advantage in some loops; scheduling finds out which loop is the shortest.

    Each attempt is made on the datapath and on all that came of the attempts before it. Of equally short ones the first
    is taken: one whose trees have a leaf more instead of adders behind them, and else few changes.
    """
    parallel = datapath.sharing.is_parallel
    merged = verify(merge_addends(datapath)) if parallel else datapath
    choices = [datapath] if merged is datapath else [merged, datapath]
    for attempt in _attempts(delays):
        if parallel or attempt.shared:
            choices += [changed for choice in choices if (changed := verify(attempt.run(choice))) is not choice]
    return choices


def _attempts(delays: DelayModel) -> tuple[Pass, ...]:
    return (
        *(
            Pass(
                partial(counted_sums, delays=delays, kept_depth=kept),
                "makes one shorter where many terms are added, those from outside among them",
                shared=False,
            )
            for kept in KEPT_DEPTHS
        ),
        Pass(late_clamps, "makes one shorter where a clamp takes longer than a choice after the lookup"),
        Pass(
            lambda d: late_clamps(plain_tables(d, delays)),
            "makes one shorter where a table has an adder; such a table may hold all numbers of a type",
            shared=False,
        ),
        Pass(lambda d: with_dsp_adders(d, delays), "makes one shorter where a sum is behind a product"),
    )


def stored_earlier(datapath: Datapath) -> list[Datapath]:
    """Return a datapath with its states stored earlier, in every way; they are wider there, so a last resort."""
    return [verify(rotated) for rotated in rotations(datapath)] if datapath.sharing.is_parallel else []


def _run(passes: tuple[Pass, ...], datapath: Datapath) -> Datapath:
    for each in passes:
        if each.shared or datapath.sharing.is_parallel:
            datapath = verify(each.run(datapath))
    return datapath
