"""Operators on masks of steps: what `frontends.tensors.masks` does, by ONNX's operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from loopwire.frontends.onnx.graph import Array, Operation, Value
from loopwire.frontends.tensors import arithmetic, choosing, masks, products, views
from loopwire.frontends.tensors.masks import REMEDY, Mask
from loopwire.frontends.tensors.products import Sees
from loopwire.frontends.tensors.views import View

Operator = Callable[[Operation], Sequence[Value]]
LOWEST = float(np.finfo(np.float32).min)
"""Exporters add it, or -inf, to the scores of steps that are hidden."""


def of_masks(op: Operation) -> Operator | None:
    """Return what reads a node of which an operand is a mask; None for those that read it as numbers."""
    return OF_MASKS.get(op.node.op) if any(isinstance(value, Mask) for value in op.operands) else None


def visible(op: Operation, index: int) -> Sees:
    """Return which steps queries see, by an operand that is added to scores, or of truth values."""
    match op.value(index):
        case Mask() as mask:
            return mask.visible(op.trace)
        case np.ndarray() as array if array.dtype.kind in "bu":
            return Sees(None, masks.of_all(op.trace, array))
        case np.ndarray() as array if ((array == 0) | (array <= LOWEST)).all():
            return Sees(None, masks.of_all(op.trace, array == 0))
        case _:
            raise op.refused("it adds something else than 0 and -inf to scores", REMEDY)


def _mask(op: Operation, index: int = 0) -> Mask:
    value = op.value(index)
    if not isinstance(value, Mask):
        raise op.refused("it combines a mask with a tensor", REMEDY)
    return value


def _same(op: Operation) -> Sequence[Value]:
    for key in ("to", "saturate", "round_mode"):
        op.attribute(key)
    return [_mask(op)]


def _unsqueezed(op: Operation) -> Sequence[Value]:
    mask = _mask(op)
    axes = op.whole_numbers("axes", 1) or []
    value: Value = mask
    for axis in sorted(op.axes(axes, len(mask.shape) + len(axes))):
        if isinstance(value, Mask):
            value = value.unsqueezed(op.trace, axis)
        elif isinstance(value, View):
            value = views.unsqueeze(op.trace, value, axis)
    return [value]


def _squeezed(op: Operation) -> Sequence[Value]:
    mask = _mask(op)
    return [mask.squeezed(op.trace, op.axes(op.whole_numbers("axes", 1) or [], len(mask.shape)))]


def _reshaped(op: Operation) -> Sequence[Value]:
    mask, lengths = _mask(op), op.whole_numbers("shape", 1) or []
    if not op.attribute("allowzero", 0):
        lengths = [mask.shape[k] if n == 0 and k < len(mask.shape) else n for k, n in enumerate(lengths)]
    return [mask.reshaped(op.trace, lengths)]


def _expanded(op: Operation) -> Sequence[Value]:
    mask, shape = _mask(op), tuple(op.constant(1).astype(np.int64).ravel().tolist())
    with views.folding(op.trace):
        whole = np.broadcast_shapes(mask.shape, shape)
    return [mask.reshaped(op.trace, whole)]


def _reduced(op: Operation, by: str) -> Sequence[Value]:
    """Read where all features, or any, are as compared: the smallest bit, or the largest."""
    axes, keep = op.whole_numbers("axes", 1) or [], bool(op.attribute("keepdims", 1))
    op.attribute("noop_with_empty_axes")
    return [_mask(op).reduced(op.trace, by, axes, keep)]


def _joint(op: Operation, every: bool) -> Sequence[Value]:
    return [masks.joint(op.trace, [_mask(op, index) for index in (0, 1)], every)]


def _added(op: Operation) -> Sequence[Value]:
    """Add a mask to scores."""
    scores = [value for value in op.operands if isinstance(value, View)]
    (place, *others) = [index for index, value in enumerate(op.operands) if isinstance(value, Mask)]
    if len(scores) != 1 or others or not _mask(op, place).added:
        raise op.refused("it adds a mask to something else than scores", REMEDY)
    return [products.hidden(op.trace, scores[0], visible(op, place))]


def _scaled(op: Operation) -> Sequence[Value]:
    """Multiply a mask by 1, as older exporters of PyTorch do before they add it; or as a number."""
    others = [value for value in op.operands if not isinstance(value, Mask)]
    if len(others) == 1 and isinstance(others[0], np.ndarray) and (others[0] == 1).all():
        return [value for value in op.operands if isinstance(value, Mask)]
    return [arithmetic.combine(op.trace, "multiply", op.tensor(0), op.tensor(1))]


def _chosen(op: Operation) -> Sequence[Value]:
    """Where: 0 and -inf are what is added to scores, -inf hides elements of a tensor."""
    mask, a, b = _mask(op), op.tensor(1), op.tensor(2)
    for x, other, condition in ((a, b, mask.negated()), (b, a, mask)):
        if isinstance(other, View) or not is_lowest(other):
            continue
        if isinstance(x, View):
            return [masks.hidden(op.trace, x, condition)]
        if not x.any():
            return [condition.hiding(op.trace)]
    return [choosing.choose(op.trace, mask.numbers(op.trace), a, b)]


def is_lowest(array: Array) -> bool:
    """Return whether a constant hides scores to which it is added."""
    return bool(array.size and (array <= LOWEST).all())


OF_MASKS: dict[str, Operator] = {
    **dict.fromkeys(("Cast", "Identity"), _same),
    "Not": lambda op: [_mask(op).negated()],
    "And": partial(_joint, every=True),
    "Or": partial(_joint, every=False),
    "ReduceMin": partial(_reduced, by="all"),
    "ReduceMax": partial(_reduced, by="any"),
    "Unsqueeze": _unsqueezed,
    "Squeeze": _squeezed,
    "Reshape": _reshaped,
    "Expand": _expanded,
    "Add": _added,
    "Mul": _scaled,
    "Where": _chosen,
}
