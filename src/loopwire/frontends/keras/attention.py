"""Readers of Keras's attention layers.

Ref: https://github.com/keras-team/keras/tree/master/keras/src/layers/attention
"""

from __future__ import annotations

import numpy as np

from loopwire.frontends.keras.layer import SavedLayer, Weights
from loopwire.layers.attention import AdditiveAttention, Attention
from loopwire.layers.multi_head_attention import MultiHeadAttention, Projection


def attention(saved: SavedLayer) -> Attention:
    """Read an Attention; with score_mode 'concat' its score is that of a sum."""
    use_scale, mode = saved.boolean("use_scale", False), saved.option("score_mode", "dot")
    if mode not in ("dot", "concat"):
        saved.refuse("score_mode", mode, "Choose from dot and concat")
    saved.ignore("dropout", "seed")
    names = [*(["scale"] if use_scale else []), *(["concat_score_weight"] if mode == "concat" else [])]
    found = dict(zip(names, saved.weights(**dict.fromkeys(names, ())), strict=True))
    scale = float(found.get("scale", 1.0))
    if mode == "dot":
        return Attention(saved.name, scale)
    weight = np.full(saved.context.input_shape[-1:], float(found["concat_score_weight"]))
    return AdditiveAttention(saved.name, scale, weights=weight)


def additive_attention(saved: SavedLayer) -> AdditiveAttention:
    """Read an AdditiveAttention."""
    size = saved.context.input_shape[-1:]
    saved.ignore("dropout", "seed")
    (weights,) = saved.weights(scale=size) if saved.boolean("use_scale", True) else (np.ones(size),)
    return AdditiveAttention(saved.name, weights=weights)


def multi_head_attention(saved: SavedLayer) -> MultiHeadAttention:
    """Read a MultiHeadAttention over the steps of sequences."""
    shapes = (saved.context.input_shape, *saved.context.further_shapes)
    of_query, of_value, of_key = (shape[-1] for shape in (*shapes, *shapes[-1:] * 2)[:3])
    heads, key_size = saved.count("num_heads"), saved.count("key_dim")
    value_size = saved.count("value_dim")
    given = saved.option("output_shape", None) or [of_query]
    size = given[0] if isinstance(given, list) and len(given) == 1 else given
    if type(size) is not int:
        saved.refuse("output_shape", given, "Give one number of elements, or none")
    saved.only("attention_axes", None, [1], remedy="Attend over the steps: axis 1")
    saved.only("use_gate", False, remedy="Build the gate from separate layers")
    saved.ignore("dropout", "seed", "flash_attention", "query_shape", "key_shape", "value_shape")
    rows = {
        "query": (of_query, heads, key_size),
        "key": (of_key, heads, key_size),
        "value": (of_value, heads, value_size),
        "output": (heads, value_size, size),
    }
    expected: dict[str, tuple[int, ...]] = {}
    biased = saved.boolean("use_bias", True)
    for name, shape in rows.items():
        expected[f"{name} kernel"] = shape
        if biased:
            expected[f"{name} bias"] = (size,) if name == "output" else shape[1:]
    found = dict(zip(expected, saved.weights(**expected), strict=True))

    def projection(name: str, elements: int) -> Projection:
        kernel = found[f"{name} kernel"].reshape(-1, elements).T
        bias: Weights = found[f"{name} bias"].reshape(-1) if biased else np.zeros(elements)
        return Projection(kernel, bias)

    sizes = {"query": heads * key_size, "key": heads * key_size, "value": heads * value_size, "output": size}
    query, key, value, output = (projection(name, elements) for name, elements in sizes.items())
    return MultiHeadAttention(saved.name, heads, query, key, value, output)
