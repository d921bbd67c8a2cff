"""What a written project of HLS C++ consists of, each file's text by its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loopwire.data import Batch, Inputs
from loopwire.targets.vitis_hls import vector_files

if TYPE_CHECKING:
    from loopwire.design import Design


def hls_project_files(design: Design, x: Inputs) -> dict[str, str]:
    """Return the files of a design but its facts; inputs `x` (N, *input shape) become its test bench's vectors."""
    integers, lengths = design.input_integers(x, None)
    lengths = shortened(design, lengths, seed=1)
    outputs = design.output_integers(x, lengths)
    return {**design.hls.files, **vector_files(flat(integers), lengths, flat(outputs))}


def hls_facts(design: Design) -> dict[str, object]:
    """Return what `design.json` tells of the HLS C++."""
    knobs = design.hls.knobs
    return {
        "top": design.hls.top,
        "io": knobs.io,
        "interleave": knobs.interleave,
        "reuse_factor": knobs.reuse_factor,
        "layer_reuse_factor": dict(knobs.layer_reuse_factor),
        "copies": design.config.copies,
        **port_types(design),
    }


def port_types(design: Design) -> dict[str, object]:
    """Return the types of the only input and output, or of all by their names."""
    graph = design.graph
    facts: dict[str, object] = {}
    for side, ports, values in (("input", design.ports, graph.inputs), ("output", design.model.outputs, graph.outputs)):
        types = {port.name: {"type": str(value.type.element)} for port, value in zip(ports, values, strict=True)}
        facts |= {f"{side}s": types} if len(types) > 1 else {side: next(iter(types.values()))}
    return facts


def flat(batch: Batch) -> npt.NDArray[np.int64]:
    """Return the numbers (N, elements) of all arrays of a batch, one after another."""
    return np.concatenate([array.reshape(len(array), -1) for array in batch.arrays], axis=1)


def shortened(design: Design, lengths: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Return the steps of sequences (N,), every other one's at random where the design takes short sequences."""
    if not design.hls.knobs.short_sequences or not design.may_be_short:
        return lengths
    some = lengths.copy()
    some[1::2] = np.random.default_rng(seed).integers(1, design.steps, len(some[1::2]), endpoint=True)
    return some
