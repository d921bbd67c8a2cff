"""The operator Attention: of the steps of a sequence to those of one, in heads.

Ref: https://onnx.ai/onnx/operators/onnx__Attention.html, opsets 23 to 25
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from loopwire.frontends.onnx.graph import Operation, Value
from loopwire.frontends.onnx.masks import visible
from loopwire.frontends.tensors import products, reshaping, views
from loopwire.frontends.tensors.products import ALL
from loopwire.frontends.tensors.views import View

REMEDY = "Attend without past keys, with a head of keys for each of queries; masks and is_causal are read"
TURNED = (0, 2, 1, 3)
"""From (batch, steps, heads, features) to (batch, heads, steps, features), and back."""


def attention(op: Operation) -> Sequence[Value]:
    """Attention: softmax(scale · Q Kᵀ) V of each head, of tensors (batch, [heads,] steps, features)."""
    if any(op.has(index) for index in range(4, 7)) or any(op.node.outputs[1:]):
        raise op.refused("it reads keys of the past, or gives more than its first result", REMEDY)
    for setting, nothing in (("softcap", 0.0), ("left_window_size", -1), ("right_window_size", -1)):
        op.only(setting, nothing, remedy=REMEDY)
    op.attribute("qk_matmul_output_mode")
    op.attribute("softmax_precision")
    count, key_count = op.attribute("q_num_heads", 0), op.attribute("kv_num_heads", 0)
    given = op.view(0), op.view(1), op.view(2)
    side_by_side = all(len(x.shape) == 4 for x in given)
    counts = count, key_count, key_count
    heads = given if side_by_side else [_in_heads(op, *pair) for pair in zip(given, counts, strict=True)]
    query, key, value = heads
    if not query.shape[1] == key.shape[1] == value.shape[1]:
        raise op.refused(f"it has {query.shape[1]} heads of queries, {key.shape[1]} of keys and values", REMEDY)
    scale = op.attribute("scale", 1 / sqrt(query.shape[-1]))
    sees = visible(op, 3) if op.has(3) else ALL
    y = products.attention(op.trace, query, key, value, scale, bool(op.attribute("is_causal", 0)), sees)
    if side_by_side:
        return [y]
    return [reshaping.reshape(op.trace, views.permute(op.trace, y, TURNED), (*given[0].shape[:2], -1))]


def _in_heads(op: Operation, x: View, heads: int) -> View:
    """Return (batch, heads, steps, features / heads)."""
    if len(x.shape) != 3 or heads < 1 or x.shape[2] % heads:
        raise op.damaged(f"it cuts a tensor of shape {x.shape} into {heads} heads")
    parted = reshaping.reshape(op.trace, x, (*x.shape[:2], heads, x.shape[2] // heads))
    turned = views.permute(op.trace, parted, TURNED)
    assert isinstance(turned, View)
    return turned
