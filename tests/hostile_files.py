"""Model files made to hang, swell or crash what reads them: small files, each by the function that writes it.

`HOSTILE_MODELS` names them all; none is a model, so each must end in an error of ours, soon and in little memory.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_files import SavedAs, dense, functional_config, input_layer, lstm, sequential_config, write_h5


def archive(
    path: Path,
    fill: Callable[[h5py.File], None],
    config: bytes | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> None:
    """Write a .keras archive of an LSTM whose weights `fill` writes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:
        fill(file)
    layers = [input_layer((5, 3)), lstm()]
    with zipfile.ZipFile(path, "w", compression) as members:
        members.writestr("metadata.json", '{"keras_version": "3.5.0"}')
        members.writestr("config.json", config or json.dumps(functional_config(layers, {"lstm1": ["input_1"]})))
        members.writestr("model.weights.h5", buffer.getvalue())


def weights(file: h5py.File) -> None:
    """Write the weights that belong there."""
    for k, array in enumerate(lstm().arrays):
        file[f"layers/lstm/cell/vars/{k}"] = array


def nested_groups(path: Path) -> None:
    """40 groups in one another, each under two names: 2^40 paths."""

    def fill(file: h5py.File) -> None:
        group = file.create_group("layers/lstm")
        for _ in range(40):
            group = group.create_group("cell")
            group.parent["layer"] = group
        group["vars/0"] = np.zeros(3)

    archive(path, fill)


def groups_in_a_circle(path: Path) -> None:
    """A group whose cell is the group itself."""

    def fill(file: h5py.File) -> None:
        group = file.create_group("layers/lstm")
        group["cell"] = group
        group["layer"] = group
        group["vars/0"] = np.zeros(3)

    archive(path, fill)


def dataset_for_a_group(path: Path) -> None:
    """An array of 2^33 bytes, none of them in the file, where a group belongs: `in` would read it."""
    archive(path, lambda file: file.create_dataset("layers/lstm", (1 << 31,), "f4", chunks=(1 << 16,)))


def dataset_for_all_groups(path: Path) -> None:
    """The same for the group of all layers."""
    archive(path, lambda file: file.create_dataset("layers", (1 << 31,), "f4", chunks=(1 << 16,)))


def many_variables(path: Path) -> None:
    """A layer of 200 empty arrays."""

    def fill(file: h5py.File) -> None:
        group = file.create_group("layers/lstm/cell/vars")
        for k in range(200):
            group[str(k)] = h5py.Empty("f4")

    archive(path, fill)


def configuration_of(text: bytes) -> Callable[[Path], None]:
    """An archive with another configuration."""
    return lambda path: archive(path, weights, text)


def compressed_weights(path: Path) -> None:
    """An array of 256 MiB of zeros in kilobytes, three times under its names."""

    def fill(file: h5py.File) -> None:
        group = file.create_group("layers/lstm/cell/vars")
        group.create_dataset("0", (1 << 26,), "f4", chunks=(1 << 22,), compression="gzip", data=np.zeros(1 << 26, "f4"))
        group["1"] = group["2"] = group["0"]

    archive(path, fill)


def strange_compression(kind: int) -> Callable[[Path], None]:
    """An archive compressed in a way whose expansion Python does not bound."""
    return lambda path: archive(path, weights, compression=kind)


def damaged_compression(path: Path) -> None:
    """LZMA, its first bytes lost."""
    archive(path, weights, compression=zipfile.ZIP_LZMA)
    content = path.read_bytes()
    path.write_bytes(content.replace(content[43:60], bytes(17), 1))


def archive_of_nothing_but_names(path: Path) -> None:
    """10 000 members."""
    with zipfile.ZipFile(path, "w") as members:
        for k in range(10_000):
            members.writestr(str(k), "")


