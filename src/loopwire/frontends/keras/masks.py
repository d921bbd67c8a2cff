"""Which steps of a Keras model's tensors count, followed from layer to layer as Keras follows it.

A mask begins at a Masking, at an Embedding with `mask_zero`, or as an input of truth values. Functional models of
Keras 3 also save the operations that make it, such as NotEqual and Any; all of them say where some tensor differs from
a number.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/layers/layer.py, `compute_mask` of each layer, and
base_merge.py and concatenate.py beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.frontends.keras.graph import NEW_AXIS, WHOLE_AXIS, SavedCall
from loopwire.frontends.keras.layer import SavedLayer
from loopwire.layers.attention import Attention
from loopwire.layers.cell import Cell
from loopwire.layers.choice import Comparison, Hide
from loopwire.layers.dot import Dot
from loopwire.layers.global_pooling import GlobalAveragePooling
from loopwire.layers.masking import JointMask, StepMask
from loopwire.layers.merge import Extreme, Merge, Multiply
from loopwire.layers.model import Layer, Model, ModelBuilder, Tensor
from loopwire.layers.multi_head_attention import MultiHeadAttention
from loopwire.layers.over_steps import OverSteps
from loopwire.layers.select import Slice
from loopwire.layers.shape import Reshape


class Differs(NamedTuple):
    """The steps of a sequence in which any feature differs from a value; of an input of `truths`, 0 and 1."""

    tensor: Tensor
    value: float
    truths: bool = False


Mask = frozenset[Differs]
"""The steps that count: those of any of these."""


@dataclass(frozen=True)
class OfKeys:
    """A mask of steps that has got an axis of queries, all of which see the same: (batch, 1, steps)."""

    mask: Mask


Made = Mask | OfKeys | Tensor
"""What the operations that make a mask give; a tensor is a feature of a sequence, (T, 1)."""


@dataclass(frozen=True)
class Named:
    """The masks that a call names: of its inputs, in their order, and of the keys of an attention."""

    of_inputs: tuple[Mask | None, ...] = ()
    keys: Mask | None = None

    @property
    def first(self) -> Mask | None:
        """Of the first input."""
        return self.of_inputs[0] if self.of_inputs else None


EVERY_STEP = Differs(Tensor("every step", ()), 0.0)
"""In a mask: all steps count."""
SPREADING = ("Any", "ExpandDims", "LogicalOr", "Concatenate", "ConvertToTensor")
"""Keras's operations whose result has a mask of all their operands."""
OPERATIONS = ("NotEqual", "ZerosLike", "OnesLike", "LogicalNot", "Cast", "GetItem", *SPREADING)
"""Keras's operations that masks are made of, in models of Keras 3."""
PASS = (
    *("Dense", "BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization", "Rescaling"),
    *("Normalization", "PReLU", "SpatialDropout1D", "TimeDistributed", "Activation", "ReLU", "LeakyReLU", "ELU"),
    *("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization", "Identity", "Masking"),
)
"""Classes whose result has the mask of their input."""


def truths(tensor: Tensor) -> Mask:
    """Return the mask that an input of truth values is."""
    return frozenset({Differs(tensor, 0.0, truths=True)})


def is_operation(call: SavedCall, operands: Sequence[Made | None]) -> bool:
    """Say whether a call is that of an operation which makes a mask: Concatenate, a layer too, of masks."""
    name = call.entry.class_name
    return name in OPERATIONS and (name != "Concatenate" or None not in operands)


def only_masks(where: str) -> UnsupportedError:
    """Return the error of an operation that makes anything else."""
    return UnsupportedError(
        where,
        "an operation of keras.ops is supported where it makes the mask of a layer only",
        "Mask with keras.layers.Masking, Embedding(mask_zero=True) or an input of bool, and compute with layers",
    )


