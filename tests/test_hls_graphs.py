"""HLS C++ of models that are graphs: the emulator's bits, with streams of short sequences, arrays and interleave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("torch")

import loopwire  # noqa: E402
from hls_designs import write  # noqa: E402
from keras_graphs import GRAPHS  # noqa: E402
from keras_models import randomise  # noqa: E402
from loopwire.config import CompileConfig  # noqa: E402
from loopwire.design import Design  # noqa: E402
from loopwire.simulate.hls_compile import compile_all  # noqa: E402
from loopwire.targets.vitis_hls.hardware import flat  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras", "ignore:The structure of `inputs`")
KNOBS: tuple[dict[str, Any], ...] = ({}, {"io": "parallel"}, {"interleave": 3}, {"reuse_factor": 4, "interleave": 2})


def design(form: str, index: int) -> Design:
    keras.backend.clear_session(free_memory=False)
    model = loopwire.load(randomise(GRAPHS[form](), seed=index))
    knobs = KNOBS[index % len(KNOBS)]
    settings = {"target": "vitis_hls", "model": {"precision": "fixed<12,4,RND,SAT>"}, **knobs}
    return loopwire.compile(model, CompileConfig.from_dict({**settings, "name": f"graph_{index}"}))


@pytest.mark.parametrize("first", range(2))
def test_all_forms_give_the_emulators_bits(first: int, tmp_path: Path) -> None:
    designs = [design(form, index) for index, form in enumerate(GRAPHS) if index % 2 == first]
    folders = [write(made.hls.files, tmp_path / made.name) for made in designs]
    for made, compiled in zip(designs, compile_all(folders, optimise=False), strict=True):
        x = made.random_inputs(24)
        integers, full = made.input_integers(x, None)
        lengths = made.hardware.shortened(full, seed=2)
        due = flat(made.output_integers(x, lengths))
        np.testing.assert_array_equal(compiled.predict(flat(integers), lengths), due, made.name)