def h5_with(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    """A .h5 file of an LSTM, changed."""

    def write(path: Path) -> None:
        write_h5(path, [input_layer((5, 3)), lstm()])
        with h5py.File(path, "r+", libver="latest") as file:
            change(file)

    return write


def large_attribute(file: h5py.File) -> None:
    """A list of 12 000 layers."""
    del file["model_weights"].attrs["layer_names"]
    file["model_weights"].attrs.create("layer_names", np.full(12_000, b"l"), dtype="S1")


def the_same_layer_many_times(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = ["lstm1"] * 500
    file["model_weights/lstm1"].attrs["weight_names"] = ["lstm1/array_0:0"] * 500


def names_that_are_no_list(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = 7


def names_that_are_numbers(file: h5py.File) -> None:
    file["model_weights/lstm1"].attrs["weight_names"] = np.array([[1, 2], [3, 4]])


def names_that_are_nothing(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = h5py.Empty("S5")


def configuration_that_is_an_array(file: h5py.File) -> None:
    file.attrs["model_config"] = np.zeros((4, 4))


def group_for_a_dataset(file: h5py.File) -> None:
    del file["model_weights/lstm1/lstm1/array_0:0"]
    file.create_group("model_weights/lstm1/lstm1/array_0:0")


def kernel_of(replacement: Any) -> Callable[[h5py.File], None]:
    """The kernel as something else."""

    def change(file: h5py.File) -> None:
        del file["model_weights/lstm1/lstm1/array_0:0"]
        file["model_weights/lstm1/lstm1/array_0:0"] = replacement

    return change


def input_of(shape: Any) -> Callable[[Path], None]:
    """A model whose input has this shape."""
    return lambda path: write_h5(path, [input_layer(shape), lstm(features=shape[-1] if shape[-1] < 99 else 3)]) and None


def sequence_of(steps: int) -> Callable[[Path], None]:
    """An otherwise sound model of so many steps."""
    return lambda path: write_h5(path, [input_layer((steps, 3)), lstm()]) and None


def with_option(key: str, value: Any) -> Callable[[Path], None]:
    """An LSTM with an option of this value."""

    def write(path: Path) -> None:
        layer = lstm()
        layer.config[key] = value
        write_h5(path, [input_layer((5, 3)), layer])

    return write


def reshaped_to(shape: Any) -> Callable[[Path], None]:
    """A Reshape."""
    layers = [input_layer((12,)), SavedAs("Reshape", {"name": "r", "target_shape": shape}), dense(3)]
    return lambda path: write_h5(path, layers) and None


def huge_weights(size: float) -> Callable[[Path], None]:
    """Dense layers whose weights are of this size, in double precision."""

    def write(path: Path) -> None:
        first, second = dense(3, 2, "dense1"), dense(2, 2, "dense2")
        for layer in (first, second):
            layer.arrays = [np.full(array.shape, size) for array in layer.arrays]
        write_h5(path, [input_layer((3,)), first, second])

    return write


SOUND = json.dumps(sequential_config([input_layer((5, 3)), lstm()])).encode()

HOSTILE_MODELS: dict[str, Callable[[Path], None]] = {
    "nested groups.keras": nested_groups,
    "groups in a circle.keras": groups_in_a_circle,
    "a dataset for a group.keras": dataset_for_a_group,
    "a dataset for all groups.keras": dataset_for_all_groups,
    "many variables.keras": many_variables,
    "many lists.keras": configuration_of(b"[" + b"[]," * 40_000_000 + b"[]]"),
    "lists within the text.keras": configuration_of(b"[" + b"[]," * 1_000_000 + b"[]]"),
    "deep lists.keras": configuration_of(b"[" * 900 + b"]" * 900),
    "deeper lists.keras": configuration_of(b"[" * 99_000 + b"]" * 99_000),
    "deep tables.keras": configuration_of(b'{"config":' * 200 + b"1" + b"}" * 200),
    "a long number.keras": configuration_of(SOUND.replace(b'"units": 2', b'"units": 1' + b"0" * 400)),
    "a longer number.keras": configuration_of(SOUND.replace(b'"units": 2', b'"units": 1' + b"0" * 5000)),
    "a lone surrogate.keras": configuration_of(SOUND.replace(b"lstm1", rb"\ud800")),
    "compressed weights.keras": compressed_weights,
    "lzma.keras": strange_compression(zipfile.ZIP_LZMA),
    "bzip2.keras": strange_compression(zipfile.ZIP_BZIP2),
    "damaged lzma.keras": damaged_compression,
    "many members.keras": archive_of_nothing_but_names,
    "a large attribute.h5": h5_with(large_attribute),
    "the same layer many times.h5": h5_with(the_same_layer_many_times),
    "names that are no list.h5": h5_with(names_that_are_no_list),
    "names that are numbers.h5": h5_with(names_that_are_numbers),
    "names that are nothing.h5": h5_with(names_that_are_nothing),
    "a configuration that is an array.h5": h5_with(configuration_that_is_an_array),
    "a group for a dataset.h5": h5_with(group_for_a_dataset),
    "texts for numbers.h5": h5_with(kernel_of(np.full((3, 8), b"1.5"))),
    "a structure for numbers.h5": h5_with(kernel_of(np.zeros((3, 8), [("a", "f4"), ("b", "f4")]))),
    "complex numbers.h5": h5_with(kernel_of(np.zeros((3, 8), "c8"))),
    "truth for numbers.h5": h5_with(kernel_of(np.zeros((3, 8), bool))),
    "no numbers.h5": h5_with(kernel_of(h5py.Empty("f4"))),
    "wide numbers.h5": h5_with(kernel_of(np.zeros((3, 8), np.longdouble))),
    "a shape of truth.h5": input_of([True, 3]),
    "a shape of halves.h5": input_of([5.0, 3]),
    "10^18 steps.h5": sequence_of(10**18),
    "10^6 steps.h5": sequence_of(10**6),
    "10^400 steps.h5": sequence_of(10**400),
    "10^12 features.h5": input_of([10**12]),
    "many inputs.h5": input_of([60_000, 60_000]),
    "units of truth.h5": with_option("units", True),
    "10^18 units.h5": with_option("units", 10**18),
    "a slope of 10^400.h5": with_option("activation", {"class_name": "ReLU", "config": {"max_value": 10**400}}),
    "reshaped to truth.h5": reshaped_to([True, 12]),
    "reshaped to 10^18.h5": reshaped_to([10**18, -1]),
    "weights of 1e308.h5": huge_weights(1e308),
    "weights of 1e200.h5": huge_weights(1e200),
}


def npy(header: str, content: bytes = b"", version: bytes = b"\x01\0", length: int | None = None) -> bytes:
    """Return a `.npy` file with this header, which declares this length."""
    text = header.encode()
    size = (len(text) if length is None else length).to_bytes(2 if version == b"\x01\0" else 4, "little")
    return b"\x93NUMPY" + version + size + text + content


def header(shape: str, dtype: str = "'<f4'") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n"


def npz(compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    """Return a `.npz` file of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def plain(array: Any) -> bytes:
    """Return the `.npy` file of an array."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def encrypted(content: bytes) -> bytes:
    """Mark the first member of an archive as encrypted."""
    directory = content.index(b"PK\x01\x02")
    marked = bytearray(content)
    marked[6] |= 1
    marked[directory + 8] |= 1
    return bytes(marked)


INPUTS = np.zeros((4, 5, 3), "f4")

HOSTILE_DATA: dict[str, bytes] = {
    "no python.npy": npy("{'descr': '<f4', 'shape': (4,\n"),
    "a token that does not end.npy": npy("{'descr': '''"),
    "no dictionary.npy": npy("[1, 2]\n"),
    "a call.npy": npy("__import__('os').system('touch pwned')\n"),
    "minus.npy": npy("-" * 9_000 + "1\n"),
    "parentheses.npy": npy("(" * 5_000 + ")" * 5_000),
    "a long header.npy": npy(header("(4, 5, 3)"), bytes(100), b"\x02\0", 1 << 31),
    "a later version.npy": npy(header("(4, 5, 3)"), bytes(240), b"\x03\0"),
    "an unknown version.npy": npy(header("(4, 5, 3)"), bytes(240), b"\x09\x09"),
    "a negative shape.npy": npy(header("(-4, 5, 3)"), bytes(240)),
    "a shape of truth.npy": npy(header("(True, 5, 3)"), bytes(240)),
    "a shape of 10^400.npy": npy(header(f"({10**400}, 5, 3)"), bytes(240)),
    "a shape of 10^30.npy": npy(header(f"({10**30}, 5, 3)"), bytes(240)),
    "none of 10^18.npy": npy(header(f"(0, {10**18}, {10**18})")),
    "7 GiB.npy": npy(header("(125000000, 5, 3)"), bytes(240)),
    "half of it.npy": npy(header("(4, 5, 3)"), bytes(120)),
    "objects.npy": npy(header("(4, 5, 3)", "'|O'"), b"cos\nsystem\n(S'touch pwned'\ntR."),
    "a structure.npy": npy(header("(4, 5, 3)", "[('a', '<f4'), ('b', '<f4')]"), bytes(480)),
    "an unknown type.npy": npy(header("(4, 5, 3)", "'<q9'"), bytes(240)),
    "a type of lists.npy": npy(header("(4, 5, 3)", "[[[[]]]]"), bytes(240)),
    "wide texts.npy": npy(header("(4, 5, 3)", "'<U1000000000'"), bytes(240)),
    "1e308.npy": plain(np.full((4, 5, 3), 1e308)),
    "7 GiB.npz": npz(X=npy(header("(125000000, 5, 3)"), bytes(240))),
    "2 GiB of zeros.npz": npz(X=npy(header("(36000000, 5, 3)"), bytes(1 << 20))),
    "half of it.npz": npz(X=npy(header("(4, 5, 3)"), bytes(120))),
    "lzma.npz": npz(zipfile.ZIP_LZMA, X=plain(INPUTS)),
    "bzip2.npz": npz(zipfile.ZIP_BZIP2, X=plain(INPUTS)),
    "encrypted.npz": encrypted(npz(X=plain(INPUTS))),
    "many members.npz": npz(zipfile.ZIP_STORED, **{f"a{k}": plain(0) for k in range(2000)}),
    "no arrays.npz": npz(X=b"text"),
    "labels of texts.npz": npz(X=plain(INPUTS), y=plain([["a", "b"]] * 4)),
    "labels of structures.npz": npz(X=plain(INPUTS), y=npy(header("(4, 2)", "[('a', '<f4')]"), bytes(32))),
    "labels of times.npz": npz(X=plain(INPUTS), y=plain(np.zeros(4, "M8[ns]"))),
    "labels of 2^64.npz": npz(X=plain(INPUTS), y=plain(np.full(4, 2**64 - 1, "u8"))),
    "labels of 1e308.npz": npz(X=plain(INPUTS), y=plain(np.full(4, 1e308))),
    "one label.npz": npz(X=plain(INPUTS), y=plain(1)),
    "text.csv": b"x,y\n1,2\n",
    "nothing.npz": b"",
    "an archive cut short.npz": npz(X=plain(INPUTS))[:-9],
}
"""None fits a model with inputs (5, 3) and 2 outputs."""
