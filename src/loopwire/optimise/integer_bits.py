"""How many bits each group of tensors needs before the point: by the values met, or by proof for all inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_real
from loopwire.ir import ops
from loopwire.ir.graph import Node
from loopwire.ir.interval import ranges
from loopwire.optimise.groups import Group, Probe, configuration, fixed

Array = npt.NDArray[np.float64]

BATCH = 2048
FEWEST = -12
"""Integer bits of a group of tiny numbers, or of zeros only."""
PROOF_INTEGER_BITS, PROOF_FRACTION_BITS = 24, 10
"""Types in which bounds are proven: so wide that nothing saturates, yet narrow enough to tabulate functions for."""


def bits_from_data(probe: Probe, inputs: Sequence[npt.NDArray[np.generic]]) -> dict[Group, int]:
    """Return the integer bits (sign included) that hold every value of the float evaluation of inputs (N, …).

    A value equal to the upper end of a range, 1 for one integer bit, is taken to fit: it saturates by one step.
    """
    largest = dict.fromkeys(probe.groups, 0.0)

    def meet(group: Group | None, values: Array) -> None:
        if group is not None:
            largest[group] = max(largest[group], float(np.abs(values).max()))

    def observe(node: Node, _: Sequence[Array], result: Array) -> None:
        if isinstance(node.op, ops.Const | ops.Cast | ops.Table):
            meet(probe.group_of(node.result), result)

    for start in range(0, len(inputs[0]), BATCH):
        parts = []
        for x, value in zip(inputs, probe.graph.inputs, strict=True):
            part = x[start : start + BATCH].astype(np.float64)
            parts.append(part.reshape(len(part), *value.type.shape))
            meet(probe.group_of(value), part)
        evaluate_real(probe.graph, parts, observe=observe)
    return {group: _bits(value) for group, value in largest.items()}


def bits_from_proof(probe: Probe, input_integer: int) -> dict[Group, int]:
    """Return the integer bits that hold every value of any input whose type has `input_integer` of them.

    Bounds follow from intervals: of each sum of products, given its weights, and of each step's states.
    """
    wide = {
        group: fixed(PROOF_INTEGER_BITS + index + PROOF_FRACTION_BITS, PROOF_INTEGER_BITS + index)
        for index, group in enumerate(probe.groups)
    }
    source = next(group for group in probe.groups if not group.layer)
    wide[source] = fixed(input_integer + PROOF_FRACTION_BITS, input_integer)
    graph = compile_silently(probe.model, configuration(wide)).graph
    found = ranges(graph)
    bits = {source: input_integer}
    for node in graph.walk():
        if not isinstance(node.op, ops.Cast | ops.Table | ops.Const):
            continue
        group = probe.group_of(node.result)
        if group is not None:
            # A cast's operand tells how far values go, also where its result's type is too narrow for them.
            value = node.operands[0] if isinstance(node.op, ops.Cast) else node.result
            needed = _bits(max(-found[value].low, found[value].high) * value.type.element.step)
            bits[group] = max(bits.get(group, FEWEST), needed)
    return bits


def _bits(largest: float) -> int:
    """Return the integer bits, sign included, of a type that reaches ±largest."""
    return max(math.ceil(math.log2(largest)) + 1, FEWEST) if largest > 0 else FEWEST
