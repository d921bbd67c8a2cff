"""Diagonal recurrences of numbers that are real, or complex: then a pair of reals each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from loopwire.ir.builder import ShapeError
from loopwire.ir.graph import Value
from loopwire.layers.cell import State
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import Array
from loopwire.layers.roles import Role

Numbers = npt.NDArray[np.complex128] | Array


def real_parts(numbers: Numbers) -> list[Array]:
    """Return the real part, and of complex numbers the imaginary one too."""
    return [numbers.real, numbers.imag] if np.iscomplexobj(numbers) else [np.asarray(numbers.real)]


def states_of(diagonal: Numbers) -> dict[str, State]:
    """Return the states of h: its real part, and the imaginary one of a complex h."""
    return {
        name: State(Role.CELL, len(part)) for name, part in zip(("h_re", "h_im"), real_parts(diagonal), strict=False)
    }


def stacked(numbers: Numbers) -> Array:
    """Return the rows of a matrix's parts, one part behind the other."""
    return np.concatenate(real_parts(numbers))


def multiply_add(e: Emitter, a: Sequence[Value], b: Sequence[Value], c: Value) -> Iterator[Value]:
    """Add a∘b + c, exact, of real numbers, or of complex ones by their parts; those of c stand one behind another."""
    if c.type.size != sum(own.type.size for own in b):
        raise ShapeError(f"{c!r} is added to {', '.join(map(repr, b))}")
    for k, own in enumerate(b):
        total = e.b.add(e.b.mul(a[0], own), e.b.slice(c, k * own.type.size, (k + 1) * own.type.size))
        if len(b) == 2:
            turned = e.b.mul(a[1], b[1 - k])
            total = e.b.add(total, turned) if k else e.b.sub(total, turned)
        yield total


def real_product(e: Emitter, matrix: Numbers, h: Sequence[Value], name: str) -> Value:
    """Add Re(matrix h), exact, of h by its parts: the matrix in the type of the weights."""
    real, *imaginary = real_parts(matrix)
    rows = np.concatenate([real, *(-part for part in imaginary)], axis=1)
    read = e.b.concat(h, "h_all") if imaginary else h[0]
    return e.b.matvec(e.weights(rows, Role.WEIGHT, name), read, f"{name}h")


def zero_order_hold(rates: Numbers, input_kernel: Numbers, step: Array | float) -> tuple[Numbers, Numbers]:
    """Return λ and B of a continuous h˙ = rates∘h + input_kernel x whose input holds for `step` (a number, or (N,)).

    Ref: Smith et al. 2023, "Simplified state space layers", arXiv:2208.04933, eq. 6.
    """
    diagonal = np.exp(rates * step)
    return diagonal, ((diagonal - 1.0) / rates)[:, np.newaxis] * input_kernel
