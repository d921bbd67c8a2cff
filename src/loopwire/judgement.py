"""How well a model in fixed point keeps what it says in floating point, judged with the user's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.data import Data
from loopwire.labels import Labels
from loopwire.quantised_model import QuantisedModel
from loopwire.report.agreement import agreement, class_aucs
from loopwire.report.clipping import Clipping, ClippingMeter
from loopwire.report.doubts import doubts
from loopwire.report.drawings import Evidence
from loopwire.report.judged import JudgedOutput
from loopwire.report.roc import class_rocs, confusion, working_points
from loopwire.system.progress import Progress

Reals = npt.NDArray[np.float64]

PARTS = 40
"""In which data are looked at, so that a progress bar moves."""
PROFILED_SEQUENCES = 2000
"""Of the data, looked at tensor by tensor: seconds for the largest models."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model gives for some data: each output in floating point and in fixed point, and which tensors clip."""

    real: tuple[Reals, ...]
    fixed: tuple[Reals, ...]
    clipping: tuple[Clipping, ...]


@dataclass(frozen=True)
class Judgement:
    """Facts of a report by their names in `Report`; what they say of each output, and what its figures show."""

    facts: dict[str, Any]
    outputs: tuple[JudgedOutput, ...]
    evidence: tuple[Evidence, ...]


NOT_JUDGED = Judgement({}, (), ())


def outputs(model: QuantisedModel, data: Data, progress: Progress | None = None) -> Outputs:
    """Return the model's outputs for all data."""
    meter = ClippingMeter()
    real, fixed = [], []
    done = 0
    parts = 1 if model.config.remembers else min(PARTS, len(data.inputs))
    for rows in np.array_split(np.arange(len(data.inputs)), parts):
        part = data.inputs[rows]
        real.append(_each(model.predict_float(part, meter=meter)))
        fixed.append(_each(model.emulate(part)))
        done += len(part)
        if progress is not None:
            progress(done, len(data.inputs))
    return Outputs(_joined(real), _joined(fixed), meter.rows(model.graph))


def judge(model: QuantisedModel, data: Data, found: Outputs) -> Judgement:
    """Compare fixed point with float, and look at the range of every tensor on the first `PROFILED_SEQUENCES`."""
    pairs = judged_outputs(model, data, found)
    judged = tuple(output for output, _ in pairs)
    facts: dict[str, Any] = {"clipping": found.clipping}
    if len(judged) == 1:
        (only,) = judged
        facts |= {"agreement": only.agreement, "aucs": only.aucs}
        facts |= {"working_points": only.working_points, "confusion": only.confusion}
    else:
        facts |= {"agreement": agreement(_flat(found.real), _flat(found.fixed)), "outputs": judged}
    profiled = data.inputs[:PROFILED_SEQUENCES]
    facts["profiled_sequences"] = len(profiled)
    facts["profile"], facts["trace"] = model.profile(profiled), model.trace(profiled)
    facts["doubts"] = doubts(judged, facts["profile"])
    return Judgement(facts, judged, tuple(evidence for _, evidence in pairs))


def judged_outputs(model: QuantisedModel, data: Data, found: Outputs) -> list[tuple[JudgedOutput, Evidence]]:
    """Compare each output's fixed point with float."""
    names = [output.name for output in model.model.outputs]
    return [
        _judged(name if len(names) > 1 else "", data.labels_of(name), real, fixed)
        for name, real, fixed in zip(names, found.real, found.fixed, strict=True)
    ]


def _judged(name: str, labels: Labels | None, real: Reals, fixed: Reals) -> tuple[JudgedOutput, Evidence]:
    """Judge one output, by its labels where it has some."""
    alike = agreement(real, fixed)
    if labels is None or real.ndim != 2:
        return JudgedOutput(name, alike), Evidence()
    rocs = class_rocs(labels.classes, real, fixed, labels.names)
    counts = tuple(map(tuple, confusion(labels.classes, fixed).tolist()))
    aucs = class_aucs(labels.classes, real, fixed, labels.names)
    return JudgedOutput(name, alike, aucs, working_points(rocs), counts), Evidence(rocs, labels.names or ())


def _each(given: Any) -> tuple[Reals, ...]:
    """Return the outputs, in their order, of which an only one comes by itself."""
    return tuple(given.values()) if isinstance(given, dict) else (given,)


def _joined(parts: Sequence[tuple[Reals, ...]]) -> tuple[Reals, ...]:
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def _flat(arrays: Sequence[Reals]) -> Reals:
    """Return all numbers (N, elements, 1) of several outputs."""
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)[..., np.newaxis]
