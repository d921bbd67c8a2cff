"""Packed sequences while a module is exported: whole ones, whose lengths are given beside them.

PyTorch cannot export `pack_padded_sequence`: how large its result is depends on the lengths. Loopwire needs none of it,
since every layer ends a sequence at its own length (`predict(x, lengths)`; TLAST in hardware). So packing is the
identity here, on (batch, steps, features), until the export is done.

Ref: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def whole_sequences() -> Iterator[None]:
    """Let modules that pack sequences be exported: `with whole_sequences(): program = torch.export.export(…)`."""
    import torch
    from torch.nn.modules import module as modules
    from torch.nn.utils import rnn

    packed: dict[int, Any] = {}

    def before(module: Any, inputs: Any) -> Any:
        if not isinstance(module, torch.nn.RNNBase) or not inputs or not isinstance(inputs[0], rnn.PackedSequence):
            return None
        packed[id(module)] = inputs[0].batch_sizes
        data = inputs[0].data
        return (data if module.batch_first else data.transpose(0, 1), *inputs[1:])

    def after(module: Any, inputs: Any, results: Any) -> Any:
        if id(module) not in packed:
            return None
        output, states = results
        output = output if module.batch_first else output.transpose(0, 1)
        return rnn.PackedSequence(output, packed.pop(id(module))), states

    hooks = modules.register_module_forward_pre_hook(before), modules.register_module_forward_hook(after)
    functions = {rnn.pack_padded_sequence: _packed, rnn.pad_packed_sequence: _padded}
    codes = {function: function.__code__ for function in functions}
    for function, instead in functions.items():  # its code, since modules have imported the function itself
        function.__code__ = instead.__code__
    try:
        yield
    finally:
        for function, code in codes.items():
            function.__code__ = code
        for hook in hooks:
            hook.remove()


def _packed(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> Any:
    """Stand for pack_padded_sequence. As this is run as code of torch.nn.utils.rnn, names are of that module."""
    return PackedSequence(input if batch_first else input.transpose(0, 1), torch.as_tensor(lengths))  # type: ignore[name-defined]  # noqa: F821


def _padded(
    sequence: Any, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> Any:
    """Stand for pad_packed_sequence."""
    if padding_value != 0:
        raise ValueError(f"sequences padded with {padding_value}: firmware gives zeros beyond a sequence's end")
    return sequence.data if batch_first else sequence.data.transpose(0, 1), sequence.batch_sizes
