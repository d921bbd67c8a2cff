"""Sums of neighbouring products in a cascade of DSP blocks: each block adds its product to the sum of the one before.

The first level of the sums behind a matrix's products then takes no look-up tables, and no wires either: blocks above
one another in a column are joined by wires of their own (PCOUT and PCIN of AMD UG479 and UG579).
"""

from __future__ import annotations

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.dsp_adders import SUM_BITS
from loopwire.datapath.lut_products import dsp_blocks
from loopwire.datapath.ops import Constant, Pairs, Products, Triples
from loopwire.datapath.rewrite import expanded
from loopwire.devices.delay_model import DelayModel


def with_cascades(datapath: Datapath, delays: DelayModel, budget_ns: float) -> Datapath:
    """Return the datapath whose DSP blocks make the first level of the sums of a matrix's products, pairs or threes.

    Done once more, they make the next level too. Not those of constants, of which some take no block.

    Args:
        datapath: with sums of products as operations.
        delays: of the part.
        budget_ns: time between two registers, in which a cascade behind its multipliers has to be done.
    """
    if not delays.device.dsp_has_adder:
        return datapath
    changed: dict[Operation, list[Operation]] = {}
    for operation in datapath.operations:
        kind = operation.kind
        if not isinstance(kind, Products) or kind.lut_rows or dsp_blocks(operation, delays) != 1:
            continue
        matrix, x = operation.operands
        source = datapath.producers.get(matrix)
        reader, *others = datapath.readers[operation.result]
        if others or reader is None or (source is not None and isinstance(source.kind, Constant)):
            continue
        members = _summed_members(reader, matrix.count // x.count)
        cascaded = Products(cascaded=members * kind.cascaded)
        if members and reader.result.width <= SUM_BITS and _takes_ns(cascaded, operation, delays) <= budget_ns:
            changed |= {operation: [], reader: [Operation(cascaded, operation.operands, reader.result)]}
    return expanded(datapath, changed)


def _takes_ns(cascaded: Products, operation: Operation, delays: DelayModel) -> float:
    """Return the time from the registers behind a cascade's multipliers to the one behind it."""
    a, b = (operand.width + (not operand.signed) for operand in operation.operands)
    cut_ns = delays.cut_dsp_multiplier(a, b, cascaded.cascaded)
    assert cut_ns is not None
    return cut_ns[1] + delays.device.delays.dsp_to_flip_flop_ns


def _summed_members(operation: Operation, rows: int) -> int:
    """Return how many neighbours an operation sums; 0 where it is another one, or its groups are no rows."""
    match operation.kind:
        case Pairs(groups=groups, largest=False) if groups == rows:
            return 2
        case Triples(groups=groups, added=0) if groups == rows and len(operation.operands) == 1:
            return 3
        case _:
            return 0
