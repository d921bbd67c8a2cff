"""The passes on datapaths, in their order, and why each is where it is.

None changes what a datapath computes. Expansion makes the first one; the scheduler places registers in the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loopwire.datapath.dsp_adders import with_dsp_adders
from loopwire.datapath.late_clamps import covering_tables, late_clamps
from loopwire.datapath.lut_products import with_lut_products
from loopwire.datapath.merge_addends import merge_addends
from loopwire.datapath.merge_bounds import merge_bounds
from loopwire.datapath.merge_rounding import merge_rounding
from loopwire.datapath.multipliers import Solver, with_multipliers
from loopwire.datapath.ops import Datapath
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
TABLES = Pass(covering_tables, "after the clamps that are merged into tables; late clamps need such tables")


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
) -> Datapath:
    """Return an expanded datapath after all passes that always help.

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
    return _run((TABLES, products), simplified(datapath, sharing, solve))


def alternatives(datapath: Datapath, delays: DelayModel) -> list[Datapath]:
    """Return the datapath and what is an advantage in some loops; scheduling finds out which loop is the shortest.

    Each attempt is made on the datapath and on all that came of the attempts before it.
    """
    attempts = (
        Pass(merge_addends, "makes a loop shorter where a tree has room for a leaf more", shared=False),
        Pass(late_clamps, "makes one shorter where a clamp takes longer than a choice after the lookup", shared=False),
        Pass(lambda d: with_dsp_adders(d, delays), "makes one shorter where a sum is behind a product"),
    )
    choices = [datapath]
    for attempt in attempts:
        if attempt.shared or datapath.sharing.is_parallel:
            choices += [changed for choice in choices if (changed := verify(attempt.run(choice))) is not choice]
    return choices


def stored_earlier(choices: Sequence[Datapath]) -> list[Datapath]:
    """Return datapaths with their states stored earlier, in every way; they are wider there, so a last resort."""
    parallel = [choice for choice in choices if choice.sharing.is_parallel]
    return [verify(rotated) for choice in parallel for rotated in rotations(choice)]


def _run(passes: tuple[Pass, ...], datapath: Datapath) -> Datapath:
    for each in passes:
        if each.shared or datapath.sharing.is_parallel:
            datapath = verify(each.run(datapath))
    return datapath
