"""Reads which layers of a saved Keras model feed which: calls in the order of the data, and the inputs' shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.input_shapes import STEPS_REMEDY, check_steps, checked_shape
from loopwire.frontends.keras.saved import LayerEntry, SavedModel

SHAPE_REMEDY = "Rebuild the model with keras.Input((steps, features)), both numbers given, and save it again"
CALL_ARGUMENTS = dict.fromkeys(("training", "return_attention_scores", "use_causal_mask"), (None, False))
"""Arguments of a layer's call beside its inputs, and the values with which they change nothing."""
CAUSAL = ("Attention", "AdditiveAttention", "MultiHeadAttention")
"""Classes that may be called with `use_causal_mask`."""
NEW_AXIS, WHOLE_AXIS = "new axis", "whole axis"
"""Of an operation that indexes a tensor, beside whole numbers."""
CONSTANTS = ("__numpy__", "__tensor__")
"""Classes under which Keras 3 saves arrays that a call was given."""
INPUTS = ("inputs", "query", "value", "key")
"""Arguments that are a layer's inputs, in their order."""


@dataclass(frozen=True)
class Result:
    """One of the tensors that a call of a layer hands on."""

    layer: str
    node: int
    index: int


Operand = Result | npt.NDArray[np.float64]
"""What a call takes: a result of another, or a constant array."""


@dataclass(frozen=True)
class SavedCall:
    """A call of a layer: its number among the layer's calls, its inputs, then the initial states it is given.

    `masks` say which steps of the inputs count, where that is named, `attention_mask` which ones queries see. `numbers`
    are between the inputs of an operation, `key` is what one that indexes selects. `causal`: no step attends to later
    ones.
    """

    entry: LayerEntry
    node: int
    inputs: tuple[Operand, ...]
    states: tuple[Operand, ...] = ()
    masks: tuple[Result | None, ...] = ()
    attention_mask: Result | None = None
    numbers: tuple[float, ...] = ()
    causal: bool = False
    key: tuple[int | str | None, ...] = ()


@dataclass(frozen=True)
class SavedGraph:
    """A model's inputs, its calls in the order of the data, and its outputs."""

    inputs: tuple[LayerEntry, ...]
    calls: tuple[SavedCall, ...]
    outputs: tuple[Result, ...]


def graph_of(model: SavedModel) -> SavedGraph:
    """Return a model's calls.

    Raises:
        UnsupportedError: a layer is called in a way that is not compiled, or none computes anything.
        ModelFileError: the configuration contradicts itself.
    """
    if model.class_name == "Sequential":
        return _sequential(model)
    by_name = {entry.name: entry for entry in model.entries}
    calls = {
        (entry.name, node): _call(model, entry, node, raw)
        for entry in model.entries
        for node, raw in enumerate(entry.inbound_nodes or [None])
    }
    inputs = _ends(model, "input_layers", "input")
    outputs = _ends(model, "output_layers", "output")
    ordered = _ordered(model, calls, outputs)
    lost = sorted({name for name, _ in calls} - {call.entry.name for call in ordered})
    if lost:
        raise UnsupportedError(
            model.source, f"the layers {lost} do not lead to its output", "Save the model without them"
        )
    for result in inputs:
        if result.layer not in by_name or by_name[result.layer].class_name != "InputLayer":
            raise _lists_none(model, result.layer)
    given = {result.layer for result in inputs}
    stray = next((c for c in ordered if c.entry.class_name == "InputLayer" and c.entry.name not in given), None)
    if stray is not None:
        raise _lists_none(model, stray.entry.name)
    nodes = _node_offsets(calls, outputs)
    return SavedGraph(
        tuple(by_name[result.layer] for result in inputs),
        tuple(_renumbered(call, nodes) for call in ordered if call.entry.class_name != "InputLayer"),
        tuple(_shifted(result, nodes) for result in outputs),
    )


def _sequential(model: SavedModel) -> SavedGraph:
    """Return the calls of layers that each take what the one before hands on."""
    if not model.entries:
        raise UnsupportedError(model.source, "none of its layers computes anything", "Give a model with layers")
    first, *rest = model.entries
    last = Result(first.name, 0, 0)
    calls = []
    if first.class_name != "InputLayer":
        rest = [first, *rest]
        last = Result("", 0, 0)
    for entry in rest:
        calls.append(SavedCall(entry, 0, (last,)))
        last = Result(entry.name, 0, 0)
    return SavedGraph((first,), tuple(calls), (last,))