@dataclass
class Masks:
    """The masks of a model's tensors while it is read, and the calls that make them."""

    builder: ModelBuilder
    unique: Callable[[str], str]
    """Makes a name one that no layer has."""
    _of: dict[Tensor, Mask] = field(default_factory=dict)
    _made: dict[Mask, Tensor] = field(default_factory=dict)
    _steps: dict[Tensor, Tensor] = field(default_factory=dict)

    def begin(self, tensor: Tensor, mask: Mask) -> None:
        """Give a tensor a mask."""
        self._of[tensor] = mask

    def made_by(self, where: str, call: SavedCall, operands: Sequence[Made]) -> Made:
        """Return what an operation that makes a mask gives.

        Raises:
            UnsupportedError: it makes no mask that a layer would have.
        """
        masks = [operand for operand in operands if isinstance(operand, frozenset)]
        axis, kind = call.entry.config.get("axis"), call.entry.class_name
        adds_queries = call.key == (WHOLE_AXIS, NEW_AXIS, WHOLE_AXIS) or (kind == "ExpandDims" and axis in (1, -2))
        match kind, operands, call.numbers:
            case "NotEqual", [Tensor() as tensor], [value]:
                return frozenset({Differs(self.in_steps(tensor), value)})
            case "ZerosLike", [Tensor()], []:
                return frozenset()
            case "OnesLike", [Tensor()], []:
                return frozenset({EVERY_STEP})
            case "Cast", [Tensor() as tensor], [] if call.entry.config.get("dtype") == "bool":
                return frozenset({Differs(self.in_steps(tensor), 0.0)})
            case "Cast", [frozenset() | OfKeys() as mask], []:
                return mask
            case "LogicalNot", [frozenset() as mask], [] if [differs.truths for differs in mask] == [True]:
                return frozenset(Differs(tensor, 1.0 - value, True) for tensor, value, _ in mask)
            case "GetItem" | "ExpandDims", [frozenset() as mask], [] if adds_queries:
                return OfKeys(mask)
            case "GetItem", [frozenset() as mask], [] if call.key == (WHOLE_AXIS, WHOLE_AXIS, NEW_AXIS):
                return mask
            case "GetItem", [Tensor() as tensor], []:
                return self._feature(where, tensor, call.key)
            case _, _, [] if kind in SPREADING and len(masks) == len(operands):
                return frozenset().union(*masks)
            case _:
                raise only_masks(where)

    def _feature(self, where: str, tensor: Tensor, key: Sequence[int | str | None]) -> Tensor:
        """Return a feature of each step, x[:, :, index]."""
        match key:
            case [str(), str(), int(index)] if key[:2] == (WHOLE_AXIS, WHOLE_AXIS) and len(tensor.shape) == 2:
                start = range(tensor.shape[-1])[index] if -tensor.shape[-1] <= index < tensor.shape[-1] else index
                layer = Slice(self.unique(f"{tensor.name}_feature"), start, start + 1)
                (feature,) = self.builder.call(layer, tensor)
                return feature
            case _:
                raise only_masks(where)

    def read_by(
        self, saved: SavedLayer, layer: Layer | None, inputs: Sequence[Tensor], named: Named
    ) -> tuple[Layer | None, Sequence[Tensor]]:
        """Return a layer as it is where its inputs have masks, and its inputs with the masks that it reads.

        Args:
            saved: the layer as saved.
            layer: as read.
            inputs: its inputs.
            named: the masks that the call names, such as a Functional model's.

        Raises:
            UnsupportedError: the layer cannot take a mask.
        """
        match layer:
            case Cell() | GlobalAveragePooling() if mask := self.read_mask(saved, inputs, named.first):
                return replace(layer, masked=True), (*inputs, self.tensor(mask, saved.name))
            case OverSteps() if named.first and inputs[0].shape[-1] == 1:
                mask = self.of(inputs[0], named.first)
                return layer, (inputs if mask is None else (self._hidden(inputs[0], mask, saved.name),))
            case Multiply() | Extreme() if any(masks := [self.of(tensor) for tensor in inputs]):
                self._require_alike(saved, masks)
                return self._with_masks(saved, layer, inputs, masks)
            case Attention() | MultiHeadAttention() if any(masks := self._of_attention(saved, inputs, named)):
                if saved.context.keras_major == 2 and isinstance(layer, MultiHeadAttention):
                    problem = "it attends to steps with a mask, which versions of Keras 2 read differently"
                    raise UnsupportedError(saved.where, problem, "Save the model with Keras 3")
                return self._with_masks(saved, layer, inputs, masks)
            case _:
                return layer, inputs

    def _hidden(self, scores: Tensor, mask: Mask, name: str) -> Tensor:
        """Return scores (T, 1), far below all others in the steps that do not count."""
        is_masked = Comparison(self.unique(f"{name}_masked"), np.full(1, 0.5), below=True)
        (condition,) = self.builder.call(is_masked, self.tensor(mask, name))
        (hidden,) = self.builder.call(Hide(self.unique(f"{name}_hidden")), scores, condition)
        return hidden

    def _of_attention(self, saved: SavedLayer, inputs: Sequence[Tensor], named: Named) -> list[Mask | None]:
        """Return the masks of query, value and key; the one of the keys that is named is any of these that is free."""
        given = (*named.of_inputs, *[None] * len(inputs))
        masks = [self.of(tensor, mask) for tensor, mask in zip(inputs, given, strict=False)]
        masks += [None if mask is None else self.of(inputs[-1], mask) for mask in named.of_inputs[len(inputs) :]]
        if named.keys is None:
            return masks
        masks += [None] * (3 - len(masks))
        free = [number for number in (2, 1) if masks[number] is None]
        if not free:
            problem = "its value, its key and its attention_mask each have a mask"
            raise UnsupportedError(saved.where, problem, "Give it two of them: it sees the steps of both")
        masks[free[0]] = self.of(inputs[-1], named.keys)
        return masks

    def _with_masks(
        self,
        saved: SavedLayer,
        layer: Multiply | Extreme | Attention | MultiHeadAttention,
        inputs: Sequence[Tensor],
        masks: Sequence[Mask | None],
    ) -> tuple[Layer, Sequence[Tensor]]:
        """Return a layer that reads a mask of each input that has one, and its inputs with these masks."""
        known = [self.tensor(mask, saved.name) for mask in masks if mask]
        return replace(layer, masked=tuple(map(bool, masks))), (*inputs, *known)

    def read_mask(self, saved: SavedLayer, inputs: Sequence[Tensor], given: Mask | None) -> Mask | None:
        """Return the mask that a layer of one sequence reads.

        Keras 3 hands a layer no mask but a given one, where states are among its inputs.
        """
        if given is None and saved.context.keras_major > 2 and len(inputs) > 1:
            return None
        return self.of(inputs[0], given)

    def follow(
        self,
        saved: SavedLayer,
        layer: Layer | None,
        inputs: Sequence[Tensor],
        results: Sequence[Tensor],
        named: Named,
    ) -> None:
        """Give the results of a call the mask that they have by its inputs'.

        Raises:
            UnsupportedError: Keras would drop the mask of a sequence here.
        """
        kind, given = saved.entry.class_name, None if isinstance(layer, OverSteps) else named.first
        masks = [self.of(inputs[0], given), *map(self.of, inputs[1:])]
        if not any(masks) or len(results[0].shape) < 2 or isinstance(layer, Dot | GlobalAveragePooling):
            return
        if isinstance(layer, Merge):
            self._require_alike(saved, masks)
            if all(masks):
                self._of[results[0]] = frozenset().union(*(mask for mask in masks if mask))
        elif layer is None or isinstance(layer, Cell | Attention | MultiHeadAttention) or kind in PASS:
            if masks[0]:
                self._of[results[0]] = masks[0]
        elif kind == "Softmax":
            problem = "it has a mask, and is not a softmax over the steps of one feature that is called with it"
            raise UnsupportedError(saved.where, problem, "Call it with axis=1 and mask=, or use Attention")
        else:
            raise UnsupportedError(
                saved.where,
                "its input has a mask, which it does not pass on: Keras drops it here, with a warning",
                "Put the Masking behind this layer, or take the mask away (mask_zero=False)",
            )

    def require_none(self, saved: SavedLayer, x: Tensor, given: Mask | None, step: Model) -> None:
        """Refuse a mask of the steps of `x` where a layer of the model of one step would read it as one of its own.

        Raises:
            UnsupportedError: there is such a layer.
        """
        readers = (Cell, Attention, MultiHeadAttention, GlobalAveragePooling)
        if self.of(x, given) is None or not any(isinstance(layer, readers) for layer in step.layers):
            return
        raise UnsupportedError(
            saved.where,
            "its input has a mask of steps, and a layer in it reads a mask of the steps within a step",
            "Put the Masking into it: TimeDistributed(Sequential([Masking(), …]))",
        )

    def in_steps(self, indices: Tensor) -> Tensor:
        """Return indices (T,) as a sequence (T, 1)."""
        if len(indices.shape) != 1:
            return indices
        if indices not in self._steps:
            reshape = Reshape(self.unique(f"{indices.name}_steps"), (*indices.shape, 1))
            (self._steps[indices],) = self.builder.call(reshape, indices)
        return self._steps[indices]

    def tensor(self, mask: Mask, name: str) -> Tensor:
        """Return a mask as a tensor (T, 1)."""
        if mask not in self._made:
            bits = [self._bit(each, name) for each in sorted(mask, key=lambda each: (each.tensor.name, each.value))]
            made = bits if len(bits) == 1 else self.builder.call(JointMask(self.unique(f"{name}_mask")), *bits)
            self._made[mask] = made[0]
        return self._made[mask]

    def of(self, tensor: Tensor, given: Mask | None = None) -> Mask | None:
        """Return the mask that is given, or a tensor's own; None where all steps count."""
        mask = self._of.get(tensor) if given is None else given
        return None if mask is None or EVERY_STEP in mask else mask

    def _bit(self, differs: Differs, name: str) -> Tensor:
        alone = frozenset({differs})
        if alone not in self._made:
            layer = StepMask(self.unique(f"{name}_mask"), differs.value, differs.truths)
            (self._made[alone],) = self.builder.call(layer, self.in_steps(differs.tensor))
        return self._made[alone]

    def _require_alike(self, saved: SavedLayer, masks: Sequence[Mask | None]) -> None:
        """Refuse different masks in a model of Keras 2, where a step counts if it does in all of them."""
        if saved.context.keras_major == 2 and len({mask for mask in masks if mask}) > 1:
            raise UnsupportedError(
                saved.where, "it merges sequences of different masks", "Save the model with Keras 3, or mask them alike"
            )
