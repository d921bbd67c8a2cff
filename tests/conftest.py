"""Fixtures that several test files use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of test_goldens.py."""
    parser.addoption("--update-golden", action="store_true", help="keep what is generated now as the goldens")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real models and data, too large for the repository: $LOOPWIRE_DATA, or ../shared/data."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("LOOPWIRE_DATA") or root.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no folder of shared data at {folder}; set LOOPWIRE_DATA")
    return folder
