"""Events: inputs of a model, with the class of each where it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.data import check_inputs, given_data, read_data
from loopwire.labels import check_labels, read_labels
from loopwire.layers.model import Model

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Events:
    """Inputs (N, *input shape) with the class of each (N,), if known, and the classes' names."""

    inputs: Array
    labels: npt.NDArray[np.int64] | None = None
    class_names: Sequence[str] | None = None
    where: str = "data"

    def part(self, rows: npt.NDArray[np.int64], where: str) -> Events:
        """Return some of the events."""
        labels = None if self.labels is None else self.labels[rows]
        return Events(self.inputs[rows], labels, self.class_names, where)


def checked_events(model: Model, given: Any) -> Events:
    """Return events whose labels are classes (N,).

    Args:
        model: what they are for.
        given: `Events`, or what `data.given_data` takes: inputs, a pair with labels, a file's path, an open .npz file.

    Raises:
        DataError: they cannot be read, or do not fit the model.
        UnsupportedError: the model has several inputs or outputs.
    """
    shape, outputs = model.input_shape, model.output_shape()[-1]
    if not isinstance(given, Events):
        data = given_data("data", given, model.inputs, model.outputs)
        return Events(data.inputs, data.labels, data.class_names)
    inputs = check_inputs(given.where, given.inputs, shape)
    labels = given.labels
    if labels is not None:
        labels = check_labels(f"{given.where}, labels", np.asarray(labels), len(inputs), outputs)
    return Events(inputs, labels, given.class_names, given.where)


def read_events(model: Model, path: Path, labels: Path | None = None) -> Events:
    """Read events from a file, their labels from another one if it is given.

    Raises:
        DataError: a file cannot be read, or does not fit the model.
    """
    outputs = model.output_shape()[-1]
    data = read_data(path, model.input_shape, outputs)
    events = Events(data.inputs, data.labels, data.class_names, str(path))
    return events if labels is None else replace(events, labels=read_labels(labels, len(data.inputs), outputs))
