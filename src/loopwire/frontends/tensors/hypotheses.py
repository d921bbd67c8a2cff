"""Which axis of an input is the batch, which the steps: found by trying, since no file says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, product

from loopwire.errors import UnsupportedError
from loopwire.frontends.input_shapes import STEPS_REMEDY, check_steps, checked_shape
from loopwire.frontends.reading import Reading
from loopwire.frontends.tensors.emission import SingleStepsError, model_of
from loopwire.frontends.tensors.exchange import ExchangeError, exchanged
from loopwire.frontends.tensors.recurrent import LoopError, check_loops
from loopwire.frontends.tensors.rolling import roll
from loopwire.frontends.tensors.trace import Input, LayerError, Trace, Wire
from loopwire.frontends.tensors.views import LAYOUT_REMEDY, Axis, Operand, View, array_of
from loopwire.layers.cell import Cell
from loopwire.layers.model import Model

B, T, F, P, ONE = Axis.BATCH, Axis.STEPS, Axis.FEATURES, Axis.PARTS, Axis.ONE
LAYOUTS: Mapping[int, Sequence[tuple[Axis, ...]]] = {
    1: ((F,), (B,), (T,)),
    2: ((B, F), (T, F), (B, T), (T, B)),
    3: ((B, T, F), (T, B, F), (P, B, F), (B, P, F), (B, F, T)),
    4: ((B, ONE, T, F), (P, ONE, B, F)),
}
"""What the axes of an input may mean, by their number, the likeliest first. Where BATCH is missing there is one
sequence; where FEATURES are, there is one."""
MAX_TRIES = 1000
MAX_OPERATIONS = 100_000
"""In all tries."""
MAX_PARTS = 64
"""Initial states in one input."""
OPEN_BATCH = 1009
"""A prime that hardly any other axis has, so that what mixes sequences is seen."""

Layout = tuple[tuple[Axis, ...], ...]

Run = Callable[[Trace, Sequence[View]], Sequence[Operand]]


@dataclass(frozen=True)
class GraphInput:
    """An input as the file gives it: lengths of its axes, or names of those that are open."""

    name: str
    lengths: tuple[int | str, ...]
    whole: bool = False
    """Of whole numbers."""
    truths: bool = False
    """Of truth values, one a step."""

    @property
    def layouts(self) -> Sequence[tuple[Axis, ...]]:
        """What its axes may mean; nothing where there are too many or too few."""
        if self.truths:
            return ((B, T),) if len(self.lengths) == 2 else ()
        return LAYOUTS.get(len(self.lengths), ())


def read_graph(name: str, inputs: Sequence[GraphInput], run: Run, source: str, reading: Reading) -> Model:
    """Read a graph in the first layout of its inputs with which all of it makes sense.

    Args:
        name: of the model.
        inputs: of the graph.
        run: goes through the graph with a trace and a view of each input; returns the outputs.
        source: where the model comes from, for messages.
        reading: the steps, where the inputs leave them open.

    Raises:
        ConfigError: the steps contradict the model's.
        UnsupportedError: as `run` for the layout that led furthest; or a shape is not known, or beyond what is read.
    """
    best: tuple[tuple[int, int], UnsupportedError] | None = None
    operations = 0
    met: set[type[UnsupportedError]] = set()
    of_steps: tuple[Layout, bool] | None = None
    layouts = list(dict.fromkeys(_layouts(inputs, source)))
    for exchanges, apart, layout in product((False, True), (False, True), layouts):
        if exchanges and of_steps is not None:  # and no other layout makes sense
            break
        if (apart and LoopError not in met) or (exchanges and ExchangeError not in met):
            continue
        trace = Trace(source, apart=apart, exchanges=exchanges)
        try:
            model = _read(name, inputs, layout, run, trace, reading.steps)
        except UnsupportedError as error:
            if isinstance(error, SingleStepsError) and of_steps is None:
                of_steps = layout, apart
            met.add(type(error))
            operations += trace.operations
            led = trace.places, 0 if isinstance(error, ExchangeError) else 2 if isinstance(error, LayerError) else 1
            if best is None or led > best[0]:
                best = led, error
            if operations > MAX_OPERATIONS:
                break
        else:
            check_steps([tensor.shape for tensor in model.inputs], reading.steps)
            return model
    if of_steps is not None:
        layout, apart = of_steps
        return _read(name, inputs, layout, run, Trace(source, apart=apart), reading.steps, single_steps=True)
    if best is None:
        raise UnsupportedError(source, "it has no inputs", "Give a model that is called with sequences")
    raise best[1]


def _layouts(inputs: Sequence[GraphInput], source: str) -> Iterator[Layout]:
    """Yield what to try: first inputs of one shape alike, such as the states of many layers."""
    for given in inputs:
        if not given.layouts:
            what = " of truth values" if given.truths else ""
            remedy = "Give truth values (batch, steps), one a step" if given.truths else LAYOUT_REMEDY
            raise UnsupportedError(f"{source}, input {given.name!r}", f"it has {len(given.lengths)} axes{what}", remedy)
    if not inputs:
        return
    shapes = {(given.lengths, given.truths): given.layouts for given in inputs}
    alike = (dict(zip(shapes, kinds, strict=True)) for kinds in product(*shapes.values()))
    first = (tuple(of[given.lengths, given.truths] for given in inputs) for of in alike)
    yield from islice(chain(first, product(*(given.layouts for given in inputs))), MAX_TRIES)


def _read(
    name: str,
    inputs: Sequence[GraphInput],
    layout: Layout,
    run: Run,
    trace: Trace,
    steps: int | None,
    single_steps: bool = False,
) -> Model:
    trace.batch = batch = _batch(inputs, layout, trace)
    views = [_view(given, axes, batch, steps, trace) for given, axes in zip(inputs, layout, strict=True)]
    wires = [wire for view in views for wire in view.parts.flat]
    outputs = [_wires(trace, output) for output in run(trace, views)]
    check_loops(trace)
    made = [wire for of_output in outputs for wire in of_output]
    roll(trace, made)
    model = model_of(name, wires, made, trace, single_steps)
    _check_parts(views, model, trace)
    return model


def _check_parts(views: Sequence[View], model: Model, trace: Trace) -> None:
    """Refuse a layout in which an input is several tensors that are not initial states, all of them."""
    parts = {wire.name for view in views if view.parts.size > 1 for wire in view.parts.flat}
    for call in model.calls:
        for place, tensor in enumerate(call.inputs):
            if tensor.name in parts and not (isinstance(call.layer, Cell) and place > 0):
                trace.places = 0  # the error of any other layout says more
                raise trace.refused(f"it takes {tensor.name!r}, a part of an input, separately", LAYOUT_REMEDY)


def _wires(trace: Trace, output: Operand) -> list[Wire]:
    if not isinstance(output, View):
        raise trace.refused("one of its outputs is a constant", "Leave that output out")
    if trace.exchanges and output.axes[-2:] == (F, T):  # what are steps and features is not clear: as the graph has it
        output = exchanged(trace, output)
    return list(output.parts.flat)


def _batch(inputs: Sequence[GraphInput], layout: Layout, trace: Trace) -> int:
    """Return the number of sequences: as the inputs have it, `OPEN_BATCH` where they leave it open."""
    met = {
        length
        for given, axes in zip(inputs, layout, strict=True)
        for length, kind in zip(given.lengths, axes, strict=True)
        if kind is Axis.BATCH
    }
    if len(met) > 1:
        raise trace.refused(f"its inputs have batches of {sorted(map(str, met))}", "Give all inputs the same batch")
    (batch,) = met or {1}
    return batch if isinstance(batch, int) else OPEN_BATCH


def _view(given: GraphInput, axes: tuple[Axis, ...], batch: int, steps: int | None, trace: Trace) -> View:
    """Return an input's view, of wires that are inputs of the model: several where it has parts."""
    where = f"{trace.source}, input {given.name!r}"
    known: dict[Axis, int] = {Axis.FEATURES: 1, Axis.PARTS: 1}
    for length, kind in zip(given.lengths, axes, strict=True):
        if isinstance(length, int):
            known[kind] = length
        elif kind is Axis.STEPS and steps is not None:
            known[kind] = steps
        elif kind is Axis.STEPS:
            problem = f"its sequences, of shape {_shown(given)}, may have any number of steps"
            raise UnsupportedError(where, problem, STEPS_REMEDY)
        elif kind is not Axis.BATCH:
            problem = f"its shape {_shown(given)} is open beyond batch and steps"
            raise UnsupportedError(where, problem, "Leave the batch and the steps open, nothing else")
    if known.get(Axis.ONE, 1) != 1:
        raise UnsupportedError(where, f"it has shape {_shown(given)}", LAYOUT_REMEDY)
    shape = (*((known[Axis.STEPS],) if Axis.STEPS in axes else ()), known[Axis.FEATURES])
    checked_shape(trace.source, shape, LAYOUT_REMEDY)
    count = known[Axis.PARTS]
    if not 1 <= count <= MAX_PARTS:
        raise UnsupportedError(where, f"it has shape {_shown(given)}", LAYOUT_REMEDY)
    names = [given.name] if count == 1 else [f"{given.name}_{k}" for k in range(count)]
    parts = array_of(
        [Input(shape, trace.place, name, given.whole) for name in names], (count,) if Axis.PARTS in axes else ()
    )
    return View(parts, axes, batch)


def _shown(given: GraphInput) -> str:
    return f"({', '.join(map(str, given.lengths))})"
