"""Lengths of sequences, an input of whole numbers: moved about, and the index of each sequence's last step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from loopwire.frontends.tensors import slicing, views
from loopwire.frontends.tensors.views import Axis, Operand, View
from loopwire.frontends.torch.arguments import LENGTHS_REMEDY, Arguments, Lengths, Operation

MOVES = (
    *("to.dtype", "to.device", "to.dtype_layout", "_to_copy.default", "clone.default", "contiguous.default"),
    *("detach.default", "alias.default", "view.default", "reshape.default", "unsqueeze.default", "squeeze.dim"),
    *("expand.default", "lift_fresh_copy.default"),
)


def _moved(a: Arguments) -> Lengths:
    a.ignore("size", "shape", "dim")
    return a.lengths("self")


def _shifted(a: Arguments, sign: int) -> Lengths:
    lengths = a.lengths("self")
    return replace(lengths, more=lengths.more + sign * a.integer("other") * a.integer("alpha", 1))


def _indexed(a: Arguments) -> Operand:
    """Read y[arange(batch), lengths - 1], or steps first."""
    x, indices = a.view("self"), a.lengths_among("indices")
    places = [k for k, index in enumerate(indices) if isinstance(index, Lengths)]
    others = [(k, index) for k, index in enumerate(indices) if k not in places and index is not None]
    if len(places) != 1 or len(others) != 1 or len(indices) > len(x.axes):
        raise a.trace.refused("it selects steps of sequences by their lengths", LENGTHS_REMEDY)
    (place,) = places
    _check_last(a, x, place, indices[place])
    if x.axes[others[0][0]] is not Axis.BATCH or not _counts(others[0][1], x.batch):
        raise a.trace.refused("it selects steps of sequences by their lengths", LENGTHS_REMEDY)
    return slicing.select(a.trace, x, place, x.shape[place] - 1)


def _gathered(a: Arguments) -> Operand:
    """Read y.gather(steps, lengths - 1), the same for all features."""
    x, axis = a.view("self"), a.integer("dim")
    axis = views.axis_of(a.trace, x, axis)
    _check_last(a, x, axis, a.lengths("index"))
    return slicing.take(a.trace, x, axis, [x.shape[axis] - 1])


def _check_last(a: Arguments, x: View, axis: int, lengths: object) -> None:
    if x.axes[axis] is not Axis.STEPS or not isinstance(lengths, Lengths) or lengths.more != -1:
        raise a.trace.refused("it selects a step other than the last one by the lengths", LENGTHS_REMEDY)


def _counts(index: object, batch: int) -> bool:
    return isinstance(index, np.ndarray) and np.array_equal(index, np.arange(batch))


OF_LENGTHS: Mapping[str, Operation] = {
    **{f"aten.{target}": _moved for target in MOVES},
    **dict.fromkeys(("aten.sub.Tensor", "aten.sub.Scalar"), partial(_shifted, sign=-1)),
    **dict.fromkeys(("aten.add.Tensor", "aten.add.Scalar"), partial(_shifted, sign=1)),
    "aten.index.Tensor": _indexed,
    "aten.gather.default": _gathered,
}
"""By their targets, where an operand of them is lengths."""
