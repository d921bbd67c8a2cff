"""What a written project of HLS C++ consists of, each file's text by its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loopwire.targets.vitis_hls import vector_files

if TYPE_CHECKING:
    from loopwire.design import Design


def hls_project_files(design: Design, x: npt.NDArray[np.float64]) -> dict[str, str]:
    """Return the files of a design but its facts; inputs `x` (N, *input shape) become its test bench's vectors."""
    integers, lengths = design.input_integers(x, None)
    lengths = shortened(design, lengths, seed=1)
    outputs = design.predict_integers(x, lengths)
    return {**design.hls.files, **vector_files(integers, lengths, outputs)}


def hls_facts(design: Design) -> dict[str, object]:
    """Return what `design.json` tells of the HLS C++."""
    knobs = design.hls.knobs
    x, y = design.graph.inputs[0], design.graph.outputs[0]
    return {
        "top": design.hls.top,
        "io": knobs.io,
        "interleave": knobs.interleave,
        "reuse_factor": knobs.reuse_factor,
        "layer_reuse_factor": dict(knobs.layer_reuse_factor),
        "copies": design.config.copies,
        "input": {"type": str(x.type.element)},
        "output": {"type": str(y.type.element)},
    }


def shortened(design: Design, lengths: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Return the steps of sequences (N,), every other one's at random where the design takes short sequences."""
    if not design.hls.knobs.short_sequences:
        return lengths
    some = lengths.copy()
    some[1::2] = np.random.default_rng(seed).integers(1, design.steps, len(some[1::2]), endpoint=True)
    return some
