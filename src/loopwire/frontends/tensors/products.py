"""Products of two tensors of the network, which attention is made of: scores of queries, and sums by shares."""

from __future__ import annotations

from dataclasses import replace

from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Axis, View, array_of, with_features
from loopwire.layers.attention import Attention
from loopwire.layers.matrix_product import MatrixProduct

REMEDY = "Multiply sequences, (…, steps, features), by others of as many tensors side by side, turned or not"


def product(trace: Trace, a: View, b: View) -> View:
    """Return a b over the last two axes; those before them are alike."""
    a, b = with_features(a), with_features(b)
    transposed = b.axes[-2:] == (Axis.FEATURES, Axis.STEPS)
    last = b.axes[-2:] if not transposed else b.axes[:-3:-1]
    alike = a.axes[:-2] == b.axes[:-2] and a.parts.shape == b.parts.shape
    if a.axes[-2:] != (Axis.STEPS, Axis.FEATURES) or last != a.axes[-2:] or not alike:
        raise trace.refused(f"it multiplies tensors of shapes {a.shape} and {b.shape}", REMEDY)
    layer = trace.shared(MatrixProduct(trace.place.name, transposed))
    wires = [trace.call(layer, *pair) for pair in zip(a.parts.flat, b.parts.flat, strict=True)]
    return replace(a, parts=array_of(wires, a.parts.shape))


def attention(trace: Trace, query: View, key: View, value: View, scale: float, causal: bool) -> View:
    """Return the values summed by softmax(scale · query · keyᵀ), of tensors side by side each by itself.

    With `causal` no query sees steps after its own.
    """
    query, key, value = (with_features(view) for view in (query, key, value))
    views = (query, key, value)
    ends_well = all(view.axes[-2:] == (Axis.STEPS, Axis.FEATURES) for view in views)
    if not ends_well or len({(view.axes, view.parts.shape) for view in views}) > 1:
        shapes = ", ".join(str(view.shape) for view in views)
        raise trace.refused(f"it attends with query, key and value of shapes {shapes}", REMEDY)
    layer = trace.shared(Attention(trace.place.name, scale, causal=causal))
    triples = zip(query.parts.flat, value.parts.flat, key.parts.flat, strict=True)
    return replace(query, parts=array_of([trace.call(layer, *triple) for triple in triples], query.parts.shape))
