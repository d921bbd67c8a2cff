"""Reads Keras models: which layers there are, what feeds them, and each layer by its reader (`readers`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.containers import Array
from loopwire.frontends.keras.bidirectional import WRAPPED, bidirectional
from loopwire.frontends.keras.graph import Operand, Result, SavedCall, SavedGraph, graph_of, shapes_of
from loopwire.frontends.keras.layer import Context, SavedLayer, Weights
from loopwire.frontends.keras.live import LiveModel
from loopwire.frontends.keras.masks import Differs, Made, Mask, Masks, Named, OfKeys, is_operation, truths
from loopwire.frontends.keras.readers import DIRECTIONS, READERS, read_layer, refuse_by_name
from loopwire.frontends.keras.saved import MODELS, TIME_DISTRIBUTED, LayerEntry, SavedModel, is_stacked, nested_model
from loopwire.frontends.keras.source import read_saved
from loopwire.frontends.keras.spatial import Spaces
from loopwire.frontends.keras.stacked import stacked_cells
from loopwire.frontends.keras.time_distributed import held_by, in_each_step
from loopwire.frontends.reading import AS_IT_IS, Reading
from loopwire.layers.attention import Attention
from loopwire.layers.cell import Cell
from loopwire.layers.constant import Constant
from loopwire.layers.embedding import Embedding
from loopwire.layers.global_pooling import GlobalAveragePooling
from loopwire.layers.masking import Masking
from loopwire.layers.model import Layer, Model, ModelBuilder, OneToOne, Tensor
from loopwire.layers.multi_head_attention import MultiHeadAttention

WHOLE_DTYPES = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
"""Of inputs, beside those in which Keras computes."""
NUMBERS_REMEDY = "Give masks to the argument mask of a layer; numbers are inputs of float32, computed with by layers"
MASK_REMEDY = "Give it an input of bool, of shape (steps,), or where a sequence differs from a number"
KEYS_REMEDY = "Give it the keys' padding, mask[:, None, :], or use_causal_mask=True"


def read_keras(source: Path | str | LiveModel, reading: Reading = AS_IT_IS) -> Model:
    """Read a Keras file, or a live `keras.Model`, without running any of its code.

    Args:
        source: a file saved by Keras 2 or 3 (`.h5`, `.keras`, or `.json` with weights apart), or a model.
        reading: where its weights are, how many steps it takes where it leaves that open, and how to read files.

    Returns:
        The layers and what feeds them, weights in float64.

    Raises:
        ConfigError: what is said of its weights or steps contradicts the model.
        ModelFileError: the file is missing, damaged, not Keras's, or its weights do not fit or are not finite, or
            reading it takes too much time or memory.
        UnsupportedError: a layer, an option or a graph that Loopwire does not compile.
    """
    return model_of_saved(read_saved(source, reading), reading.steps)


def model_of_saved(saved: SavedModel, steps: int | None) -> Model:
    """Return the model that a file holds, with a given number of steps where it leaves their number open.

    Raises:
        ConfigError, ModelFileError, UnsupportedError: as `read_keras`.
    """
    for entry in saved.entries:
        refuse_by_name(saved.source, entry)
    graph = graph_of(saved)
    builder = ModelBuilder()
    shapes = shapes_of(saved, graph.inputs, steps)
    inputs = [builder.input(_input_name(e), shape) for e, shape in zip(graph.inputs, shapes, strict=True)]
    outputs = _Caller(builder).run(saved, graph, inputs)
    model = builder.model(str(saved.config.get("name", "model")), outputs, saved.source)
    if not model.calls:
        raise UnsupportedError(saved.source, "none of its layers computes anything", "Give a model with layers")
    return model


def _input_name(entry: LayerEntry) -> str:
    return entry.name if entry.class_name == "InputLayer" else "x"


@dataclass
class _Caller:
    """Calls the layers of a saved model, and of those nested in it, one after another."""

    builder: ModelBuilder
    _layers: dict[tuple[str, ...], Layer | None] = field(default_factory=dict)
    """By the names of the models around a layer, and its own."""
    _names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.masks = Masks(self.builder, lambda name: self._unique(name, ()))
        self.spaces = Spaces(self.builder)

    def run(
        self,
        saved: SavedModel,
        graph: SavedGraph,
        inputs: Sequence[Tensor],
        path: tuple[str, ...] = (),
    ) -> list[Tensor]:
        """Call all layers; return the model's outputs.

        Args:
            saved: the model.
            graph: its calls.
            inputs: what it is called on.
            path: the names of the models around its layers.

        Raises:
            ModelFileError, UnsupportedError: as `read_keras`.
        """
        known: dict[tuple[str, int], Sequence[Tensor]] = {}
        for entry, tensor in zip(graph.inputs, map(self.spaces.enter, inputs), strict=True):
            known[entry.name if entry.class_name == "InputLayer" else "", 0] = (tensor,)
            if entry.class_name == "InputLayer":
                _check_input(saved, entry)

        made: dict[tuple[str, int], Made] = {}
        for entry in graph.inputs:
            if entry.config.get("dtype") == "bool":
                (tensor,) = known[entry.name, 0]
                made[entry.name, 0] = truths(tensor)

        def tensor_of(operand: Operand, reader: SavedCall) -> Tensor:
            if not isinstance(operand, Result):
                return self._constant(operand, reader)
            if (operand.layer, operand.node) in made:
                problem = f"it reads {operand.layer!r}, which is a mask, as a tensor"
                raise UnsupportedError(f"{saved.source}, layer {reader.entry.name!r}", problem, NUMBERS_REMEDY)
            results = known[operand.layer, operand.node]
            if operand.index >= len(results):
                problem = f"it takes result {operand.index} of {operand.layer!r}, which has {len(results)}"
                raise ModelFileError(f"{saved.source}, layer {reader.entry.name!r}", problem, "Save the model again")
            return results[operand.index]

        for call in graph.calls:
            masks = [made.get((x.layer, x.node)) if isinstance(x, Result) else None for x in call.inputs]
            if is_operation(call, masks):
                where = f"{saved.source}, layer {call.entry.name!r}"
                operands = [tensor_of(x, call) if m is None else m for x, m in zip(call.inputs, masks, strict=True)]
                made[call.entry.name, call.node] = self.masks.made_by(where, call, operands)
                continue
            given = [tensor_of(operand, call) for operand in (*call.inputs, *call.states)]
            named = self._named(saved, call, made)
            known[call.entry.name, call.node] = self._call(saved, call, given, path, named)
        outputs = [known[result.layer, result.node][result.index] for result in graph.outputs]
        return outputs if path else [self.spaces.leave(tensor) for tensor in outputs]

    def _named(self, saved: SavedModel, call: SavedCall, made: Mapping[tuple[str, int], Made]) -> Named:
        """Return the masks that a call names."""
        where = f"{saved.source}, layer {call.entry.name!r}"

        def mask_of(result: Result | None) -> Mask | None:
            if result is None:
                return None
            mask = made.get((result.layer, result.node))
            if isinstance(mask, frozenset):
                return mask
            problem = f"its mask {result.layer!r} is not one of truth values, one a step"
            raise UnsupportedError(where, problem, MASK_REMEDY)

        def keys_of(result: Result | None) -> Mask | None:
            if result is None:
                return None
            keys = made.get((result.layer, result.node))
            if isinstance(keys, OfKeys):
                return keys.mask
            problem = f"its attention_mask {result.layer!r} is not one of keys that all queries see alike"
            raise UnsupportedError(where, problem, KEYS_REMEDY)

        return Named(tuple(map(mask_of, call.masks)), keys_of(call.attention_mask))

    def _call(
        self,
        saved: SavedModel,
        call: SavedCall,
        inputs: Sequence[Tensor],
        path: tuple[str, ...],
        named: Named,
    ) -> Sequence[Tensor]:
        entry = call.entry
        if entry.class_name in MODELS:
            return self._run_nested(saved, entry, inputs, path)
        shape, *further = map(self.spaces.shape, inputs)
        context = Context(saved.source, saved.keras_major, shape, tuple(further))
        layer = SavedLayer(entry, context, tuple(saved.arrays.get(entry.name, ())), _parts(saved, entry))
        if entry.class_name == TIME_DISTRIBUTED:
            return self._in_each_step(saved, layer, inputs, path, named)
        if entry.class_name in WRAPPED:
            return self._in_parts(layer, inputs, path, named, bidirectional)
        if is_stacked(entry):
            return self._in_parts(layer, inputs, path, named, stacked_cells)
        if (reshaped := self.spaces.reshaped(layer, inputs)) is not None:
            return (reshaped,)
        key = (*path, entry.name)
        if key not in self._layers:
            unique = self._unique(entry.name, path)
            self._layers[key] = read_layer(replace(layer, entry=replace(entry, name=unique)), READERS)
        read = self.spaces.taken(layer, self._layers[key], inputs)
        _check_inputs(layer, read, inputs)
        match read:
            case Masking():
                return self._masking(layer, read, inputs)
            case Embedding():
                return self._embedding(layer, read, inputs)
        if call.causal and isinstance(read, Attention | MultiHeadAttention):
            read = replace(read, causal=True)
        called, given = self.masks.read_by(layer, read, inputs, named)
        results = inputs if called is None else self.spaces.made(layer, inputs, self.builder.call(called, *given))
        self.masks.follow(layer, read, inputs, results, named)
        return results

    def _in_each_step(
        self,
        saved: SavedModel,
        wrapper: SavedLayer,
        inputs: Sequence[Tensor],
        path: tuple[str, ...],
        named: Named,
    ) -> Sequence[Tensor]:
        """Call what a TimeDistributed is of on a step, in a model of its own, and its layers on each step then."""
        held = held_by(wrapper)
        refuse_by_name(saved.source, held)
        (x,) = inputs
        inner = replace(self, builder=ModelBuilder())
        step = inner.builder.input(x.name, wrapper.context.input_shape[1:])
        made = inner._call(saved, SavedCall(held, 0, ()), [step], path, Named())
        model = inner.builder.model(wrapper.name, made, saved.source)
        self.masks.require_none(wrapper, x, named.first, model)
        results = in_each_step(wrapper, self.builder, model, x)
        for result, tensor in zip(results, made, strict=True):
            self.spaces.begin(wrapper, result, inner.spaces.shape(tensor))
        self.masks.follow(wrapper, None, inputs, results, named)
        return results

    def _run_nested(
        self,
        saved: SavedModel,
        entry: LayerEntry,
        inputs: Sequence[Tensor],
        path: tuple[str, ...],
    ) -> list[Tensor]:
        inner = nested_model(saved, entry)
        for part in inner.entries:
            refuse_by_name(saved.source, part)
        graph = graph_of(inner)
        if len(graph.inputs) != len(inputs):
            problem = f"this model takes {len(graph.inputs)} inputs and is given {len(inputs)}"
            raise ModelFileError(f"{saved.source}, layer {entry.name!r}", problem, "Save the model again")
        return self.run(inner, graph, inputs, (*path, entry.name))

    def _masking(self, saved: SavedLayer, layer: Masking, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        (x,) = inputs
        differs = frozenset({Differs(x, float(saved.entry.config.get("mask_value", 0.0)))})
        (y,) = self.builder.call(layer, x, self.masks.tensor(differs, layer.name))
        self.masks.begin(y, differs)
        return (y,)

    def _embedding(self, saved: SavedLayer, layer: Embedding, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        indices = self.masks.in_steps(inputs[0])
        results = self.builder.call(layer, indices)
        if saved.entry.config.get("mask_zero"):
            self.masks.begin(results[0], frozenset({Differs(indices, 0.0)}))
        return results

    def _in_parts(
        self,
        saved: SavedLayer,
        inputs: Sequence[Tensor],
        path: tuple[str, ...],
        named: Named,
        call: Callable[..., list[Tensor]],
    ) -> Sequence[Tensor]:
        """Call a layer that becomes several."""
        mask = self.masks.read_mask(saved, inputs, named.first)
        bits = None if mask is None else self.masks.tensor(mask, saved.name)
        results = call(saved, self.builder, inputs, lambda part: self._recurrent(part, path), bits)
        for result in results:
            if mask is not None and len(result.shape) > 1:
                self.masks.begin(result, mask)
        return results

    def _recurrent(self, saved: SavedLayer, path: tuple[str, ...]) -> Cell:
        """Return a part of a layer that becomes several, whose name is unique already."""
        key = (*path, saved.name)
        if key not in self._layers:
            self._layers[key] = read_layer(saved, DIRECTIONS)
        layer = self._layers[key]
        assert isinstance(layer, Cell)
        return layer

    def _unique(self, name: str, path: tuple[str, ...]) -> str:
        """Return a layer's name, with those of the models around it where another layer has it already."""
        unique = name if name not in self._names else "_".join((*path, name))
        self._names.add(unique)
        return unique

    def _constant(self, values: Weights, reader: SavedCall) -> Tensor:
        name = f"{reader.entry.name}_initial"
        (tensor,) = self.builder.call(Constant(name, values.reshape(values.shape[-1:])))
        return tensor


