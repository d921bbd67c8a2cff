"""How well a model in fixed point keeps what it says in floating point, judged with the user's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwire.data import Data
from loopwire.quantised_model import QuantisedModel
from loopwire.report.agreement import agreement, class_aucs
from loopwire.report.clipping import Clipping, ClippingMeter
from loopwire.report.doubts import doubts
from loopwire.report.drawings import Evidence
from loopwire.report.roc import class_rocs, confusion, working_points
from loopwire.system.progress import Progress

Reals = npt.NDArray[np.float64]

PARTS = 40
"""In which data are looked at, so that a progress bar moves."""
PROFILED_SEQUENCES = 2000
"""Of the data, looked at tensor by tensor: seconds for the largest models."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What the model gives for some data: in floating point, in fixed point, and which tensors clip on the way."""

    real: Reals
    fixed: Reals
    clipping: tuple[Clipping, ...]


@dataclass(frozen=True)
class Judgement:
    """Facts of a report by their names in `Report`, and what its figures are drawn from."""

    facts: dict[str, Any]
    evidence: Evidence


def outputs(model: QuantisedModel, data: Data, progress: Progress | None = None) -> Outputs:
    """Return the model's outputs for all data."""
    meter = ClippingMeter()
    real, fixed = [], []
    done = 0
    parts = 1 if model.config.remembers else min(PARTS, len(data.inputs))
    for rows in np.array_split(np.arange(len(data.inputs)), parts):
        part = data.inputs[rows]
        real.append(flat_outputs(model.predict_float(part, meter=meter)))
        fixed.append(flat_outputs(model.emulate(part)))
        done += len(part)
        if progress is not None:
            progress(done, len(data.inputs))
    return Outputs(np.concatenate(real), np.concatenate(fixed), meter.rows(model.graph))


def judge(model: QuantisedModel, data: Data, found: Outputs) -> Judgement:
    """Compare fixed point with float, and look at the range of every tensor on the first `PROFILED_SEQUENCES`."""
    pair = found.real, found.fixed
    facts: dict[str, Any] = {"agreement": agreement(*pair), "clipping": found.clipping}
    evidence = Evidence()
    if data.labels is not None and found.real.ndim == 2:
        rocs = class_rocs(data.labels, *pair, data.class_names)
        evidence = Evidence(rocs, data.class_names or ())
        facts["aucs"] = class_aucs(data.labels, *pair, data.class_names)
        facts["working_points"] = working_points(rocs)
        facts["confusion"] = tuple(map(tuple, confusion(data.labels, found.fixed).tolist()))
    profiled = data.inputs[:PROFILED_SEQUENCES]
    facts["profiled_sequences"] = len(profiled)
    facts["profile"], facts["trace"] = model.profile(profiled), model.trace(profiled)
    facts["doubts"] = doubts(facts["agreement"], facts.get("aucs", ()), facts["profile"])
    return Judgement(facts, evidence)


def flat_outputs(outputs: Any) -> Any:
    """Return the only output as it is, all numbers (N, elements, 1) of several."""
    if not isinstance(outputs, dict):
        return outputs
    return np.concatenate([array.reshape(len(array), -1) for array in outputs.values()], axis=1)[..., np.newaxis]
