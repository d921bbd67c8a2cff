"""Finds each layer's arrays in the groups of an HDF5 file, which are named after the layers or after their classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import h5py

from loopwire.errors import ModelFileError
from loopwire.frontends.containers import Array, damaged
from loopwire.frontends.keras.hdf5 import attribute, dataset_in, group_in, load, names_in, text_of
from loopwire.frontends.keras.saved import (
    TIME_DISTRIBUTED,
    LayerEntry,
    SavedModel,
    is_stacked,
    layer_entry,
    model_in,
    nested_model,
)
from loopwire.sandbox import MAX_ARRAYS

MAX_VARIABLES = 64
"""Of a layer; those that are read have at most 4."""

CLASS_GROUPS = ("layers", "_layer_checkpoint_dependencies")
"""Groups that hold a group for each layer, named by its class; the second one is that of some Keras 2."""

PARTS = ("cell", "query_dense", "key_dense", "value_dense", "output_dense")
"""Groups of what is inside a layer: a cell, or the projections of an attention, in their order."""
DIRECTIONS = ("forward_layer", "backward_layer")
"""Groups of the layers in a Bidirectional."""
MAX_NESTED = 32
QUANTISER_ARRAY = re.compile(r"(^|[/_])(?P<quantiser>[a-z]+)/fixed_point_quantizer_[^/]*/(?P<name>[a-z_]+)(:0)?$")
"""Name of an array of a quantiser of HGQ2 in a file that names all arrays."""


@dataclass(frozen=True)
class SavedWeights:
    """Arrays in groups named after layers, or, where `by_class`, after their classes; `owners` may name the layers.

    Of nested models the class's group is `model/layer`, by class; else `names` tells each array's own name, in which
    the name of its layer is.
    """

    groups: Mapping[str, Sequence[Any]]
    owners: Mapping[str, str]
    names: Mapping[str, Sequence[str]]
    by_class: bool


def weights_in(file: h5py.File, source: str) -> SavedWeights:
    """Return the datasets of a file, of the whole model or of its weights alone, not read yet."""
    listed = group_in(file, "model_weights", source) if "model_weights" in file else file
    if listed is not file or any(name in listed.attrs for name in ("layer_names", "layer_names0")):
        groups = {name: group_in(listed, name, source) for name in names_in(listed, "layer_names", source)}
        names = {name: names_in(group, "weight_names", source) for name, group in groups.items()}
        datasets = {
            name: [dataset_in(group, weight, source) for weight in names[name]] for name, group in groups.items()
        }
        return SavedWeights(datasets, {}, names, by_class=False)
    by_class = next((name for name in CLASS_GROUPS if name in file), None)
    if by_class is None:
        raise ModelFileError(
            source, "it is an HDF5 file without weights of Keras", "Give what model.save_weights wrote"
        )
    members = dict(_members(group_in(file, by_class, source), source))
    if len(members) > MAX_ARRAYS:
        raise damaged(source, f"it holds weights of {len(members)} layers")
    owners = {
        name: attribute(group_in(member, "vars", source), "name", source)
        for name, member in members.items()
        if "vars" in member
    }
    groups = {name: list(_variables(member, source)) for name, member in members.items()}
    for name, member in members.items():
        groups |= {f"{name}/{part}": list(datasets) for part, datasets in _quantisers(member, source)}
        inner = _inside(member, source)[-1]
        if "cells" in (cell := group_in(inner, "cell", source) if "cell" in inner else {}):
            cells = group_in(cell, "cells", source)
            groups |= {f"{name}/{part}": list(_variables(group_in(cells, part, source), source)) for part in cells}
    return SavedWeights(
        groups,
        {name: text_of(owner) for name, owner in owners.items() if owner is not None},
        {},
        by_class=True,
    )


def _members(layers: h5py.Group, source: str, path: str = "") -> Iterator[tuple[str, h5py.Group]]:
    """Yield the groups of layers by name, those of nested models as `model/layer`, of a TimeDistributed's as
    `wrapper/layer/layer`."""
    if path.count("/") > MAX_NESTED:
        raise damaged(source, "its models are nested without end")
    for name in layers:
        member = group_in(layers, name, source)
        yield f"{path}{name}", member
        if "layers" in member:
            yield from _members(group_in(member, "layers", source), source, f"{path}{name}/")
        elif "layers" in (held := group_in(member, "layer", source) if "layer" in member else {}):
            yield from _members(group_in(held, "layers", source), source, f"{path}{name}/layer/")


def by_layer(model: SavedModel, weights: SavedWeights, source: str) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each layer's arrays, and those of its quantisers as `layer/quantiser` or, one each, `layer/quantiser/name`.

    Groups may carry the class's name in snake case, numbered from the second layer of a class on; a Sequential does not
    count its InputLayer.
    """
    if weights.by_class:
        yield from _by_class(model, weights, source)
        return
    entries = {entry.name: entry for entry in model.entries}
    for name, arrays in weights.groups.items():
        nested = _paths(entries[name]) if name in entries else []
        found: dict[str, list[Any]] = {path: [] for path in nested or [name]}
        for array, own in zip(arrays, weights.names[name], strict=True):
            owners = (path for path in nested if f"/{path.rsplit('/', 1)[-1]}/" in f"/{own}")
            owner = next(owners, next(iter(found)))
            if part := QUANTISER_ARRAY.search(own):
                owner = f"{owner}/{part['quantiser']}/{part['name']}"
            found.setdefault(owner, []).append(array)
        yield from found.items()


