"""The trade-off: a front that nothing beats, the same whatever runs it, and after every stop."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.keras_files import dense, input_layer, lstm, write_h5

import loopwire
from loopwire.cli import main
from loopwire.design_targets import DesignTargets
from loopwire.errors import ConfigError, LoopwireError, OutputError, ToolError
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import Model, chain
from loopwire.system import workers
from loopwire.tradeoff import search
from loopwire.tradeoff.exploration import Exploration, explore
from loopwire.tradeoff.page import page
from loopwire.tradeoff.proofs import spread
from loopwire.tradeoff.seeds import seeds
from loopwire.tradeoff.trial import evaluate

optuna = pytest.importorskip("optuna", reason="exploring needs optuna (pip install loopwire[explore])")

UNITS, FEATURES, STEPS, CLASSES, EVENTS = 3, 2, 4, 2, 400
KEEP = "top1>=0.9"


def tagger(name: str = "tagger") -> Model:
    source = np.random.default_rng(1)
    kernels = (source.normal(size=(4 * UNITS, n)) for n in (FEATURES, UNITS))
    cell = Lstm("cell", *kernels, source.normal(size=4 * UNITS))
    head = Dense("head", source.normal(size=(CLASSES, UNITS)), source.normal(size=CLASSES))
    return chain(name, (STEPS, FEATURES), (cell, head), "test")


X = np.random.default_rng(2).normal(size=(EVENTS, STEPS, FEATURES))


@pytest.fixture(autouse=True)
def small_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "POPULATION", 8)
    monkeypatch.setattr(search, "AHEAD", 3)


def explored(trials: int = 40, **options: Any) -> Exploration:
    targets = DesignTargets(max_share=0.5, min_clock_ns=4.0)
    return explore(tagger(), X, keep=KEEP, targets=targets, trials=trials, **options)


def numbers(found: Exploration) -> list[Any]:
    return [(point.trial, point.config, point.outcome) for point in found.front]


class Remembering:
    """The trials and the seeds of searches of `tagger`, each made once: searches are stopped here, not designs."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Any] = {}
        self.first: dict[str, Any] = {}

    def evaluate(self, task: Any, config: Any) -> Any:
        if (key := repr(config)) not in self.outcomes:
            self.outcomes[key] = evaluate(task, config)
        return self.outcomes[key]

    def seeds(self, task: Any, space: Any, bounds: Any, seed: int, workers: Any) -> Any:
        if (key := repr((space, bounds, seed))) not in self.first:
            self.first[key] = seeds(task, space, bounds, seed, workers)
        return self.first[key]


@pytest.fixture(scope="module")
def remembering() -> Remembering:
    return Remembering()


