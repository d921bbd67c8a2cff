"""Graphs as text that a person can read and that reads back as the same graph, one op a line.

    graph {
      input %x: fixed<16,6>[20, 6]
      %lstm.h: fixed<16,6>[20] = const 0.0
      %lstm.h_last: fixed<16,6>[20],
      %lstm.h_sequence: fixed<16,6>[20, 20] = scan %lstm.h, %x states=1 length=20 {
        input %lstm.h_prev: fixed<16,6>[20]
        input %lstm.x_t: fixed<16,6>[6]
        ...
        %lstm.i: fixed<16,6,RND,SAT>[20] = table sigmoid %lstm.a_i max_error_steps=1.0  // i = σ(a_i)
        output %lstm.h_next, %lstm.h_next
      }
      output %lstm.h_last
    }

A value's layer is its name up to the last dot, or else follows the name as `@layer`; its note follows `//`. Names that
are not plain words are quoted, as in JSON. A result's type is also what a cast or table casts to, what a const is
carried in, and the shape of a reshape. A const is a list in row-major order, or one number for all its elements;
numbers are the shortest decimals that read back as the same float64.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from loopwire.errors import FixedTypeError, GraphTextError, nearest
from loopwire.ir import ops
from loopwire.ir.graph import Graph, Node, Value
from loopwire.ir.types import FixedType, TensorType

MAX_ELEMENTS = 1 << 26
MAX_STEPS = 1 << 20
MAX_DEPTH = 20
"""Bounds of a graph that is read: a short text can name any number."""

_LINE_WIDTH = 100
_PLAIN_NAME = r"[\w.-]+"
_NAME = rf'(?:{_PLAIN_NAME}|"(?:[^"\\\n]|\\.)*")'
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    | (?P<note>//[^\n]*)
    | (?P<value>%{_NAME})
    | (?P<layer>@{_NAME})
    | (?P<type>u?fixed<[^>\n]*>)
    | (?P<list>\[[^\[\]]*\])
    | (?P<number>-?\d[\w.+-]*)
    | (?P<word>[A-Za-z]\w*)
    | (?P<sign>[:=,{{}}])
    | (?P<unknown>.)""",
    re.VERBOSE,
)
_PLAIN_OPS: dict[str, ops.Op] = {
    "matvec": ops.MatVec(),
    "add": ops.Add(),
    "sub": ops.Sub(),
    "mul": ops.Mul(),
    "max": ops.Max(),
    "min": ops.Min(),
    "greater": ops.Greater(),
    "where": ops.Where(),
    "lookup": ops.Lookup(),
    "reduce_sum": ops.ReduceSum(),
    "reduce_max": ops.ReduceMax(),
    "concat": ops.Concat(),
    "reverse": ops.Reverse(),
}
"""Ops without parameters, by name."""
_PLAIN_OP_NAMES = {op: name for name, op in _PLAIN_OPS.items()}
_OP_NAMES = sorted([*_PLAIN_OPS, "const", "cast", "table", "slice", "reshape", "transpose", "scan"])


def print_graph(graph: Graph) -> str:
    """Return the text of a graph that `verify` accepts; equal graphs have equal texts."""
    return "\n".join(["graph {", *_block_lines(graph, "  "), "}", ""])


def _block_lines(graph: Graph, indent: str) -> Iterator[str]:
    for value in graph.inputs:
        yield f"{indent}input {_definition(value)}{_note(value)}"
    for node in graph.nodes:
        for value in node.results[:-1]:
            yield f"{indent}{_definition(value)},{_note(value)}"
        yield from _node_lines(node, indent)
    yield f"{indent}output {_references(graph.outputs)}".rstrip()


def _node_lines(node: Node, indent: str) -> Iterator[str]:
    op, operands = node.op, _references(node.operands)
    result, note = f"{indent}{_definition(node.results[-1])}", _note(node.results[-1])
    match op:
        case ops.Const():
            yield f"{result} = const {_const_text(op.reals, indent + '    ')}{note}"
        case ops.Cast():
            yield f"{result} = cast {operands}{' in_reals=1' if op.in_reals else ''}{note}"
        case ops.Table():
            entries = "" if op.max_entries is None else f" max_entries={op.max_entries}"
            error = f"max_error_steps={float(op.max_error_steps)!r}"
            yield f"{result} = table {op.function} {operands} {error}{entries}{note}"
        case ops.Slice():
            yield f"{result} = slice {operands} start={op.start} stop={op.stop}{note}"
        case ops.Reshape():
            yield f"{result} = reshape {operands}{note}"
        case ops.Transpose():
            yield f"{result} = transpose {operands} rows={op.rows}{note}"
        case ops.Scan():
            start = f"{result} = scan {operands}".rstrip()
            carried = "".join(f" carried={state}" for state in sorted(op.carried))
            yield f"{start} states={op.states} length={op.length}{carried} {{{note}"
            yield from _block_lines(op.body, indent + "  ")
            yield f"{indent}}}"
        case (
            ops.MatVec()
            | ops.Add()
            | ops.Sub()
            | ops.Mul()
            | ops.Max()
            | ops.Min()
            | ops.Greater()
            | ops.Where()
            | ops.Lookup()
            | ops.ReduceSum()
            | ops.ReduceMax()
            | ops.Concat()
            | ops.Reverse()
        ):
            yield f"{result} = {_PLAIN_OP_NAMES[op]} {operands}{note}"
        case _:
            assert_never(op)