def shapes_of(model: SavedModel, entries: Sequence[LayerEntry], steps: int | None = None) -> list[tuple[int, ...]]:
    """Return the shapes of a model's inputs without the batch: (T, features), (features,) or (T, rows, channels).

    Args:
        model: as saved.
        entries: its inputs, or the first layer where that tells the shape.
        steps: T, where the model leaves it open.

    Raises:
        ConfigError: the model's sequences have another number of steps, or its inputs none.
        UnsupportedError: a shape is not known, or has another number of axes.
    """
    given = [_batch_shape(model, entry)[1:] for entry in entries]
    shapes = [_with_steps(model, shape, steps) for shape in given]
    if not any(shape[:1] == (None,) for shape in given):
        check_steps(shapes, steps)
    return [checked_shape(model.source, shape, SHAPE_REMEDY, most_axes=3) for shape in shapes]


def _batch_shape(model: SavedModel, entry: LayerEntry) -> tuple[Any, ...]:
    batch_shape = next(
        (shape for key in ("batch_shape", "batch_input_shape") if (shape := entry.config.get(key))),
        model.config.get("build_input_shape"),
    )
    if not isinstance(batch_shape, list) or not batch_shape:
        problem = "its shape is not in the model, so it is unknown at compile time"
        raise UnsupportedError(f"{model.source}, input", problem, SHAPE_REMEDY)
    return tuple(batch_shape)


def _with_steps(model: SavedModel, shape: tuple[Any, ...], steps: int | None) -> tuple[Any, ...]:
    """Return a shape with its steps, where they are left open."""
    if len(shape) not in (1, 2, 3) or shape[0] is not None:
        return shape
    if steps is None:
        problem = f"its sequences, of shape {shape}, may have any number of steps"
        raise UnsupportedError(f"{model.source}, input", problem, STEPS_REMEDY)
    return (steps, *shape[1:])


Key = tuple[str, int]


def _ordered(model: SavedModel, calls: dict[Key, SavedCall], outputs: Sequence[Result]) -> list[SavedCall]:
    """Return the calls that the outputs need, each after those it takes results of."""
    offsets = _node_offsets(calls, outputs)
    ordered: dict[Key, SavedCall] = {}
    entered: dict[Key, None] = {}
    waiting = [(_key(result, offsets), False) for result in reversed(outputs)]
    while waiting:
        key, complete = waiting.pop()
        if key not in calls:
            raise _lists_none(model, key[0])
        call = calls[key]
        if complete:
            ordered[key] = call
        elif key not in ordered:
            if key in entered:
                path = [other for other in entered if other not in ordered]
                around = ", ".join(repr(name) for name, _ in path[path.index(key) + 1 :])
                way = f" by way of {around}" if around else ""
                problem = f"layer {key[0]!r} needs its own result{way}: its graph has a cycle"
                raise ModelFileError(model.source, problem, "Save the model again")
            entered[key] = None
            waiting.append((key, True))
            needed = [_key(operand, offsets) for operand in _results(call)]
            waiting += [(other, False) for other in reversed(needed) if other not in ordered]
    return list(ordered.values())


def _results(call: SavedCall) -> list[Result]:
    operands = (*call.inputs, *call.states, *call.masks, call.attention_mask)
    return [operand for operand in operands if isinstance(operand, Result)]


def _node_offsets(calls: dict[Key, SavedCall], outputs: Sequence[Result]) -> dict[str, int]:
    """Return from where on the calls of each layer are counted: a nested model's may follow the one that built it."""
    counts: dict[str, int] = {}
    for name, _ in calls:
        counts[name] = counts.get(name, 0) + 1
    named = [*outputs, *(result for call in calls.values() for result in _results(call))]
    largest: dict[str, int] = {}
    for result in named:
        largest[result.layer] = max(result.node, largest.get(result.layer, 0))
    return {name: max(largest[name] + 1 - counts.get(name, 0), 0) for name in largest}


def _key(result: Result, offsets: dict[str, int]) -> Key:
    return result.layer, max(result.node - offsets[result.layer], 0)


def _shifted(result: Result, offsets: dict[str, int]) -> Result:
    return Result(*_key(result, offsets), result.index)


def _renumbered(call: SavedCall, offsets: dict[str, int]) -> SavedCall:
    def shifted(operands: Sequence[Operand]) -> tuple[Operand, ...]:
        return tuple(_shifted(operand, offsets) if isinstance(operand, Result) else operand for operand in operands)

    masks = [None if mask is None else _shifted(mask, offsets) for mask in (*call.masks, call.attention_mask)]
    return replace(
        call,
        inputs=shifted(call.inputs),
        states=shifted(call.states),
        masks=tuple(masks[:-1]),
        attention_mask=masks[-1],
    )


def _lists_none(model: SavedModel, layer: str) -> ModelFileError:
    return ModelFileError(
        model.source, f"its graph leads to a layer {layer!r} it does not list", "Save the model again"
    )