def _parts(saved: SavedModel, entry: LayerEntry) -> dict[str, Sequence[Array]]:
    """Return the arrays of what is inside a layer, by its name there."""
    prefix = f"{entry.name}/"
    return {name.removeprefix(prefix): found for name, found in saved.arrays.items() if name.startswith(prefix)}


def _check_input(saved: SavedModel, entry: LayerEntry) -> None:
    if entry.config.get("dtype") in WHOLE_DTYPES:
        entry = replace(entry, config={**entry.config, "dtype": None})
    read_layer(SavedLayer(entry, Context(saved.source, saved.keras_major, ()), ()), {"InputLayer": _input})


def _check_inputs(saved: SavedLayer, layer: Layer | None, inputs: Sequence[Tensor]) -> None:
    """Refuse a call with another number of inputs than the layer takes; one that takes several checks them itself."""
    count = len(inputs)
    fits = count in (1, 1 + len(layer.states)) if isinstance(layer, Cell) else count == 1
    if not fits and (layer is None or isinstance(layer, Cell | OneToOne | GlobalAveragePooling | Masking)):
        names = ", ".join(repr(tensor.name) for tensor in inputs)
        problem = f"this {saved.entry.class_name} takes {count} inputs ({names})"
        raise UnsupportedError(saved.where, problem, "Call the layer on its input alone, or an RNN with all its states")


def _input(saved: SavedLayer) -> None:
    dense_remedy = "Give the input as an ordinary dense array"
    saved.only("sparse", False, remedy=dense_remedy)
    saved.only("ragged", False, remedy=dense_remedy)
    saved.only("optional", False, remedy="Give the model an input that is always there")