def _definition(value: Value) -> str:
    layer = "" if value.layer == _layer_of(value.name) else f" @{_quoted(value.layer)}"
    return f"%{_quoted(value.name)}{layer}: {value.type}"


def _references(values: tuple[Value, ...]) -> str:
    return ", ".join(f"%{_quoted(value.name)}" for value in values)


def _quoted(name: str) -> str:
    return name if re.fullmatch(_PLAIN_NAME, name) else json.dumps(name)


def _layer_of(name: str) -> str:
    return name.rpartition(".")[0]


def _note(value: Value) -> str:
    escaped = value.note.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")
    return f"  // {escaped}" if value.note else ""


def _const_text(reals: npt.NDArray[np.float64], indent: str) -> str:
    numbers = [repr(real) for real in np.asarray(reals, np.float64).ravel().tolist()]
    if len(set(numbers)) == 1:
        return numbers[0]
    short = f"[{', '.join(numbers)}]"
    if len(short) <= _LINE_WIDTH:
        return short
    columns = reals.shape[-1]
    rows = [", ".join(numbers[i : i + columns]) + "," for i in range(0, len(numbers), columns)]
    lines = [line for row in rows for line in textwrap.wrap(row, _LINE_WIDTH, break_on_hyphens=False)]
    return "\n".join(["[", *(indent + line for line in lines)])[:-1] + "]"


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


_Scope = dict[str, Value]


def parse_graph(text: str) -> Graph:
    """Read what `print_graph` wrote. Grammar and names are checked; types are left to `verify`.

    Raises:
        GraphTextError: the text is not a graph; tells the line, what was met and what was expected.
    """
    return _Parser(text).graph()


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        assert kind is not None
        if kind != "space":
            yield _Token(kind, match.group(), line)
        line += match.group().count("\n")
    yield _Token("end", "the end of the text", line)


def _error(token: _Token, expected: str, suggestion: str = "") -> GraphTextError:
    met = token.text if len(token.text) <= 40 else f"{token.text[:40]}…"
    return GraphTextError(
        f"graph text, line {token.line}",
        f"met {met!r}, expected {expected}",
        f"{suggestion}Correct the text, or print the graph again",
    )


