"""Operations on masks of steps, and on constant ones: what `frontends.tensors.masks` does, by PyTorch's arguments.

Ref: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from loopwire.frontends.containers import Array
from loopwire.frontends.tensors import choosing, masks, products, views
from loopwire.frontends.tensors.embedding import is_whole
from loopwire.frontends.tensors.masks import REMEDY, Mask
from loopwire.frontends.tensors.products import Sees
from loopwire.frontends.tensors.views import Operand, View
from loopwire.frontends.torch.arguments import Arguments, Operation

SAME = (
    *("to.dtype", "to.device", "to.dtype_layout", "_to_copy.default", "clone.default", "contiguous.default"),
    *("detach.default", "alias.default", "lift_fresh_copy.default"),
)


def _compared(a: Arguments, equal: bool) -> Mask | Operand:
    return _compared_with(a, a.tensor("self"), a.number("other"), equal)


def _compared_with(a: Arguments, x: Operand, value: float, equal: bool) -> Mask | Operand:
    if not isinstance(x, View):
        return truths_of(x == value if equal else x != value)
    return masks.compared(a.trace, x, value, equal)


def truth(a: Arguments, negated: bool = False) -> Mask | Operand:
    """Read where a tensor is not 0, or where it is: truth values are their own, of real numbers it is a mask."""
    x = a.tensor("self")
    if isinstance(x, View) and choosing.is_truths(x):
        return choosing.negated(a.trace, x) if negated else x
    return _compared_with(a, x, 0.0, equal=negated)


def truths_of(array: Array) -> Array:
    """Return where a constant is not 0, as programs hold truth values."""
    truths: Array = (array != 0).astype(np.uint8)
    return truths


def _triangle(a: Arguments, function: Callable[..., Array]) -> Array:
    array, diagonal = a.array("self"), a.integer("diagonal", 0)
    if array.ndim < 2:
        raise a.trace.refused(f"it takes a triangle of shape {array.shape}", "Give a matrix")
    return np.asarray(function(array, int(np.clip(diagonal, -array.shape[-2], array.shape[-1]))))


def _reduced(a: Arguments, by: str) -> Mask:
    return a.mask("self").reduced(a.trace, by, a.integers("dim"), a.boolean("keepdim", False))


def _reshaped(a: Arguments, key: str) -> Mask | Operand:
    return a.mask("self").reshaped(a.trace, a.integers(key))


def _expanded(a: Arguments) -> Mask | Operand:
    mask, lengths = a.mask("self"), a.integers("size")
    had = (1,) * (len(lengths) - len(mask.shape)) + mask.shape
    whole = [have if want == -1 else want for have, want in zip(had, lengths, strict=False)]
    return mask.reshaped(a.trace, whole)


def _unsqueezed(a: Arguments) -> Mask | Operand:
    mask = a.mask("self")
    return mask.unsqueezed(a.trace, a.integer("dim") % (len(mask.shape) + 1))


def _squeezed(a: Arguments) -> Mask | Operand:
    return a.mask("self").squeezed(a.trace, a.integers("dim"))


def _joint(a: Arguments, every: bool) -> Mask:
    return masks.joint(a.trace, [a.mask(key) for key in ("self", "other")], every)


def _zeros(a: Arguments) -> Array:
    shape = a.mask("self").shape
    views.check_size(a.trace, shape)
    return np.zeros(shape)


def _filled_where_mask(a: Arguments) -> Mask | Operand:
    """Read zeros, with -inf where a step does not count; or a tensor, filled where a mask is true."""
    mask, x, value = a.mask("mask"), a.tensor("self"), a.unbounded("value")
    if isinstance(x, View):
        if value == -np.inf:
            return masks.hidden(a.trace, x, mask)
        if mask.is_of_steps(a.trace):
            return masks.filled(a.trace, x, mask.numbers(a.trace), value)
    elif value == -np.inf and not x.any():
        return mask.hiding(a.trace)
    problem = f"it fills a tensor of shape {x.shape} where a mask of shape {mask.shape} is true"
    raise a.trace.refused(problem, "Fill scores of queries, or zeros, with -inf")


def filled(a: Arguments) -> Mask | Operand:
    """Read a tensor that is filled where a condition is met; or scores, or zeros, with -inf where a constant is."""
    truths, x = a.tensor("mask"), a.tensor("self")
    if not a.is_text("value"):
        return choosing.choose(a.trace, truths, a.tensor("value"), x)
    value = a.unbounded("value")
    if isinstance(truths, View):
        return masks.filled(a.trace, x, truths, value)
    if value != -np.inf or (not isinstance(x, View) and x.any()):
        raise a.trace.refused("it fills something else than scores or zeros with -inf where a constant is true", REMEDY)
    sees = masks.of_all(a.trace, truths == 0)
    if isinstance(x, View):
        return products.hidden(a.trace, x, Sees(None, sees))
    return Mask(None, truths.shape, added=True, sees=sees)


def _added(a: Arguments) -> Mask:
    values = [a.mask_or_array(key) for key in ("self", "other")]
    if a.number("alpha", 1) != 1:
        raise a.trace.refused("it weighs a sum of masks", REMEDY)
    return masks.added(a.trace, [value for value in values if isinstance(value, Mask)])


def attention_mask(a: Arguments, key: str) -> Sees:
    """Return which steps queries see."""
    match a.mask_or_array(key):
        case None:
            return Sees()
        case Mask() as mask:
            return mask.visible(a.trace)
        case truths if truths.dtype == np.uint8:
            return Sees(None, masks.of_all(a.trace, truths != 0))
        case zeros if not zeros.any():
            return Sees()
        case _:
            raise a.trace.refused("it adds other numbers than 0 and -inf to scores", REMEDY)


def _scores(a: Arguments) -> Operand:
    """Read baddbmm: products of queries and keys, to which a mask is added."""
    sees = attention_mask(a, "self")
    if a.number("beta", 1) != 1 or a.number("alpha", 1) != 1:
        raise a.trace.refused("it weighs a sum of products", "Multiply the queries by the scale")
    return products.hidden(a.trace, products.product(a.trace, a.view("batch1"), a.view("batch2")), sees)


def _negated(a: Arguments) -> Operand:
    """Read the other truth values; PyTorch negates no bits of real numbers."""
    truths = a.tensor("self")
    if isinstance(truths, View) and not is_whole(truths):
        return choosing.negated(a.trace, truths)
    if isinstance(truths, View) or truths.dtype != np.uint8:
        raise a.trace.refused("it negates bits of whole numbers", "Negate truth values")
    return truths_of(truths == 0)


LOGICAL_NOT, BITWISE_NOT = "aten.logical_not.default", "aten.bitwise_not.default"
AND = ("aten.logical_and.default", "aten.bitwise_and.Tensor", "aten.__and__.Tensor")
OR = ("aten.logical_or.default", "aten.bitwise_or.Tensor", "aten.__or__.Tensor")
COMPARISONS: Mapping[str, Operation] = {
    "aten.eq.Scalar": partial(_compared, equal=True),
    "aten.ne.Scalar": partial(_compared, equal=False),
    "aten.baddbmm.default": _scores,
    "aten.tril.default": partial(_triangle, function=np.tril),
    "aten.triu.default": partial(_triangle, function=np.triu),
    LOGICAL_NOT: partial(truth, negated=True),
    BITWISE_NOT: _negated,
}
"""By their targets: what begins a mask, or makes one of constants."""
OF_MASKS: Mapping[str, Operation] = {
    **{f"aten.{target}": lambda a: a.mask("self") for target in SAME},
    "aten.all.dim": partial(_reduced, by="all"),
    "aten.any.dim": partial(_reduced, by="any"),
    "aten.view.default": partial(_reshaped, key="size"),
    "aten.reshape.default": partial(_reshaped, key="shape"),
    "aten.expand.default": _expanded,
    "aten.unsqueeze.default": _unsqueezed,
    "aten.squeeze.dim": _squeezed,
    "aten.zeros_like.default": _zeros,
    "aten.masked_fill.Scalar": _filled_where_mask,
    "aten.add.Tensor": _added,
    **dict.fromkeys(AND, partial(_joint, every=True)),
    **dict.fromkeys(OR, partial(_joint, every=False)),
    **dict.fromkeys((LOGICAL_NOT, BITWISE_NOT), lambda a: a.mask("self").negated()),
}
"""By their targets, where an operand of them is a mask."""
