"""hls4ml's `converters`: from a model and its configuration to something that predicts, traces and builds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwire.compiler import compile
from loopwire.errors import ConfigError, nearest
from loopwire.hls4ml.conversion import Conversion, read_conversion, read_yaml
from loopwire.hls4ml.project import HlsModel, ModelConfig
from loopwire.hls4ml.substitutes import substituted

if TYPE_CHECKING:
    from loopwire.frontends.keras.live import LiveModel

OPTIONS = {
    "part": "Part",
    "board": "Board",
    "clock_period": "ClockPeriod",
    "clock_uncertainty": "ClockUncertainty",
    "io_type": "IOType",
    "version": "Version",
    "namespace": "WriterConfig",
    "write_weights_txt": "WriterConfig",
    "write_tar": "WriterConfig",
    "write_emulation_constants": "WriterConfig",
    "tb_output_stream": "WriterConfig",
}
"""Keywords of hls4ml's conversion, by the key of its configuration that they set."""


def convert_from_keras_model(
    model: LiveModel | str | Path,
    output_dir: str = "my-hls-test",
    project_name: str = "myproject",
    input_data_tb: str | None = None,
    output_data_tb: str | None = None,
    backend: str | None = None,
    hls_config: Mapping[str, Any] | None = None,
    bit_exact: bool | None = None,
    allow_da_fallback: bool | None = None,
    allow_v2_fallback: bool | None = None,
    **options: Any,
) -> HlsModel:
    """Convert a Keras model; what of the configuration has no effect here is reported as `Hls4mlWarning`.

    Args:
        model: a live `keras.Model`, or the path of a `.keras` or `.h5` file.
        output_dir: the project's folder.
        project_name: name of the top module.
        input_data_tb: a .npy or .npz file of inputs for verification and testbench.
        output_data_tb: has no effect.
        backend: 'verilog', which is the default, or 'vitis_hls'; hls4ml's backends have no effect.
        hls_config: as `config_from_keras_model` returns it.
        bit_exact: has no effect: sums and products are always exact.
        allow_da_fallback: has no effect.
        allow_v2_fallback: has no effect.
        options: `part`, `clock_period` (ns), `io_type` ('io_stream' or 'io_parallel'), and hls4ml's others.

    Raises:
        ConfigError: an option or a key is unknown, or a value impossible.
        FixedTypeError: a type cannot be read.
        ModelFileError: the model cannot be read.
        UnsupportedError: the model has something that Loopwire does not compile.
    """
    of_model = {"BitExact": bit_exact, "AllowDAFallback": allow_da_fallback, "AllowV2Fallback": allow_v2_fallback}
    hls = dict(hls_config or {})
    hls["Model"] = {**hls.get("Model", {}), **of_model}
    values = {
        "OutputDir": output_dir,
        "ProjectName": project_name,
        "InputData": input_data_tb,
        "OutputPredictions": output_data_tb,
        "Backend": backend,
        "HLSConfig": hls,
    }
    for option, value in options.items():
        if option not in OPTIONS:
            raise ConfigError(
                "convert_from_keras_model",
                f"{option!r} is not an option of hls4ml",
                f"{nearest(option, OPTIONS)}Choose from {', '.join(OPTIONS)}",
            )
        values[OPTIONS[option]] = value
    conversion = read_conversion(values, model)
    conversion.notes.warn()
    return _project(conversion)


def convert_from_config(config: str | Path | Mapping[str, Any]) -> HlsModel:
    """Convert the model that a configuration names.

    Args:
        config: the path of an hls4ml YAML file, or its dictionary.

    Raises:
        ToolError: PyYAML is not installed.
        LoopwireError: as `convert_from_keras_model`.
    """
    conversion = read_conversion(config if isinstance(config, Mapping) else read_yaml(config))
    conversion.notes.warn()
    return _project(conversion)


def _project(conversion: Conversion) -> HlsModel:
    design = compile(conversion.model, conversion.config)
    folder = conversion.output_dir or Path("build") / design.name
    return HlsModel(design, folder, conversion.input_data, ModelConfig(dict(conversion.values), design.name, folder))


convert_from_pytorch_model = substituted(
    "convert_from_pytorch_model", "loopwire.compile(loopwire.load(module, example_inputs=(x,)), precision=...)"
)
convert_from_onnx_model = substituted(
    "convert_from_onnx_model", "loopwire.compile('model.onnx', precision=..., part=...)"
)