class _Parser:
    """Recursive descent over the tokens: each method reads what its name says."""

    def __init__(self, text: str) -> None:
        self._rest = _tokens(text)
        self._token = next(self._rest)
        self._names: set[str] = set()

    def graph(self) -> Graph:
        self._word("graph")
        self._sign("{")
        graph = self._block()
        self._take("end", "the end of the text")
        return graph

    def _block(self, depth: int = 0) -> Graph:
        if depth > MAX_DEPTH:
            raise _error(self._token, f"at most {MAX_DEPTH} scans in one another")
        scope: _Scope = {}
        while self._accept("input"):
            token, name, type, layer = self._definition()
            self._define(scope, token, Value(name, type, layer, self._note()))
        inputs = tuple(scope.values())
        nodes: list[Node] = []
        while self._token.kind == "value":
            nodes.append(self._node(scope, depth))
        self._word("output", "a value to compute, such as '%y', or 'output'")
        outputs = self._references(scope)
        self._sign("}")
        return Graph(inputs, tuple(nodes), outputs)

    def _node(self, scope: _Scope, depth: int) -> Node:
        results: list[tuple[_Token, Value]] = []
        token, name, type, layer = self._definition()
        while self._accept(","):
            results.append((token, Value(name, type, layer, self._note())))
            token, name, type, layer = self._definition()
        self._sign("=")
        op, operands, note = self._op(type, scope, depth)
        results.append((token, Value(name, type, layer, note)))
        for token, value in results:
            self._define(scope, token, value)
        return Node(op, operands, tuple(value for _, value in results))

    def _op(self, type: TensorType, scope: _Scope, depth: int) -> tuple[ops.Op, tuple[Value, ...], str]:
        token = self._take("word", "an operation")
        function = self._take("word", "the name of a function").text if token.text == "table" else ""
        operands = () if token.text == "const" else self._references(scope)
        op: ops.Op
        match token.text:
            case "const":
                op = ops.Const(self._reals(type.shape), type.element)
            case "cast":
                in_reals = self._token.text == "in_reals"
                op = ops.Cast(type.element, in_reals and _integer(self._parameter("in_reals"), 1, 1) == 1)
            case "table":
                error = _real(self._parameter("max_error_steps"))
                bounded = self._token.text == "max_entries"
                op = ops.Table(
                    function,
                    type.element,
                    error,
                    _integer(self._parameter("max_entries")) if bounded else None,
                )
            case "slice":
                op = ops.Slice(_integer(self._parameter("start")), _integer(self._parameter("stop")))
            case "reshape":
                op = ops.Reshape(type.shape)
            case "transpose":
                op = ops.Transpose(_integer(self._parameter("rows"), 1))
            case "scan":
                states, length = _integer(self._parameter("states")), _integer(self._parameter("length"), 1, MAX_STEPS)
                carried = set()
                while self._token.text == "carried":
                    carried.add(_integer(self._parameter("carried")))
                self._sign("{")
                note = self._note()
                return ops.Scan(self._block(depth + 1), states, length, frozenset(carried)), operands, note
            case name if name in _PLAIN_OPS:
                op = _PLAIN_OPS[name]
            case name:
                raise _error(token, f"one of the operations {', '.join(_OP_NAMES)}", nearest(name, _OP_NAMES))
        return op, operands, self._note()

    def _definition(self) -> tuple[_Token, str, TensorType, str]:
        token = self._take("value", "a value, such as '%y'")
        name = _name(token)
        layer = _name(self._take("layer", "")) if self._token.kind == "layer" else _layer_of(name)
        self._sign(":")
        spec = self._take("type", "a type, such as 'fixed<16,6>'")
        try:
            element = FixedType.parse(spec.text)
        except FixedTypeError as error:
            raise _error(spec, f"a type that can exist: {error.problem}") from None
        place = self._take("list", "a shape, such as '[20, 6]'")
        shape = tuple(_integer(item, 1) for item in _items(place))
        if math.prod(shape) > MAX_ELEMENTS:
            raise _error(place, f"a shape of at most {MAX_ELEMENTS} elements")
        return token, name, TensorType(shape, element), layer

    def _define(self, scope: _Scope, token: _Token, value: Value) -> None:
        if value.name in self._names:
            raise _error(token, "a name that no other value has")
        self._names.add(value.name)
        scope[value.name] = value

    def _references(self, scope: _Scope) -> tuple[Value, ...]:
        values: list[Value] = []
        while self._accept(",") if values else self._token.kind == "value":
            token = self._take("value", "a value, such as '%y'")
            if _name(token) not in scope:
                raise _error(token, "a value defined above, in the same block", nearest(_name(token), scope))
            values.append(scope[_name(token)])
        return tuple(values)

    def _reals(self, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        if self._token.kind == "number":
            return np.full(shape, _real(self._take("number", "")))
        token = self._take("list", "a number or a list of numbers")
        reals = np.array([_real(item) for item in _items(token)])
        if reals.size != math.prod(shape):
            raise _error(token, f"{math.prod(shape)} numbers for shape {list(shape)}, not {reals.size}")
        return reals.reshape(shape)

    def _parameter(self, name: str) -> _Token:
        self._word(name)
        self._sign("=")
        return self._take("number", "a number")

    def _note(self) -> str:
        if self._token.kind != "note":
            return ""
        escaped = self._take("note", "").text.removeprefix("//").removeprefix(" ")
        return re.sub(r"\\(.)", lambda match: {"n": "\n", "r": "\r"}.get(match[1], match[1]), escaped)

    def _word(self, text: str, expected: str = "") -> None:
        self._take("word", expected or repr(text), text)

    def _sign(self, text: str) -> None:
        self._take("sign", repr(text), text)

    def _accept(self, text: str) -> bool:
        found = self._token.text == text
        if found:
            self._token = next(self._rest)
        return found

    def _take(self, kind: str, expected: str, text: str | None = None) -> _Token:
        token = self._token
        if token.kind != kind or text not in (None, token.text):
            raise _error(token, expected)
        self._token = next(self._rest, token)
        return token


def _name(token: _Token) -> str:
    name = token.text[1:]
    if not name.startswith('"'):
        return name
    try:
        return str(json.loads(name))
    except ValueError:
        raise _error(token, "a name quoted as in JSON") from None


def _items(token: _Token) -> Iterator[_Token]:
    """Yield the parts of a list between its commas, each on its own line."""
    line = token.line
    for part in token.text[1:-1].split(",") if token.text[1:-1].strip() else []:
        text = part.strip()
        yield _Token("number", text, line + part[: len(part) - len(part.lstrip())].count("\n"))
        line += part.count("\n")


def _integer(token: _Token, least: int = 0, most: int = MAX_ELEMENTS) -> int:
    if not re.fullmatch("[0-9]{1,18}", token.text) or not least <= int(token.text) <= most:
        raise _error(token, f"a whole number from {least} up" + f" to {most}" * (most != MAX_ELEMENTS))
    return int(token.text)


def _real(token: _Token) -> float:
    try:
        real = float(token.text)
    except ValueError:
        real = math.nan
    if not math.isfinite(real):
        raise _error(token, "a finite number")
    return real
