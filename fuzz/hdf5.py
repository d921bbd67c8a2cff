"""Damage to the structure of an HDF5 file: links, attributes, and how arrays are kept."""

from __future__ import annotations

import io
import random
import warnings
from typing import Any

import h5py
import numpy as np

from fuzz.mutations import HOSTILE_NUMBERS, HOSTILE_TEXTS, mutate_bytes, mutate_json

DTYPES: tuple[Any, ...] = (
    *("f2", "f8", ">f4", ">f8", "i1", "i8", "u8", "c16", "bool", "S7", "V3"),
    *(
        h5py.string_dtype(),
        h5py.vlen_dtype(np.int32),
        h5py.ref_dtype,
        h5py.enum_dtype({"A": 1}),
        [("a", "f4"), ("b", "i2")],
    ),
)
LARGEST_READ = 1 << 16
"""Elements: a larger array is one that an earlier mutation made, and is not read to make another of it."""
SHAPES: tuple[Any, ...] = ((), (0,), (1,), (2, 3), (1, 1, 1, 1), (2**40,), (2**20, 2**20), None)


def mutate_hdf5(content: bytes, source: random.Random) -> bytes:
    """Change one object of the file."""
    buffer = io.BytesIO(content)
    try:
        with h5py.File(buffer, "r+") as file, warnings.catch_warnings(action="ignore"):
            groups: list[Any] = [file]
            datasets: list[Any] = []
            file.visititems(lambda _, found: (groups if isinstance(found, h5py.Group) else datasets).append(found))
            _change(file, groups, datasets, source)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, OverflowError, AttributeError, NotImplementedError):
        return mutate_bytes(content, source)
    return buffer.getvalue()


def _change(file: Any, groups: list[Any], datasets: list[Any], source: random.Random) -> None:
    kinds = ("attribute", "attribute", "link", "unlink", "copy", "replace", "replace", "values", "maze", "groups")
    kind = source.choice(kinds)
    group = source.choice(groups)
    if kind == "attribute":
        _change_attribute(source.choice((group, source.choice(datasets or groups))), source)
    elif kind == "link":
        _link(file, group, source)
    elif kind == "maze":
        for depth in range(40):
            following = group.create_group(f"m{depth}")
            following["a"], following["b"] = group, group
            group = following
    elif kind == "groups":
        for k in range(30):
            group.create_group(f"g{k}")
    elif kind == "unlink" and len(group):
        del group[source.choice(list(group))]
    elif kind == "copy" and len(group):
        file.copy(
            source.choice(groups + datasets), group, name=source.choice((*HOSTILE_TEXTS[3:9], "vars", "0", "cell"))
        )
    elif datasets and kind == "values":
        _change_values(source.choice(datasets), source)
    elif datasets:
        _replace(source.choice(datasets), source)


def _change_attribute(owner: Any, source: random.Random) -> None:
    names = list(owner.attrs)
    if not names or source.random() < 0.1:
        owner.attrs[source.choice(("name", "weight_names", "layer_names", "layer_names0", "keras_version"))] = "x"
        return
    name = source.choice(names)
    value = owner.attrs[name]
    text = value.decode() if isinstance(value, bytes) else value
    if isinstance(text, str) and text.startswith("{") and source.random() < 0.8:
        owner.attrs[name] = mutate_json(text.encode(), source).decode("utf-8", "replace")
        return
    if isinstance(value, np.ndarray) and value.size and source.random() < 0.5:
        changed = list(value)
        changed[source.randrange(len(changed))] = source.choice(HOSTILE_TEXTS[3:]).encode("utf-8", "replace")
        owner.attrs[name] = changed * source.choice((1, 1, 2))
        return
    others: list[Any] = [*HOSTILE_TEXTS, *(n for n in HOSTILE_NUMBERS if n is not None and abs(n) < 2**63)]
    others += [b"\xff\xfe", np.zeros((0,)), np.zeros((2, 2)), h5py.Empty("f4"), owner.ref, np.void(b"abc")]
    del owner.attrs[name]
    if source.random() < 0.8:
        owner.attrs[name] = source.choice(others)


def _link(file: Any, group: Any, source: random.Random) -> None:
    """Put a link in the place of a member: soft, dangling, circular, out of the file, or hard to an ancestor."""
    name = source.choice([*group, "vars", "cell", "layer", "0"])
    if name in group:
        del group[name]
    target = source.choice(("soft", "dangling", "circle", "external", "up", "root"))
    match target:
        case "soft":
            group[name] = h5py.SoftLink(source.choice(("/", "..", group.name)))
        case "dangling":
            group[name] = h5py.SoftLink("/not/there")
        case "circle":
            group[name] = h5py.SoftLink(f"{group.name}/{name}")
        case "external":
            group[name] = h5py.ExternalLink(source.choice(("/etc/passwd", "other.h5", "/dev/zero")), "/")
        case "up":
            group[name] = group.parent
        case _:
            group[name] = file["/"]


def _change_values(dataset: Any, source: random.Random) -> None:
    if dataset.dtype.kind != "f" or not 0 < dataset.size <= LARGEST_READ:
        return
    values = dataset[...]
    bad = source.choice((np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-45, 0.0, 1.0))
    if source.random() < 0.3:
        values[...] = bad
    else:
        values.flat[source.randrange(values.size)] = bad
    dataset[...] = values


def _replace(dataset: Any, source: random.Random) -> None:
    """Keep an array in another way: other shape, type, chunks, filters, place, or a group instead."""
    if not dataset.size or dataset.size > LARGEST_READ:
        return
    parent, name, values = dataset.parent, dataset.name.rsplit("/", 1)[-1], dataset[...]
    kind = source.choice(
        ("shape", "dtype", "filters", "huge", "external", "virtual", "group", "transposed", "resizable")
    )
    del parent[name]
    match kind:
        case "shape":
            shape = source.choice(SHAPES)
            parent.create_dataset(name, shape=shape, dtype="f4") if shape is not None else parent.create_dataset(
                name, data=h5py.Empty("f4")
            )
        case "dtype":
            parent.create_dataset(name, shape=values.shape, dtype=source.choice(DTYPES))
        case "filters":
            options = source.choice(
                (
                    {"compression": "gzip"},
                    {"compression": "lzf"},
                    {"shuffle": True},
                    {"fletcher32": True},
                    {"scaleoffset": 2},
                )
            )
            parent.create_dataset(name, data=np.atleast_1d(values), chunks=True, **options)
        case "huge":
            size = source.choice((2**28, 2**33, 2**40))
            parent.create_dataset(name, shape=(size,), dtype="f4", chunks=(2**16,), compression="gzip")
        case "external":
            files = [(source.choice(("/etc/passwd", "/dev/zero", "nothing.bin")), 0, values.nbytes or 4)]
            parent.create_dataset(name, shape=values.shape or (1,), dtype="f4", external=files)
        case "virtual":
            layout = h5py.VirtualLayout(values.shape or (1,), "f4")
            layout[...] = h5py.VirtualSource(source.choice((".", "other.h5")), "x", values.shape or (1,))
            parent.create_virtual_dataset(name, layout)
        case "group":
            parent.create_group(name)
        case "transposed":
            parent.create_dataset(name, data=values.T)
        case _:
            parent.create_dataset(name, data=np.atleast_1d(values), maxshape=(None,) * max(values.ndim, 1))
