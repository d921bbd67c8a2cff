"""A model with the types of all its tensors chosen, and what it computes: the numbers that every machine must give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.arguments import instance, not_negative
from loopwire.config import CompileConfig
from loopwire.data import Batch, Inputs, check_batch, check_fresh, check_lengths, check_results, check_whole
from loopwire.emulator.calls import evaluate_calls
from loopwire.emulator.evaluate import evaluate_integers, evaluate_real, shortened
from loopwire.emulator.fast_emulator import FastEmulator, try_build
from loopwire.emulator.windows import seen_of
from loopwire.errors import DataError
from loopwire.ir.fixed_point import quantise, to_real
from loopwire.ir.graph import Graph
from loopwire.knobs import PortNames
from loopwire.layers.embedding import count_of
from loopwire.layers.model import Model, Tensor
from loopwire.passes.carry_states import expose_states
from loopwire.report.clipping import Clipping, ClippingMeter
from loopwire.report.profile import TensorProfile, profile
from loopwire.report.range_proof import RangeProof, range_proofs
from loopwire.report.saturation import SaturationWatch
from loopwire.report.tensor_rows import TensorRows
from loopwire.report.trace import TensorTrace, trace
from loopwire.text.names import printable

Fresh = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.int64]

FAST_BATCH = 8192
DEFINITION_BATCH = 512
"""Sequences evaluated at a time, so that memory does not grow with their number."""


@dataclass(frozen=True, eq=False)
class QuantisedModel:
    """A model with the types of all its tensors chosen.

    Inputs `x` are real numbers (N, *model.input_shape). Where `lengths` (N,) is given, sequence k ends after
    `lengths[k]` steps, and what x holds beyond is ignored. The graph's input is the sequence that the layers read:
    where the model begins with a Reshape, the elements of x in order.

    If it is stateful, sequence k is one of channel k mod `config.channels` and goes on from the states that the
    channel's last one left. The first of a channel, and those that `fresh` (N,) marks, start from the initial states.
    Of a sliding window `x` are samples (N, F), one of each channel in turn; `fresh` ones begin their channel anew.
    """

    model: Model
    config: CompileConfig
    graph: Graph

    @property
    def name(self) -> str:
        """The configuration's name, else the model's."""
        return self.config.name or self.model.name

    @property
    def source_name(self) -> str:
        """The model file's name without its folder, so that the same input gives the same bytes anywhere."""
        return printable(self.model.source.replace("\\", "/").rsplit("/", 1)[-1])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the only input: the model's, or of a sample of its sliding window."""
        return self._shapes_read[0] if self.config.sliding_window else self.model.input_shape

    @property
    def ports(self) -> tuple[Tensor, ...]:
        """The inputs by name and shape: the model's, or a sample of its sliding window."""
        if not self.config.sliding_window:
            return self.model.inputs
        return tuple(Tensor(x.name, shape) for x, shape in zip(self.model.inputs, self._shapes_read, strict=True))

    @property
    def port_names(self) -> PortNames:
        """What the ports are called after, where there are several."""
        return PortNames(*(tuple(t.name for t in side) for side in (self.model.inputs, self.model.outputs)))

    @property
    def steps(self) -> int:
        """Steps T of a full sequence as the layers read it, the longest; 1 for samples, and where nothing has steps."""
        return max(self._lengths, default=1)

    @property
    def may_be_short(self) -> bool:
        """Whether a sequence may end early: all inputs that have steps have as many."""
        return len(self._lengths) == 1

    def predict(self, x: Inputs, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None) -> Any:
        """Return the fixed-point outputs (N, *output shape), bit for bit those of the hardware; several by their names.

        A `LoopwireWarning` names each tensor that is met with values beyond its type, once for each design: inputs
        wherever they do not fit, results and what lies between as far as the sequences looked at show it
        (`SaturationWatch`).

        Raises:
            DataError: x, lengths or fresh do not fit the model.
        """
        return self.watched(x, lengths, fresh, self.output_integers(x, lengths, fresh))

    def emulate(self, x: Inputs, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None) -> Any:
        """Return what `predict` does, without warnings: for those who report of clipping themselves."""
        return self._reals(self.output_integers(x, lengths, fresh))

    def emulate_integers(self, integers: Batch) -> Any:
        """Return what `emulate` does, of whole sequences that `input_integers` gave."""
        anew = check_fresh("fresh", None, len(integers), self.config.remembers)
        parts = self._parts(len(integers), self._batch_size)
        results = [self._evaluate(self._sequences(integers, anew, part), None, anew[part]) for part in parts]
        return self._reals(self._as_model(Batch.joined(results)))

    def predict_integers(
        self, x: Inputs, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None
    ) -> Any:
        """Return the same outputs counted in steps of their types."""
        return self._named(self.output_integers(x, lengths, fresh))

    def output_integers(
        self, x: Inputs, lengths: npt.ArrayLike | None = None, fresh: npt.ArrayLike | None = None
    ) -> Batch:
        """Return all outputs, in order, counted in steps of their types."""
        batches = self._batches(x, lengths, fresh, self._batch_size)
        results = [self._evaluate(self._quantised(part), n, anew) for part, n, anew in batches]
        return self._as_model(Batch.joined(results))

    def predict_float(
        self,
        x: Inputs,
        lengths: npt.ArrayLike | None = None,
        meter: ClippingMeter | None = None,
        fresh: npt.ArrayLike | None = None,
    ) -> Any:
        """Return the outputs (N, *output shape) of the model in floating point; several by their names.

        Args:
            x: inputs.
            lengths: steps of each sequence.
            meter: called with all values on the way.
            fresh: which sequences of a stateful design start from the initial states.

        Raises:
            DataError: x, lengths or fresh do not fit the model, or a result is beyond double precision.
        """
        if meter is not None:
            instance(ClippingMeter, "Give ClippingMeter(), or None")("meter", meter)
        evaluate = evaluate_real if meter is None else partial(evaluate_real, observe=meter.observe)
        results: list[Batch] = []
        for part, n, anew in self._batches(x, lengths, fresh, DEFINITION_BATCH):
            if meter is not None:
                for value, array in zip(self.graph.inputs, part.arrays, strict=True):
                    meter.observe_input(value, shortened(array, n))
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked at below
                if self.config.stateful:
                    channels = self.config.channels
                    results.append(Batch(evaluate_calls(evaluate, self.graph, part.arrays, anew, channels, n)))
                else:
                    results.append(Batch(evaluate(self.graph, part.arrays, n)))
        checked = Batch.joined(results).each(partial(check_results, "x"))
        return self._named(self._as_model(checked))

    def clipping(self, x: Inputs) -> tuple[Clipping, ...]:
        """Return the tensors that hold values beyond their types on these inputs.

        Raises:
            DataError: x does not fit the model, or a float value is beyond double precision.
        """
        meter = ClippingMeter()
        self.predict_float(x, meter=meter)
        return meter.rows(self.graph)

    def profile(self, x: Inputs) -> TensorRows[TensorProfile]:
        """Return range and distribution of every tensor on these inputs, in float and in fixed point.

        Raises:
            DataError: x does not fit the model, or a float value is beyond double precision.
        """
        return profile(self.graph, self._alone(x).arrays)

    def trace(self, x: Inputs) -> TensorRows[TensorTrace]:
        """Return every tensor's errors on these inputs, fixed point against float.

        Raises:
            DataError: x does not fit the model, or a float value is beyond double precision.
        """
        return trace(self.graph, self._alone(x).arrays)

    def range_proofs(self) -> tuple[RangeProof, ...]:
        """Return which tensors cannot overflow, whatever the input."""
        return range_proofs(self.graph)

    def random_inputs(self, count: int, seed: int = 1) -> Any:
        """Return inputs (count, *input shape): half of the sequences near 0, half from all of the type's range.

        Several are returned by their names.
        """
        count, seed = not_negative("count", count), not_negative("seed", seed)
        random = np.random.default_rng(seed)
        inputs = {}
        for port, value, numbers in zip(self.ports, self.graph.inputs, self._whole_numbers, strict=True):
            shape, element = (count, *port.shape), value.type.element
            if numbers is not None:
                inputs[port.name] = x = random.integers(numbers, size=shape).astype(np.float64)
                continue
            low, high = element.min_integer * element.step, element.max_integer * element.step
            x = random.uniform(low, high, shape)
            x[::2] = np.clip(random.normal(0.0, 1.0, shape)[::2], low, high)
            inputs[port.name] = x
        return inputs if len(inputs) > 1 else x

    @cached_property
    def _whole_numbers(self) -> tuple[int | None, ...]:
        """Of each input of indices or truth values, how many there are."""
        return tuple(count_of(self.model, tensor) for tensor in self.model.inputs)

    def _checked(self, x: Inputs) -> Batch:
        """Return inputs that fit the model.

        Raises:
            DataError: they do not.
        """
        batch = check_batch("x", x, self.ports)
        for port, array, numbers in zip(self.ports, batch.arrays, self._whole_numbers, strict=True):
            if numbers is not None:
                check_whole("x" if len(self.ports) == 1 else f"x, {port.name!r}", array, numbers)
        return batch

    def input_integers(self, x: Inputs, lengths: npt.ArrayLike | None) -> tuple[Batch, Lengths]:
        """Return inputs (N, *shape the layers read) in steps of their types, and the steps of each sequence (N,)."""
        batch = self._as_read(self._checked(x))
        return self._quantised(batch), self._checked_lengths(lengths, len(batch))

    def emulated(self, integers: Batch, lengths: Lengths, fresh: Fresh) -> Batch:
        """Return the results of what `input_integers` gave, in steps of their types and the shapes of the graph's."""
        return self._evaluate(self._sequences(integers, fresh), lengths, fresh)

    def watched(self, x: Inputs, lengths: npt.ArrayLike | None, fresh: npt.ArrayLike | None, outputs: Batch) -> Any:
        """Return results of x as `predict` does, and warn as it does.

        Args:
            x: inputs.
            lengths: steps of each sequence.
            fresh: which sequences of a stateful design start from the initial states.
            outputs: the results, in steps of their types.
        """
        shaped = self._as_model(outputs)
        batch = self._checked(x)
        steps = None if lengths is None else self._checked_lengths(lengths, len(batch))
        anew = check_fresh("fresh", fresh, len(batch), self.config.remembers)

        def evaluate(rows: npt.NDArray[np.int64], meter: ClippingMeter) -> None:
            given = None if steps is None else steps[rows]
            self.predict_float(batch[rows], given, meter, anew[rows] if self.config.remembers else None)

        ends = None if self.config.sliding_window else steps
        inputs = [shortened(array, ends) for array in self._as_read(batch).arrays]
        self._saturation.look(inputs, shaped.arrays, evaluate, in_order=self.config.remembers)
        return self._reals(shaped)

    def _evaluate(self, integers: Batch, lengths: Lengths | None, fresh: Fresh) -> Batch:
        if lengths is not None and bool((lengths == self.steps).all()):
            lengths = None
        if self.config.stateful:
            call = self._fast_calls or evaluate_integers
            return Batch(evaluate_calls(call, self.graph, integers.arrays, fresh, self.config.channels, lengths))
        evaluate = self._fast_emulator or evaluate_integers
        return Batch(evaluate(self.graph, integers.arrays, lengths))

    @property
    def _batch_size(self) -> int:
        return DEFINITION_BATCH if self._fast_emulator is None else FAST_BATCH

    @property
    def _lengths(self) -> set[int]:
        if self.config.sliding_window:
            return set()
        return {x.type.shape[0] for x in self.graph.inputs if len(x.type.shape) == 2}

    def _checked_lengths(self, lengths: npt.ArrayLike | None, count: int) -> Lengths:
        steps = check_lengths("lengths", np.full(count, self.steps) if lengths is None else lengths, count, self.steps)
        if (steps != self.steps).any() and not self.may_be_short:
            known = ", ".join(map(str, sorted(self._lengths)))
            raise DataError("lengths", f"the model's inputs have {known} steps", "Give full sequences, without lengths")
        return steps

    def _reals(self, outputs: Batch) -> Any:
        fractions = [value.type.element.fraction for value in self.graph.outputs]
        return self._named(outputs.each(to_real, fractions))

    def _named(self, outputs: Batch) -> Any:
        """Return the only output, or all by their names."""
        if len(outputs.arrays) == 1:
            return outputs.only
        return {tensor.name: array for tensor, array in zip(self.model.outputs, outputs.arrays, strict=True)}

    def _quantised(self, x: Batch) -> Batch:
        return x.each(quantise, [value.type.element for value in self.graph.inputs])

    @cached_property
    def _saturation(self) -> SaturationWatch:
        return SaturationWatch(self.graph)

    @cached_property
    def _fast_emulator(self) -> FastEmulator | None:
        return None if self.config.stateful else try_build(self.graph)

    @cached_property
    def _fast_calls(self) -> FastEmulator | None:
        return try_build(expose_states(self.graph)[0])

    def _batches(
        self, x: Inputs, lengths: npt.ArrayLike | None, fresh: npt.ArrayLike | None, size: int
    ) -> Iterator[tuple[Batch, Lengths | None, Fresh]]:
        """Yield inputs, lengths and which are fresh, of the sequences of each of `_parts`."""
        batch = self._as_read(self._checked(x))
        steps = None if lengths is None else self._checked_lengths(lengths, len(batch))
        anew = check_fresh("fresh", fresh, len(batch), self.config.remembers)
        for part in self._parts(len(batch), size):
            given = None if steps is None or self.config.sliding_window else steps[part]
            yield self._sequences(batch, anew, part).each(_as_reals), given, anew[part]

    def _parts(self, count: int, size: int) -> list[slice]:
        """Return which of `count` sequences to evaluate at a time, `size` of them, that need nothing of each other."""
        if self.config.stateful:
            size = count
        return [slice(start, start + size) for start in range(0, count, size)]

    def _sequences(self, x: Batch, fresh: Fresh, rows: slice = slice(None)) -> Batch:
        """Return what the model sees of some inputs: themselves, or the window that ends with each."""
        if not self.config.sliding_window:
            return x[rows]
        return Batch(seen_of(self.graph, x.arrays, fresh, self.config.channels, rows))

    def _as_read(self, x: Batch) -> Batch:
        """Return inputs (N, *input_shape) in the shapes that the layers read, samples as they are."""
        return x.each(_shaped, self._shapes_read)

    @property
    def _shapes_read(self) -> list[tuple[int, ...]]:
        """The shapes of what the inputs bring at once: sequences, vectors, or samples of windows."""
        shapes = [value.type.shape for value in self.graph.inputs]
        return [shape[-1:] for shape in shapes] if self.config.sliding_window else shapes

    def _as_model(self, outputs: Batch) -> Batch:
        """Return results in the shapes of the model's."""
        return outputs.each(_shaped, [tensor.shape for tensor in self.model.outputs])

    def _alone(self, x: Inputs) -> Batch:
        """Return sequences in the shape that the layers read, to be looked at each by itself."""
        batch = self._as_read(self._checked(x))
        return self._sequences(batch, np.zeros(len(batch), np.bool_))


def _as_reals(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return x.astype(np.float64)


def _shaped(x: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    return x.reshape(len(x), *shape)
