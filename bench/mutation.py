"""Small faults in a SystemVerilog module, by rules on its syntax tree, all in one text that a memory file chooses from.

Ref: R. DeMillo, R. Lipton, F. Sayward, "Hints on Test Data Selection", Computer 11 (4), 1978; and for many mutants in
one program R. Untch, "Mutation-based software testing using program schemata", ACM Southeast Conference, 1992.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyslang.syntax import SyntaxKind, SyntaxNode, SyntaxTree

CHOICE = "mutant.hex"
"""The memory file that holds the number of the mutant to be simulated; 0 for none."""

_LOGIC = {
    SyntaxKind.LogicalAndExpression,
    SyntaxKind.LogicalOrExpression,
    SyntaxKind.BinaryAndExpression,
    SyntaxKind.BinaryOrExpression,
}
_COMPARISONS = {
    SyntaxKind.EqualityExpression: "!=",
    SyntaxKind.InequalityExpression: "==",
    SyntaxKind.LessThanExpression: "<=",
    SyntaxKind.LessThanEqualExpression: "<",
}
_SUMS = {SyntaxKind.AddExpression: "-", SyntaxKind.SubtractExpression: "+"}
_NEGATIONS = {SyntaxKind.UnaryLogicalNotExpression, SyntaxKind.UnaryBitwiseNotExpression}
_FIXED = {
    SyntaxKind.ModuleHeader,
    SyntaxKind.ParameterDeclarationStatement,
    SyntaxKind.VariableDimension,
    SyntaxKind.TimingControlStatement,
    SyntaxKind.SimpleRangeSelect,
}
_FIXED_FIRST = {SyntaxKind.IfGenerate, SyntaxKind.CastExpression, SyntaxKind.MultipleConcatenationExpression}
"""What is settled before time begins, or is no expression of the module's behaviour."""


@dataclass(frozen=True)
class Mutant:
    """One fault: on `line`, `before` becomes `after`, by `rule`."""

    number: int
    module: str
    line: int
    rule: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.before} -> {self.after} ({self.rule})"


@dataclass(frozen=True)
class _Site:
    start: int
    end: int
    rule: str
    alternatives: tuple[str, ...]


def instrumented(module: str, text: str, first_number: int) -> tuple[str, list[Mutant]]:
    """Return a module's text with a choice wherever a rule applies, and its mutants, numbered from `first_number`."""
    tree = SyntaxTree.fromText(text)
    sites = sorted(_sites(tree.root, text), key=lambda site: (site.start, -site.end))
    mutants: list[Mutant] = []
    numbered: list[tuple[_Site, list[int]]] = []
    for site in sites:
        numbers = []
        for after in site.alternatives:
            number = first_number + len(mutants)
            before = " ".join(text[site.start : site.end].split())
            line = text.count("\n", 0, site.start) + 1
            mutants.append(Mutant(number, module, line, site.rule, before, " ".join(after.split())))
            numbers.append(number)
        numbered.append((site, numbers))
    body = _render(text, 0, len(text), numbered)
    header = body.index(");\n") + 3
    choice = f'  logic [15:0] mutant [0:0];\n  initial $readmemh("{CHOICE}", mutant);\n'
    return body[:header] + choice + body[header:], mutants


def _render(text: str, start: int, end: int, sites: list[tuple[_Site, list[int]]]) -> str:
    parts, position = [], start
    index = 0
    while index < len(sites):
        site, numbers = sites[index]
        inner = index + 1
        while inner < len(sites) and sites[inner][0].start < site.end:
            inner += 1
        parts.append(text[position : site.start])
        rendered = _render(text, site.start, site.end, sites[index + 1 : inner])
        if site.rule == "drop a reset":
            parts.append(f"if (mutant[0] != {numbers[0]}) {rendered}")
        else:
            choices = zip(numbers, site.alternatives, strict=True)
            chosen = "".join(f"mutant[0] == {number} ? ({other}) : " for number, other in choices)
            parts.append(f"({chosen}({rendered}))")
        position, index = site.end, inner
    return "".join([*parts, text[position:end]])


def _children(node: SyntaxNode) -> list[SyntaxNode]:
    return [child for child in node if isinstance(child, SyntaxNode)]


def _sites(node: SyntaxNode, text: str, assigned: bool = False) -> Iterator[_Site]:
    """Yield where rules apply; `assigned`: within the target of a continuous assignment, which must be constant."""

    def of(child: SyntaxNode) -> str:
        return text[child.sourceRange.start.offset : child.sourceRange.end.offset]

    def site(rule: str, *alternatives: str, at: SyntaxNode = node) -> _Site:
        return _Site(at.sourceRange.start.offset, at.sourceRange.end.offset, rule, alternatives)

    kind, children = node.kind, _children(node)
    if kind in _FIXED:
        # Of a timing control statement, the statement itself.
        children = children[1:] if kind == SyntaxKind.TimingControlStatement else []
    elif kind in (SyntaxKind.LoopGenerate, SyntaxKind.ForLoopStatement):
        children = children[-1:]
    elif kind in _FIXED_FIRST:
        children = children[1:]
    elif kind == SyntaxKind.AscendingRangeSelect:
        children = children[:1] if not assigned else []
    elif kind in _LOGIC:
        yield site("drop a term", *(of(child) for child in children))
    elif kind in _COMPARISONS:
        left, right = (of(child) for child in children)
        operator = text[children[0].sourceRange.end.offset : children[1].sourceRange.start.offset]
        yield site("swap a comparison", f"{left} {_COMPARISONS[kind]} {right}")
        yield _Site(
            site("").start,
            site("").end,
            "off by one",
            tuple(f"{left}{operator}({right}) {by} 1" for by in "+-"),
        )
    elif kind in _SUMS:
        left, right = (of(child) for child in children)
        yield site("swap + and -", f"{left} {_SUMS[kind]} {right}")
    elif kind in _NEGATIONS:
        yield site("drop a negation", of(children[0]))
    elif kind == SyntaxKind.ConditionalExpression:
        condition, yes, no = (of(child) for child in children)
        yield site("swap branches", f"{condition} ? {no} : {yes}")
    elif kind == SyntaxKind.BitSelect and not assigned:
        yield site("off by one", f"({of(children[0])}) + 1")
    elif kind == SyntaxKind.ConditionalStatement:
        condition = children[0]
        if of(condition) == "!aresetn":
            yield from (site("drop a reset", "", at=statement) for statement in _assignments(children[1]))
            return
        yield site("drop a condition", "1'b1", at=condition)
    for index, child in enumerate(children):
        target = kind == SyntaxKind.AssignmentExpression and index == 0
        yield from _sites(child, text, assigned or target)


def _assignments(node: SyntaxNode) -> Iterator[SyntaxNode]:
    if node.kind == SyntaxKind.ExpressionStatement:
        yield node
    else:
        for child in _children(node):
            yield from _assignments(child)
