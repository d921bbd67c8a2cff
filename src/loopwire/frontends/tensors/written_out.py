"""Functions that a graph writes out: gelu by erf, softmax by exp, layer normalisation by means and roots, and others.

What counts is what is computed, not how it is written. All of a graph that computes a wire from one other, by sums,
products, quotients, roots and functions without trained weights, is evaluated on samples. Where the results are those
of a function that Loopwire has a layer for, apart from a factor and an addend for each feature, that layer computes
the wire: its numbers are finer, and its ranges known, where those of its parts are not (exp(x) overflows, a sum of
exponentials may be 0 in fixed point).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from loopwire.frontends.tensors.evaluation import OF_STEPS, evaluated, is_evaluated, numbers_of
from loopwire.frontends.tensors.reductions import MOST_MERGED
from loopwire.frontends.tensors.trace import Result, Wire
from loopwire.ir.functions import Reals
from loopwire.layers.activation import Activation, Function
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.dense import Dense
from loopwire.layers.merge import Maximum, Subtract
from loopwire.layers.model import Layer
from loopwire.layers.normalization import LayerNormalization, unit
from loopwire.layers.normalization_over_steps import NormalizationOverSteps
from loopwire.layers.over_steps import MOST_ELEMENTS, OverSteps
from loopwire.layers.reals import REALS
from loopwire.layers.roots import EuclideanNorm
from loopwire.layers.select import Slice
from loopwire.layers.steps import Transpose

MOST_WIRES = 64
"""That a function is written out with."""
MOST_FEATURES = 1 << 12
SAMPLES = 24
SCALES = (4.0, 1.0, 0.1, 0.003)
"""Of samples in turn: small ones tell epsilons apart."""
FAR = (8.0, 16.0, 32.0, 64.0)
"""Magnitudes of more samples, of either sign, which tell a bound far from 0. Results that are not finite there, such as
those of exp, tell nothing."""
MOST_WORK = 1 << 28
"""Elements that are computed in a model, of samples by each layer and each form, so that a file cannot ask for more."""
PART_WORK = 1 << 14
"""As many elements take the time that a part of one feature takes."""
MOST_NUMBERS = 16
"""Of a part, which are tried as scales and epsilons."""
CLOSE = 3e-6
"""Relative and absolute: constants in files have seven digits."""
NO_EPSILON = 1e-12
OF_ELEMENTS = (
    *(Function(name) for name in ("sigmoid", "tanh", "softsign", "softplus", "silu", "gelu", "gelu_tanh", "mish")),
    *(Function(name) for name in ("hard_silu", "log_sigmoid", "tanh_shrink", "squareplus", "selu", "erf")),
    Function("hard_sigmoid", slope=1 / 6, offset=0.5),
    Function("elu", slope=1.0),
)
"""Functions of one number that are written out, with numbers in place of parameters."""
OF_VECTORS = (Function("softmax"), Function("log_softmax"))


Maker = Callable[[Wire, Result, Reals, Reals], Wire]
"""Makes what a wire was of another, by a layer's function, a factor and an addend for each feature."""


@dataclass(frozen=True)
class Form:
    """A function that a layer has: its results of samples, and what calls the layer.

    It is of `scale` times the samples; a layer that `is_affine` has a factor and an addend itself.
    """

    results: Reals
    made: Maker
    scale: float = 1.0
    is_affine: bool = False


