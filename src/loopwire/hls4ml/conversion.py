"""A whole hls4ml configuration: which model, with which settings, to which folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwire.bounded import check_bounds, read_bounded
from loopwire.config import MAX_FILE_BYTES, CompileConfig
from loopwire.errors import ConfigError, ToolError, nearest
from loopwire.frontends.keras.graph import graph_of
from loopwire.frontends.keras.model import read_keras
from loopwire.frontends.keras.source import read_saved
from loopwire.frontends.reading import AS_IT_IS, Reading
from loopwire.hls4ml import keys
from loopwire.hls4ml.notes import Notes
from loopwire.hls4ml.settings import WHERE, HlsConfig, read_table
from loopwire.hls4ml.translation import translate
from loopwire.layers.model import Model
from loopwire.plugins import TARGETS

if TYPE_CHECKING:
    from loopwire.frontends.keras.live import LiveModel

IO_TYPES = {"io_stream": "stream", "io_parallel": "parallel"}
OTHER_MODELS = ("OnnxModel", "PytorchModel")
BACKEND = "the firmware is SystemVerilog, which all vendors' tools read; 'vitis_hls' gives HLS C++"


@dataclass(frozen=True)
class Conversion:
    """What a configuration asks for: a model, Loopwire's configuration, and what there is to say about it.

    `values` is hls4ml's dictionary as it was given.
    """

    model: Model
    config: CompileConfig
    notes: Notes
    output_dir: Path | None
    input_data: Path | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Paths:
    """The files that a configuration names; None where it does not."""

    model: Path | None
    output_dir: Path | None
    input_data: Path | None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Paths:
        """Take them from a dictionary."""
        model = values.get("KerasModel") or values.get("KerasJson") or values.get("KerasH5")
        named = [model if isinstance(model, str) else None, values.get("OutputDir"), values.get("InputData")]
        return cls(*(Path(name) if name else None for name in named))


def read_conversion(
    values: Mapping[str, Any], source: str | Path | LiveModel | None = None, reading: Reading = AS_IT_IS
) -> Conversion:
    """Read a configuration and the model that it is about.

    Args:
        values: the dictionary, as hls4ml's YAML files hold it.
        source: the model, in place of the one that the dictionary names.
        reading: how its file is read.

    Raises:
        ConfigError: a key is unknown, a value impossible, or nothing names a model.
        FixedTypeError: a type cannot be read.
        ModelFileError: the model cannot be read.
        UnsupportedError: the model has something that Loopwire does not compile.
    """
    notes = Notes()
    values = {key: value for key, value in values.items() if key not in OTHER_MODELS or _refuse(key, value, source)}
    read = read_table("", values, keys.TOP_USED, keys.TOP_NO_EFFECT, notes)
    found = source or read.get("KerasModel") or read.get("KerasJson") or read.get("KerasH5")
    if found is not None and found is read.get("KerasJson") and "KerasH5" in read:
        reading = replace(reading, weights=Path(read["KerasH5"]))
    if found is None:
        raise ConfigError(WHERE, "it names no model", "Give the path of a .keras or .h5 file as KerasModel")
    model = read_keras(found, reading)
    settings = HlsConfig.parse(read.get("HLSConfig", {}), notes)
    config = CompileConfig(**_hardware(read, notes), **translate(settings, model, keras_classes(found, reading)))
    paths = Paths.of(read)
    return Conversion(model, config, notes, paths.output_dir, paths.input_data, values)


def keras_classes(source: str | Path | LiveModel, reading: Reading = AS_IT_IS) -> dict[str, str]:
    """Return the Keras class of each layer by its name, in the order of the data."""
    graph = graph_of(read_saved(source, reading))
    entries = (*graph.inputs, *(call.entry for call in graph.calls))
    return {entry.name: entry.class_name for entry in entries}


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read an hls4ml YAML file; a model in it is a path, and nothing is loaded.

    Raises:
        ConfigError: the file cannot be read, or is no YAML table.
        ToolError: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise ToolError(
            str(path), "the Python package 'yaml' is missing", "Install it: pip install 'loopwire[hls4ml]'"
        ) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Reads plain values, and the path behind hls4ml's `!keras_model` tag."""

    Loader.add_constructor("!keras_model", lambda loader, node: loader.construct_scalar(node))
    try:
        values = check_bounds(yaml.load(read_bounded(Path(path), MAX_FILE_BYTES).decode(), Loader))
    except OSError as error:
        raise ConfigError(str(path), f"it cannot be read ({error.strerror})", "Check the path") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(str(path), f"it is not YAML: {' '.join(str(error).split())}", "Check the file") from None
    if not isinstance(values, dict):
        raise ConfigError(str(path), "it is not a table of settings", f"Its keys are {', '.join(keys.TOP_USED)}")
    return values


def _refuse(key: str, value: object, source: object) -> bool:
    """Refuse a model of a kind that is not read; return False where it is not needed."""
    if value is not None and source is None:
        raise ConfigError(f"{WHERE}, {key}", "this kind of model is not read", "Give a whole Keras model as KerasModel")
    return False


def _hardware(read: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Return what the configuration says of part, clock, ports, name and target."""
    fields: dict[str, Any] = {}
    if "Part" in read:
        fields["part"] = str(read["Part"])
    if "ProjectName" in read:
        fields["name"] = str(read["ProjectName"])
    if "ClockPeriod" in read:
        fields["clock_period_ns"] = _number("ClockPeriod", read["ClockPeriod"])
    if "IOType" in read:
        io_type = read["IOType"]
        if io_type not in IO_TYPES:
            raise ConfigError(
                f"{WHERE}, IOType",
                f"{io_type!r} is unknown",
                f"{nearest(str(io_type), IO_TYPES)}Choose from {', '.join(IO_TYPES)}",
            )
        fields["io"] = IO_TYPES[io_type]
    backend = str(read.get("Backend", CompileConfig.target)).lower()
    if backend in TARGETS:
        fields["target"] = backend
    else:
        notes.add("Backend", BACKEND)
    return fields


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{WHERE}, {key}", f"{value!r} is not a number", "Give nanoseconds, such as 5")
    return float(value)
