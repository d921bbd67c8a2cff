"""hls4ml's `utils`: the configuration of a model, to be changed before it is converted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwire.compiler import load
from loopwire.errors import ConfigError, nearest
from loopwire.hls4ml.conversion import keras_classes
from loopwire.hls4ml.keys import TENSORS_NO_EFFECT
from loopwire.hls4ml.notes import Notes
from loopwire.hls4ml.project import HlsModel, converted
from loopwire.hls4ml.settings import AUTO
from loopwire.hls4ml.substitutes import substituted
from loopwire.hls4ml.translation import activation_name, input_name, separate_activation, tensor_of
from loopwire.ir.types import FixedType
from loopwire.layers.model import Layer
from loopwire.layers.roles import Role
from loopwire.passes.fold_batch_normalization import fold_batch_normalization
from loopwire.report.picture import Picture

if TYPE_CHECKING:
    from loopwire.frontends.keras.live import LiveModel

GRANULARITIES = ("model", "type", "name")


def config_from_keras_model(
    model: LiveModel | str | Path,
    granularity: str = "model",
    backend: str | None = None,
    default_precision: str = "fixed<16,6>",
    default_reuse_factor: int = 1,
    max_precision: str | None = None,
) -> dict[str, Any]:
    """Return the dictionary `hls_config` of a model, as hls4ml lays it out, to be changed and converted.

    It holds what has a meaning in Loopwire. Each tensor's type is written out, but for the sums, which stay exact:
    `accum` is 'auto', and a Dense with an activation has no `result` before it. Merged normalisations have no tensors.

    Args:
        model: a live `keras.Model`, or the path of a `.keras` or `.h5` file.
        granularity: settings for the whole 'model', for each 'type' of layer, or for each layer by 'name'.
        backend: makes no difference: all have the same keys.
        default_precision: type of all tensors; without modes it truncates and wraps.
        default_reuse_factor: of all layers.
        max_precision: has no effect, which is reported: no type is wider than what is asked for.

    Raises:
        ConfigError: the granularity is unknown.
        FixedTypeError: the type cannot be read.
        ModelFileError: the model cannot be read.
        UnsupportedError: the model has something that Loopwire does not compile.
    """
    if granularity.lower() not in GRANULARITIES:
        raise ConfigError(
            "granularity",
            f"{granularity!r} is unknown",
            f"{nearest(granularity, GRANULARITIES)}Choose from {', '.join(GRANULARITIES)}",
        )
    FixedType.parse(default_precision)
    if max_precision is not None:
        notes = Notes()
        notes.add("max_precision", f"no effect: {TENSORS_NO_EFFECT['maximum'].why}")
        notes.warn()
    whole = {"Precision": {"default": default_precision}, "ReuseFactor": default_reuse_factor, "Strategy": "Latency"}
    config: dict[str, Any] = {"Model": whole}
    if granularity.lower() == "model":
        return config
    classes, layers = keras_classes(model), fold_batch_normalization(load(model)).layers
    by_type = granularity.lower() == "type"
    groups = config.setdefault("LayerType" if by_type else "LayerName", {})
    groups["InputLayer" if by_type else input_name(classes)] = _group(default_precision, "result")
    for layer in layers:
        for name, kind, group in _groups(layer, classes[layer.name], default_precision, default_reuse_factor):
            groups[kind if by_type else name] = group
    for layer in layers if by_type else ():
        if separate_activation(layer) is not None:
            # Here `result` would be the type before the activation as well, which shall stay exact.
            groups[classes[layer.name]]["Precision"].pop("result", None)
    return config


def plot_model(
    model: HlsModel,
    to_file: str | Path | None = None,
    show_shapes: bool = True,
    show_layer_names: bool = True,
    show_precision: bool = True,
    rankdir: str = "TB",
    dpi: int = 96,
) -> Picture:
    """Return the layers as a diagram, which always shows names, shapes and types, from top to bottom.

    Args:
        model: as `convert_from_keras_model` returns it.
        to_file: an .svg file to write as well.
        show_shapes: makes no difference; so do `show_layer_names`, `show_precision`, `rankdir` and `dpi`.
        show_layer_names: see `show_shapes`.
        show_precision: see `show_shapes`.
        rankdir: see `show_shapes`.
        dpi: see `show_shapes`.

    Raises:
        ConfigError: `to_file` does not end in .svg, or `model` is no converted model.
    """
    picture = converted(model).design.plot_model()
    if to_file is not None:
        picture.save(to_file)
    return picture


def print_dict(values: Mapping[str, Any], indent: int = 0) -> None:
    """Print a dictionary with each table below its name, two columns further right."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            print(f"{' ' * indent}{key}")
            print_dict(value, indent + 2)
        else:
            print(f"{' ' * indent}{f'{key}:':<{max(32 - indent, 1)}}{value}")


config_from_pytorch_model = substituted(
    "config_from_pytorch_model", "loopwire.compile(loopwire.load(module, example_inputs=(x,)), precision=...)"
)
config_from_onnx_model = substituted(
    "config_from_onnx_model", "loopwire.compile('model.onnx', precision=..., part=...)"
)
fetch_example_model = substituted("fetch_example_model", "loopwire.load('examples/jets/jet_lstm20.keras')")


def _groups(layer: Layer, keras_class: str, precision: str, reuse_factor: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (name, class, settings) of what hls4ml makes of a layer; nothing for one without tensors."""
    if not layer.roles:
        return []
    tensors = dict.fromkeys(["result", *(tensor_of(layer, role) for role in layer.roles if role != Role.PREACTIVATION)])
    if Role.PREACTIVATION not in layer.roles:
        return [(layer.name, keras_class, _group(precision, *tensors))]
    function = separate_activation(layer)
    inside = []
    if function is not None:
        del tensors["result"]
        kind = "Softmax" if function.name == "softmax" else "Activation"
        inside = [(activation_name(layer, function), kind, _group(precision, "result"))]
    group = _group(precision, *tensors, "accum")
    return [(layer.name, keras_class, {**group, "ReuseFactor": reuse_factor}), *inside]


def _group(precision: str, *tensors: str) -> dict[str, Any]:
    return {"Precision": {tensor: AUTO if tensor == "accum" else precision for tensor in tensors}}
