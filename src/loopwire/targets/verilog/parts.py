"""What the statements of all operations are made with: the modules that they instantiate, and the form of an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from loopwire.cmvm.adder_tree import StagedTree
from loopwire.datapath.ops import TableLookup
from loopwire.datapath.signals import Signal
from loopwire.hdl.layout import nested, wrapped
from loopwire.text.identifiers import Identifier, Name
from loopwire.text.names import FileName


class Library(Protocol):
    """Modules and files that operations instantiate, each written once."""

    def module(self, name: str) -> str:
        """Return the name of a module that is the same in every design."""
        ...

    def table(self, lookup: TableLookup, registered: bool) -> Identifier:
        """Return the name of a table's module, with registers behind its ROMs or without any."""
        ...

    def tree(self, name: str, staged: StagedTree, about: str, apart: bool) -> Identifier:
        """Return the name of a shift-add tree's module; with `apart` it shares no adders with others."""
        ...

    def rom(self, name: str, rows: Sequence[int], width: int) -> FileName:
        """Return the name of a file that $readmemh reads."""
        ...


Text = Callable[[Signal], str]
"""The expression of an operand, as an array, in the operation's stage."""


def index_of(out: Signal) -> str:
    """Return the index of an element in expressions that drive every one."""
    return "0" if out.count == 1 else "k"


def each_registered(out: Signal, result: Name, expression: str) -> list[str]:
    """Drive every element, of `index_of(out)`, by a register."""
    if out.count == 1:
        return [f"always_ff @(posedge aclk) {result}[0] <= {expression};"]
    head = f"for (int k = 0; k < {out.count}; k++)"
    return ["always_ff @(posedge aclk)", *nested([head], f"{result}[k] <= {expression};")]


def each_element(out: Signal, result: Name, expression: str) -> list[str]:
    """Drive every element, of `index_of(out)`."""
    if out.count == 1:
        first, *further = wrapped(f"assign {result}[0] = {expression};")
        return [first, *(f"    {part}" for part in further)]
    head = f"for (int k = 0; k < {out.count}; k++)"
    return ["always_comb", *nested([head], f"{result}[k] = {expression};")]


def packed(row: Sequence[int], width: int) -> int:
    """Return the bits of a vector, those of element 0 lowest."""
    bits = 0
    for k, value in enumerate(row):
        bits |= (int(value) & ((1 << width) - 1)) << (k * width)
    return bits