@dataclass(frozen=True)
class Part:
    """The wires between one that is computed and the only one that it is computed of, in order."""

    of: Wire
    wires: tuple[Result, ...]

    @property
    def has_steps(self) -> bool:
        """Whether something runs over steps."""
        return any(isinstance(wire.layer, OF_STEPS) for wire in self.wires)

    @property
    def is_elementwise(self) -> bool:
        """Whether no element has to do with another."""
        over_vectors = any(isinstance(wire.layer, Dense | EuclideanNorm | Slice) for wire in self.wires)
        functions = [wire.layer.function for wire in self.wires if isinstance(wire.layer, Activation)]
        return not self.has_steps and not over_vectors and not set(functions) & set(OF_VECTORS)

    @property
    def is_uniform(self) -> bool:
        """Whether all features are treated alike."""
        return all((array == array[0]).all() for wire in self.wires for array in numbers_of(wire.layer))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """What it computes from: one feature where all are treated alike, each by itself; a step where all are."""
        size = 1 if self.is_elementwise and self.is_uniform else self.of.shape[-1]
        return (*self.of.shape[:-1], size) if self.has_steps else (size,)

    def numbers(self) -> list[float]:
        """Return the numbers in it that are the same for all features, not more than are tried."""
        arrays = [array for wire in self.wires for array in numbers_of(wire.layer)]
        return list(dict.fromkeys(float(array[0]) for array in arrays if (array == array[0]).all()))[:MOST_NUMBERS]

    def results(self, samples: Reals) -> Reals:
        """Return what is computed of samples."""
        values: dict[Wire, Reals] = {self.of: samples}
        with np.errstate(all="ignore"):
            for wire in self.wires:
                values[wire] = evaluated(wire.layer, [values[given] for given in wire.inputs])
        return values[self.wires[-1]]


@dataclass(frozen=True)
class Found:
    """What makes a wire of another: a form, its factor and addend."""

    of: Wire
    made: Maker
    factor: Reals
    addend: Reals


class Recognition:
    """Replaces what is written out, from the outputs of a graph on."""

    def __init__(self, inputs_replaced: Callable[[Wire, Callable[[Wire], Wire]], Wire]) -> None:
        self._inputs_replaced = inputs_replaced
        self._wires: dict[Wire, Wire] = {}
        self._left = MOST_WORK

    def wire(self, wire: Wire) -> Wire:
        """Return a wire that is computed by layers that have its function."""
        if wire not in self._wires:
            found = self._recognised(wire) if isinstance(wire, Result) else None
            if found is None or not isinstance(wire, Result):
                self._wires[wire] = self._inputs_replaced(wire, self.wire)
            else:
                self._wires[wire] = found.made(self.wire(found.of), wire, found.factor, found.addend)
        return self._wires[wire]

    def _recognised(self, root: Result) -> Found | None:
        """Return the known function that a wire is of another, rather one alone than with factors; None of none."""
        scaled: Found | None = None
        for part in _parts(root):
            samples = _samples(part)
            self._left -= PART_WORK + samples.size * len(part.wires)
            if self._left < 0:
                return None
            results = part.results(samples)
            finite = np.asarray(np.isfinite(results).reshape(len(results), -1).all(1))
            if not finite[:SAMPLES].all() or np.ptp(results[finite]) == 0:
                continue
            samples, results = samples[finite], results[finite]
            for form in _forms(part, samples, results):
                self._left -= results.size
                if form.results.shape != results.shape:
                    continue
                *fitted, fits = _fitted(form.results, results)
                if not fits.all():
                    continue
                factor, addend = (np.broadcast_to(array, root.shape[-1:]).astype(np.float64) for array in fitted)
                found = Found(part.of, form.made, factor, addend)
                if form.is_affine or (form.scale == 1 and (factor == 1).all() and not addend.any()):
                    return found
                scaled = scaled or found
        return scaled


def _parts(root: Result) -> Iterator[Part]:
    """Yield what a wire is computed with, of each that it is computed of alone; the furthest first."""
    order: list[Wire] = []
    if not is_evaluated(root) or not _collect(root, order):
        return
    for of in order[:-1]:
        wires = _between(root, of, order)
        more_than_affine = sum(not isinstance(wire.layer, BatchNormalization) for wire in wires) > 1
        part = Part(of, tuple(wires))
        if more_than_affine and prod(part.sample_shape) <= (MOST_ELEMENTS if part.has_steps else MOST_FEATURES):
            yield part


def _collect(wire: Wire, order: list[Wire]) -> bool:
    """List the wires that one is computed of before it, up to those that are none of a function's; say if few."""
    if wire in order:
        return True
    if isinstance(wire, Result) and is_evaluated(wire) and not all(_collect(given, order) for given in wire.inputs):
        return False
    order.append(wire)
    return len(order) <= MOST_WIRES


def _between(root: Result, of: Wire, order: Sequence[Wire]) -> list[Result]:
    """Return the wires from one to another, in order; none where more than that one is needed."""
    needed: set[Wire] = set()
    waiting: list[Wire] = [root]
    while waiting:
        wire = waiting.pop()
        if wire is of or wire in needed:
            continue
        if not isinstance(wire, Result) or not is_evaluated(wire):
            return []
        needed.add(wire)
        waiting += wire.inputs
    return [wire for wire in order if wire in needed and isinstance(wire, Result)]


