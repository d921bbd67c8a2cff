"""Identifiers made of any text: words of ASCII letters, digits and underscores, bounded, each handed out once.

What a language reserves comes from its list of keywords and from the texts that are written around a design.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NewType, TypeGuard

Identifier = NewType("Identifier", str)
"""A word that every tool takes for a name, and none for a keyword or for another thing's name."""

LONGEST = 100
"""Characters of one; with what is added to it, a file's name has fewer than the 255 that file systems take."""
UNNAMED = "unnamed"
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"|\$\{?\w+", re.DOTALL)


def word(text: str, longest: int = LONGEST) -> str:
    """Return a text as a word: all but ASCII letters and digits becomes underscores; of a long one the middle goes."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or UNNAMED
    if plain[0].isdigit():
        plain = f"n{plain}"
    if len(plain) > longest:
        plain = f"{plain[: longest // 2]}_{plain[-((longest - 1) // 2) :]}"
    return plain


def is_identifier(text: str) -> TypeGuard[Identifier]:
    """Say whether a text that was read back can be an identifier."""
    return len(text) <= 2 * LONGEST and _WORD.fullmatch(text) is not None


@dataclass
class Names:
    """The identifiers of one scope. Two never differ by the case of letters alone, since files are named after them.

    Args:
        reserved: words that get an underscore.
        taken: identifiers that others have.
        stems: what other names begin with (`stem`).
    """

    reserved: frozenset[str] = frozenset()
    taken: Iterable[str] = ()
    stems: Iterable[str] = ()
    _taken: set[str] = field(init=False)
    _stems: list[str] = field(init=False)
    _owned: dict[tuple[str, str, str], Identifier] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._taken = {name.lower() for name in self.taken}
        self._stems = [*self.stems]

    def unique(self, text: str, *ends: str) -> Identifier:
        """Return an identifier for `text` that was not handed out before: the second one of a word gets a number.

        With each of `ends` it names something else, which is nobody else's name either.
        """
        base = word(text)
        if base in self.reserved:
            base += "_"
        return self._free(base, *ends)

    def stem(self, text: str, *ends: str) -> Identifier:
        """Return an identifier as `unique` does, of which names with any further end may be made.

        None of these is made of another stem: of two stems, neither begins the other up to an underscore.
        """
        for count in itertools.count(1):
            name = self.unique(text if count == 1 else f"n{count}_{text}", *ends)
            if not any(f"{a}_".startswith(f"{b}_") for stem in self._stems for a, b in ((stem, name), (name, stem))):
                break
        self._stems.append(name)
        return name

    def owned(self, begin: str, owner: str, end: str) -> Identifier:
        """Return the name of what belongs to `owner`, a name of this scope, the same at each call.

        It is `<begin><owner><end>`, with a number behind it where that is another thing's name.
        """
        key = begin, owner, end
        if key not in self._owned:
            self._owned[key] = self._free(f"{begin}{owner}{end}")
        return self._owned[key]

    def _free(self, base: str, *ends: str) -> Identifier:
        """Hand out `base`, with a number behind it where that, or it with one of `ends`, is another thing's name."""
        name, count = base, 2
        while not self._taken.isdisjoint(all_names := {f"{name}{end}".lower() for end in ("", *ends)}):
            name, count = f"{base}_{count}", count + 1
        self._taken |= all_names
        return Identifier(name)


@dataclass(frozen=True)
class Name:
    """A name of a scope, from which those of what belongs to it come: none of them is another thing's."""

    text: Identifier
    scope: Names

    def __str__(self) -> str:
        return self.text

    def own(self, what: str) -> Name:
        """Return `<name>_<what>`."""
        return Name(self.scope.owned("", self.text, f"_{what}"), self.scope)

    def block(self) -> Name:
        """Return the name of a block that repeats statements for every element."""
        return Name(self.scope.owned("gen_", self.text, ""), self.scope)


@dataclass
class LayerNames:
    """Words for the layers of a model and for values that are named after them, `<layer>.<tensor>`."""

    _names: Names = field(default_factory=Names)
    _layers: dict[str, Identifier] = field(default_factory=dict)

    def layer(self, layer: str) -> Identifier:
        """Return a layer's word, which no other layer has; the model's own where there is none."""
        if layer not in self._layers:
            self._layers[layer] = self._names.unique(layer or "model")
        return self._layers[layer]

    def value(self, name: str, layer: str) -> str:
        """Return a value's word; another layer's value may have the same."""
        tensor = tensor_of(name, layer)
        return word(name) if tensor == name else f"{self.layer(layer)}_{word(tensor)}"


def tensor_of(name: str, layer: str) -> str:
    """Return a value's name without that of its layer."""
    return name.removeprefix(f"{layer}.") if layer else name


def words_of(text: str) -> Iterator[str]:
    """Yield the words of SystemVerilog, C++ or a template of them, comments, strings and what is put in left out."""
    yield from _WORD.findall(_COMMENT.sub(" ", text))
