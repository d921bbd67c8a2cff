"""Layers with quantisers: which framework's a class is, since HGQ2 and QKeras share names."""

from __future__ import annotations

from loopwire.frontends.keras import hgq2, qkeras
from loopwire.frontends.keras.layer import Reader, SavedLayer
from loopwire.layers.model import Layer


def _reader(name: str) -> Reader:
    """Return the reader of a class: HGQ2 keeps what says how a tensor is quantised under `…_conf`."""

    def read(saved: SavedLayer) -> Layer | None:
        is_hgq2 = any(key.endswith("_conf") for key in saved.entry.config)
        of_hgq2 = name not in qkeras.READERS or (is_hgq2 and name in hgq2.READERS)
        return (hgq2.READERS if of_hgq2 else qkeras.READERS)[name](saved)

    return read


QUANTISED: dict[str, Reader] = {name: _reader(name) for name in (*hgq2.READERS, *qkeras.READERS)}
