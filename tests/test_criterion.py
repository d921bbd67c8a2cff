"""What must be kept: how it is written, and how outputs are judged with their statistical error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from loopwire.data import Data
from loopwire.errors import ConfigError, DataError
from loopwire.labels import Labels
from loopwire.layers.model import Tensor
from loopwire.optimise.criterion import Criterion, Judge, Measure
from loopwire.optimise.model_judge import ModelJudge, criteria_of, criteria_text, usual_criteria
from loopwire.report.auc import area_error, placements, ratio_influence

RANDOM = np.random.default_rng(3)
LABELS = np.repeat([0, 1, 2], 700)
REAL = np.exp(RANDOM.normal(0.0, 1.0, (2100, 3)) + 1.5 * np.eye(3)[LABELS])
REAL /= REAL.sum(axis=1, keepdims=True)


def rounded(bits: int) -> np.ndarray:
    return np.round(REAL * 2**bits) / 2**bits


@pytest.mark.parametrize("bits", [2, 5, 30])
def test_areas_are_those_of_scikit_learn(bits: int) -> None:
    is_signal = LABELS == 1
    assert placements(is_signal, rounded(bits)[:, 1]).area == pytest.approx(
        roc_auc_score(is_signal, rounded(bits)[:, 1]), abs=1e-12
    )


def test_the_error_of_a_ratio_is_that_of_repeated_samples() -> None:
    """Bootstrap of the same events, an estimate that shares no code with the influences."""
    is_signal, fixed = LABELS == 0, rounded(3)[:, 0]
    influence = ratio_influence(is_signal, *(placements(is_signal, s) for s in (REAL[:, 0], fixed)))
    ratios = []
    for _ in range(120):
        rows = RANDOM.integers(0, len(LABELS), len(LABELS))
        areas = [roc_auc_score(is_signal[rows], scores[rows]) for scores in (fixed, REAL[:, 0])]
        ratios.append(areas[0] / areas[1])
    assert np.sqrt(np.square(influence).sum()) == pytest.approx(np.std(ratios), rel=0.25)


def test_the_error_of_an_area() -> None:
    areas = []
    for _ in range(120):
        scores = RANDOM.normal(0.0, 1.0, 150)
        scores[:60] += 1.0
        areas.append(roc_auc_score(np.arange(150) < 60, scores))
    assert area_error(float(np.mean(areas)), 60, 90) == pytest.approx(np.std(areas), rel=0.25)


def judge(keep: str, labels: np.ndarray | None = LABELS) -> Judge:
    return Judge(Criterion.parse(keep), REAL, labels, ["b", "c", "l"], "data")


def test_each_class_is_judged() -> None:
    judgement = judge("auc>=0.99").judge(rounded(2))
    assert [measure.name for measure in judgement.measures] == ["b", "c", "l"]
    ratios = [roc_auc_score(k == LABELS, rounded(2)[:, k]) / roc_auc_score(k == LABELS, REAL[:, k]) for k in range(3)]
    assert [measure.value for measure in judgement.measures] == pytest.approx(ratios)
    assert judgement.margin == pytest.approx(min(ratios) - 0.99)
    assert judgement.safe_margin < judgement.margin
    exact = judge("auc>=0.99").judge(REAL)
    assert exact.is_safe and exact.margin == pytest.approx(0.01) == exact.safe_margin


def test_one_bad_class_is_not_outweighed() -> None:
    fixed = REAL.copy()
    fixed[:, 2] = RANDOM.random(len(fixed))
    assert not judge("auc>=0.99").judge(fixed).holds
    assert not judge("mean_auc>=0.99").judge(fixed).holds
    assert judge("mean_auc>=0.7").judge(fixed).holds


def test_float_agreement() -> None:
    top1 = judge("top1>=0.9").judge(rounded(3))
    assert top1.measures[0].value == np.mean(rounded(3).argmax(1) == REAL.argmax(1))
    mae = judge("mae<=0.05").judge(rounded(3))
    assert mae.measures[0].value == pytest.approx(np.abs(rounded(3) - REAL).mean())
    assert mae.is_safe and not judge("mae<=0.001").judge(rounded(3)).holds
    assert mae.score == -mae.measures[0].value


def test_without_labels_the_float_models_classes_are_taken() -> None:
    own = judge("auc>=0.9", None).judge(rounded(4))
    given = Judge(Criterion.parse("auc>=0.9"), REAL, REAL.argmax(1), ["b", "c", "l"], "data").judge(rounded(4))
    assert own == given


def test_any_function() -> None:
    criterion = Criterion("tails", 0.5, metric=lambda y, fixed: float(fixed[y == 0, 0].mean()))
    judgement = Judge(criterion, REAL, LABELS, None, "data").judge(REAL)
    assert judgement.measures[0].value == pytest.approx(REAL[LABELS == 0, 0].mean())
    assert judgement.measures[0].error is None and judgement.margin == judgement.safe_margin


@pytest.mark.parametrize(
    ("returned", "told"),
    [(np.float64("nan"), "nan"), ("high", "'high'"), (np.ones(2), "array([1., 1.])"), (None, "None")],
)
def test_a_metric_that_returns_no_number(returned: Any, told: str) -> None:
    criterion = Criterion("mine", 0.5, metric=lambda y, fixed: returned)
    with pytest.raises(DataError) as error:
        Judge(criterion, REAL, LABELS, None, "jets.npz").judge(REAL)
    assert str(error.value) == (
        f"metric 'mine': it returned {told} on 2100 events of jets.npz. It must return a finite number for any outputs"
    )


def test_small_values_keep_their_figures() -> None:
    assert str(Measure("mae", 2.345e-6, 1e-7)) == "mae 2.3e-06 ± 1.0e-07"
    assert str(Measure("g", 0.99571, 0.0006)) == "g 0.9957 ± 0.0006"


@pytest.mark.parametrize(
    ("keep", "text"),
    [
        ("auc", "keep 'auc': it is not a metric with a bound. Write it as 'auc>=0.995', "),
        ("auc>=1e", "it is not a metric with a bound"),
        ("acu>=0.9", "'acu' is not a known metric. Did you mean 'auc'? Choose from auc, mean_auc, top1, mae"),
        ("auc<=0.9", "auc needs a lower bound, >=. Write it as"),
        ("mae>=0.9", "mae needs an upper bound, <=. Write it as"),
        ("auc>=1.01", "1.01 is out of range. Write it as"),
        ("top1>=1", "it allows no loss at all, which no number of events can measure. Write it as"),
        ("mae<=0", "0 is out of range. Write it as"),
        ("a:b:acu>=0.9", "'acu' is not a known metric"),
    ],
)
def test_what_cannot_be_kept(keep: str, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        Criterion.parse(keep)
    assert text in str(error.value)


def test_too_few_events() -> None:
    rows = slice(0, 2100, 70)
    with pytest.raises(DataError) as error:
        Judge(Criterion.parse("auc>=0.995"), REAL[rows], LABELS[rows], ["b", "c", "l"], "few.npz")
    told = str(error.value)
    assert told.startswith(
        "few.npz: 10 events of b and 20 of others are too few to measure a loss of 0.005: a single one of them"
    )
    assert "the statistical error is 0." in told and told.endswith(
        "Give more events, at least 216 of each, or keep 'auc>=0.8907', the smallest loss that they can measure"
    )
    Judge(Criterion.parse("auc>=0.8907"), REAL[rows], LABELS[rows], ["b", "c", "l"], "few.npz")
    with pytest.raises(
        DataError, match=r"30 events are too few to measure a loss of 0.01: .* more events, at least 100, or"
    ):
        Judge(Criterion.parse("top1>=0.99"), REAL[rows], None, None, "few.npz")


def test_events_of_one_class() -> None:
    with pytest.raises(DataError, match=r"all its events are of one class. Give events of two classes"):
        Judge(Criterion.parse("auc>=0.9"), REAL, np.zeros(2100, np.int64), None, "data")


def test_outputs_that_are_no_classes() -> None:
    with pytest.raises(DataError, match=r"outputs of shape \(4, 3\) are not classes. Keep 'mae' or 'top1'"):
        Judge(Criterion.parse("auc>=0.9"), np.zeros((5, 4, 3)), np.zeros(5, np.int64), None, "data")


def test_outputs_of_one_number_have_no_largest() -> None:
    with pytest.raises(DataError, match=r"x.npz: an output of one number has no class that is largest. Keep 'mae'"):
        Judge(Criterion.parse("top1>=0.9"), REAL[:, :1], None, None, "x.npz")


HEADS = (Tensor("kind", (3,)), Tensor("a:mass", (1,)))
MASS = RANDOM.normal(0.0, 3.0, (len(LABELS), 1))
BOTH = Data(REAL, by_output={"kind": Labels(LABELS, ("b", "c", "l"))}, where="both.npz")


def test_outputs_are_judged_as_one() -> None:
    """Whatever is wrong with an output, the whole is as bad as its worst, in shares of what each may lose."""
    criteria = criteria_of(["kind:auc>=0.99", "a:mass:mae<=0.2"], HEADS)
    assert criteria_text(criteria) == "kind:auc>=0.99 and a:mass:mae<=0.2"
    both = ModelJudge(criteria, {"kind": REAL, "a:mass": MASS}, BOTH)
    apart = [Judge(criteria[0], REAL, LABELS, ["b", "c", "l"], "data"), Judge(criteria[1], MASS, None, None, "data")]
    for bits, off in ((4, 0.1), (2, 0.1), (4, 0.3)):
        fixed = {"kind": rounded(bits), "a:mass": MASS + off}
        found, kind, mass = both.judge(fixed), apart[0].judge(rounded(bits)), apart[1].judge(MASS + off)
        names = ["kind: b", "kind: c", "kind: l", "a:mass: mae"]
        assert [measure.name for measure in found.measures] == names
        assert [m.value for m in found.measures] == [m.value for m in (*kind.measures, *mass.measures)]
        assert found.margin == pytest.approx(min(kind.margin, mass.margin * 0.01 / 0.2))
        assert found.holds == (kind.holds and mass.holds) and found.is_safe == (kind.is_safe and mass.is_safe)
        assert found.worst.name.startswith("kind" if kind.margin < mass.margin / 20 else "a:mass")
    told_instead = both.reached(both.judge({"kind": rounded(2), "a:mass": MASS + 0.3}))
    assert told_instead.startswith("Instead, keep 'kind:auc>=0.") and " and keep 'a:mass:mae<=0.3'" in told_instead


def test_one_criterion_is_of_every_output() -> None:
    heads = (HEADS[0], Tensor("tag", (2,)))
    assert criteria_text(criteria_of("top1>=0.9", heads)) == "kind:top1>=0.9 and tag:top1>=0.9"
    assert criteria_text(criteria_of(["top1>=0.9", "tag:mae<=0.1"], heads)) == "kind:top1>=0.9 and tag:mae<=0.1"
    assert criteria_text(criteria_of("kind:top1>=0.9", heads[:1])) == "top1>=0.9"
    alone = (Tensor("kind", (3,)),)
    assert criteria_text(usual_criteria(alone, Data(REAL, LABELS))) == "auc>=0.995"
    assert criteria_text(usual_criteria(heads, BOTH)) == "kind:auc>=0.995 and tag:top1>=0.99"


@pytest.mark.parametrize(
    ("keep", "text"),
    [
        (
            "kin:auc>=0.9",
            "keep 'kin:auc>=0.9': the model has no output 'kin'. Did you mean 'kind'? It has 'kind', 'a:m",
        ),
        ("kind:auc>=0.9", "keep: the output 'a:mass' has no criterion. Add one, such as 'a:mass:auc>=0.995'"),
        ([3], "keep: 3 is not a str or Criterion. Write it as"),
    ],
)
def test_criteria_that_leave_out_an_output(keep: Any, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        criteria_of(keep, HEADS)
    assert str(error.value).startswith(text)


def test_nobody_tells_how_near_a_number_must_stay() -> None:
    with pytest.raises(ConfigError) as error:
        usual_criteria(HEADS, BOTH)
    assert str(error.value) == (
        "keep: the output 'a:mass' is one number and has no labels, so that it has no classes to keep. "
        "Say how near to the float model it must stay: 'a:mass:mae<=0.01'"
    )