def _paths(entry: LayerEntry, prefix: str = "") -> list[str]:
    """Return the layers of the model in a layer as `model/layer`, of an ordinary layer none."""
    model = model_in(entry)
    layers = None if model is None else model.config.get("layers")
    if not isinstance(layers, list):
        return []
    own = f"{prefix}{entry.name}/"
    inner = [layer_entry(entry.name, layer) for layer in layers]
    return [path for layer in inner for path in _paths(layer, own) or [f"{own}{layer.name}"]]


def _by_class(
    model: SavedModel, weights: SavedWeights, source: str, place: str = "", path: str = ""
) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each layer's arrays, of a model whose groups are under `place`, and its layers' names under `path`."""
    seen: Counter[str] = Counter()
    for entry in model.entries:
        if entry.is_operation or (model.class_name == "Sequential" and entry.class_name == "InputLayer"):
            continue
        base = _snake_case(entry.class_name)
        group = f"{base}_{seen[base]}" if seen[base] else base
        seen[base] += 1
        owner = weights.owners.get(f"{place}{group}", entry.name)
        if owner != entry.name:
            raise damaged(source, f"the weights of layer {owner!r} are where {entry.name!r} belongs")
        if (held := model_in(entry)) is not None:
            inside = f"{place}{group}/" if held is entry else f"{place}{group}/layer/"
            yield from _by_class(nested_model(model, held), weights, source, inside, f"{path}{entry.name}/")
        else:
            inside = f"{place}{group}/"
            cells = [f"{inside}{cell}" for cell in _stacked_cells(entry)]
            own = [f"{place}{group}", *cells]
            yield f"{path}{entry.name}", [array for name in own for array in weights.groups.get(name, ())]
            parts = (name for name in weights.groups if name.startswith(inside) and name not in cells)
            for part in (name.removeprefix(inside) for name in parts):
                yield f"{path}{entry.name}/{part}", weights.groups[f"{inside}{part}"]


def _stacked_cells(entry: LayerEntry) -> Iterator[str]:
    """Yield the names of the groups of an RNN's several cells, in the cells' order."""
    while entry.class_name == TIME_DISTRIBUTED and "layer" in entry.config:
        entry = layer_entry(entry.name, entry.config["layer"])
    if not is_stacked(entry):
        return
    seen: Counter[str] = Counter()
    for cell in layer_entry(entry.name, entry.config["cell"]).config.get("cells") or []:
        base = _snake_case(layer_entry(entry.name, cell).class_name)
        yield f"{base}_{seen[base]}" if seen[base] else base
        seen[base] += 1


def _variables(layer: h5py.Group, source: str) -> Iterator[h5py.Dataset]:
    """Yield a layer's own variables, then its cell's (recurrent layers) and those of the layers inside it."""
    *wrappers, layer = _inside(layer, source)
    holders = [*wrappers, layer, *(group_in(layer, child, source) for child in PARTS if child in layer)]
    for inner in (group_in(layer, child, source) for child in DIRECTIONS if child in layer):
        holders += [inner, *([group_in(inner, "cell", source)] if "cell" in inner else [])]
    for holder in holders:
        if "vars" in holder:
            variables = group_in(holder, "vars", source)
            if len(variables) > MAX_VARIABLES:
                raise damaged(source, f"{len(variables)} arrays are said to be one layer's")
            yield from (dataset_in(variables, str(k), source) for k in range(len(variables)))


def _inside(layer: h5py.Group, source: str) -> list[h5py.Group]:
    """Return a layer, what it wraps, what that wraps, and so on."""
    found = [layer]
    while "layer" in found[-1]:
        if len(found) > MAX_NESTED:
            raise damaged(source, "layers wrap one another in it without end")
        found.append(group_in(found[-1], "layer", source))
    return found


def _quantisers(layer: h5py.Group, source: str) -> Iterator[tuple[str, Iterator[h5py.Dataset]]]:
    """Yield the quantisers of HGQ2 in a layer or its cell by name, each with its variables.

    That of a layer which is one is `quantizer`, those of several inputs are `iq_0`, `iq_1`, …
    """
    if "quantizer" in layer:
        yield "quantizer", _variables(group_in(layer, "quantizer", source), source)
    if "quantizers" in (inputs := group_in(layer, "iq", source) if "iq" in layer else {}):
        several = group_in(inputs, "quantizers", source)
        for name in several:
            number = name.removeprefix("quantizer").removeprefix("_") or "0"
            yield f"iq_{number}", _variables(group_in(several, f"{name}/quantizer", source), source)
    for holder in (layer, *([group_in(layer, "cell", source)] if "cell" in layer else [])):
        for name in holder:
            quantiser = group_in(holder, f"{name}/quantizer", source) if _holds_quantiser(holder, name) else None
            if quantiser is not None:
                yield name, _variables(quantiser, source)


def _holds_quantiser(holder: h5py.Group, name: str) -> bool:
    member = holder.get(name)
    return isinstance(member, h5py.Group) and "quantizer" in member


def _snake_case(class_name: str) -> str:
    """As Keras derives it: LSTM → lstm, SimpleRNN → simple_rnn, SpatialDropout1D → spatial_dropout1d, ReLU → re_lu."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def load_all(source: str, datasets: Mapping[str, Sequence[h5py.Dataset]]) -> dict[str, list[Array]]:
    """Read the arrays of all layers."""
    arrays = iter(load([dataset for layer in datasets.values() for dataset in layer], source))
    return {name: list(islice(arrays, len(layer))) for name, layer in datasets.items()}