def _samples(part: Part) -> Reals:
    """Return samples of what a part computes from: `SAMPLES`, then those far from 0."""
    shape, source = part.sample_shape, np.random.default_rng(0)
    near, far = (np.reshape(each, (-1, *[1] * len(shape))) for each in (np.resize(SCALES, SAMPLES), FAR))
    near = near * source.uniform(-1.5, 1.5, (SAMPLES, *shape))
    far = far * source.choice((-1.0, 1.0), (len(FAR), *shape)) * source.uniform(0.75, 1, (len(FAR), *shape))
    return np.concatenate((near, far, -far))


def _forms(part: Part, x: Reals, results: Reals) -> Iterator[Form]:
    """Yield the known functions that a part with these results may be, with their own results of samples."""
    with np.errstate(all="ignore"):
        if part.is_elementwise:
            for function, scale in _of_elements(part, x[:, :1], results[:, :1]):
                yield Form(REALS[function.name](scale * x, function), _activated(function, scale), scale)
        elif not part.has_steps:
            yield from _over_features(part, x)
        elif x.ndim == 3:
            yield from _over_steps(part, x)


def _of_elements(part: Part, x: Reals, results: Reals) -> Iterator[tuple[Function, float]]:
    """Yield the functions of one number, and the scale of their argument, that fit one feature: all tried at once."""
    scales = np.array([1.0, *(number for number in part.numbers() if abs(number) not in (0.0, 1.0))])
    *_, fits = _fitted(np.hstack([REALS[function.name](x * scales, function) for function in OF_ELEMENTS]), results)
    for place in np.flatnonzero(fits):
        yield OF_ELEMENTS[place // len(scales)], float(scales[place % len(scales)])


def _over_features(part: Part, x: Reals) -> Iterator[Form]:
    for function in OF_VECTORS:
        yield Form(REALS[function.name](x, function), _activated(function))
    squares = x * x
    yield Form(np.sqrt(squares.sum(-1, keepdims=True)), _layer(lambda root: EuclideanNorm(root.layer.name)))
    if x.shape[-1] <= MOST_MERGED:
        yield Form(np.log(np.exp(x).sum(-1, keepdims=True)), _log_sum_exp)
    for epsilon in _epsilons(part):
        length = np.sqrt(np.maximum(squares.sum(-1, keepdims=True), epsilon))
        yield Form(x / length, _normalised(epsilon, centred=False, summed=True), is_affine=True)
    for epsilon in _epsilons(part):
        for centred in (True, False):
            yield Form(_normal(x, -1, epsilon, centred), _normalised(epsilon, centred=centred), is_affine=True)


def _over_steps(part: Part, x: Reals) -> Iterator[Form]:
    for function in OF_VECTORS:
        turned = REALS[function.name](x.swapaxes(1, 2), function)
        yield Form(turned.swapaxes(1, 2), _activated_steps(function))
    for epsilon in _epsilons(part):
        length = np.sqrt(np.maximum((x * x).sum(1, keepdims=True), epsilon))
        yield Form(x / length, _of_unit_length(epsilon), is_affine=True)
    for epsilon in _epsilons(part):
        for axes, groups in ((1, x.shape[-1]), ((1, 2), 1)):
            for centred in (True, False):
                made = _normalised_steps(epsilon, groups, centred)
                yield Form(_normal(x, axes, epsilon, centred), made, is_affine=True)


def _epsilons(part: Part) -> list[float]:
    """Return what may be added to a variance, or be a length's least value."""
    small = [abs(number) for number in part.numbers() if 0 < abs(number) < 1]
    return [*small, *(number**2 for number in small), NO_EPSILON]


def _normal(x: Reals, axes: int | tuple[int, ...], epsilon: float, centred: bool) -> Reals:
    mean = x.mean(axes, keepdims=True) if centred else 0.0
    return np.asarray((x - mean) / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + epsilon))


