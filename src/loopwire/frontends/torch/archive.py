"""Reads what `torch.export.save` wrote: a zip of a graph as JSON and of weights as raw bytes. No torch, no pickle.

    <name>/archive_format                       pt2
    <name>/byteorder                            little
    <name>/models/model.json                    graph, signature, schema version
    <name>/data/weights/model_weights_config.json       of each weight: its file, dtype, sizes, strides, offset
    <name>/data/weights/weight_0 …              storages
    <name>/data/constants/model_constants_config.json   the same of constants, files tensor_0 …
    <name>/data/sample_inputs/model.pt          a pickle, never opened

Ref: https://github.com/pytorch/pytorch/blob/main/torch/export/pt2_archive/_package.py,
https://github.com/pytorch/pytorch/blob/main/torch/_export/serde/schema.py
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from loopwire.bounded import parse_json
from loopwire.errors import ModelFileError, UnsupportedError
from loopwire.frontends.containers import Array, damage_reported, damaged, extract, refuse_too_big
from loopwire.sandbox import MAX_ARRAY_BYTES, MAX_ARRAYS, MAX_AXES, Description

MAX_JSON_BYTES = 32 << 20
MAX_JSON_VALUES = 1_000_000
"""Of the graph, which names each tensor's strides; a loop of a thousand steps has some 200 000 values."""
MAX_SYMBOL_CHARACTERS = 100
SCHEMA_MAJOR = 8
EXPORT = (
    "Export it where its code is: program = torch.export.export(module.eval(), (x,)); "
    "torch.export.save(program, 'model.pt2'); then give model.pt2"
)
AGAIN = "Load it with torch.export.load and save it with torch.export.save of PyTorch 2.10 or later"
DTYPES = {1: "<u1", 2: "<i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 12: "<u1", 13: "<u2"}
"""Of `ScalarType` in the schema; BOOL is bytes, BFLOAT16 the upper half of a float32."""
BFLOAT16 = 13
WHOLE = (1, 2, 3, 4, 5)
"""Of whole numbers."""
TRUTH = 12
FOREIGN = {
    "data.pkl": "it is a PyTorch checkpoint: a pickled module or state dict",
    "constants.pkl": "it is a TorchScript archive",
    "code/": "it is a TorchScript archive",
    "serialized_exported_program.json": "it is an exported program of PyTorch 2.7 or earlier, with pickled weights",
    "data/aotinductor/": "it is a compiled package (AOTInductor), not a graph",
}
"""Members that tell what an archive without a graph is; the later ones count first."""


def describe(path: Path) -> Description:
    """Return the graph and the arrays of a file.

    The facts are `nodes`, `inputs`, `outputs`, `signature`, `sizes` (of the user's inputs), `whole` (those of whole
    numbers), `truths` (of truth values) and `torch`, the version; arrays are the parameters, buffers and constants by
    their names.

    Raises:
        ModelFileError: the file is damaged, or no exported program.
        UnsupportedError: it is of a version that is not read.
    """
    source = str(path)
    with damage_reported(source), path.open("rb") as file:
        return describe_opened(file, source)


def describe_opened(file: BinaryIO, source: str) -> Description:
    """Do what `describe` does for an open file; zipfile's errors pass."""
    start = file.read(2)
    if start != b"PK":
        raise ModelFileError(source, *_foreign_file(start))
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        prefix = next(
            (name.removesuffix("models/model.json") for name in names if name.endswith("models/model.json")), None
        )
        if prefix is None:
            raise ModelFileError(source, _foreign_archive(names), EXPORT)
        if f"{prefix}byteorder" in names and extract(source, archive, f"{prefix}byteorder", 64) != b"little":
            raise UnsupportedError(source, "its weights are big-endian", "Save it on a little-endian machine")
        if f"{prefix}data/weights/model.pt" in names:
            problem = "its weights are a pickle, as PyTorch 2.8 writes them; pickles are never opened"
            raise UnsupportedError(source, problem, AGAIN)
        program = _json(source, archive, f"{prefix}models/model.json")
        facts = _facts(source, program)
        arrays: dict[str, Array] = {}
        for kind in ("weights", "constants"):
            config = f"{prefix}data/{kind}/model_{kind}_config.json"
            if config in names:
                entries = _json(source, archive, config)["config"]
                arrays |= dict(_arrays(source, archive, f"{prefix}data/{kind}/", entries))
        return Description(facts, arrays)


def _foreign_file(start: bytes) -> tuple[str, str]:
    if start[:1] == b"\x80":
        return "it is a Python pickle, such as a PyTorch checkpoint; pickles are never opened", EXPORT
    if not start:
        return "it is empty", "Save the model again, or copy the file again"
    return "it is not a zip archive, which an exported program is", EXPORT


def _foreign_archive(names: list[str]) -> str:
    inner = [name.partition("/")[2] or name for name in names]
    found = [problem for start, problem in FOREIGN.items() if any(name.startswith(start) for name in inner)]
    return f"{found[-1]}; pickles are never opened" if found else "it is a zip archive without a graph of PyTorch's"


def _json(source: str, archive: zipfile.ZipFile, member: str) -> Any:
    try:
        return parse_json(extract(source, archive, member, MAX_JSON_BYTES), MAX_JSON_BYTES, MAX_JSON_VALUES)
    except json.JSONDecodeError:
        raise damaged(source, f"{member} is not readable JSON") from None
    except ValueError as error:
        raise damaged(source, f"{member} is not valid: {error}") from None


def _facts(source: str, program: Any) -> dict[str, Any]:
    """Return what is needed of a program, a tenth of it."""
    version = program["schema_version"]["major"]
    torch = str(program.get("torch_version", "of unknown version"))
    if version != SCHEMA_MAJOR:
        raise UnsupportedError(source, f"its graph has version {version} of the schema (PyTorch {torch})", AGAIN)
    graph = program["graph_module"]["graph"]
    signature = program["graph_module"]["signature"]
    users = [spec["user_input"]["arg"] for spec in signature["input_specs"] if "user_input" in spec]
    names = [arg["as_tensor"]["name"] for arg in users if "as_tensor" in arg]
    return {
        "torch": torch,
        "nodes": [_node(node) for node in graph["nodes"]],
        "signature": {key: signature[key] for key in ("input_specs", "output_specs")},
        "sizes": {name: [_length(size) for size in graph["tensor_values"][name]["sizes"]] for name in names},
        "whole": [name for name in names if graph["tensor_values"][name]["dtype"] in WHOLE],
        "truths": [name for name in names if graph["tensor_values"][name]["dtype"] == TRUTH],
    }


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    metadata = node.get("metadata") or {}
    return {
        "target": node["target"],
        "name": node.get("name") or "",
        "inputs": [[given["name"], given["arg"]] for given in node["inputs"]],
        "outputs": node["outputs"],
        "stack_trace": str(metadata.get("stack_trace", "")),
        "modules": str(metadata.get("nn_module_stack", "")),
    }


def _length(size: Mapping[str, Any]) -> int | str:
    """Return a length, or the name of one that is open."""
    if "as_int" in size:
        return int(size["as_int"])
    text = str(size["as_expr"]["expr_str"])[:MAX_SYMBOL_CHARACTERS]
    quoted = text.split("'")
    return quoted[1] if text.startswith("Symbol('") and len(quoted) > 2 else text


def _arrays(
    source: str, archive: zipfile.ZipFile, folder: str, entries: Mapping[str, Any]
) -> Iterator[tuple[str, Array]]:
    """Yield arrays by name; several may be views of one storage."""
    if len(entries) > MAX_ARRAYS:
        raise damaged(source, f"it holds more than {MAX_ARRAYS} arrays")
    storages: dict[str, bytes] = {}
    left = MAX_ARRAY_BYTES
    for name, entry in entries.items():
        if entry["use_pickle"]:
            problem = f"its {name!r} is a pickle, which is never opened: a tensor of a class of its own"
            raise UnsupportedError(source, problem, "Make it a plain tensor, and save the program again")
        member = folder + entry["path_name"]
        if member not in storages:
            storages[member] = extract(source, archive, member, MAX_ARRAY_BYTES)
        array = _array(source, name, storages[member], entry["tensor_meta"])
        left -= array.nbytes
        refuse_too_big(source, "its weights", MAX_ARRAY_BYTES - left)
        yield name, array


def _array(source: str, name: str, storage: bytes, meta: Mapping[str, Any]) -> Array:
    code = meta["dtype"]
    if code not in DTYPES:
        problem = f"its {name!r} has the element type {code} of the schema, not plain numbers"
        raise UnsupportedError(source, problem, "Save the model in float32")
    dtype = np.dtype(DTYPES[code])
    shape, strides = ([int(item["as_int"]) for item in meta[key]] for key in ("sizes", "strides"))
    if len(shape) > MAX_AXES or min([*shape, *strides], default=0) < 0:
        raise damaged(source, f"{name!r} has shape {shape} and strides {strides}")
    steps = [stride * dtype.itemsize for stride in strides]
    offset = int(meta["storage_offset"]["as_int"]) * dtype.itemsize
    elements = int(np.prod(shape, dtype=object))
    refuse_too_big(source, repr(name), elements * dtype.itemsize)  # strides of 0 repeat what is there
    if elements == 0:
        return np.zeros(shape, dtype)
    view = np.ndarray(shape, dtype, storage, offset, steps)  # ValueError beyond the storage
    return (view.astype("<u4") << 16).view("<f4") if code == BFLOAT16 else np.ascontiguousarray(view)
