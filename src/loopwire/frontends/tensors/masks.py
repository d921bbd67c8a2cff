"""Masks of a sequence's steps: an input of truth values, where a tensor differs from a number, or constant.

Masks are moved to the axes of an attention and joined with constant ones there; all else reads them as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import prod

import numpy as np

from loopwire.frontends.tensors import arithmetic, choosing, views
from loopwire.frontends.tensors.products import Sees
from loopwire.frontends.tensors.products import hidden as hidden_scores
from loopwire.frontends.tensors.trace import Trace, Wire
from loopwire.frontends.tensors.views import Array, Axis, Operand, View, only_wire, view_of
from loopwire.layers.masking import JointMask, StepMask

REMEDY = "Give a constant mask, of truths or of 0 and -inf, an input of bool (batch, steps), or x == number"


@dataclass(frozen=True)
class Mask:
    """Which steps of a sequence count: `keys` (T, 1) is 1 there, and without it all do. `shape` has the steps last.

    Where it is `added` to scores it is 0 where a step counts, else -inf; else it is true where one `counts`, or where
    none does. Where it is still of every feature, which come last, it is `reduced_by` all or any. `sees` (Tq, T) is a
    constant mask beside it.
    """

    keys: Wire | None
    shape: tuple[int, ...]
    counts: bool = False
    reduced_by: str = ""
    added: bool = False
    sees: Array | None = None

    def is_of_steps(self, trace: Trace) -> bool:
        """Return whether it has the axes (batch, steps) or (batch, steps, 1)."""
        whole = () if self.keys is None else (trace.batch, self.keys.shape[0], 1)
        return self.shape in (whole, whole[:2])

    def numbers(self, trace: Trace) -> View:
        """Return 1 where it is true and 0 elsewhere, of (batch, steps) or (batch, steps, 1).

        Raises:
            UnsupportedError: it has other axes, or is no longer of truth values.
        """
        axes = (Axis.BATCH, Axis.STEPS, Axis.ONE)[: len(self.shape)]
        if self.keys is None or not self.is_of_steps(trace) or self.added or self.reduced_by:
            raise trace.refused(f"it reads a mask of shape {self.shape} as numbers", REMEDY)
        bits = view_of(self.keys, axes, trace.batch)
        return bits if self.counts else choosing.negated(trace, bits)

    def counting(self, trace: Trace, counts: bool = True) -> Mask:
        """Return a mask that is true where steps count, or where none does."""
        if self.counts == counts or self.keys is None:
            return self
        bits = choosing.negated(trace, view_of(self.keys, (Axis.BATCH, Axis.STEPS), trace.batch))
        return replace(self, keys=only_wire(trace, bits), counts=counts)

    def hiding(self, trace: Trace) -> Mask:
        """Return -inf where it is true, else 0.

        Raises:
            UnsupportedError: it is of each feature, or -inf already.
        """
        if self.reduced_by or self.added:
            raise trace.refused("it fills a mask of each feature, or one that is filled", REMEDY)
        return replace(self.counting(trace, False), added=True)

    def negated(self) -> Mask:
        """Return a mask that is true where this one is not."""
        other = {"": "", "all": "any", "any": "all"}[self.reduced_by]
        return replace(self, counts=not self.counts, reduced_by=other)

    def reduced(self, trace: Trace, by: str, axes: Sequence[int], keep: bool) -> Mask:
        """Return where all features, or any, are true.

        Raises:
            UnsupportedError: it is true where any feature equals a number, or where all differ; or of other axes.
        """
        if self.reduced_by != by or [axis % len(self.shape) for axis in axes] != [len(self.shape) - 1]:
            problem = "it combines comparisons in another way than all(-1) of ==, any(-1) of !="
            raise trace.refused(problem, REMEDY)
        return replace(self, shape=(*self.shape[:-1], *((1,) if keep else ())), reduced_by="")

    def reshaped(self, trace: Trace, lengths: Sequence[int]) -> Mask | Operand:
        """Return it with other axes, of which the last ones are the steps, or steps and one feature; one may be -1.

        Raises:
            UnsupportedError: these are other axes.
        """
        known = prod(length for length in lengths if length != -1)
        lengths = [prod(self.shape) // known if length == -1 and known else length for length in lengths]
        is_of_one = self.keys is not None and self.keys.shape[0] == 1  # whose new axis may be that of queries, too
        if tuple(lengths) == (*self.shape, 1) and not is_of_one:
            return views.unsqueeze(trace, self.numbers(trace), len(self.shape))
        fits = min(lengths, default=0) > 0 and lengths[-1] == self.shape[-1] and prod(lengths) % prod(self.shape) == 0
        if self.reduced_by or not fits:
            raise trace.refused(f"it makes a mask of shape {tuple(lengths)} of one of shape {self.shape}", REMEDY)
        return replace(self, shape=tuple(lengths))

    def unsqueezed(self, trace: Trace, axis: int) -> Mask | Operand:
        """Return it with one more axis of length 1, counted from the first."""
        return self.reshaped(trace, [*self.shape[:axis], 1, *self.shape[axis:]])

    def squeezed(self, trace: Trace, axes: Sequence[int]) -> Mask | Operand:
        """Return it without these axes where they have length 1."""
        gone = {axis % len(self.shape) for axis in axes if self.shape[axis % len(self.shape)] == 1}
        return self.reshaped(trace, [length for axis, length in enumerate(self.shape) if axis not in gone])

    def visible(self, trace: Trace) -> Sees:
        """Return which steps queries see.

        Raises:
            UnsupportedError: it is of each feature.
        """
        if self.reduced_by:
            raise trace.refused("its mask is of each feature", REMEDY)
        mask = self if self.added else self.counting(trace)
        return Sees(mask.keys, mask.sees)


def given(trace: Trace, name: str, x: View) -> Mask:
    """Return the mask that an input of truth values (batch, steps) is."""
    layer = trace.shared(StepMask(f"{name}_mask", 0.0, truths=True))
    return Mask(trace.call(layer, only_wire(trace, x)), x.shape, counts=True)


def compared(trace: Trace, x: View, value: float, equal: bool) -> Mask:
    """Return where x equals a number, of every feature or of one; or where it differs.

    Raises:
        UnsupportedError: it is no sequence.
    """
    if x.parts.size != 1 or x.axes[:2] != (Axis.BATCH, Axis.STEPS) or len(x.axes) > 3:
        raise trace.refused(f"it compares a tensor of shape {x.shape}", REMEDY)
    keys = trace.call(trace.shared(StepMask(trace.place.name, value)), only_wire(trace, x))
    by = "all" if equal else "any"
    return Mask(keys, x.shape, counts=not equal, reduced_by=by if len(x.axes) == 3 else "")


def constant(array: Array) -> Mask | None:
    """Return what numbers that are added to scores hide, if each is 0 or -inf."""
    if array.dtype.kind != "f" or array.ndim != 2:
        return None
    sees, hidden = array == 0, np.isneginf(array)
    is_mask = sees.any() and hidden.any() and (sees | hidden).all()
    return Mask(None, array.shape, added=True, sees=sees) if is_mask else None


def of_all(trace: Trace, sees: Array) -> Array:
    """Return a mask (Tq, T), or (1, T), of one that is the same for all heads and sequences.

    Raises:
        UnsupportedError: it is not.
    """
    with views.folding(trace):
        flat = sees.reshape(-1, *(sees.shape if sees.ndim > 1 else (1, *sees.shape))[-2:])
    if (flat != flat[0]).any():
        raise trace.refused(f"its mask of shape {sees.shape} differs between heads or sequences", REMEDY)
    first: Array = flat[0]
    return first


def joint(trace: Trace, masks: Sequence[Mask], every: bool) -> Mask:
    """Return a mask that is true where each of these is, or where any is.

    Raises:
        UnsupportedError: they have other axes, or are no longer of truth values.
    """
    counting = [mask.counting(trace) for mask in masks]
    keys = [mask.keys for mask in counting if mask.keys is not None]
    alike = len({mask.shape for mask in masks}) == 1 and len(keys) == len(masks)
    if not alike or any(mask.added or mask.reduced_by for mask in masks):
        raise trace.refused("it joins masks that are not of the same axes", REMEDY)
    return Mask(trace.call(JointMask(trace.place.name, every), *keys), masks[0].shape, counts=True)


def added(trace: Trace, masks: Sequence[Mask]) -> Mask:
    """Return the sum of a mask of keys and a constant one.

    Raises:
        UnsupportedError: they are others.
    """
    keys = {mask.keys for mask in masks} - {None}
    if len(masks) != 2 or len(keys) > 1 or not all(mask.added for mask in masks):
        problem = "it combines masks in another way than adding one of keys and a constant one"
        raise trace.refused(problem, REMEDY)
    constants = [mask.sees for mask in masks if mask.sees is not None]
    arithmetic.check_joined(trace, *constants)
    sees = reduce(np.logical_and, constants) if constants else None
    with views.folding(trace):
        shape = np.broadcast_shapes(*(mask.shape for mask in masks))
    return Mask(next(iter(keys), None), shape, added=True, sees=sees)


def hidden(trace: Trace, x: View, mask: Mask) -> View:
    """Return x, far below all other numbers where a mask is true: of its steps, or of the keys that scores are of."""
    if mask.is_of_steps(trace):
        return choosing.hide(trace, mask.numbers(trace), x)
    return hidden_scores(trace, x, mask.negated().visible(trace))


def filled(trace: Trace, x: Operand, condition: View, value: float) -> Operand:
    """Return x with a number where a condition is met; -inf is far below all others.

    Raises:
        UnsupportedError: the number is infinity.
    """
    if value == -np.inf and isinstance(x, View):
        return choosing.hide(trace, condition, x)
    if not np.isfinite(value):
        raise trace.refused(f"it fills a tensor with {value}", "Fill a tensor of the network with -inf, or a number")
    return choosing.choose(trace, condition, np.asarray(value), x)
