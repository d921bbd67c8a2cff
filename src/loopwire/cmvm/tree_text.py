"""SystemVerilog of adder trees: modules that a synthesiser reads and nobody else, so compact."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import assert_never

from loopwire.cmvm.adder_tree import AdderTree, Interval, Node, StagedTree
from loopwire.cmvm.bit_heap import Bit, BitHeap, CountBit, One, SourceBit, is_inverted
from loopwire.text.escapes import comments
from loopwire.text.identifiers import Identifier

LINE_LENGTH = 110


def input_interval(tree: AdderTree) -> Interval:
    """Return the values of the elements of port x: it has their width and is signed where they are."""
    return _hull(tree.inputs)


def output_interval(tree: AdderTree) -> Interval:
    """Return the values of the elements of port y: it has their width and is signed where they are."""
    return _hull([tree.output_interval(row) for row in range(len(tree.outputs))])


TERNARY = "loopwire_sum3"
"""The module that adds three terms."""
COUNTERS = "loopwire_counters"
"""The module that counts bits."""
APART = '(* keep_hierarchy = "yes" *)'
"""Keeps synthesis from sharing adders across modules (AMD UG901; Yosys, `help flatten`)."""


def module_text(name: Identifier, staged: StagedTree, about: str, apart: bool = False) -> str:
    """Return a module that computes the tree, `staged.latency_stages` clock cycles long.

    Port x holds the n inputs and y the m outputs, element 0 lowest, of the widths of `input_interval` and
    `output_interval`. There is a clock if there are registers, and neither reset nor enable: only data pass here. With
    `apart` it shares no adder with other modules.
    """
    tree = staged.tree
    n, m = len(tree.inputs), len(tree.outputs)
    x_width, y_width = input_interval(tree).width, output_interval(tree).width
    ports = ["input  logic aclk"] if staged.latency_stages else []
    ports += [f"input  logic [{n - 1}:0][{x_width - 1}:0] x", f"output logic [{m - 1}:0][{y_width - 1}:0] y"]
    lines = [*comments(about, LINE_LENGTH), *([APART] if apart else []), f"module {name} ("]
    lines += [f"  {port}{',' if port != ports[-1] else ''}" for port in ports]
    lines += [");", *_declarations(staged), *_inputs(staged, x_width, y_width)]
    for place in range(staged.latency_stages + 1):
        here = (source for source in range(n, n + len(tree.nodes)) if staged.stages[source] == place)
        nodes = [source for source in here if tree.widths[source]]
        lines += [f"  // stage {place}"] if staged.latency_stages else []
        adders = [source for source in nodes if tree.heaps[source - n] is None]
        lines += _packed(text for source in adders for text in _adder(staged, source))
        for source in nodes:
            if heap := tree.heaps[source - n]:
                lines += _counted(staged, source, heap)
    lines += _registers(staged)
    lines += _packed(_outputs(staged, y_width))
    return "\n".join([*lines, f"endmodule : {name}", ""])


def _hull(intervals: Sequence[Interval]) -> Interval:
    return Interval(min(i.low for i in intervals), max(i.high for i in intervals))


def _name(tree: AdderTree, source: int, delay: int = 0) -> str:
    n = len(tree.inputs)
    base = f"x{source}" if source < n else f"n{source - n}"
    return f"{base}_q{delay}" if delay else base


def _declarations(staged: StagedTree) -> list[str]:
    """Declare the used sources and their registers, those of a kind together."""
    tree = staged.tree
    groups: dict[str, list[str]] = defaultdict(list)
    for source, (first, last) in enumerate(zip(staged.stages, staged.last_stages, strict=True)):
        if tree.widths[source]:
            sign = "signed " if tree.interval(source).signed else ""
            names = (_name(tree, source, delay) for delay in range(last - first + 1))
            groups[f"logic {sign}[{tree.widths[source] - 1}:0]"] += names
    return [line for kind, names in groups.items() for line in _wrapped(f"{kind} {', '.join(names)};")]


def _inputs(staged: StagedTree, x_width: int, y_width: int) -> list[str]:
    """Take the bits that are used off port x and name the rest, and the upper bits of terms that no sum needs."""
    widths = staged.tree.widths[: len(staged.tree.inputs)]
    lines = _packed(f"assign x{k} = x[{k}][{width - 1}:0];" for k, width in enumerate(widths) if width)
    unused = [f"x[{k}][{x_width - 1}:{width}]" for k, width in enumerate(widths) if width < x_width]
    unused += _unread(staged, y_width)
    if not unused:
        return lines
    return [*lines, "  logic unused;", *_wrapped(f"assign unused = &{{1'b0, {', '.join(unused)}}};")]


def _unread(staged: StagedTree, y_width: int) -> Iterable[str]:
    """Yield the bits of which no sum has as many: what its terms have above its own width cancels out."""
    tree, n = staged.tree, len(staged.tree.inputs)
    read = [0] * len(tree.widths)
    uses = [(o.source, o.shift, staged.latency_stages, y_width) for o in tree.outputs if o.source is not None]
    for source in range(n, len(tree.widths)):
        place, width = staged.stages[source], tree.widths[source]
        uses += [(term.source, term.shift, place, width) for term in tree.nodes[source - n].terms if width]
    for source, shift, place, width in uses:
        if place == staged.last_stages[source]:  # a register after it reads all of them
            read[source] = max(read[source], width - shift)
    for source, (width, bits) in enumerate(zip(tree.widths, read, strict=True)):
        if bits < width:
            yield f"{_name(tree, source, staged.last_stages[source] - staged.stages[source])}[{width - 1}:{bits}]"


def _adder(staged: StagedTree, source: int) -> Iterable[str]:
    """Yield the statements that make a node."""
    tree = staged.tree
    node = tree.nodes[source - len(tree.inputs)]
    if not node.is_ternary:
        yield f"assign {_name(tree, source)} = {_sum(staged, source)};"
        return
    first, *others = sorted(node.terms, key=lambda term: (term.negative, term.shift))
    name, place, width = _name(tree, source), staged.stages[source], tree.widths[source]
    passed = min(node.passed_bits, width - 1)
    operands = [_operand(staged, term.source, term.shift, place, width, passed) for term in (first, *others)]
    signs = ", ".join(str(int(term.negative)) for term in others)
    upper = f"{name}[{width - 1}:{passed}]" if passed else name
    if passed:
        yield f"assign {name}[{passed - 1}:0] = {_operand(staged, first.source, 0, place, passed)};"
    yield f"{TERNARY} #({width - passed}, {signs}) {name}_sum ({', '.join(operands)}, {upper});"


def _sum(staged: StagedTree, source: int) -> str:
    n = len(staged.tree.inputs)
    node: Node = staged.tree.nodes[source - n]
    place, width = staged.stages[source], staged.tree.widths[source]
    first, *others = node.terms
    text = _operand(staged, first.source, first.shift, place, width)
    if first.negative:
        text = f"-({text})"  # Yosys reads -8'(x) as a cast to -8 bits
    for term in others:
        text += f" {'-' if term.negative else '+'} {_operand(staged, term.source, term.shift, place, width)}"
    return text


def _counted(staged: StagedTree, source: int, heap: BitHeap) -> list[str]:
    """Return the counters of a heap and the adder of the rows that they leave, which synthesis reads.

    A simulator reads a sum: it would take minutes for what bits one by one become.
    """
    tree, place, name = staged.tree, staged.stages[source], _name(staged.tree, source)

    def vector(bits: Sequence[Bit | None]) -> str:
        """Return bits, lowest first; what is inverted of them is not yet."""
        return f"{{{', '.join(map(text, reversed(bits)))}}}"

    def text(bit: Bit | None) -> str:
        match bit:
            case None:
                return "1'b0"
            case One():
                return "1'b1"
            case CountBit():
                return f"{name}_c{bit.group}[{bit.index}][{bit.counter}]"
            case SourceBit():
                return f"{_name(tree, bit.source, place - staged.stages[bit.source])}[{bit.index}]"
            case _:
                assert_never(bit)

    def inverted(row: Sequence[Bit | None]) -> str:
        """Return which bits of a row are inverted, as a number, or nothing where none is."""
        ones = sum(1 << k for k, bit in enumerate(row) if bit is not None and is_inverted(bit))
        return f"{len(row)}'d{ones}" if ones else ""

    def added(row: Sequence[Bit | None]) -> str:
        """Return bits of a row as a number."""
        return f"({vector(row)} ^ {inverted(row)})" if inverted(row) else vector(row)

    lines = []
    for number, group in enumerate(heap.groups):
        count, counts = len(group.counted), f"{name}_c{number}"
        places = [[bits[k] if k < len(bits) else None for bits in group.counted] for k in range(group.size)]
        sizes = f".BITS({group.size}), .COUNT_BITS({group.count_bits}), .COUNT({count}), .INVERTED({group.inverted})"
        lines += [
            f"  logic [{group.count_bits - 1}:0][{count - 1}:0] {counts};",
            f"  {COUNTERS} #({sizes}) {counts}_of (",
            *_wrapped(f"  .bits({{{', '.join(vector(bits) for bits in reversed(places))}}}),"),
            f"    .counts({counts}));",
        ]
    passed, width = heap.passed_bits, len(heap.rows[0])
    upper = f"[{width - 1}:{passed}]" if passed else ""
    rows = [row[passed:] for row in heap.rows[: 2 + heap.is_ternary]]
    if passed:
        lines += _wrapped(f"assign {name}[{passed - 1}:0] = {added(heap.rows[0][:passed])};")
    if heap.is_ternary:
        widths = [f".WIDTH({width - passed})"]
        widths += [f".INVERTED_{port}({inverted(row)})" for port, row in zip("ABC", rows, strict=True) if inverted(row)]
        operands = ", ".join(map(vector, rows))
        lines += _wrapped(f"{TERNARY} #({', '.join(widths)}) {name}_sum ({operands}, {name}{upper});")
    elif passed < width:
        lines += _wrapped(f"assign {name}{upper} = {' + '.join(map(added, rows))};")
    return ["`ifdef SYNTHESIS", *lines, "`else", *_wrapped(f"assign {name} = {_sum(staged, source)};"), "`endif"]


def _operand(staged: StagedTree, source: int, shift: int, place: int, width: int, passed: int = 0) -> str:
    """Return a source as seen in a stage, extended or cut to a width and shifted; all of it may be cut off.

    The lowest `passed` bits are left out.
    """
    if not staged.tree.widths[source]:
        return f"{width - passed}'d0"
    text = _name(staged.tree, source, place - staged.stages[source])
    if shift < passed:
        right = ">>>" if staged.tree.interval(source).signed else ">>"
        return f"{width - passed}'({text} {right} {passed - shift})"
    if staged.tree.widths[source] != width - passed:
        text = f"{width - passed}'({text})"
    return f"({text} << {shift - passed})" if shift > passed else text


def _registers(staged: StagedTree) -> list[str]:
    tree = staged.tree
    statements = [
        f"{_name(tree, source, delay + 1)} <= {_name(tree, source, delay)};"
        for source, (first, last) in enumerate(zip(staged.stages, staged.last_stages, strict=True))
        for delay in range(last - first if tree.widths[source] else 0)
    ]
    if not statements:
        return []
    return ["  always_ff @(posedge aclk) begin", *_packed(statements, indent=4), "  end"]


def _outputs(staged: StagedTree, y_width: int) -> Iterable[str]:
    for row, output in enumerate(staged.tree.outputs):
        if output.source is None:
            yield f"assign y[{row}] = {y_width}'d0;"
        else:
            value = _operand(staged, output.source, output.shift, staged.latency_stages, y_width)
            yield f"assign y[{row}] = {value};"


def _packed(statements: Iterable[str], indent: int = 2) -> list[str]:
    """Put statements on lines, as many as fit."""
    lines: list[str] = []
    for statement in statements:
        if lines and len(lines[-1]) + 1 + len(statement) <= LINE_LENGTH:
            lines[-1] += f" {statement}"
        else:
            lines.append(" " * indent + statement)
    return lines


def _wrapped(statement: str) -> list[str]:
    """Break a long statement at its blanks."""
    lines = textwrap.wrap(statement, LINE_LENGTH - 4, break_long_words=False, break_on_hyphens=False)
    return ["  " + lines[0], *("    " + line for line in lines[1:])]
