"""What a graph's types cost, estimated without solving anything: look-up tables of fully parallel firmware.

Products with constants become shift-add trees, whose adders grow with the signed digits of the weights, rounded as they
are, and the width of what is multiplied. A table is what its ROMs take (`TableForm.lut6_estimate`), a sum its result's
bits. A product of two variables takes a DSP block.

The factors are least squares over the full estimate (`area/resources.py`, itself fitted to syntheses) of every second
of 80 random choices of types for an LSTM(20) and a GRU(20) jet tagger on xcvu13p. Over all 80 the median error is
8.2 % and the rank correlation 0.987 (`python bench/cost.py`).

The search for a precision only needs the order in which it ranks designs; resources come from synthesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from loopwire.cmvm.signed_digits import total_digits
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import table_form
from loopwire.passes.accumulate_flattened import accumulate_flattened

DIGIT_BIT, DIGIT = 0.46, 1.15
"""LUTs of a signed digit of a weight: for each bit of the vector's elements, and beside that."""
TABLE, SUM_BIT = 1.34, 0.88
DSP_BLOCK = 140
"""LUTs that are as large a share of a part as a DSP block (xcvu13p: 1 728 000 to 12 288)."""
ROM_BITS_A_LUT = 64


@dataclass(frozen=True)
class Cost:
    """Estimated LUTs, by what they carry; DSP blocks as the LUTs that are as large a share of a part."""

    products: float
    sums: float
    tables: float
    blocks: float

    @property
    def luts(self) -> float:
        """What is made of LUTs."""
        return self.products + self.sums + self.tables

    @property
    def total(self) -> float:
        """All of it."""
        return self.luts + self.blocks


def estimate(graph: Graph) -> Cost:
    """Return the cost of a lowered graph, each layer's hardware counted once, whatever the steps."""
    graph = accumulate_flattened(graph)
    constants: dict[Value, ops.Const] = {}
    products = sums = tables = blocks = 0.0
    for node in graph.walk():
        if isinstance(node.op, ops.Const):
            constants[node.result] = node.op
    for node in graph.walk():
        result = node.results[0].type
        bits = result.size * result.element.width
        match node.op:
            case ops.MatVec() | ops.Mul():
                found = _constant_product(node, constants)
                products += found or 0.0
                blocks += 0 if found is not None else max(value.type.size for value in node.operands)
            case ops.Table():
                tables += result.size * table_form(node.op, node.operands[0].type.element).lut6_estimate
            case ops.Add() | ops.Sub() | ops.Max() | ops.Min() | ops.Where():
                sums += bits
            case ops.Greater():
                sums += result.size * max(value.type.element.width for value in node.operands)
            case ops.Lookup():
                tables += node.operands[0].type.size * result.element.width / ROM_BITS_A_LUT
            case ops.ReduceSum() | ops.ReduceMax():
                sums += (node.operands[0].type.size - 1) * result.element.width
            case ops.Scan():
                steps = [constants[v] for v in node.operands[node.op.states :] if v in constants]
                tables += sum(c.reals.size * c.type.width for c in steps) / ROM_BITS_A_LUT
            case ops.Const() | ops.Cast() | ops.Movement():
                pass
            case _:
                assert_never(node.op)
    return Cost(products, SUM_BIT * sums, TABLE * tables, DSP_BLOCK * blocks)


def _constant_product(node: Node, constants: dict[Value, ops.Const]) -> float | None:
    """Return the LUTs of a product with constants, the same in each step; None: both factors are computed."""
    for constant, other in (node.operands, node.operands[::-1]):
        if constant in constants:
            times = max(other.type.size // constant.type.size, 1)
            return times * total_digits(constants[constant].integers) * (DIGIT_BIT * other.type.element.width + DIGIT)
    return None
