"""What vendors' tools read, but for a design's names."""

from __future__ import annotations

from importlib import resources
from string import Template


def template(name: str) -> Template:
    """Return one of the files of this folder."""
    return Template(resources.files(__package__).joinpath(name).read_text())
