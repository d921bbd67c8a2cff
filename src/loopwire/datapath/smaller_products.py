"""In how many ways products of matrices and their sums take fewer DSP blocks and look-up tables."""

from __future__ import annotations

from collections.abc import Iterator

from loopwire.datapath.datapath import Datapath
from loopwire.datapath.dsp_cascades import with_cascades
from loopwire.datapath.packed_products import with_packed_products
from loopwire.datapath.three_products import with_three_products
from loopwire.datapath.triples import with_triples
from loopwire.devices.delay_model import DelayModel


def smaller_products(datapath: Datapath, delays: DelayModel, budget_ns: float) -> Iterator[Datapath]:
    """Yield datapaths that may take longer: up to three products a DSP block, a cascade of up to four, sums of three.

    With two products a block there are half as many sums, too; a cascade of four leaves a quarter of the products to be
    summed, and sums of three make half as many adders of these.

    Args:
        datapath: of an engine.
        delays: of the part.
        budget_ns: time between two registers.
    """
    seen = {id(datapath)}
    in_threes, in_pairs = with_triples(datapath, delays), with_cascades(datapath, delays, budget_ns)
    of_four = with_cascades(in_pairs, delays, budget_ns) if in_pairs is not datapath else datapath
    sums = (
        with_triples(of_four, delays),
        with_cascades(in_threes, delays, budget_ns),
        with_triples(in_pairs, delays),
        in_threes,
        datapath,
    )
    ways = (
        lambda d: with_packed_products(with_three_products(d, delays), delays),
        lambda d: with_packed_products(d, delays),
        lambda d: d,
    )
    for way in ways:
        for summed in sums:
            found = way(summed)
            if id(found) not in seen and (found is not summed or way is ways[-1]):
                seen.add(id(found))
                yield found
