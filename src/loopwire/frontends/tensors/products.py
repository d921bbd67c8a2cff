"""Products of two tensors of the network, which attention is made of: scores of queries, and sums by shares."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from loopwire.frontends.tensors.exchange import exchanged, heads_of_one
from loopwire.frontends.tensors.trace import Trace, Wire
from loopwire.frontends.tensors.views import Axis, View, array_of, with_features
from loopwire.layers.attention import Attention
from loopwire.layers.matrix_product import MatrixProduct
from loopwire.layers.seen_scores import SeenScores

REMEDY = "Multiply sequences, (…, steps, features), by others of as many tensors side by side, turned or not"


def product(trace: Trace, a: View, b: View) -> View:
    """Return a b over the last two axes; those before them are alike."""
    a, b = (heads_of_one(trace, view) for view in (a, b))
    a, b = with_features(a), with_features(with_features(b), -2)
    if a.axes[-2:] == (Axis.FEATURES, Axis.STEPS):
        a = exchanged(trace, a)
    transposed = b.axes[-2:] == (Axis.FEATURES, Axis.STEPS)
    last = b.axes[-2:] if not transposed else b.axes[:-3:-1]
    alike = a.axes[:-2] == b.axes[:-2] and a.parts.shape == b.parts.shape
    if a.axes[-2:] != (Axis.STEPS, Axis.FEATURES) or last != a.axes[-2:] or not alike:
        raise trace.refused(f"it multiplies tensors of shapes {a.shape} and {b.shape}", REMEDY)
    layer = trace.shared(MatrixProduct(trace.place.name, transposed))
    wires = [trace.call(layer, *pair) for pair in zip(a.parts.flat, b.parts.flat, strict=True)]
    return replace(a, parts=array_of(wires, a.parts.shape))


@dataclass(frozen=True)
class Sees:
    """Which steps queries see: those that count, where `keys` (T, 1) is 1, and of those the ones `constant` (Tq, T)."""

    keys: Wire | None = None
    constant: npt.NDArray[np.bool_] | None = None


ALL = Sees()


def attention(trace: Trace, query: View, key: View, value: View, scale: float, causal: bool, sees: Sees = ALL) -> View:
    """Return the values summed by softmax(scale · query · keyᵀ), of tensors side by side each by itself.

    With `causal` no query sees steps after its own.
    """
    query, key, value = (with_features(heads_of_one(trace, view)) for view in (query, key, value))
    views = (query, key, value)
    ends_well = all(view.axes[-2:] == (Axis.STEPS, Axis.FEATURES) for view in views)
    if not ends_well or len({(view.axes, view.parts.shape) for view in views}) > 1:
        shapes = ", ".join(str(view.shape) for view in views)
        raise trace.refused(f"it attends with query, key and value of shapes {shapes}", REMEDY)
    masks = [] if sees.keys is None else [sees.keys]
    masked = (False, True, False) if masks else ()
    some_see_none = bool(masks) or (sees.constant is not None and not sees.constant.any(axis=1).all())
    layer = Attention(trace.place.name, scale, masked, causal, sees.constant, some_see_none)
    triples = zip(query.parts.flat, value.parts.flat, key.parts.flat, strict=True)
    wires = [trace.call(trace.shared(layer), *triple, *masks) for triple in triples]
    return replace(query, parts=array_of(wires, query.parts.shape))


def hidden(trace: Trace, scores: View, sees: Sees) -> View:
    """Return scores (Tq, T), of tensors side by side, without those of steps that queries do not see."""
    if sees.keys is None and sees.constant is None:
        return scores
    layer = trace.shared(SeenScores(trace.place.name, sees.constant))
    masks = [] if sees.keys is None else [sees.keys]
    return scores.each(lambda wire: trace.call(layer, wire, *masks))
