"""Comparisons, and choices by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loopwire.frontends.tensors.arithmetic import aligned, combine, per_feature
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Array, Operand, View, array_of, folding, with_features
from loopwire.layers.choice import Choose, Comparison

COMPARED = {">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal}
TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}


def compare(trace: Trace, sign: str, a: Operand, b: Operand) -> Operand:
    """Return 1 where a is greater than b, or as the sign says, and 0 elsewhere."""
    if not isinstance(a, View) and not isinstance(b, View):
        with folding(trace):
            return np.asarray(COMPARED[sign](a, b))
    if not isinstance(a, View):
        return compare(trace, TURNED[sign], b, a)
    if isinstance(b, View):
        difference = combine(trace, "subtract", a, b)
        return compare(trace, sign, difference, np.zeros(()))
    a = with_features(a)
    bound = np.broadcast_to(per_feature(trace, a, np.asarray(b, np.float64)), a.wire_shape[-1:])
    layer = Comparison(trace.place.name, bound, below="<" in sign, equal="=" in sign)
    return a.each(lambda wire: trace.call(layer, wire))


def choose(trace: Trace, condition: Operand, a: Operand, b: Operand) -> Operand:
    """Return a where a condition is met, else b, element by element; each is repeated as numpy does."""
    if not isinstance(condition, View):
        if not isinstance(a, View) and not isinstance(b, View):
            with folding(trace):
                return np.where(condition != 0, a, b)
        met = np.asarray(condition != 0, np.float64)
        parts = (combine(trace, "multiply", x, mask) for x, mask in ((a, met), (b, 1 - met)))
        return combine(trace, "add", *parts)
    views = [with_features(condition)]
    for x in (a, b):
        if isinstance(x, View):
            views = [aligned(trace, view, x)[0] for view in views] + [aligned(trace, x, views[0])[0]]
    views = [aligned(trace, view, views[-1])[0] for view in views]
    then, otherwise = (_constant(trace, views[0], x) for x in (a, b))
    layer = Choose(trace.place.name, then, otherwise)
    rows = zip(*(view.parts.flat for view in views), strict=True)
    return replace(views[0], parts=array_of([trace.call(layer, *row) for row in rows], views[0].parts.shape))


def _constant(trace: Trace, like: View, x: Operand) -> Array | None:
    """Return a constant choice as a number for each feature; None of another."""
    if isinstance(x, View):
        return None
    return np.broadcast_to(per_feature(trace, like, np.asarray(x, np.float64)), like.wire_shape[-1:])
