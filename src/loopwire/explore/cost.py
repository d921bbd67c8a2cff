"""What a graph's types cost, estimated without solving anything: look-up tables of fully parallel firmware.

Products with constants become shift-add trees. Their adders grow with the product of both widths: alkaid's trees for
the two matrices of a trained LSTM(20) took 0.13 to 0.23 bits of adders per bit of weight and bit of operand, over
weights of 6 to 16 bits and operands of 8 and 16; 1/6 is about their mean. A product of two variables is an array of
w1·w2 full adders. A table is what its ROMs take (`TableForm.lut6_estimate`), a sum its result's bits. One register
follows every product, table and cast; a CLB of UltraScale holds two flip-flops for each LUT (AMD UG574), so a bit
counts half.

The search for a precision only needs the order in which it ranks designs; resources come from synthesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.interval import table_form
from loopwire.passes.accumulate_flattened import accumulate_flattened

CONSTANT_PRODUCT = 1 / 6
FLIP_FLOP = 0.5
ROM_BITS_A_LUT = 64


@dataclass(frozen=True)
class Cost:
    """Estimated LUTs, by what they carry."""

    products: float
    sums: float
    tables: float
    registers: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.products + self.sums + self.tables + self.registers


def estimate(graph: Graph) -> Cost:
    """Return the cost of a lowered graph, each layer's hardware counted once, whatever the steps."""
    graph = accumulate_flattened(graph)
    constants: dict[Value, ops.Const] = {}
    products = sums = tables = registers = 0.0
    for node in graph.walk():
        if isinstance(node.op, ops.Const):
            constants[node.result] = node.op
    for node in graph.walk():
        result = node.results[0].type
        bits = result.size * result.element.width
        match node.op:
            case ops.MatVec():
                products += _matrix_product(node, constants)
                registers += bits
            case ops.Mul():
                known = any(value in constants for value in node.operands)
                widths = [value.type.element.width for value in node.operands]
                products += result.size * widths[0] * widths[1] * (CONSTANT_PRODUCT if known else 1)
                registers += bits
            case ops.Table():
                tables += result.size * table_form(node.op, node.operands[0].type.element).lut6_estimate
                registers += bits
            case ops.Cast():
                registers += bits
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
            case ops.Const() | ops.Movement():
                pass
            case _:
                assert_never(node.op)
    return Cost(products, sums, tables, FLIP_FLOP * registers)


def _matrix_product(node: Node, constants: dict[Value, ops.Const]) -> float:
    """Return the cost of a product with a matrix; one that changes from step to step needs multipliers."""
    matrix, vector = node.operands
    widths = matrix.type.element.width * vector.type.element.width
    if matrix not in constants:
        return matrix.type.size * widths
    return int(np.count_nonzero(constants[matrix].integers)) * widths * CONSTANT_PRODUCT
