"""What layers compute of real numbers, those that graphs write functions out with: arrays (samples, …, features)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from loopwire.frontends.tensors.trace import Result, Wire
from loopwire.ir.functions import Reals
from loopwire.layers.activation import LINEAR, Activation
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.choice import Choose, Comparison
from loopwire.layers.dense import Dense
from loopwire.layers.division import Divide, Reciprocal
from loopwire.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling, GlobalSum
from loopwire.layers.merge import Add, Average, Maximum, Merge, Minimum, Multiply, Subtract
from loopwire.layers.model import Layer
from loopwire.layers.reals import REALS
from loopwire.layers.roots import EuclideanNorm, InverseSquareRoot, Logarithm, SquareRoot
from loopwire.layers.select import Slice
from loopwire.layers.shape import Flatten, RepeatVector
from loopwire.layers.steps import Transpose

OF_STEPS = (GlobalSum, GlobalAveragePooling, GlobalMaxPooling, RepeatVector, Transpose, Flatten)
MERGED = {
    Add: np.add,
    Average: np.add,
    Subtract: np.subtract,
    Multiply: np.multiply,
    Maximum: np.maximum,
    Minimum: np.minimum,
}


def is_evaluated(wire: Wire) -> bool:
    """Say whether a wire is made by a layer that `evaluated` knows."""
    if not isinstance(wire, Result):
        return False
    match wire.layer:
        case Activation(function=function):
            return function.name in REALS
        case Dense(kernel=kernel, bias=bias, activation=activation):  # no weights: it repeats, sums or takes the mean
            alike = bool((kernel == kernel.flat[0]).all())
            return alike and 1 in kernel.shape and not bias.any() and activation == LINEAR
        case Merge() as merge:
            return type(merge) in MERGED and not merge.masked
        case GlobalAveragePooling(masked=masked):
            return not masked
        case layer:
            return isinstance(layer, EVALUATED)


EVALUATED = (
    BatchNormalization,
    Comparison,
    Choose,
    Divide,
    Reciprocal,
    SquareRoot,
    InverseSquareRoot,
    Logarithm,
    EuclideanNorm,
    Slice,
    GlobalSum,
    GlobalMaxPooling,
    RepeatVector,
    Transpose,
    Flatten,
)


def numbers_of(layer: Layer) -> list[Reals]:
    """Return a layer's numbers, an array of one for each feature each."""
    match layer:
        case BatchNormalization(scale=scale, offset=offset):
            return [scale, offset]
        case Comparison(bound=bound):
            return [bound]
        case Choose(then=then, otherwise=otherwise):
            return [array for array in (then, otherwise) if array is not None]
        case _:
            return []


def evaluated(layer: Layer, given: Sequence[Reals]) -> Reals:
    """Return what such a layer makes of arrays (samples, [steps,] features).

    A normalisation, the same for all features, may be of one feature alone.
    """
    x = given[0]
    match layer:
        case Activation(function=function):
            return np.asarray(REALS[function.name](x, function))
        case BatchNormalization(scale=scale, offset=offset):
            size = x.shape[-1]
            return np.asarray(scale[:size] * x + offset[:size])
        case Comparison(bound=bound, below=below, equal=equal):
            ends = (bound[: x.shape[-1]], x) if below else (x, bound[: x.shape[-1]])
            return np.asarray(np.greater_equal(*ends) if equal else np.greater(*ends), np.float64)
        case Choose(then=then, otherwise=otherwise):
            rest = iter(given[1:])
            choices = [next(rest) if array is None else array[: x.shape[-1]] for array in (then, otherwise)]
            return np.where(x > 0, *choices)
        case Merge():
            total = reduce(MERGED[type(layer)], given)
            return np.asarray(total / len(given) if isinstance(layer, Average) else total)
        case Divide():
            return np.asarray(x / given[1])
        case Reciprocal():
            return np.asarray(1 / x)
        case SquareRoot():
            return np.asarray(np.sqrt(np.maximum(x, 0)))
        case InverseSquareRoot():
            return np.asarray(1 / np.sqrt(x))
        case Logarithm():
            return np.asarray(np.log(x))
        case EuclideanNorm():
            return np.asarray(np.sqrt((x * x).sum(-1, keepdims=True)))
        case Dense(kernel=kernel):
            return np.asarray(x @ kernel.T)
        case Slice(start=start, stop=stop):
            return np.asarray(x[..., start:stop])
        case GlobalSum():
            return np.asarray(x.sum(1))
        case GlobalAveragePooling():
            return np.asarray(x.mean(1))
        case GlobalMaxPooling():
            return np.asarray(x.max(1))
        case RepeatVector(count=count):
            return np.repeat(x[:, np.newaxis], count, 1)
        case Transpose():
            return x.swapaxes(1, 2)
        case Flatten():
            return x.reshape(len(x), -1)
        case other:
            raise AssertionError(f"{other} is not among those that are evaluated")
