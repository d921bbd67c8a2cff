"""Masks of attention: which steps a query sees, computed from a sequence's padding, or constant.

A step of a sequence counts where a feature differs from a number, as in (x == 0).all(-1) or x[..., 0] != 0. Masks are
moved to the axes of an attention and joined with constant ones there; nothing else reads them.

Ref: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from math import prod

import numpy as np

from loopwire.frontends.containers import Array
from loopwire.frontends.tensors import arithmetic, products, views
from loopwire.frontends.tensors.products import Sees
from loopwire.frontends.tensors.views import Axis, Operand, View
from loopwire.frontends.torch.arguments import Arguments, Mask, Operation
from loopwire.layers.masking import StepMask

REMEDY = "Mask keys where all features, or one, equal a number, and by constants: True, or 0 and -inf"
SAME = (
    *("to.dtype", "to.device", "to.dtype_layout", "_to_copy.default", "clone.default", "contiguous.default"),
    *("detach.default", "alias.default", "lift_fresh_copy.default"),
)


def compared(a: Arguments, reduced_by: str) -> Mask:
    """Read x == number, of which all count, or x != number, of which any: of every feature, or of one."""
    x, value = a.view("self"), a.number("other")
    if x.parts.size != 1 or x.axes[:2] != (Axis.BATCH, Axis.STEPS) or len(x.axes) > 3:
        raise a.trace.refused(f"it compares a tensor of shape {x.shape}", REMEDY)
    layer = a.trace.shared(StepMask(a.trace.place.name, value))
    keys = a.trace.call(layer, views.only_wire(a.trace, x))
    return Mask(keys, x.shape, counts=reduced_by == "any", reduced_by=reduced_by if len(x.axes) == 3 else "")


def _reduced(a: Arguments, by: str) -> Mask:
    mask, axes = a.mask("self"), a.integers("dim")
    if mask.reduced_by != by or [axis % len(mask.shape) for axis in axes] != [len(mask.shape) - 1]:
        raise a.trace.refused("it combines comparisons in another way than all(-1) of ==, any(-1) of !=", REMEDY)
    keep = (1,) if a.boolean("keepdim", False) else ()
    return replace(mask, shape=(*mask.shape[:-1], *keep), reduced_by="")


def _reshaped(a: Arguments, key: str) -> Mask:
    mask, lengths = a.mask("self"), a.integers(key)
    known = prod(length for length in lengths if length != -1)
    return _moved(a, mask, [prod(mask.shape) // known if length == -1 and known else length for length in lengths])


def _expanded(a: Arguments) -> Mask:
    mask, lengths = a.mask("self"), a.integers("size")
    had = (1,) * (len(lengths) - len(mask.shape)) + mask.shape
    return _moved(a, mask, [have if want == -1 else want for have, want in zip(had, lengths, strict=False)])


def _unsqueezed(a: Arguments) -> Mask:
    mask = a.mask("self")
    axis = a.integer("dim") % (len(mask.shape) + 1)
    return _moved(a, mask, [*mask.shape[:axis], 1, *mask.shape[axis:]])


def _squeezed(a: Arguments) -> Mask:
    mask, axes = a.mask("self"), a.integers("dim")
    gone = {axis % len(mask.shape) for axis in axes if mask.shape[axis] == 1}
    return _moved(a, mask, [length for axis, length in enumerate(mask.shape) if axis not in gone])


def _moved(a: Arguments, mask: Mask, lengths: Sequence[int]) -> Mask:
    fits = min(lengths, default=0) > 0 and lengths[-1] == mask.shape[-1] and prod(lengths) % prod(mask.shape) == 0
    if mask.reduced_by or not fits:
        raise a.trace.refused(f"it makes a mask of shape {tuple(lengths)} of one of shape {mask.shape}", REMEDY)
    return replace(mask, shape=tuple(lengths))


def _negated(a: Arguments) -> Mask:
    mask = a.mask("self")
    other = {"": "", "all": "any", "any": "all"}[mask.reduced_by]
    return replace(mask, counts=not mask.counts, reduced_by=other)


def _zeros(a: Arguments) -> Array:
    shape = a.mask("self").shape
    views.check_size(a.trace, shape)
    return np.zeros(shape)


def _filled(a: Arguments) -> Mask:
    """Read zeros, with -inf where a step does not count."""
    mask = a.mask("mask")
    if mask.counts or mask.reduced_by or not _hides(a):
        raise a.trace.refused("it fills something else than zeros with -inf, or where steps count", REMEDY)
    return replace(mask, added=True)


def _joined(a: Arguments) -> Mask:
    """Read the sum of a mask of keys and a constant one."""
    values = [a.mask_or_array(key) for key in ("self", "other")]
    masks = [value for value in values if isinstance(value, Mask) and value.added]
    keys = {mask.keys for mask in masks} - {None}
    if len(masks) != 2 or len(keys) > 1 or a.number("alpha", 1) != 1:
        raise a.trace.refused("it combines masks in another way than adding one of keys and a constant one", REMEDY)
    constant = [mask.sees for mask in masks if mask.sees is not None]
    arithmetic.check_joined(a.trace, *constant)
    sees = reduce(np.logical_and, constant) if constant else None
    with views.folding(a.trace):
        shape = np.broadcast_shapes(*(mask.shape for mask in masks))
    return Mask(next(iter(keys), None), shape, added=True, sees=sees)


def attention_mask(a: Arguments, key: str) -> Sees:
    """Return which steps queries see."""
    match a.mask_or_array(key):
        case None:
            return Sees()
        case Mask() as mask:
            if mask.reduced_by or not (mask.added or mask.counts):
                raise a.trace.refused("its mask is true where steps do not count", "Give ~mask: true where they do")
            return Sees(mask.keys, mask.sees)
        case truths if truths.dtype == np.uint8:
            return Sees(None, _of_all(a, truths != 0))
        case zeros if not zeros.any():
            return Sees()
        case _:
            raise a.trace.refused("it adds other numbers than 0 and -inf to scores", REMEDY)


def constant_mask(array: Array) -> Mask | None:
    """Return what numbers that are added to scores hide, if each is 0 or -inf."""
    if array.dtype.kind != "f" or array.ndim != 2:
        return None
    sees, hidden = array == 0, np.isneginf(array)
    is_mask = sees.any() and hidden.any() and (sees | hidden).all()
    return Mask(None, array.shape, added=True, sees=sees) if is_mask else None


def _of_all(a: Arguments, sees: Array) -> Array:
    """Return a mask (Tq, T), or (1, T), of one that is the same for all heads and sequences."""
    with views.folding(a.trace):
        flat = sees.reshape(-1, *(sees.shape if sees.ndim > 1 else (1, *sees.shape))[-2:])
    if (flat != flat[0]).any():
        raise a.trace.refused(f"its mask of shape {sees.shape} differs between heads or sequences", REMEDY)
    first: Array = flat[0]
    return first


def _hides(a: Arguments) -> bool:
    zeros = a.tensor("self")
    return a.unbounded("value") == -np.inf and not isinstance(zeros, View) and not zeros.any()


def _scores(a: Arguments) -> Operand:
    """Read baddbmm: products of queries and keys, to which a mask is added."""
    sees = attention_mask(a, "self")
    if a.number("beta", 1) != 1 or a.number("alpha", 1) != 1:
        raise a.trace.refused("it weighs a sum of products", "Multiply the queries by the scale")
    return products.hidden(a.trace, products.product(a.trace, a.view("batch1"), a.view("batch2")), sees)


def filled(a: Arguments) -> Mask:
    """Read zeros, with -inf where a constant is true."""
    truths = a.array("mask")
    if truths.dtype != np.uint8 or not _hides(a):
        raise a.trace.refused("it fills something else than zeros with -inf where a constant is true", REMEDY)
    return Mask(None, truths.shape, added=True, sees=_of_all(a, truths == 0))


def _negated_constant(a: Arguments) -> Array:
    truths = a.array("self")
    if truths.dtype != np.uint8:
        raise a.trace.refused("it negates bits of whole numbers", "Negate truth values")
    negated: Array = (truths == 0).astype(np.uint8)
    return negated


NOT = ("aten.logical_not.default", "aten.bitwise_not.default")
COMPARISONS: Mapping[str, Operation] = {
    "aten.eq.Scalar": partial(compared, reduced_by="all"),
    "aten.ne.Scalar": partial(compared, reduced_by="any"),
    "aten.baddbmm.default": _scores,
    **dict.fromkeys(NOT, _negated_constant),
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
    "aten.masked_fill.Scalar": _filled,
    "aten.add.Tensor": _joined,
    **dict.fromkeys(NOT, _negated),
}
"""By their targets, where an operand of them is a mask."""
