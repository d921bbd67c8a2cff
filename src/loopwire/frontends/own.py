"""Readers that users register for layers of their own: their code runs, the code of a model file never does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopwire.errors import ConfigError
from loopwire.layers.model import Layer

OwnReader = Callable[[Any], Layer | None]
"""Given a framework's layer as its frontend hands it on: Loopwire's, or None where it is the identity."""

_READERS: dict[str, OwnReader] = {}


def register_reader(class_name: str, reader: OwnReader) -> None:
    """Let models with a custom layer of this class be read.

    Args:
        class_name: of the layer, as a model file names it.
        reader: makes of a layer Loopwire's; of Keras it is given a `loopwire.frontends.keras.layer.SavedLayer`, whose
            `option`, `count` and `weights` read what `get_config()` and the file hold, in the order of the weights; of
            PyTorch a `loopwire.frontends.torch.own.SavedModule`, whose `weights` are by name, and which has no options.

    Raises:
        ConfigError: the class name is none, or the reader cannot be called.
    """
    if not isinstance(class_name, str) or not class_name:
        raise ConfigError("class_name", f"{class_name!r} is not a name of a class", "Give a text such as 'MinGRU'")
    if not callable(reader):
        raise ConfigError("reader", f"{reader!r} cannot be called", "Give a function of the saved layer")
    _READERS[class_name] = reader


def own_reader(class_name: str) -> OwnReader | None:
    """Return the reader that was registered for a class; Keras may put a package's name and '>' before the class's."""
    return _READERS.get(class_name.rpartition(">")[2])
