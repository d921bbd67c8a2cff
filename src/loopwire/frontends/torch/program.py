"""An exported program as it is read: nodes with arguments, the tensors that are its inputs, and its weights.

Ref: https://github.com/pytorch/pytorch/blob/main/torch/_export/serde/schema.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from loopwire.errors import UnsupportedError
from loopwire.frontends.containers import Array, damaged
from loopwire.sandbox import Description

LIBRARY_FRAMES = ("-packages/torch/", "<string>")
LONGEST_LINE = 120


@dataclass(frozen=True)
class Ref:
    """A value that a node or an input has made, by name."""

    name: str


@dataclass(frozen=True)
class ElementType:
    """A type of elements, by its number in the schema (`archive.DTYPES`)."""

    code: int


@dataclass(frozen=True)
class Unread:
    """An argument of a kind that no operation which is read takes: a device, a layout, a graph."""

    kind: str


@dataclass(frozen=True)
class Node:
    """An operation: its target without 'torch.ops.', its name, arguments by the names of its schema, names of results.

    `path` is that of the innermost module around it ('': the model itself), `module` its class; `line` is the user's
    source, where the file has it.
    """

    target: str
    name: str
    arguments: Mapping[str, Any]
    outputs: tuple[str | tuple[str, ...], ...]
    path: str
    module: str
    line: str
    calls: tuple[tuple[str, str, str], ...] = ()
    """Of the modules around it, the outermost first: what tells a call from others, the path, the class."""


@dataclass(frozen=True)
class Program:
    """A program, with its arrays by the names that the graph has for them; `lengths` are of the user's inputs."""

    source: str
    nodes: tuple[Node, ...]
    inputs: Mapping[str, tuple[int | str, ...]]
    whole: frozenset[str]
    """Inputs of whole numbers."""
    truths: frozenset[str]
    """Inputs of truth values."""
    arrays: Mapping[str, Array]
    parameters: Mapping[str, str]
    """What the module calls its arrays, by the names of the graph."""
    outputs: tuple[str, ...]


@contextmanager
def structure_checked(source: str) -> Iterator[None]:
    """Turn what values of another structure than the schema's raise into an error about the file."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError):
        raise damaged(source, "its graph is not as PyTorch writes it") from None


def program_of(source: str, description: Description) -> Program:
    """Return the program that a file holds.

    Raises:
        ModelFileError: it is not as PyTorch writes it.
        UnsupportedError: it takes or gives what is not a tensor, or changes its own buffers.
    """
    with structure_checked(source):
        facts = description.facts
        arrays: dict[str, Array] = {}
        parameters: dict[str, str] = {}
        inputs: dict[str, tuple[int | str, ...]] = {}
        for spec in facts["signature"]["input_specs"]:
            ((kind, value),) = spec.items()
            match kind:
                case "parameter" | "buffer" | "tensor_constant":
                    name = value["arg"]["name"]
                    parameters[name] = value[f"{kind}_name"]
                    arrays[name] = description.arrays[value[f"{kind}_name"]]
                case "user_input" if "as_tensor" in value["arg"]:
                    name = value["arg"]["as_tensor"]["name"]
                    inputs[str(name)] = tuple(facts["sizes"][name])
                case _:
                    raise UnsupportedError(source, f"it takes {_shown(kind, value)}", "Call the module on tensors only")
        nodes = tuple(map(_node, facts["nodes"]))
        outputs = tuple(_output(source, spec) for spec in facts["signature"]["output_specs"])
        whole, truths = (frozenset(map(str, facts[key])) for key in ("whole", "truths"))
        return Program(source, nodes, inputs, whole, truths, arrays, parameters, outputs)


def _shown(kind: str, value: Mapping[str, Any]) -> str:
    if kind == "user_input":
        ((what, constant),) = value["arg"].items()
        return f"an input that is not a tensor ({str(what).removeprefix('as_')} {str(constant)[:40]!r})"
    return f"an input of kind {str(kind)[:40]!r}"


def _output(source: str, spec: Mapping[str, Any]) -> str:
    ((kind, value),) = spec.items()
    if kind == "user_output" and "as_tensor" in value["arg"]:
        return str(value["arg"]["as_tensor"]["name"])
    if kind == "buffer_mutation":
        problem = f"it changes its buffer {str(value['buffer_name'])[:60]!r} as it runs"
        raise UnsupportedError(source, problem, "Export it in evaluation mode: module.eval()")
    raise UnsupportedError(
        source, f"it gives a result of kind {str(kind)[:40]!r} that is not a tensor", "Return tensors only"
    )


def _node(raw: Mapping[str, Any]) -> Node:
    arguments = {str(name): _argument(value) for name, value in raw["inputs"]}
    outputs = tuple(_result(value) for value in raw["outputs"])
    calls = tuple(map(_call, str(raw["modules"]).split(";")))
    _, path, module = calls[-1]
    target = str(raw["target"]).removeprefix("torch.ops.")
    line = _line(raw["stack_trace"])
    return Node(target, str(raw["name"]), arguments, outputs, path, module, line, calls)


def _call(written: str) -> tuple[str, str, str]:
    key, path, module, *_ = [*written.split(",", 2), "", "", ""]
    return key, path, module


def _argument(value: Mapping[str, Any]) -> Any:
    """Return an argument as Python has it; tensors and symbols as `Ref`."""
    ((kind, held),) = value.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return Ref(str(held["name"]))
        case "as_tensors":
            return [Ref(str(item["name"])) for item in held]
        case "as_sym_int" | "as_sym_float" | "as_sym_bool":
            return _symbol(held)
        case "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
            return [_symbol(item) for item in held]
        case "as_optional_tensors":
            return [_argument(item) for item in held]
        case "as_optional_tensor":
            return _argument(held)
        case "as_int" | "as_float" | "as_bool" | "as_string":
            return held
        case "as_scalar_type":
            return ElementType(int(held))
        case "as_ints" | "as_floats" | "as_bools" | "as_strings":
            return list(held)
        case other:
            return Unread(str(other))


def _symbol(held: Mapping[str, Any]) -> Any:
    ((kind, value),) = held.items()
    return Ref(str(value)) if kind == "as_name" else value


def _result(value: Mapping[str, Any]) -> str | tuple[str, ...]:
    ((kind, held),) = value.items()
    match kind:
        case "as_tensor":
            return str(held["name"])
        case "as_tensors":
            return tuple(str(item["name"]) for item in held)
        case "as_sym_int" | "as_sym_float" | "as_sym_bool":
            return str(held.get("as_name", ""))
        case _:
            return ""


def _line(trace: str) -> str:
    """Return the last place of a stack trace that is not PyTorch's own: 'model.py, line 12: y = self.lstm(x)'."""
    frames = trace.split('File "')[1:]
    own = next((frame for frame in reversed(frames) if _is_users(frame.partition('"')[0])), "")
    place, _, rest = own.partition('"')
    head, _, code = rest.partition("\n")
    number = head.partition("line ")[2].partition(",")[0]
    if not own or not number.isdecimal():
        return ""
    text = " ".join(code.partition("\n")[0].split())
    return f"{place.rsplit('/', 1)[-1]}, line {number}: {text}"[:LONGEST_LINE]


def _is_users(file: str) -> bool:
    return not file.startswith("torch/") and not any(part in file for part in LIBRARY_FRAMES)


def tensors_of(argument: Any) -> Sequence[Ref]:
    """Return the values that an argument names."""
    if isinstance(argument, Ref):
        return [argument]
    return [item for item in argument if isinstance(item, Ref)] if isinstance(argument, list) else []