@pytest.fixture
def known(remembering: Remembering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let searches of `tagger` in this process look up what is known."""
    monkeypatch.setattr(search, "evaluate", remembering.evaluate)
    monkeypatch.setattr(search, "seeds", remembering.seeds)


@pytest.fixture(scope="module")
def front(remembering: Remembering) -> Exploration:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "POPULATION", 8)
        patch.setattr(search, "AHEAD", 3)
        patch.setattr(search, "evaluate", remembering.evaluate)
        patch.setattr(search, "seeds", remembering.seeds)
        return explored()


def test_no_design_of_the_front_beats_another(front: Exploration) -> None:
    assert front.tried == 40 and len(front.front) > 3
    values = [(p.outcome.latency_ns, p.outcome.share, p.outcome.loss) for p in front.front]
    assert values == sorted(values)
    for ours in values:
        assert not any(theirs != ours and all(a <= b for a, b in zip(theirs, ours, strict=True)) for theirs in values)


def test_the_front_is_what_its_designs_reach(front: Exploration) -> None:
    real = loopwire.compile(tagger()).predict_float(X).argmax(1)
    for place, point in enumerate(front.front):
        design = front.design(place)
        cycles = design.predicted_cycles.latency_cycles
        assert point.outcome.latency_ns == cycles * design.config.clock_period_ns
        same = np.mean(design.emulate(X).argmax(1) == real)
        assert point.outcome.loss == pytest.approx(1 - same) and same >= 0.9


def test_the_chooser_is_not_better(front: Exploration) -> None:
    design = loopwire.compile(tagger(), precision="fixed<16,6,RND,SAT>")
    fastest = loopwire.choose(design, min_clock_ns=4.0, max_share=0.5).design
    latency_ns = fastest.predicted_cycles.latency_cycles * fastest.config.clock_period_ns
    assert min(point.outcome.latency_ns for point in front.front) <= latency_ns


def test_workers_make_the_same_front(front: Exploration) -> None:
    pytest.importorskip("distributed", reason="workers need Dask (pip install loopwire[explore])")
    assert numbers(explored(processes=2)) == numbers(front)


@pytest.mark.usefixtures("known")
def test_a_search_goes_on_from_its_journal(front: Exploration, tmp_path: Path) -> None:
    explored(20, journal=tmp_path / "journal.log")
    assert numbers(explored(journal=tmp_path / "journal.log")) == numbers(front)


def test_a_stop_costs_the_trials_that_run(
    front: Exploration, known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    whole = search.evaluate

    def stopping(task: Any, config: Any) -> Any:
        tried.append(config)
        if len(tried) == 13:
            raise KeyboardInterrupt
        return whole(task, config)

    monkeypatch.setattr(search, "evaluate", stopping)
    with pytest.raises(KeyboardInterrupt):
        explored(journal=tmp_path / "journal.log")
    assert numbers(explored(journal=tmp_path / "journal.log")) == numbers(front)
    assert len(tried) == 40 + 1


def _dies_once(flag: Path, item: int) -> int:
    if item == 3 and not flag.exists():
        flag.touch()
        os._exit(1)
    return item * item


def test_a_killed_worker_costs_its_trial_only(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="workers need Dask (pip install loopwire[explore])")
    with workers.workers(2) as found:
        results = dict(found.run(_dies_once, tmp_path / "flag", list(range(8))))
    assert results == {k: k * k for k in range(8)} and (tmp_path / "flag").exists()


def _dies(code: int, item: int) -> int:
    os._exit(code)


def test_a_task_that_kills_all_its_workers_is_one_error() -> None:
    dask = pytest.importorskip("dask", reason="workers need Dask (pip install loopwire[explore])")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        pytest.raises(ToolError, match=r"workers: 2 workers were lost, one after the other, with the same task. Start"),
        workers.workers(1) as found,
    ):
        list(found.run(_dies, 1, [0]))


def _sleeps(seconds: float, item: int) -> int:
    time.sleep(seconds)
    return item


def test_a_lost_scheduler_is_one_error() -> None:
    distributed = pytest.importorskip("distributed", reason="workers need Dask (pip install loopwire[explore])")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        pytest.raises(ToolError, match=r"workers: the scheduler is lost. Start them again"),
        workers.workers(scheduler=cluster.scheduler_address) as found,
        found.tasks(_sleeps, 60.0) as tasks,
    ):
        tasks.add(1)
        cluster.close()
        next(tasks)


def test_workers_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="workers need Dask (pip install loopwire[explore])")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setattr(workers, "version", lambda name: "99.0")
        with (
            pytest.raises(ToolError, match=r"worker .* has Loopwire \S+; this is 99.0. Install the same") as refused,
            workers.workers(scheduler=cluster.scheduler_address),
        ):
            raise AssertionError
        assert "scheduler" in str(refused.value)


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="workers need Dask (pip install loopwire[explore])")
    monkeypatch.setattr(workers, "CONNECT_TIMEOUT_S", 0.5)
    with pytest.raises(
        ToolError, match=r"scheduler tcp://127.0.0.1:9: no scheduler answers within 0.5 s .*dask worker"
    ):
        explored(scheduler="tcp://127.0.0.1:9")


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("most_bytes", [2_000, 30_001])
def test_a_full_disk_is_one_error_and_the_search_goes_on_later(
    front: Exploration, tmp_path: Path, most_bytes: int
) -> None:
    journal = tmp_path / "journal.log"
    message = r"journal.log: it cannot be written \(File too large\). Free some space, or choose another folder"
    most, never = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, never))
    try:
        with pytest.raises(OutputError, match=message):
            explored(journal=journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, never))
    assert journal.read_bytes().endswith(b"\n")
    assert numbers(explored(journal=journal)) == numbers(front)


@pytest.mark.usefixtures("known")
def test_a_line_cut_off_by_a_power_cut_is_no_loss(front: Exploration, tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    explored(20, journal=journal)
    journal.write_bytes(journal.read_bytes()[:-7])
    assert numbers(explored(journal=journal)) == numbers(front)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": ("latency", "shares")}, "'shares' is unknown. Did you mean 'share'"),
        ({"objectives": ("latency",)}, "latency are not a trade-off. Give two or more"),
        ({"trials": None}, "neither trials nor minutes are set"),
        ({"trials": 0}, "trials: 0 is out of range"),
        ({"parts": ("xcvu13", "xcvu13p-flga2577-2-e")}, "xcvu13"),
        ({"parts": ("xcvu13p-flga2577-2-e",) * 2}, "is given twice"),
        ({"keep": "top1>=0.9999"}, "are too few to measure a loss of 0.0001"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LoopwireError) as refused:
        explore(tagger(), X, **{"trials": 4, "keep": KEEP, **options})
    assert message in str(refused.value)


@pytest.mark.usefixtures("known")
def test_a_journal_of_another_search_is_kept(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    explored(8, journal=journal)
    before = journal.read_bytes()
    with pytest.raises(OutputError, match="it belongs to another search: model, data or options differ"):
        explored(8, journal=journal, seed=2)
    assert journal.read_bytes().startswith(before)


@pytest.mark.usefixtures("known")
def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    journal.write_text("no journal\n" * 3)
    with pytest.raises(OutputError, match="it is not the journal of a search"):
        explored(8, journal=journal)
    assert journal.read_text() == "no journal\n" * 3


def test_impossible_designs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = explore(tagger(), X, keep=KEEP, targets=DesignTargets(max_latency_ns=1.0), trials=8)
    assert found.front == () and found.tried == 8


def test_names_cannot_leave_the_page(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    found = explore(tagger(evil), X, keep=KEEP, trials=4)
    text = page(found, tmp_path / evil, Path(evil))
    assert "<script>alert" not in text and text.count("</script>") == 2


def test_the_front_as_a_picture(front: Exploration) -> None:
    pytest.importorskip("mplhep", reason="the figures need matplotlib and mplhep (pip install loopwire[plots])")
    assert front.plot().svg.count("<use ") > len(front.front)


@pytest.mark.usefixtures("known")
def test_targets_as_a_dictionary() -> None:
    found = explore(tagger(), X, keep=KEEP, targets={"max_share": "50%", "min_clock_ns": 4.0}, trials=8)
    assert numbers(found) == numbers(explored(8))
    with pytest.raises(ConfigError, match=r"explore.*max_lut"):
        explore(tagger(), X, targets={"max_lut": 9}, trials=8)


@pytest.mark.parametrize(("designs", "count", "places"), [(5, 9, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8]), (9, 1, [0])])
def test_designs_are_spread_over_the_front(designs: int, count: int, places: Sequence[int]) -> None:
    assert spread(designs, count) == places


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    np.savez(tmp_path / "data.npz", X=X)
    layers = [input_layer((STEPS, FEATURES)), lstm(FEATURES, UNITS), dense(UNITS, CLASSES)]
    return write_h5(tmp_path / "tagger.h5", layers), tmp_path / "data.npz"


def test_the_command(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = files
    out = tmp_path / "out"
    words = ["explore", model, "--data", data, "--keep", KEEP, "--trials", 12, "--verify", 1, "--out", out]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    assert "0 bits differ" in result.output and f"Front: {out / 'index.html'}" in result.output
    front = json.loads((out / "front.json").read_text())
    assert front["tried"] == 12 and len(front["front"]) == len(list((out / "points").glob("*.toml")))
    settings = out / "points" / "000.toml"
    assert result.stderr.splitlines()[-1] == f"next: loopwire compile {model} --data {data} --config {settings}"
    as_json = json.loads(CliRunner().invoke(main, [*map(str, words), "--json"]).stdout)
    assert as_json["front"] == front["front"] and as_json["proofs"][0]["verification"]["sequences"] > 0
    again = CliRunner().invoke(
        main,
        [
            "compile",
            str(model),
            "--config",
            str(out / "points" / "000.toml"),
            "--simulate",
            "0",
            "--out",
            str(tmp_path / "again"),
        ],
    )
    assert again.exit_code == 0, again.output
    report = json.loads((tmp_path / "again" / "report.json").read_text())
    assert report["predicted"]["latency_cycles"] == front["front"][0]["latency_cycles"]
