"""Sums of products by an equation over the letters of axes, as numpy.einsum's: by products, sums and permutations.

Ref: https://numpy.org/doc/stable/reference/generated/numpy.einsum.html
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from string import ascii_uppercase

import numpy as np

from loopwire.frontends.tensors import arithmetic, products, reductions, views
from loopwire.frontends.tensors.reshaping import reshape
from loopwire.frontends.tensors.trace import Trace
from loopwire.frontends.tensors.views import Operand, View

REMEDY = "Give an equation of one or two tensors, a letter for each axis, such as 'btf,fg->btg'"
Letters = Sequence[str]


def einsum(trace: Trace, equation: str, operands: Sequence[Operand]) -> Operand:
    """Return the sum of products of one or two tensors over the letters that the result lacks.

    Raises:
        UnsupportedError: the equation has a letter twice in a tensor, or more tensors; or it multiplies
            neither a tensor by a matrix, nor two sequences, nor element by element.
    """
    terms, wanted = _parsed(trace, equation, operands)
    constants = [operand for operand in operands if not isinstance(operand, View)]
    if len(constants) == len(operands):
        lengths = {c: n for term, x in zip(terms, constants, strict=True) for c, n in zip(term, x.shape, strict=True)}
        views.check_size(trace, list(lengths.values()))
        with views.folding(trace):
            return np.asarray(np.einsum(f"{','.join(terms)}->{wanted}", *constants))
    summed = [
        _without(trace, x, term, {*wanted, *(letter for other in terms if other is not term for letter in other)})
        for x, term in zip(operands, terms, strict=True)
    ]
    if len(summed) == 1:
        ((x, letters),) = summed
    else:
        first, second = sorted(summed, key=lambda pair: not isinstance(pair[0], View))
        x, letters = _product(trace, first, second, wanted)
    return views.permute(trace, x, [letters.index(letter) for letter in wanted])


def _parsed(trace: Trace, equation: str, operands: Sequence[Operand]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result."""
    left, arrow, wanted = _written_out(equation.replace(" ", ""), operands).partition("->")
    terms = left.split(",")
    if not arrow:
        wanted = "".join(sorted(letter for letter in {*left} - {","} if left.count(letter) == 1))
    known = "".join(terms)
    sound = all(letter.isalpha() for letter in known + wanted) and {*wanted} <= {*known}
    once = all(len({*term}) == len(term) for term in (*terms, wanted))
    fits = [len(term) for term in terms] == [len(x.shape) for x in operands]
    named = {pair for term, x in zip(terms, operands, strict=False) for pair in zip(term, x.shape, strict=False)}
    if not (sound and once and fits) or len(terms) > 2 or len(named) > len({*known}):
        shapes = ", ".join(str(x.shape) for x in operands)
        raise trace.refused(f"its equation is {equation[:80]!r}, of tensors of shapes {shapes}", REMEDY)
    return terms, wanted


def _written_out(equation: str, operands: Sequence[Operand]) -> str:
    """Return an equation with letters in place of an ellipsis: of the axes that have none."""
    left, arrow, _ = equation.partition("->")
    terms = left.split(",")
    ranks = [len(x.shape) - len(term) + len("...") for term, x in zip(terms, operands, strict=False) if "..." in term]
    spare = [letter for letter in ascii_uppercase if letter not in equation]
    if not arrow or len({*ranks}) != 1 or not 0 <= ranks[0] <= len(spare):
        return equation
    return equation.replace("...", "".join(spare[: ranks[0]]))


def _without(trace: Trace, x: Operand, term: str, kept: set[str]) -> tuple[Operand, str]:
    """Return an operand summed over the letters that are not kept, and the letters that are."""
    gone = [axis for axis, letter in enumerate(term) if letter not in kept]
    return reductions.total(trace, x, gone, False) if gone else x, "".join(c for c in term if c in kept)


def _product(trace: Trace, first: tuple[Operand, str], second: tuple[Operand, str], wanted: str) -> tuple[Operand, str]:
    """Return the product of a view and another operand, summed over what both share and the result lacks."""
    (a, of_a), (b, of_b) = first, second
    shared = [letter for letter in of_a if letter in of_b]
    batch, over = ([letter for letter in shared if (letter in wanted) is is_kept] for is_kept in (True, False))
    own_a, own_b = ([letter for letter in term if letter not in shared] for term in (of_a, of_b))
    if over and not batch and not isinstance(b, View):
        return _linear(trace, a, [of_a, *map("".join, (own_a, over))], _turned(trace, b, of_b, [*own_b, *over]), own_b)
    if len(over) == len(own_a) == len(own_b) == 1 and isinstance(b, View):
        a, b = _turned(trace, a, of_a, [*batch, *own_a, *over]), _turned(trace, b, of_b, [*batch, *over, *own_b])
        assert isinstance(a, View) and isinstance(b, View)
        return products.product(trace, a, b), "".join((*batch, *own_a, *own_b))
    letters = of_a + "".join(own_b) if len(of_a) >= len(of_b) else of_b + "".join(own_a)
    multiplied = arithmetic.combine(
        trace, "multiply", *(_spread(trace, x, term, letters) for x, term in ((a, of_a), (b, of_b)))
    )
    return _without(trace, multiplied, letters, {*letters} - {*over})


def _linear(trace: Trace, x: Operand, terms: Sequence[str], kernel: Operand, own: Sequence[str]) -> tuple[Operand, str]:
    """Return x times a matrix; `terms` are the letters of x, those that stay, and those that it is summed over."""
    of_x, kept, over = terms
    assert not isinstance(kernel, View)
    lengths = dict(zip(of_x, x.shape, strict=True))
    size = prod(lengths[letter] for letter in over)
    rows = kernel.shape[: len(own)]
    stay = [lengths[letter] for letter in kept]
    flat = reshape(trace, _turned(trace, x, of_x, [*kept, *over]), [*stay, size])
    y = arithmetic.linear(trace, flat, np.asarray(kernel, np.float64).reshape(-1, size))
    return reshape(trace, y, [*stay, *rows]), "".join((kept, *own))


def _turned(trace: Trace, x: Operand, term: str, order: Letters) -> Operand:
    return views.permute(trace, x, [term.index(letter) for letter in order])


def _spread(trace: Trace, x: Operand, term: str, letters: str) -> Operand:
    """Return an operand with all of these axes, of length 1 where it has none."""
    x = _turned(trace, x, term, [letter for letter in letters if letter in term])
    for axis, letter in enumerate(letters):
        if letter not in term:
            x = views.unsqueeze(trace, x, axis)
    return x
