"""A frontend: a text with the weights W of a LeakySum, a row a line, for sequences of four steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import loopwire
from loopwire.frontends.reading import Reading
from loopwire.layers.model import Model
from loopwire_toys.cell import LeakySum

STEPS = 4


def accepts(source: Path | Any) -> str | None:
    return "leaky sum" if isinstance(source, Path) and source.suffix == ".leaky" else None


def read(source: Path | Any, reading: Reading) -> Model:
    kernel = np.loadtxt(source, ndmin=2)
    x = loopwire.Input((STEPS, kernel.shape[1]))
    return loopwire.Model.of("leaky", x, LeakySum("cell", kernel)(x))
