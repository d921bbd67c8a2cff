"""The model file of a tuned model: that of the model before, with the trained weights in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loopwire.compiler import compile_silently
from loopwire.errors import UnsupportedError
from loopwire.frontends.keras.frontend import accepts
from loopwire.frontends.keras.model import model_of_saved
from loopwire.frontends.keras.rewrite import with_weights
from loopwire.frontends.keras.source import read_saved
from loopwire.frontends.reading import AS_IT_IS, Reading
from loopwire.ir.graph import Graph
from loopwire.training.finetune import Tuned
from loopwire.training.links import Arrays, constants, followed, links, not_carried, reals

INSIDE = 0.25
"""Of a step: where a number as the file holds it falls to the neighbour of its own, it is written so much above it."""


def refuse_other_files(source: Path) -> None:
    """Raise UnsupportedError where a model file is of a kind that is not written."""
    if accepts(source) is None:
        raise UnsupportedError(
            str(source),
            "fine-tuned weights are written to files of Keras only",
            "Fine-tune it from Python: loopwire.finetune returns the tuned model, ready to compile",
        )


def tuned_file(source: Path, tuned: Tuned, reading: Reading = AS_IT_IS) -> bytes:
    """Return the content of the file from which `tuned.model` was read, with the trained weights.

    Args:
        source: a Keras file.
        tuned: what was trained from it.
        reading: how it was read; where its weights lie apart, their file is what is returned.

    Raises:
        ModelFileError: the file has changed meanwhile.
        UnsupportedError: it is of another kind, or its arrays cannot carry what was trained.
    """
    refuse_other_files(source)
    saved = read_saved(source, reading)

    def build(given: Arrays) -> Graph:
        model = model_of_saved(replace(saved, arrays=_by_layer(saved.arrays, given)), reading.steps)
        return compile_silently(model, tuned.design.config).graph

    old = {f"{layer}[{k}]": array for layer, of_layer in saved.arrays.items() for k, array in enumerate(of_layer)}
    arrays = {name: np.asarray(array, np.float64) for name, array in old.items()}
    if constants(build(arrays)).keys() != constants(tuned.design.graph).keys():
        problem = "its layers are not those of the tuned model"
        raise UnsupportedError(str(source), problem, "Give the file from which the model was read")
    found = links(build, arrays)
    after = reals(tuned.design.graph)
    wanted = {link.constant: after[link.constant] for link in found}
    for margin in (0.0, INSIDE):
        given = followed(build, arrays, found, wanted, margin)
        stored = {name: array.astype(old[name].dtype).astype(np.float64) for name, array in given.items()}
        if not_carried(build(stored), after) is None:
            return with_weights(source, reading, _by_layer(saved.arrays, stored))
    raise UnsupportedError(
        str(source),
        "its arrays have too few bits for the trained weights",
        "Give weights narrower types, or save the model in float32",
    )


def _by_layer(
    like: Mapping[str, Sequence[npt.NDArray[np.generic]]], given: Arrays
) -> dict[str, list[npt.NDArray[np.float64]]]:
    return {layer: [given[f"{layer}[{k}]"] for k in range(len(of_layer))] for layer, of_layer in like.items()}
