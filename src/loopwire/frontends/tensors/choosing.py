"""Comparisons, and choices by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from loopwire.frontends.tensors.arithmetic import aligned, check_joined, combine, per_feature
from loopwire.frontends.tensors.trace import Result, Step, Trace
from loopwire.frontends.tensors.views import Array, Operand, View, array_of, folding, with_features
from loopwire.layers.choice import Choose, Comparison, Hide
from loopwire.layers.masking import JointMask, StepMask

COMPARED = {">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal}
TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}


def compare(trace: Trace, sign: str, a: Operand, b: Operand) -> Operand:
    """Return 1 where a is greater than b, or as the sign says, and 0 elsewhere."""
    if not isinstance(a, View) and not isinstance(b, View):
        check_joined(trace, a, b)
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


def is_truths(view: View) -> bool:
    """Return whether a tensor is made of 0 and 1, by comparing or by a mask."""
    makers = (Comparison, StepMask, JointMask)
    sources = [wire.of if isinstance(wire, Step) else wire for wire in view.parts.flat]
    return all(isinstance(wire, Result) and isinstance(wire.layer, makers) for wire in sources)


def negated(trace: Trace, truths: View) -> View:
    """Return 1 where a tensor of 0 and 1 is 0, and 0 elsewhere."""
    found = compare(trace, "<", truths, np.full((), 0.5))
    assert isinstance(found, View)
    return found


def hide(trace: Trace, condition: View, x: View) -> View:
    """Return x, far below all other numbers where a condition is met, element by element."""
    x, condition = aligned(trace, x, condition)
    layer = Hide(trace.place.name)
    pairs = zip(x.parts.flat, condition.parts.flat, strict=True)
    return replace(x, parts=array_of([trace.call(layer, *pair) for pair in pairs], x.parts.shape))


def choose(trace: Trace, condition: Operand, a: Operand, b: Operand) -> Operand:
    """Return a where a condition is met, else b, element by element; each is repeated as numpy does."""
    if not isinstance(condition, View):
        if not isinstance(a, View) and not isinstance(b, View):
            check_joined(trace, condition, a, b)
            return np.where(condition != 0, a, b)
        met = np.asarray(condition != 0, np.float64)
        parts = (combine(trace, "multiply", x, mask) for x, mask in ((a, met), (b, 1 - met)))
        return combine(trace, "add", *parts)
    first, chosen = with_features(condition), [x for x in (a, b) if isinstance(x, View)]
    for x in chosen:
        first, _ = aligned(trace, first, x)
    views = [first, *(aligned(trace, x, first)[0] for x in chosen)]
    then, otherwise = (_constant(trace, first, x) for x in (a, b))
    layer = Choose(trace.place.name, then, otherwise)
    rows = zip(*(view.parts.flat for view in views), strict=True)
    return replace(first, parts=array_of([trace.call(layer, *row) for row in rows], first.parts.shape))


def _constant(trace: Trace, like: View, x: Operand) -> Array | None:
    """Return a constant choice as a number for each feature; None of another."""
    if isinstance(x, View):
        return None
    return np.broadcast_to(per_feature(trace, like, np.asarray(x, np.float64)), like.wire_shape[-1:])
