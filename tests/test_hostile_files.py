"""Files made to harm end in an error of ours, soon and in little memory, whether they are trusted or not."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import loopwire
from hostile_files import HOSTILE_MODELS
from loopwire.errors import ModelFileError, UnsupportedError

LONGEST_S = 10
MOST_BYTES = 512 << 20
"""That this process may grow by."""


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("name", HOSTILE_MODELS)
@pytest.mark.parametrize("trust", [False, True])
def test_hostile_models(name: str, trust: bool, tmp_path: Path) -> None:
    write: Callable[[Path], None] = HOSTILE_MODELS[name]
    write(tmp_path / name)
    before, begin = peak_bytes(), time.monotonic()
    with pytest.raises((ModelFileError, UnsupportedError)) as caught:
        loopwire.load(tmp_path / name, trust=trust)
    assert len(str(caught.value)) < 1000
    assert time.monotonic() - begin < LONGEST_S and peak_bytes() - before < MOST_BYTES
