"""Access to an HDF5 file from outside: each member is of the kind that is asked for, lies in the file, and is small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, takewhile
from typing import Any

import h5py
import numpy as np

from loopwire.frontends.containers import Array, damaged, refuse_too_big
from loopwire.sandbox import DTYPES, MAX_ARRAYS

MAX_ATTRIBUTE_BYTES = 1 << 20
"""As declared; an attribute's text that is stored elsewhere in the file counts 16."""


def group_in(group: h5py.Group, path: str, source: str) -> h5py.Group:
    """Return a group below another.

    Raises:
        ModelFileError: it is missing, no group, or behind a link.
    """
    return _member(group, path, source, h5py.Group)


def dataset_in(group: h5py.Group, path: str, source: str) -> h5py.Dataset:
    """Return an array below a group, not read yet.

    Raises:
        ModelFileError: it is missing, no array, or behind a link, or its numbers lie in another file.
    """
    dataset = _member(group, path, source, h5py.Dataset)
    if dataset.external or dataset.is_virtual:
        raise damaged(source, f"the array {path!r} lies in another file")
    return dataset


def attribute(item: h5py.HLObject, name: str, source: str) -> Any:
    """Return an attribute, or None.

    Raises:
        ModelFileError: it declares too much.
    """
    if name not in item.attrs:
        return None
    declared = item.attrs.get_id(name)
    if declared.shape is not None and np.prod(declared.shape, dtype=object) * declared.dtype.itemsize > (
        MAX_ATTRIBUTE_BYTES
    ):
        raise damaged(source, f"its attribute {name!r} is too large")
    return item.attrs[name]


def names_in(item: h5py.HLObject, name: str, source: str) -> list[str]:
    """Return an attribute that lists names; one too long for HDF5 is split over `name`0, `name`1, …

    Raises:
        ModelFileError: it is not a list, or too long.
    """
    chunks: Iterator[Any] = iter([attribute(item, name, source)])
    if name not in item.attrs:
        chunks = takewhile(lambda chunk: chunk is not None, (attribute(item, f"{name}{k}", source) for k in count()))
    names: list[str] = []
    for chunk in chunks:
        if np.ndim(chunk) != 1:
            raise damaged(source, f"its attribute {name!r} is not a list")
        names += map(text_of, chunk)
        if len(names) > MAX_ARRAYS:
            raise damaged(source, f"its attribute {name!r} lists more than {MAX_ARRAYS} names")
    return names


def load(datasets: Sequence[h5py.Dataset], source: str) -> list[Array]:
    """Read arrays, once their declared sizes are known to fit.

    Raises:
        ModelFileError: they are too large, or hold no plain numbers.
    """
    if len(datasets) > MAX_ARRAYS:
        raise damaged(source, f"it holds more than {MAX_ARRAYS} arrays of weights")
    for dataset in datasets:
        if dataset.dtype.str not in DTYPES:
            raise damaged(source, f"the array {dataset.name!r} holds {dataset.dtype}, not plain numbers")
        if dataset.shape is None:
            raise damaged(source, f"the array {dataset.name!r} is empty")
    refuse_too_big(source, "its weights", sum(dataset.nbytes for dataset in datasets))
    return [np.asarray(dataset[()]) for dataset in datasets]


def text_of(value: Any) -> str:
    """Return a text that HDF5 holds as bytes or text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _member(group: h5py.Group, path: str, source: str, kind: type[Any]) -> Any:
    for part in path.split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            raise damaged(source, f"{path!r} is missing")
        if not isinstance(link, h5py.HardLink):
            raise damaged(source, f"{path!r} is a link to another place")
        group = group[part]
    if not isinstance(group, kind):
        raise damaged(source, f"{path!r} is not {'a group' if kind is h5py.Group else 'an array'}")
    return group
