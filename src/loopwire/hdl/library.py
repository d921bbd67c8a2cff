"""The modules that are the same in every design, each in the file of its name beside this one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources

INSTANTIATED: Mapping[str, tuple[str, ...]] = {
    "loopwire_hdlc_receiver": ("loopwire_crc32",),
    "loopwire_hdlc_sender": ("loopwire_crc32",),
    "loopwire_host": ("loopwire_frame_buffer", "loopwire_hdlc_receiver", "loopwire_hdlc_sender"),
}
"""What those modules instantiate that instantiate others of them."""


def library_files(modules: Iterable[str]) -> dict[str, str]:
    """Return the texts of modules, and of all that they instantiate, by the names of their files in order."""
    pending, found = [*modules], set[str]()
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += INSTANTIATED.get(name, ())
    folder = resources.files(__package__)
    return {f"{name}.sv": folder.joinpath(f"{name}.sv").read_text() for name in sorted(found)}


class LibraryModules:
    """Those that the texts of a design instantiate: who writes an instance takes the module's name from here."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def module(self, name: str) -> str:
        """Return the name, after adding the module to those that the design needs."""
        self._names.add(name)
        return name

    def files(self) -> dict[str, str]:
        """Return the texts of all that the design needs, by the names of their files."""
        return library_files(self._names)
