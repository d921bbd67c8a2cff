"""Dense layers, and EinsumDense layers that are such: they sum over the last axis alone.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/layers/core/einsum_dense.py
"""

from __future__ import annotations

import numpy as np

from loopwire.frontends.keras.activations import activation
from loopwire.frontends.keras.layer import SavedLayer
from loopwire.layers.dense import Dense


def dense(saved: SavedLayer) -> Dense:
    """Read a Dense."""
    units = saved.count("units")
    saved.only("quantization_config", None, remedy="Save the model before it is quantised")
    return _read(saved, units, saved.boolean("use_bias", True))


def einsum_dense(saved: SavedLayer) -> Dense:
    """Read an EinsumDense over the last axis."""
    return _read(saved, *dense_equation(saved))


def dense_equation(saved: SavedLayer) -> tuple[int, bool]:
    """Require an equation over the last axis alone; return how many units there are, and whether there is a bias.

    Raises:
        ModelFileError: the layer has not one kernel.
        UnsupportedError: it is another equation.
    """
    equation, bias_axes = str(saved.option("equation")), saved.option("bias_axes", None)
    left, _, right = equation.replace(" ", "").partition("->")
    operand, _, kernel = left.partition(",")
    is_dense = len(kernel) == 2 and operand[-1:] == kernel[0] and operand[:-1] + kernel[1] == right
    if not is_dense or kernel[0] in right or bias_axes not in (None, right[-1]):
        saved.refuse("equation", equation, "Sum over the last axis alone: '...x,xy->...y'")
    saved.ignore("output_shape", "lora_rank", "lora_alpha", "quantization_config")
    kernels = [array for array in saved.arrays if array.ndim == 2]
    if len(kernels) != 1:
        saved.damaged(f"it has {len(kernels)} kernels")
    return kernels[0].shape[1], bias_axes is not None


def dense_shapes(saved: SavedLayer, units: int, has_bias: bool) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the kernel, and of the bias if there is one."""
    return {"kernel": (saved.context.input_shape[-1], units), **({"bias": (units,)} if has_bias else {})}


def _read(saved: SavedLayer, units: int, has_bias: bool) -> Dense:
    kernel, *bias = saved.weights(**dense_shapes(saved, units, has_bias))
    return Dense(saved.name, kernel.T, bias[0] if bias else np.zeros(units), activation(saved, "activation"))