def _fitted(form: Reals, results: Reals) -> tuple[Reals, Reals, npt.NDArray[np.bool_]]:
    """Return the factor and the addend of each feature that bring a form's results nearest to others; say if they fit.

    Nothing fits a form that is the same of all samples, or not finite.
    """
    axes = tuple(range(form.ndim - 1))
    with np.errstate(all="ignore"):
        spread = form - form.mean(axes)
        factor = (spread * results).sum(axes) / (spread**2).sum(axes)
        addend = results.mean(axes) - factor * form.mean(axes)
        factor, addend = (np.where(np.abs(x - near) < CLOSE, near, x) for x, near in ((factor, 1), (addend, 0)))
        fits = (np.abs(factor * form + addend - results) <= CLOSE * (1 + np.abs(results))).all(axes)
    return factor, addend, np.asarray(fits)


def _called(root: Result, layer: Layer, *inputs: Wire, shape: tuple[int, ...] | None = None) -> Result:
    return Result(root.shape if shape is None else shape, root.place, layer, inputs)


def _affine(wire: Wire, root: Result, factor: Reals, addend: Reals, name: str) -> Wire:
    if (factor == 1).all() and not addend.any():
        return wire
    return _called(root, BatchNormalization(name, factor, addend), wire, shape=wire.shape)


def _layer(make: Callable[[Result], Layer]) -> Maker:
    """Return what calls a layer, then a factor and an addend."""

    def made(of: Wire, root: Result, factor: Reals, addend: Reals) -> Wire:
        return _affine(_called(root, make(root), of), root, factor, addend, f"{root.layer.name}_scaled")

    return made


def _activated(function: Function, scale: float = 1.0) -> Maker:
    """Return what applies a function to a multiple of a wire."""
    layer = _layer(lambda root: Activation(root.layer.name, function))

    def made(of: Wire, root: Result, factor: Reals, addend: Reals) -> Wire:
        size = of.shape[-1]
        scaled = _affine(of, root, np.full(size, scale), np.zeros(size), f"{root.layer.name}_argument")
        return layer(scaled, root, factor, addend)

    return made


def _activated_steps(function: Function) -> Maker:
    return _layer(lambda root: OverSteps(root.layer.name, function))


def _normalised(epsilon: float, *, centred: bool, summed: bool = False) -> Maker:
    def made(of: Wire, root: Result, factor: Reals, addend: Reals) -> Wire:
        name = root.layer.name
        layer = LayerNormalization(name, factor, addend, epsilon, centred=centred, summed=summed)
        return _called(root, layer, of)

    return made


def _normalised_steps(epsilon: float, groups: int, centred: bool) -> Maker:
    def made(of: Wire, root: Result, factor: Reals, addend: Reals) -> Wire:
        scale, offset = (np.broadcast_to(array, of.shape).astype(np.float64) for array in (factor, addend))
        return _called(root, NormalizationOverSteps(root.layer.name, scale, offset, epsilon, groups, centred), of)

    return made


def _of_unit_length(epsilon: float) -> Maker:
    """Return what divides each feature by the length of the vector of its steps."""

    def made(of: Wire, root: Result, factor: Reals, addend: Reals) -> Wire:
        steps, features = of.shape
        name = root.layer.name
        turned = _called(root, Transpose(f"{name}_transposed"), of, shape=(features, steps))
        normal = _called(root, unit(name, steps, epsilon), turned, shape=(features, steps))
        back = _called(root, Transpose(f"{name}_back"), normal)
        return _affine(back, root, factor, addend, f"{name}_scaled")

    return made


def _log_sum_exp(of: Wire, root: Result, factor: Reals, addend: Reals) -> Wire:
    """Return the largest less the largest of the softmax's logarithm."""
    name = root.layer.name
    shares = _called(root, Activation(f"{name}_shares", Function("log_softmax")), of, shape=of.shape)
    ends = [_largest(root, wire, f"{name}_largest") for wire in (of, shares)]
    return _affine(_called(root, Subtract(name), *ends), root, factor, addend, f"{name}_scaled")


def _largest(root: Result, wire: Wire, name: str) -> Wire:
    places = range(wire.shape[-1])
    elements = [_called(root, Slice(f"{name}_element", k, k + 1), wire, shape=root.shape) for k in places]
    return _called(root, Maximum(name), *elements) if len(elements) > 1 else wire
