"""What a vendor's tool needs to build a written project, in a folder of its own within it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from loopwire.project.folder import MARKER, write_project


def write_vendor_project(folder: Path, files: Mapping[str, str]) -> None:
    """Write files that are not there yet as they are; what a tool has left in the folder stays.

    Raises:
        OutputError: the folder holds something else, one of the files was changed by hand, or it cannot be written.
    """
    if any(not (folder / name).is_file() or (folder / name).read_text() != text for name, text in files.items()):
        write_project(folder, {**files, MARKER: json.dumps({"loopwire": {"version": version("loopwire")}})})
