"""A framework's tensors, element by element: each tells which element of which layer's result it is.

Transposes, reshapes, slices, concatenations and their like compute nothing, they move elements. So a tensor is an array
of labels, and moving is numpy's, on the labels: there is no rule for any of these operators, nor for where batch and
steps are. Only what a layer reads is recognised: a result as it is, its features from one to another, its steps in
reverse order, several side by side, or one flattened. What is recognised becomes a layer where it needs one.

Models are traced for a few samples at once, each with labels of its own: so what would mix samples is seen, and the
batch is a number like any other in arithmetic on shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from loopwire.errors import UnsupportedError
from loopwire.frontends.drafts import Draft, Result, finished
from loopwire.layers.merge import Concatenate
from loopwire.layers.model import Layer, Model, Shape, Tensor
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.select import Slice, Step
from loopwire.layers.shape import Flatten, RepeatVector, Reshape, Reversed

Labels = npt.NDArray[np.int64]
"""samples · (the element's number among those of all results) + sample."""
Elements = npt.NDArray[np.int64]
"""Numbers of one sample's elements: (n,) of a vector, (T, n) of a sequence."""
MOST_ELEMENTS = 1 << 24
"""Of all results of a model."""
MOST_PARTS = 256
"""Of results that a layer reads side by side."""


class LayoutError(Exception):
    """A tensor whose elements are not where a layer needs them; another layout of the inputs may help.

    Its text says what was met, and goes into an error of `loopwire.errors` with the place.
    """


@dataclass(frozen=True, eq=False)
class Traced:
    """A tensor of the framework. `name` is that of the node which put its elements where they are."""

    labels: Labels
    name: str


@dataclass(frozen=True, eq=False)
class Rows:
    """A tensor's last axis as vectors, sample by sample: elements (R, n) of each, and where in the tensor they are."""

    elements: Elements
    _shape: Shape
    _order: npt.NDArray[np.int64]

    @property
    def shape(self) -> Shape:
        """Shape of what a layer reads: (n,) where there is one row, else (R, n)."""
        count, features = self.elements.shape
        return (features,) if count == 1 else (count, features)

    def placed(self, numbers: Elements, samples: int) -> Labels:
        """Return the labels of a tensor like this one, with elements `numbers` (R, m) in place of the rows."""
        features = numbers.shape[-1]
        of_all = numbers.reshape(1, -1, features) * samples + np.arange(samples).reshape(-1, 1, 1)
        labels = np.empty((of_all.shape[0] * of_all.shape[1], features), np.int64)
        labels[self._order] = of_all.reshape(-1, features)
        return labels.reshape(*self._shape[:-1], features)


@dataclass
class Trace:
    """Calls of layers, in order, and what they read. `samples` are traced at once."""

    source: str
    samples: int
    _results: list[Result] = field(default_factory=list)
    _inputs: list[tuple[str, Result]] = field(default_factory=list)
    _calls: list[Draft] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _known: dict[bytes, Result] = field(default_factory=dict)
    """Results by the elements that were read, in a digest."""

    def input(self, name: str, shape: Shape) -> Result:
        """Add an input of the model."""
        result = self._result(shape)
        self._inputs.append((name, result))
        return result

    def unique(self, name: str) -> str:
        """Return a name that no layer has yet."""
        unique, count = name, 2
        while unique in self._names:
            unique, count = f"{name}_{count}", count + 1
        self._names.add(unique)
        return unique

    def call(self, layer: Layer, *inputs: Result) -> tuple[Result, ...]:
        """Call a layer; of a recurrent one, return the sequence in the order of reading, then the state after it.

        Raises:
            UnsupportedError: the layer cannot take these inputs.
        """
        if isinstance(layer, Recurrent):
            layer = replace(layer, return_sequences=True, return_state=True)
        shapes = layer.results([Tensor(layer.name, x.shape) for x in inputs])
        outputs = tuple(self._result(shape) for shape in shapes.values())
        self._calls.append(Draft(layer, inputs, outputs))
        if isinstance(layer, Recurrent):
            sequence, h, *_ = outputs
            self._known[_digest(sequence.elements[-1])] = h
        return outputs

    def labels(self, result: Result) -> Labels:
        """Return the labels of a result in all samples: (samples, *shape)."""
        sample = np.arange(self.samples).reshape(-1, *(1 for _ in result.shape))
        return result.elements * self.samples + sample

    def rows(self, tensor: Traced) -> Rows:
        """Return a tensor's last axis as vectors.

        Raises:
            LayoutError: the axis mixes samples, or samples differ in more than their numbers.
        """
        labels = tensor.labels
        flat = labels.reshape(-1, labels.shape[-1])
        sample = flat[:, 0] % self.samples
        order = np.argsort(sample, kind="stable")
        alike = np.bincount(sample, minlength=self.samples)
        if (flat % self.samples != sample[:, np.newaxis]).any() or (alike != alike[0]).any():
            raise LayoutError("it mixes samples of the batch")
        elements = (flat[order] // self.samples).reshape(self.samples, -1, flat.shape[-1])
        if (elements != elements[0]).any():
            raise LayoutError("samples of the batch differ in what is done to them")
        return Rows(elements[0], labels.shape, order)

    def of_sample(self, tensor: Traced, batch_axis: int | None = None) -> Elements:
        """Return the elements of one sample: the tensor without its batch axis, wherever that is unless given.

        Raises:
            LayoutError: there is no such axis.
        """
        labels = tensor.labels
        axes = range(labels.ndim) if batch_axis is None else (batch_axis,)
        for axis in axes:
            if labels.shape[axis] == self.samples:
                moved = np.moveaxis(labels, axis, 0)
                numbers: Elements = moved[0] // self.samples
                sample = np.arange(self.samples).reshape(-1, *(1 for _ in numbers.shape))
                if (moved == numbers * self.samples + sample).all():
                    return numbers
        if batch_axis is None and self.samples == 1:
            return labels
        raise LayoutError("it has no axis of samples where one belongs")

    def read(self, elements: Elements, name: str) -> Result:
        """Return the result that has these elements in this order, if need be of a layer `name` that puts them so.

        Args:
            elements: (n,) or (T, n).
            name: of the layers that are needed.

        Raises:
            LayoutError: no layer gives them so.
        """
        key = _digest(elements)
        if key not in self._known:
            whole = self._whole(elements, name)
            if whole is None:
                parts = list(self._columns(elements) if elements.ndim == 2 else self._runs(elements))
                if len(parts) > MOST_PARTS:
                    raise LayoutError(f"its elements come from {len(parts)} places")
                results = [self._part(part, name) for part in parts]
                whole = results[0] if len(results) == 1 else self.one(Concatenate(self.unique(name)), *results)
            self._known[key] = whole
        return self._known[key]

    def one(self, layer: Layer, *inputs: Result) -> Result:
        """Call a layer of one result; return that."""
        (result,) = self.call(layer, *inputs)
        return result

    def model(self, name: str, outputs: Sequence[Result]) -> Model:
        """Return the model of all calls that its outputs need."""
        return finished(name, self._inputs, self._calls, outputs, self.source)

    def _result(self, shape: Shape) -> Result:
        first = self._results[-1].first + self._results[-1].size if self._results else 0
        result = Result(shape, first)
        if first + result.size > MOST_ELEMENTS:
            problem = f"the results of its layers have more than {MOST_ELEMENTS} elements"
            raise UnsupportedError(self.source, problem, "Give a smaller model")
        self._results.append(result)
        return result

    def _owner(self, element: int) -> Result:
        """Return the result that an element belongs to."""
        low, high = 0, len(self._results)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._results[middle].first <= element else (low, middle)
        return self._results[low]

    def _whole(self, elements: Elements, name: str) -> Result | None:
        owner = self._owner(int(elements.flat[0]))
        if elements.size != owner.size or (elements.ravel() != owner.elements.ravel()).any():
            return None
        if elements.shape == owner.shape:
            return owner
        layer = Flatten(self.unique(name)) if elements.ndim == 1 else Reshape(self.unique(name), elements.shape)
        return self.one(layer, owner)

    def _columns(self, elements: Elements) -> Iterator[_Part]:
        """Yield what is side by side in each step: columns that follow one another in one result."""
        steps, count = elements.shape
        own = np.arange(steps)
        breaks = np.flatnonzero((np.diff(elements, axis=1) != 1).any(axis=0)) + 1
        for start, stop in pairwise([0, *breaks.tolist(), count]):
            while start < stop:
                column = elements[:, start]
                owner = self._owner(int(column[0]))
                step, feature = np.divmod(column - owner.first, owner.shape[-1])
                width = min(stop - start, owner.shape[-1] - int(feature[0]))
                is_forward, is_backward = np.array_equal(step, own), np.array_equal(step, own[::-1])
                is_sequence = owner.shape == (steps, owner.shape[-1]) and (feature == feature[0]).all()
                if is_sequence and (is_forward or is_backward):
                    yield _Part(owner, int(feature[0]), width, is_reversed=not is_forward)
                elif (column == column[0]).all():
                    (part,) = self._runs(elements[0, start : start + width])
                    yield replace(part, repeated=steps)
                else:
                    raise LayoutError("its steps are not all of a sequence, in order or in reverse order")
                start += width

    def _runs(self, elements: Elements) -> Iterator[_Part]:
        """Yield what follows one another in a vector: runs of elements of one result."""
        breaks = np.flatnonzero(np.diff(elements) != 1) + 1
        for start, stop in pairwise([0, *breaks.tolist(), elements.size]):
            while start < stop:
                offset = int(elements[start])
                owner = self._owner(offset)
                offset -= owner.first
                width = min(stop - start, owner.size - offset)
                if len(owner.shape) == 1 or width == owner.size:
                    yield _Part(owner, offset, width, is_flat=len(owner.shape) == 2)
                else:
                    step, feature = divmod(offset, owner.shape[1])
                    width = min(width, owner.shape[1] - feature)
                    yield _Part(owner, feature, width, step=step)
                start += width

    def _part(self, part: _Part, name: str) -> Result:
        """Return the result that is one part, with the layers that it needs."""
        elements, result = part.owner.elements, part.owner

        def through(elements: Elements, what: str, make: Callable[[str], Layer]) -> Result:
            """Return the result of a layer that puts elements of `result` so."""
            key = _digest(elements)
            if key not in self._known:
                self._known[key] = self.one(make(self.unique(f"{name}_{what}")), result)
            return self._known[key]

        if (step := part.step) is not None:
            elements = elements[step]
            result = through(elements, "step", lambda name: Step(name, step))
        elif part.is_flat:
            elements = elements.ravel()
            result = through(elements, "flat", Flatten)
        elif part.is_reversed:
            elements = elements[::-1]
            result = through(elements, "reversed", Reversed)
        if part.width < elements.shape[-1]:
            stop = part.start + part.width
            elements = elements[..., part.start : stop]
            result = through(elements, "part", lambda name: Slice(name, part.start, stop))
        if part.repeated:
            elements = np.tile(elements, (part.repeated, 1))
            result = through(elements, "repeated", lambda name: RepeatVector(name, part.repeated))
        return result


@dataclass(frozen=True)
class _Part:
    """Features start…start+width-1 of a result: of all its steps, of one step, or of it flattened.

    A vector may be `repeated` so many times.
    """

    owner: Result
    start: int
    width: int
    step: int | None = None
    is_flat: bool = False
    is_reversed: bool = False
    repeated: int = 0


def _digest(elements: Elements) -> bytes:
    """Return what tells arrays of elements apart."""
    return blake2b(repr(elements.shape).encode() + np.ascontiguousarray(elements).tobytes()).digest()
