"""What a mutated model file must end in: an error of Loopwire's, or a model that compiles and gives finite numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import loopwire
from loopwire.config import CompileConfig
from loopwire.layers.embedding import count_of

TYPES = CompileConfig.from_dict({"model": {"precision": "fixed<8,3,RND,SAT>"}})
"""Few bits, whose tables take milliseconds."""
LARGEST_PREDICTED = 4096
"""Weights of a model that is compiled and run: larger ones are only read."""


def check_loaded(path: Path, trust: bool) -> None:
    """Read a file as `loopwire.load` does; compile what it becomes, of any ports, and predict.

    Raises:
        LoopwireError: it is refused.
        AssertionError: what was read of it is not sound.
    """
    model = loopwire.load(path, trust)
    arrays = [value for layer in model.layers for value in vars(layer).values() if isinstance(value, np.ndarray)]
    assert all(np.isfinite(array).all() for array in arrays), "weights that are not finite"
    if sum(array.size for array in arrays) + sum(int(np.prod(x.shape)) for x in model.inputs) > LARGEST_PREDICTED:
        return
    design = loopwire.compile(model, TYPES)
    given = [np.linspace(-2, 2, 2 * int(np.prod(x.shape))).reshape(2, *x.shape) for x in model.inputs]
    given = [x if count_of(model, of) is None else np.zeros_like(x) for x, of in zip(given, model.inputs, strict=True)]
    x = given if len(given) > 1 else given[0]
    for results in (design.predict(x), design.predict_float(x)):
        found = results.values() if isinstance(results, dict) else [results]
        assert all(np.isfinite(y).all() for y in found), "results that are not finite"
