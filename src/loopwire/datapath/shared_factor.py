"""Products of several numbers with one, as a softmax has them, two in a DSP block: x · (v · 2**k + w).

The numbers are unsigned, so that one behind the other they are the factor, and both products are bits of the result.
"""

from __future__ import annotations

from dataclasses import replace

from loopwire.datapath.datapath import Datapath, Operation
from loopwire.datapath.lut_products import dsp_blocks, is_addable
from loopwire.datapath.ops import Constant, Join, Multiply, PackRows, UnpackRows, View
from loopwire.datapath.rewrite import expanded
from loopwire.devices.delay_model import DelayModel


def with_shared_factor(datapath: Datapath, delays: DelayModel) -> Datapath:
    """Return the datapath with two products a DSP block where all have a factor alike, and there is room for both."""
    if not delays.device.dsp_has_adder:
        return datapath
    constants = {op.result for op in datapath.operations if isinstance(op.kind, Constant)}
    packed: dict[Operation, list[Operation]] = {}
    for operation in datapath.operations:
        kind = operation.kind
        if not isinstance(kind, Multiply) or not constants.isdisjoint(operation.operands):
            continue
        if dsp_blocks(operation, delays) == 1 and (made := _packed(operation, kind, delays)):
            packed[operation] = made
    return expanded(datapath, packed)


def _packed(operation: Operation, kind: Multiply, delays: DelayModel) -> list[Operation]:
    result = operation.result
    if result.count < 2:  # which may be a number times itself
        return []
    single = next((v for v in operation.operands if v.count == 1), None)
    (many, *others) = (v for v in operation.operands if v is not single)
    if single is None or others or min(v.low for v in (many, single, result)) < 0:
        return []
    pairs, bits = result.count // 2, result.width + 1  # the uppermost is for 2**(bits - 1), which unpacking takes off
    both = replace(many, name=f"{result.name}_in_twos", count=2 * pairs)
    factor = replace(many, name=f"{both.name}_factor", count=pairs, low=0, high=(many.high << bits) + (1 << bits) - 1)
    added = kind.added * ((1 << bits) + 1) + (1 << bits - 1)
    high = result.high * ((1 << bits) + 1) + (1 << bits - 1)
    product = replace(result, name=f"{both.name}_packed", count=pairs, low=0, high=high)
    apart = replace(result, name=f"{both.name}_apart", count=2 * pairs)
    multiplied = Operation(replace(kind, added=added), (factor, single), product)
    if dsp_blocks(multiplied, delays) != 1 or not is_addable(added):
        return []
    made = [
        Operation(View(0, 2 * pairs), (many,), both),
        Operation(PackRows(2, pairs, bits), (both,), factor),
        multiplied,
        Operation(UnpackRows(2, pairs, bits), (product,), apart),
    ]
    if apart.count == result.count:
        return [*made[:-1], replace(made[-1], result=result)]
    last = replace(many, name=f"{result.name}_last_factor", count=1)
    alone = replace(result, name=f"{result.name}_last", count=1)
    return [
        *made,
        Operation(View(2 * pairs, result.count), (many,), last),
        Operation(kind, (last, single), alone),
        Operation(Join(), (apart, alone), result),
    ]
