"""Brings a saved Keras model's layers into the order in which data pass them, and finds the shape of its input.

Loopwire compiles chains: one input, one output, each layer fed by one other. Anything else is refused by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from loopwire.errors import ConfigError, ModelFileError, UnsupportedError
from loopwire.frontends.keras_archive import LayerEntry, SavedModel

MAX_STEPS = 1 << 14
MAX_ELEMENTS = 1 << 20
"""Bounds of a sequence. Memory and time of emulation and simulation grow with it, and nothing built is near."""
CHAIN_REMEDY = "Only a chain of layers with one input and one output is compiled"
STEPS_REMEDY = "Give it: --steps T, 'steps' in the configuration, or loopwire.load(path, steps=T)"
CALL_ARGUMENTS = {"training": (None, False), "mask": (None,), "initial_state": (None,)}
"""Arguments of a layer's call, and the values with which they change nothing."""


def chain_of(model: SavedModel) -> tuple[LayerEntry, ...]:
    """Return the layers in the order of the data.

    Raises:
        UnsupportedError: the model branches, joins, shares a layer, or has several inputs or outputs.
        ModelFileError: the configuration contradicts itself.
    """
    if model.class_name == "Sequential":
        return model.entries
    by_name = {entry.name: entry for entry in model.entries}
    sources = {name: _source(model, entry) for name, entry in by_name.items()}
    uses = Counter(source for source in sources.values() if source is not None)
    for name, count in uses.items():
        if count > 1:
            users = " and ".join(repr(user) for user, source in sources.items() if source == name)
            raise UnsupportedError(
                f"{model.source}, layer {name!r}", f"its result goes to {users}, a branch", CHAIN_REMEDY
            )
    first = _only_end(model, "input_layers", "input")
    name = _only_end(model, "output_layers", "output")
    chain: list[LayerEntry] = []
    while True:
        if name not in by_name or len(chain) > len(by_name):
            raise ModelFileError(
                model.source, f"its graph leads to a layer {name!r} it does not list", "Save the model again"
            )
        chain.append(by_name[name])
        source = sources[name]
        if source is None:
            break
        name = source
    if name != first or len(chain) != len(by_name):
        lost = sorted(set(by_name) - {entry.name for entry in chain})
        raise UnsupportedError(model.source, f"{lost} are not on the way to its output", CHAIN_REMEDY)
    return tuple(reversed(chain))


def input_shape_of(model: SavedModel, chain: Sequence[LayerEntry], steps: int | None = None) -> tuple[int, ...]:
    """Return the shape of the input without the batch: (T, features) or (features,).

    Args:
        model: as saved.
        chain: its layers in the order of the data.
        steps: T, where the model leaves it open.

    Raises:
        ConfigError: the model's sequences have another number of steps, or its input none.
        UnsupportedError: the shape is not known, or has another number of axes.
    """
    config = chain[0].config if chain else {}
    batch_shape = next(
        (shape for key in ("batch_shape", "batch_input_shape") if (shape := config.get(key))),
        model.config.get("build_input_shape"),
    )
    where = f"{model.source}, input"
    remedy = "Rebuild the model with keras.Input((steps, features)), both numbers given, and save it again"
    if not isinstance(batch_shape, list) or not batch_shape:
        raise UnsupportedError(where, "its shape is not in the model, so it is unknown at compile time", remedy)
    shape = tuple(batch_shape[1:])
    if len(shape) == 2 and shape[0] is None:
        if steps is None:
            raise UnsupportedError(
                where, f"its sequences, of shape {shape}, may have any number of steps", STEPS_REMEDY
            )
        shape = (steps, shape[1])
    if steps is not None and (len(shape) != 2 or shape[0] != steps):
        raise ConfigError("steps", f"the model's input has shape {shape}, not {steps} steps", "Leave the steps out")
    if 0 in shape:
        raise UnsupportedError(where, f"it has shape {shape}: there is nothing in it", remedy)
    if any(length is None for length in shape):
        raise UnsupportedError(where, f"its shape {shape} is unknown at compile time", remedy)
    if len(shape) not in (1, 2) or not all(type(length) is int and length > 0 for length in shape):
        raise UnsupportedError(where, f"it has shape {shape}", "Give one of (steps, features) or (features,)")
    if len(shape) == 2 and shape[0] > MAX_STEPS:
        raise UnsupportedError(where, f"it has {shape[0]} steps", f"Give at most {MAX_STEPS}, or a sliding window")
    if prod(shape) > MAX_ELEMENTS:
        raise UnsupportedError(where, f"its shape {shape} has {prod(shape)} elements", f"Give at most {MAX_ELEMENTS}")
    return shape


def _source(model: SavedModel, entry: LayerEntry) -> str | None:
    """Return the name of the layer that feeds this one, or None for an input."""
    where = f"{model.source}, layer {entry.name!r}"
    if entry.class_name == "InputLayer":
        return None
    if len(entry.inbound_nodes) != 1:
        raise UnsupportedError(where, f"it is used {len(entry.inbound_nodes)} times", CHAIN_REMEDY)
    tensors, arguments = _inputs(entry.inbound_nodes[0])
    if len(tensors) != 1:
        names = ", ".join(repr(name) for name in tensors)
        raise UnsupportedError(where, f"this {entry.class_name} takes {len(tensors)} inputs ({names})", CHAIN_REMEDY)
    for key, value in arguments.items():
        if value not in CALL_ARGUMENTS.get(key, (None,)):
            raise UnsupportedError(where, f"it is called with {key}={value!r}", "Call the layer on its input alone")
    return tensors[0]


def _inputs(node: Any) -> tuple[list[str], dict[str, Any]]:
    """Return the layers whose results a call takes, and its keyword arguments.

    Keras 3: {"args": [tensor, …], "kwargs": {…}} with tensors as dicts; Keras 2: [[layer, node, tensor, kwargs], …].
    """
    match node:
        case {"args": args, "kwargs": dict() as kwargs}:
            return list(_tensors([args, kwargs])), kwargs
        case list():
            calls = [call for call in node if isinstance(call, list) and call]
            arguments = [call[3] for call in calls if len(call) > 3 and isinstance(call[3], dict)]
            return [str(call[0]) for call in calls], {k: v for kwargs in arguments for k, v in kwargs.items()}
        case _:
            return [], {}


def _tensors(value: Any) -> Iterator[str]:
    match value:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": [str() as name, *_]}}:
            yield name
        case dict():
            for item in value.values():
                yield from _tensors(item)
        case list():
            for item in value:
                yield from _tensors(item)


def _only_end(model: SavedModel, key: str, what: str) -> str:
    """Return the one input or output layer's name: ["name", 0, 0], or [["name", 0, 0]]."""
    ends = model.config.get(key)
    if isinstance(ends, list) and len(ends) == 3 and isinstance(ends[0], str):
        ends = [ends]
    if not isinstance(ends, list) or not all(isinstance(end, list) and end for end in ends):
        if isinstance(ends, dict):
            raise UnsupportedError(model.source, f"its {what}s are named: {sorted(ends)}", CHAIN_REMEDY)
        raise ModelFileError(model.source, f"its configuration names no {what} layer", "Save the model again")
    if len(ends) != 1:
        names = ", ".join(repr(end[0]) for end in ends)
        raise UnsupportedError(model.source, f"it has {len(ends)} {what}s ({names})", CHAIN_REMEDY)
    return str(ends[0][0])
