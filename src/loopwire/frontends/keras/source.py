"""Reads a Keras file, or takes a live model, as a `SavedModel`; weights may lie in a file of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from loopwire.errors import ConfigError, ModelFileError
from loopwire.frontends.containers import damaged
from loopwire.frontends.file_kinds import require_file
from loopwire.frontends.keras.files import describe, describe_weights
from loopwire.frontends.keras.hdf5 import text_of
from loopwire.frontends.keras.live import LiveModel, read_live
from loopwire.frontends.keras.saved import SavedModel, model_of
from loopwire.frontends.keras.weights import SavedWeights, by_layer
from loopwire.frontends.reading import AS_IT_IS, Reading
from loopwire.sandbox import Description, read_apart


def read_saved(source: Path | str | LiveModel, reading: Reading = AS_IT_IS) -> SavedModel:
    """Read a file, or take a live model.

    Args:
        source: a file or a live model.
        reading: where its weights are, and how to read both.

    Raises:
        ConfigError: weights are given beside a model that has its own.
        ModelFileError: no such file, damaged, not a Keras model, or it takes too much time or memory to read.
        UnsupportedError: a Keras model of a version or kind that Loopwire does not read.
    """
    if not isinstance(source, str | Path):
        _refuse_weights(reading)
        return read_live(source)
    path = Path(source)
    description = _described(describe, path, reading)
    with _answer_checked(path):
        model = _saved(str(path), description)
        has_weights = description.facts["layers"] is not None
    if has_weights:
        _refuse_weights(reading)
        return model
    if reading.weights is None:
        raise ModelFileError(
            str(path),
            "it is an architecture without weights",
            "Give the file of its weights as well: --weights FILE, from Python loopwire.load(path, weights=file)",
        )
    description = _described(describe_weights, reading.weights, reading)
    with _answer_checked(reading.weights):
        groups = {
            group: [description.arrays[name] for name in names] for group, names in description.facts["groups"].items()
        }
        facts = description.facts
        weights = SavedWeights(groups, facts["owners"], facts["names"], bool(facts["by_class"]))
    return replace(model, arrays=dict(by_layer(model, weights, str(reading.weights))))


def _described(reader: Callable[[Path], Description], path: Path, reading: Reading) -> Description:
    require_file(path)
    return reader(path) if reading.trust else read_apart(reader, path)


def _refuse_weights(reading: Reading) -> None:
    if reading.weights is not None:
        raise ConfigError("weights", "the model has weights of its own", "Leave out one of the two files")


@contextmanager
def _answer_checked(path: Path) -> Iterator[None]:
    """Turn what a description that is not laid out as it should be raises into an error about its file."""
    try:
        yield
    except (LookupError, TypeError, AttributeError):
        raise damaged(str(path), "the process that reads it sent an invalid answer") from None


def _saved(source: str, description: Description) -> SavedModel:
    """Return what a file holds, given its description."""
    facts = description.facts
    model = model_of(source, text_of(facts["keras_version"]), text_of(facts["class_name"]), facts["config"])
    layers = (facts["layers"] or {}).items()
    return replace(model, arrays={layer: [description.arrays[name] for name in names] for layer, names in layers})
