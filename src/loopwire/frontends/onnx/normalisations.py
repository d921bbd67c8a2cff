"""ONNX's normalisations.

Ref: https://onnx.ai/onnx/operators, each operator's page, for every version from opset 7 on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from loopwire.frontends.onnx.graph import Array, Operation, Value
from loopwire.frontends.tensors import normalisation

NOTHING = 1e-12
"""For an epsilon where the operator has none: below all variances but that of equal numbers."""


def batch_normalization(op: Operation) -> Sequence[Value]:
    """BatchNormalization at inference, along axis 1."""
    x = op.view(0)
    op.only("training_mode", 0, remedy="Export the model in evaluation mode")
    op.only("is_test", 1, remedy="Export the model in evaluation mode")
    op.only("spatial", 1)
    op.attribute("momentum")
    size = x.shape[1] if len(x.shape) > 1 else 0
    scale, offset, mean, variance = (op.weights(index, (size,)) for index in range(1, 5))
    variance = variance + op.attribute("epsilon", 1e-5)
    if (variance <= 0).any():
        raise op.damaged("its variance is negative")
    with np.errstate(over="ignore", invalid="ignore"):
        factor = scale / np.sqrt(variance)
        offset = offset - mean * factor
    if not (np.isfinite(factor) & np.isfinite(offset)).all():
        raise op.damaged("its variance is too small for its scale")
    return [normalisation.scaled(op.trace, x, 1, factor, offset)]


def layer_normalization(op: Operation, centred: bool = True) -> Sequence[Value]:
    """LayerNormalization over the last axes; RMSNormalization where not centred, which has no offset."""
    x, axis = op.view(0), op.attribute("axis", -1)
    op.only("stash_type", 1)
    (axis,) = op.axes([axis], len(x.shape))
    lengths, epsilon = x.shape[axis:], op.attribute("epsilon", 1e-5)
    offset = _array(op, 2, lengths) if op.has(2) else None
    scale = _array(op, 1, lengths)
    return [normalisation.normalise(op.trace, x, lengths, scale, offset, epsilon, centred=centred)]


def _array(op: Operation, index: int, lengths: Sequence[int]) -> Array:
    array = op.weights(index)
    try:
        return np.broadcast_to(array, tuple(lengths))
    except ValueError:
        problem = f"operand {index + 1} has shape {array.shape} where {tuple(lengths)} belongs"
        raise op.damaged(problem) from None


def instance_normalization(op: Operation) -> Sequence[Value]:
    """InstanceNormalization: each feature over all steps."""
    x = op.view(0)
    size = x.shape[1] if len(x.shape) > 1 else 0
    scale, offset, epsilon = op.weights(1, (size,)), op.weights(2, (size,)), op.attribute("epsilon", 1e-5)
    return [normalisation.normalise_groups(op.trace, x, size, scale, offset, epsilon)]


def group_normalization(op: Operation) -> Sequence[Value]:
    """GroupNormalization of opset 21: groups of features over all steps."""
    x, groups, epsilon = op.view(0), op.attribute("num_groups", 0), op.attribute("epsilon", 1e-5)
    op.only("stash_type", 1)
    size = x.shape[1] if len(x.shape) > 1 else 0
    if groups < 1 or size % groups:
        raise op.damaged(f"it makes {groups} groups of {size} features")
    scale, offset = (op.weights(index, (size,)) for index in (1, 2))
    return [normalisation.normalise_groups(op.trace, x, groups, scale, offset, epsilon)]


def mean_variance_normalization(op: Operation) -> Sequence[Value]:
    """MeanVarianceNormalization over the last axes."""
    x = op.view(0)
    axes = sorted(op.axes(op.whole_numbers("axes") or [0, 2, 3], len(x.shape)))
    if axes != list(range(len(x.shape) - len(axes), len(x.shape))):
        raise op.refused(f"it normalises axes {axes} of {len(x.shape)}", "Normalise the last ones")
    return [normalisation.normalise(op.trace, x, x.shape[axes[0] :], None, None, NOTHING)]


def lp_normalization(op: Operation) -> Sequence[Value]:
    """LpNormalization of features to length 1."""
    x, axis = op.view(0), op.attribute("axis", -1)
    op.only("p", 2)
    (axis,) = op.axes([axis], len(x.shape))
    return [normalisation.unit_length(op.trace, x, axis, NOTHING)]


NORMALISATIONS: dict[str, Callable[[Operation], Sequence[Value]]] = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": partial(layer_normalization, centred=False),
    "InstanceNormalization": instance_normalization,
    "GroupNormalization": group_normalization,
    "MeanVarianceNormalization": mean_variance_normalization,
    "LpNormalization": lp_normalization,
}
