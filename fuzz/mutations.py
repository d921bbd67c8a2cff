"""Damage to files, a step at a time: to their bytes, their words, or the tree of a JSON text.

A step is a function of a content and a source of random numbers, so that a case is a list of steps, of which those that
are not needed for a failure can be left out.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

Mutator = Callable[[bytes, random.Random], bytes]
"""Returns the content changed. It raises nothing: what it cannot change in its own way it changes as bytes."""

DEEP = 20_000
LARGEST_REAL = 1e300
HOSTILE_TEXTS = (
    *(
        "",
        " ",
        "\n",
        "\0",
        "a" * 300,
        "ä",
        "\ud800",
        "../../x",
        "/etc/passwd",
        "$(touch x)",
        "`",
        '"',
        "\\",
        "*/",
        "//",
    ),
    *(
        "-->",
        "<script>",
        "%n%s",
        "{0}",
        "$\\bad{$",
        "endmodule",
        "x\ny",
        "nan",
        "1e999",
        "fixed<16,6>",
        "\u202e",
        "NULL",
    ),
)
HOSTILE_NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 7, 255, 2**15, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**18, 10**6, 10**400, -(10**20)),
    *(0.5, -0.0, 1e-320, 1e308, -1e308, float("nan"), float("inf"), True, False, None),
)
HOSTILE_WORDS = (
    *(
        "0",
        "1",
        "-1",
        "65536",
        "1e9",
        "9" * 400,
        "1e308",
        "nan",
        "-inf",
        "0x10",
        "1_0",
        "true",
        "null",
        "[]",
        "{}",
        '""',
    ),
    *("[" * DEEP, "{" * 500, "'", '"', '"""', "=", ",", ";", "#", ":", "&a", "*a", "!!python/object:os.system", "<<"),
    *("\0", "\ufeff", "\ud800", "é", "a" * 300, "%", "(", ")", "->", "\n\n", "1979-05-27T07:32:00Z"),
)
INTERESTING_BYTES = (0x00, 0xFF, 0x7F, 0x80, 0x01, 0x20)
WORD = re.compile(r"\w+|\s+|[^\w\s]")


def mutate_bytes(content: bytes, source: random.Random) -> bytes:
    """Flip, overwrite, cut, repeat, swap or fill some bytes."""
    data = bytearray(content)
    if not data:
        return source.randbytes(source.randint(1, 64))
    place = source.randrange(len(data))
    length = min(len(data) - place, source.choice((1, 1, 2, 4, 8, 16, 64, 512)))
    chunk = data[place : place + length]
    match source.choice(("flip", "flip", "set", "integer", "zero", "random", "cut", "truncate", "repeat", "move")):
        case "flip":
            data[place] ^= 1 << source.randrange(8)
        case "set":
            data[place] = source.choice(INTERESTING_BYTES)
        case "integer":
            size = source.choice((1, 2, 4, 8))
            number = source.choice((0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), source.getrandbits(8 * size)))
            data[place : place + size] = number.to_bytes(size, source.choice(("little", "big")))
        case "zero":
            data[place : place + length] = bytes(length)
        case "random":
            data[place : place + length] = source.randbytes(length)
        case "cut":
            del data[place : place + length]
        case "truncate":
            del data[place:]
        case "repeat":
            data[place:place] = chunk * source.choice((1, 2, 100))
        case "move":
            other = source.randrange(len(data))
            data[other : other + length] = chunk
    return bytes(data)


def mutate_text(content: bytes, source: random.Random) -> bytes:
    """Replace, drop, double or swap words or lines of a text."""
    text = content.decode("utf-8", "surrogateescape")
    by_line = source.random() < 0.3
    parts = text.splitlines(keepends=True) if by_line else WORD.findall(text)
    if not parts:
        return mutate_bytes(content, source)
    place, other = source.randrange(len(parts)), source.randrange(len(parts))
    match source.choice(("replace", "replace", "replace", "drop", "double", "swap", "insert", "many")):
        case "replace":
            parts[place] = source.choice(HOSTILE_WORDS)
        case "drop":
            del parts[place]
        case "double":
            parts.insert(place, parts[place])
        case "swap":
            parts[place], parts[other] = parts[other], parts[place]
        case "insert":
            parts.insert(place, source.choice(HOSTILE_WORDS))
        case "many":
            parts[place : place + 1] = parts[place : place + 1] * source.choice((10, 3000))
    return "".join(parts).encode("utf-8", "surrogatepass" if "\ud800" in parts else "surrogateescape")


def mutate_json(content: bytes, source: random.Random) -> bytes:
    """Change one place of a JSON text's tree: its value, its type, its keys or its depth."""
    try:
        tree = json.loads(content)
        text = json.dumps(_changed(tree, source))
    except (ValueError, RecursionError):
        return mutate_bytes(content, source)
    return text.replace('"@deep@"', "[" * DEEP + "]" * DEEP).replace('"@again@":', '"name":').encode()


def mutated_value(value: Any, source: random.Random) -> Any:
    """Return something else in the place of a value of a tree: of its own type, or of another."""
    if isinstance(value, bool) and source.random() < 0.5:
        return not value
    if isinstance(value, int | float) and source.random() < 0.4:
        as_real = float(value) if abs(value) < LARGEST_REAL else 0.5
        return source.choice((value + 1, value - 1, -value, value * 2, value * 1000, as_real, str(value)))
    if isinstance(value, str) and value and source.random() < 0.3:
        return source.choice((value + " ", value.upper(), value[:-1], value * 40, value + "\n", value + "\0"))
    kind = source.choice(("text", "number", "number", "list", "table", "deep", "wrapped"))
    match kind:
        case "text":
            return source.choice(HOSTILE_TEXTS)
        case "number":
            return source.choice(HOSTILE_NUMBERS)
        case "list":
            return source.choice(([], [None], [[]], [1, "a", {}], [0] * 1000))
        case "table":
            return source.choice(({}, {"": None}, {"class_name": "LSTM"}, {"config": {}}))
        case "deep":
            return "@deep@"
        case _:
            return source.choice(([value], {"value": value}, [value] * 3))


def _changed(tree: Any, source: random.Random) -> Any:
    """Return a tree of which one node is changed. All nodes are as likely."""
    places = list(_places(tree))
    if not places:
        return mutated_value(tree, source)
    parent, key = source.choice(places)
    kind = source.choice(("value", "value", "value", "value", "drop", "double", "exchange", "rename"))
    other_parent, other_key = source.choice(places)
    match kind:
        case "drop":
            del parent[key]
        case "double" if isinstance(parent, list):
            parent.insert(key, parent[key])
        case "double":
            parent["@again@"] = parent[key]
        case "exchange" if not _holds(parent[key], other_parent) and not _holds(other_parent[other_key], parent):
            parent[key], other_parent[other_key] = other_parent[other_key], parent[key]
        case "rename" if isinstance(parent, dict):
            parent[source.choice((*HOSTILE_TEXTS, str(other_key)))] = parent.pop(key)
        case _:
            parent[key] = mutated_value(parent[key], source)
    return tree


def _places(tree: Any) -> Any:
    """Yield each node below the root, as its parent and its key there."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


def _holds(tree: Any, node: Any) -> bool:
    """Whether a node is in a tree: exchanging the two would make a circle."""
    return tree is node or any(parent is node for parent, _ in _places(tree))
