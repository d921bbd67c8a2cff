"""Exports modules in memory, with PyTorch, to what a file of the exported program holds."""

from __future__ import annotations

import io
import re
from typing import Any

from loopwire.errors import ConfigError, UnsupportedError
from loopwire.frontends.torch.archive import EXPORT, describe_opened
from loopwire.frontends.torch.packing import whole_sequences
from loopwire.sandbox import Description

EXAMPLES = "Give the inputs that it is called with: loopwire.load(module, example_inputs=(x,))"

OF_DATA = "Remove control flow that depends on data"
NO_EXPORT = "Call it on the example inputs: it must run, and so must torch.export.export(module, example_inputs)"


def export(module: Any, example_inputs: tuple[Any, ...] | None) -> tuple[str, str, Description]:
    """Return a module's name, what messages call it, and its exported program.

    Args:
        module: a `torch.nn.Module` in evaluation, or a `torch.export.ExportedProgram`.
        example_inputs: the positional arguments of a module.

    Raises:
        ConfigError: example inputs are missing, or given for a program.
        UnsupportedError: it is something else of PyTorch's, in training, or PyTorch cannot export it.
    """
    import torch

    if isinstance(module, torch.export.ExportedProgram):
        if example_inputs is not None:
            raise ConfigError("example_inputs", "an exported program knows its inputs", "Leave them out")
        return "model", "live exported program", _saved(torch, module, "live exported program")
    kind = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule):
        raise UnsupportedError(f"live {kind}", "it is TorchScript, of which no graph can be exported", EXPORT)
    if not isinstance(module, torch.nn.Module):
        raise UnsupportedError(f"a {kind} of PyTorch's", "it is not a module: a state dict has no graph", EXPORT)
    where = f"live module {kind}"
    if example_inputs is None:
        raise ConfigError(where, "it cannot be exported without example inputs", EXAMPLES)
    if module.training and any(_trains(torch, part) for part in module.modules()):
        raise UnsupportedError(
            where, "it is in training mode, where dropout and normalisation differ", "Call module.eval()"
        )
    try:
        with torch.no_grad(), whole_sequences():
            program = torch.export.export(module, example_inputs)
    except Exception as error:  # of any kind: it runs the user's code
        reason = " ".join(str(error).split("\n\n")[0].split())[:MESSAGE_CHARACTERS]
        reason = f"{type(error).__name__}: {reason}"
        remedy = OF_DATA if re.search("data.?dependent", reason, re.IGNORECASE) else NO_EXPORT
        raise UnsupportedError(where, f"PyTorch cannot export it: {reason}", remedy) from error
    return kind, where, _saved(torch, program, where)


MESSAGE_CHARACTERS = 300


def _trains(torch: Any, part: Any) -> bool:
    nn = torch.nn
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return isinstance(part, kinds) or (isinstance(part, nn.RNNBase) and part.dropout > 0)


def _saved(torch: Any, program: Any, where: str) -> Description:
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    return describe_opened(buffer, where)
