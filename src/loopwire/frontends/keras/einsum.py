"""EinsumDense layers: those that sum over the last axis alone are dense layers.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/layers/core/einsum_dense.py
"""

from __future__ import annotations

import numpy as np

from loopwire.frontends.keras.activations import activation
from loopwire.frontends.keras.layer import SavedLayer
from loopwire.layers.dense import Dense


def dense_equation(saved: SavedLayer) -> bool:
    """Require an equation over the last axis alone; return whether there is a bias.

    Raises:
        UnsupportedError: it is another one.
    """
    equation, bias_axes = str(saved.option("equation")), saved.option("bias_axes", None)
    left, _, right = equation.replace(" ", "").partition("->")
    operand, _, kernel = left.partition(",")
    is_dense = len(kernel) == 2 and operand[-1:] == kernel[0] and operand[:-1] + kernel[1] == right
    if not is_dense or kernel[0] in right or bias_axes not in (None, right[-1]):
        saved.refuse("equation", equation, "Sum over the last axis alone: '...x,xy->...y'")
    saved.ignore("output_shape", "lora_rank", "lora_alpha", "quantization_config")
    return bias_axes is not None


def einsum_dense(saved: SavedLayer) -> Dense:
    """Read an EinsumDense over the last axis."""
    has_bias, features = dense_equation(saved), saved.context.input_shape[-1]
    kernels = [array for array in saved.arrays if array.ndim == 2]
    if len(kernels) != 1:
        saved.damaged(f"it has {len(kernels)} kernels")
    units = kernels[0].shape[1]
    shapes = {"kernel": (features, units), **({"bias": (units,)} if has_bias else {})}
    kernel, *bias = saved.weights(**shapes)
    return Dense(saved.name, kernel.T, bias[0] if bias else np.zeros(units), activation(saved, "activation"))