def _call(model: SavedModel, entry: LayerEntry, node: int, raw: Any) -> SavedCall:
    """Read a call.

    Keras 3: {"args": [tensor, …], "kwargs": {…}} with tensors as dicts; Keras 2: [[layer, node, tensor, kwargs], …].
    """
    numbers: list[float] = []
    selected: tuple[int | str | None, ...] = ()
    match raw:
        case {"args": list() as args, "kwargs": dict() as kwargs}:
            arguments = dict(kwargs)
            inputs = [*_operands(args), *(x for key in INPUTS for x in _operands(arguments.pop(key, None)))]
            numbers = [float(value) for value in args if isinstance(value, int | float)]
            selected = tuple(map(_selected, args[1])) if len(args) == 2 and isinstance(args[1], list) else ()
            states = list(_operands(arguments.pop("initial_state", None)))
        case list():
            calls = [call for call in raw if isinstance(call, list) and call]
            inputs = [Result(str(call[0]), *_indices(call)) for call in calls]
            given = [call[3] for call in calls if len(call) > 3 and isinstance(call[3], dict)]
            arguments = {key: value for kwargs in given for key, value in kwargs.items()}
            inputs += [x for key in INPUTS for x in _legacy_operands(arguments.pop(key, None))]
            states = list(_legacy_operands(arguments.pop("initial_state", None)))
        case _:
            inputs, states, arguments = [], [], {}
    where = f"{model.source}, layer {entry.name!r}"
    masks = _masks(where, entry, arguments)
    attention_mask = _mask(where, arguments.pop("attention_mask", None))
    causal = entry.class_name in CAUSAL and bool(arguments.pop("use_causal_mask", False))
    for key, value in arguments.items():
        if value not in CALL_ARGUMENTS.get(key, (None,)):
            raise UnsupportedError(where, f"it is called with {key}={value!r}", "Call the layer on its inputs alone")
    if not inputs and entry.class_name != "InputLayer":
        raise ModelFileError(where, "its configuration names no input", "Save the model again")
    return SavedCall(entry, node, tuple(inputs), tuple(states), masks, attention_mask, tuple(numbers), causal, selected)


def _selected(item: Any) -> int | str | None:
    """Return what an operation that indexes selects of an axis; None of what no mask is made with."""
    match item:
        case None:
            return NEW_AXIS
        case int():
            return item
        case {"class_name": "__slice__", "config": dict() as ends} if not any(ends.values()):
            return WHOLE_AXIS
        case _:
            return None


def _masks(where: str, entry: LayerEntry, arguments: dict[str, Any]) -> tuple[Result | None, ...]:
    """Return the masks of a call's inputs, in their order, of those that are named."""
    given = arguments.pop("mask", None)
    listed = given if isinstance(given, list) and not any(isinstance(item, str) for item in given) else [given]
    if entry.class_name == "MultiHeadAttention":
        if arguments.pop("query_mask", None) is not None:
            problem = "it is called with a query_mask, which Keras 3.15 ignores and other versions read"
            raise UnsupportedError(where, problem, "Mask the query with keras.layers.Masking, or leave it out")
        listed = [None, *(arguments.pop(f"{of}_mask", None) for of in ("value", "key"))]
    masks = tuple(_mask(where, each) for each in listed)
    return masks if any(masks) else ()


def _mask(where: str, given: Any) -> Result | None:
    """Return what a mask that a call names is."""
    match [*_operands(given), *_legacy_operands(given)]:
        case [Result() as mask]:
            return mask
        case [] if given is None:
            return None
        case _:
            raise UnsupportedError(
                where, "it is called with a mask that is not a tensor", "Give it a mask that is a tensor of the model"
            )


def _indices(call: Sequence[Any]) -> tuple[int, int]:
    node, index = (value if isinstance(value, int) else 0 for value in (*call[1:3], 0, 0)[:2])
    return node, index


def _operands(value: Any) -> Iterator[Operand]:
    match value:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": [str() as name, *rest]}}:
            yield Result(name, *_indices([name, *rest]))
        case {"class_name": str() as kind, "config": {"value": array}} if kind in CONSTANTS:
            yield np.asarray(array, np.float64)
        case list():
            for item in value:
                yield from _operands(item)
        case _:
            return


def _legacy_operands(value: Any) -> Iterator[Operand]:
    """Yield the tensors of a Keras 2 argument: [layer, node, tensor], or a list of such."""
    if isinstance(value, list):
        if value and isinstance(value[0], str):
            yield Result(value[0], *_indices(value))
        else:
            for item in value:
                yield from _legacy_operands(item)


def _ends(model: SavedModel, key: str, what: str) -> list[Result]:
    """Return the input or output layers: ["name", 0, 0], or lists or dictionaries of such, in one another too."""

    def found(ends: Any) -> Iterator[Result]:
        match ends:
            case dict():
                yield from found(list(ends.values()))
            case [str() as name, *rest]:
                yield Result(name, *_indices([name, *rest]))
            case [_, *_]:
                for end in ends:
                    yield from found(end)
            case _:
                raise ModelFileError(model.source, f"its configuration names no {what} layer", "Save the model again")

    return list(found(model.config.get(key)))
