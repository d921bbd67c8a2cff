"""hls4ml's `model.profiling`: where values lie, and how far fixed point is from float, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from loopwire.compiler import compile_silently, load
from loopwire.errors import ConfigError
from loopwire.hls4ml.project import HlsModel, converted
from loopwire.hls4ml.trace import Reals, layer_results
from loopwire.report.picture import Picture
from loopwire.report.tensor_rows import TensorRows
from loopwire.report.trace import TensorTrace

if TYPE_CHECKING:
    from loopwire.frontends.keras.live import LiveModel


def numerical(
    model: Any = None, hls_model: HlsModel | None = None, X: npt.ArrayLike | None = None, plot: str = "boxplot"
) -> Picture:
    """Return the distribution of |value| of every weight and tensor, in float and in fixed point, over their types.

    Args:
        model: makes no difference: `hls_model` has the weights as they were trained.
        hls_model: as `convert_from_keras_model` returns it.
        X: inputs (N, *input shape); random ones if None.
        plot: makes no difference: one picture shows quantiles, largest values and types.

    Raises:
        ConfigError: there is no `hls_model`.
        DataError: X does not fit the model.
        ToolError: the extra `plots` is not installed.
    """
    if hls_model is None:
        raise ConfigError("hls_model", "none is given", "Convert the model first: convert_from_keras_model")
    design = converted(hls_model).design
    return design.plot_profile(design.random_inputs(100) if X is None else X)


def compare(
    keras_model: Any, hls_model: HlsModel, X: npt.ArrayLike, plot_type: str = "dist_diff"
) -> TensorRows[TensorTrace]:
    """Return how far each tensor in fixed point is from float: largest, mean and relative errors, a row a tensor.

    Args:
        keras_model: makes no difference: float is what `hls_model` was converted from.
        hls_model: as `convert_from_keras_model` returns it.
        X: inputs (N, *input shape).
        plot_type: makes no difference: a notebook shows a table.

    Raises:
        DataError: X does not fit the model.
    """
    return converted(hls_model).design.trace(X)


def get_ymodel_keras(keras_model: LiveModel | str | Path, X: npt.ArrayLike) -> dict[str, Reals]:
    """Return the float result (N, *shape) of each layer by its name, as `HlsModel.trace` gives the fixed-point ones.

    Args:
        keras_model: a live `keras.Model`, or the path of a `.keras` or `.h5` file; Keras is not needed.
        X: inputs (N, *input shape).

    Raises:
        DataError: X does not fit the model.
        ModelFileError, UnsupportedError: the model cannot be read or compiled.
    """
    return layer_results(compile_silently(load(keras_model)), X, real=True)
