"""Finds plugins: the folders of one of Loopwire's packages, and what other packages register beside them.

A plugin of the package `loopwire.targets` is a folder of it with a module `target`, and is called as the folder. A
package from outside names such a module as an entry point of the group that is called as the package:

    [project.entry-points."loopwire.targets"]
    my_target = "my_package.loopwire_target"

Looking for names imports nothing; a plugin is imported when it is loaded. Plugins that are data, such as families of
FPGAs, are files of a package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module, metadata, resources
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import cast

from loopwire.errors import ConfigError, ToolError, nearest


@dataclass(frozen=True)
class Plugins:
    """The plugins of one kind.

    Attributes:
        package: whose folders they are, and the name of the entry points' group.
        member: the module of each folder.
    """

    package: str
    member: str

    @cached_property
    def own(self) -> tuple[str, ...]:
        """The names of those in the package, in alphabetical order."""
        spec = find_spec(self.package)
        assert spec is not None and spec.submodule_search_locations is not None
        modules = (Path(folder).glob(f"*/{self.member}.py") for folder in spec.submodule_search_locations)
        return tuple(sorted(module.parent.name for found in modules for module in found))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all, Loopwire's own first."""
        return tuple(dict.fromkeys((*self.own, *(entry.name for entry in self._entries()))))

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.names

    def require(self, where: str, name: str) -> None:
        """Refuse a name that none has.

        Raises:
            ConfigError: none has it.
        """
        if name not in self:
            hint = nearest(name, self.names)
            raise ConfigError(where, f"{name!r} is unknown", f"{hint}Choose from {', '.join(self.names)}")

    def load(self, name: str) -> ModuleType:
        """Return a plugin's module.

        Raises:
            ConfigError: there is none of this name.
            ToolError: it comes from outside and cannot be imported.
        """
        if name in self.own:
            return import_module(f"{self.package}.{name}.{self.member}")
        self.require(self.member, name)
        entry = next(entry for entry in self._entries() if entry.name == name)
        try:
            return cast(ModuleType, entry.load())
        except Exception as error:  # whatever a module from elsewhere does when it is imported
            package = "" if entry.dist is None else f" of the package {entry.dist.name}"
            where = f"{self.member} {name!r}{package}"
            raise ToolError(where, f"it cannot be imported ({error})", "Repair the package, or uninstall it") from error

    def _entries(self) -> tuple[metadata.EntryPoint, ...]:
        return tuple(metadata.entry_points(group=self.package))


TARGETS = Plugins("loopwire.targets", "target")
"""What a model can be compiled to."""
FRONTENDS = Plugins("loopwire.frontends", "frontend")
"""What reads models."""
BOARDS = Plugins("loopwire.boards", "board")
"""What a design can be put on."""
BUILDERS = Plugins("loopwire.builders", "builder")
"""Vendors' tools that build a written project."""


def data_files(package: str, suffix: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of each data file of a package, and of those that other packages register beside it.

    A package from outside names one that holds such files as an entry point of the group that is called as the package.

    Raises:
        ToolError: what an entry point names cannot be read.
    """
    yield from _texts(package, suffix)
    for entry in metadata.entry_points(group=package):
        try:
            yield from _texts(entry.module, suffix)
        except (ImportError, OSError, ValueError) as error:
            where = f"{package}, {entry.name!r}"
            raise ToolError(where, f"{entry.module} cannot be read ({error})", "Repair it, or uninstall it") from error


def _texts(package: str, suffix: str) -> Iterator[tuple[str, str]]:
    for file in sorted(resources.files(package).iterdir(), key=lambda file: file.name):
        if file.name.endswith(suffix):
            yield f"{package}/{file.name}", file.read_text("utf-8")
