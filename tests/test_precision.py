"""The search for types: what it finds, that it goes on where it was stopped, and what it refuses."""

from __future__ import annotations

import json
import resource
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import loopwire
from keras_models import sequential
from loopwire import CompileConfig
from loopwire.cli import main
from loopwire.data import Data
from loopwire.errors import ConfigError, DataError, OutputError, PrecisionError
from loopwire.layers.model import Model
from loopwire.optimise.cost import estimate
from loopwire.optimise.criterion import Criterion, Judgement, Measure
from loopwire.optimise.groups import Probe
from loopwire.optimise.integer_bits import bits_from_data, bits_from_proof
from loopwire.optimise.precision import Precision, Progress, find_precision
from loopwire.optimise.precision_file import to_toml
from loopwire.optimise.search import descend
from loopwire.system.workers import workers

STEPS, FEATURES = 5, 3
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(0.0, 1.0, (3000, STEPS, FEATURES))
KEEP = "auc>=0.98"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layers = [
        keras.layers.LSTM(4, return_sequences=True, name="lstm 1"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="linear"),
        keras.layers.Dense(3, activation="softmax", name="classes"),
    ]
    path = tmp_path_factory.mktemp("models") / "tagger.keras"
    sequential((STEPS, FEATURES), layers).save(path)
    return path


@pytest.fixture(scope="module")
def model(path: Path) -> Model:
    return loopwire.load(path)


@pytest.fixture(scope="module")
def labels(model: Model) -> np.ndarray:
    """Classes that the model tells with some mistakes."""
    outputs = loopwire.compile(model).predict_float(X)
    return np.argmax(np.log(outputs) + RANDOM.gumbel(0.0, 1.0, outputs.shape), axis=1)


@pytest.fixture(scope="module")
def data(labels: np.ndarray) -> Data:
    return Data(X, labels, ("u", "d", "s"), "events.npz")


@pytest.fixture(scope="module")
def found(model: Model, data: Data) -> Precision:
    return find_precision(model, data, KEEP)


def ratios(model: Model, config: CompileConfig, x: np.ndarray, labels: np.ndarray) -> list[float]:
    from sklearn.metrics import roc_auc_score

    design = loopwire.compile(model, config)
    real, fixed = design.predict_float(x), design.predict(x)
    return [roc_auc_score(labels == k, fixed[:, k]) / roc_auc_score(labels == k, real[:, k]) for k in range(3)]


def test_it_keeps_the_physics_at_a_fraction_of_the_cost(model: Model, found: Precision, labels: np.ndarray) -> None:
    assert found.searched.is_safe and found.checked.holds
    assert found.cost < 0.5 * found.baseline_cost
    assert found.weight_bits < 9 and found.activation_bits < 10
    assert min(ratios(model, found.config, X, labels)) > 0.975
    assert found.cost == estimate(loopwire.compile(model, found.config).graph).total


def test_a_stricter_criterion_costs_more(model: Model, data: Data, found: Precision) -> None:
    stricter = Criterion.parse("mae<=0.001")
    assert find_precision(model, data, stricter).cost > found.cost


def test_the_file_is_read_by_compile(found: Precision, tmp_path: Path, model: Model) -> None:
    file = tmp_path / "types.toml"
    file.write_text(to_toml(found))
    assert CompileConfig.from_toml(file) == found.config
    assert '[layer."lstm 1"]' in file.read_text()
    loopwire.compile(model, found.config)


def test_it_is_deterministic_and_goes_on_where_it_was_stopped(
    model: Model, data: Data, found: Precision, tmp_path: Path
) -> None:
    state = tmp_path / "state"

    def stop(progress: Progress) -> None:
        if progress.judged == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_precision(model, data, KEEP, state=state, progress=stop)
    assert len(state.read_text().splitlines()) == 26
    with state.open("a") as file:
        file.write('{"choice": [1, 2')
    seen: list[int] = []
    resumed = find_precision(model, data, KEEP, state=state, progress=lambda p: seen.append(p.judged))
    assert resumed == found
    assert min(seen) >= 25
    assert not state.exists()


def test_a_full_disk_is_one_error_and_what_was_judged_is_kept(model: Model, data: Data, tmp_path: Path) -> None:
    state = tmp_path / "state"
    most, never = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, never))
    try:
        with pytest.raises(OutputError, match=r"state: it cannot be written \(File too large\). Choose another folder"):
            find_precision(model, data, KEEP, state=state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, never))
    first, *judged = [json.loads(line) for line in state.read_text().splitlines()]
    assert "search" in first and len(judged) > 2 and all("cost" in entry for entry in judged)


def test_a_state_of_another_search_is_refused(model: Model, data: Data, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text(json.dumps({"search": "another"}) + "\n")
    with pytest.raises(OutputError) as error:
        find_precision(model, data, KEEP, state=state)
    assert str(error.value) == (
        f"{state}: it is not the state of this search: model, data or options differ. "
        "Remove it to start again, or give the same model, data and options to continue"
    )
    assert json.loads(state.read_text()) == {"search": "another"}


def test_without_labels_float_agreement_is_kept(model: Model) -> None:
    kept = find_precision(model, Data(X), "top1>=0.97")
    design = loopwire.compile(model, kept.config)
    assert np.mean(design.predict(X).argmax(1) == design.predict_float(X).argmax(1)) >= 0.97
    assert find_precision(model, Data(X), "mae<=0.02").checked.measures[0].value <= 0.02


def test_any_python_function_is_kept(model: Model, data: Data) -> None:
    def accuracy(y_true: np.ndarray, y_fixed: np.ndarray) -> float:
        return float(np.mean(y_fixed.argmax(axis=1) == y_true))

    bound = accuracy(data.labels, loopwire.compile(model).predict_float(X)) - 0.03  # type: ignore[arg-type]
    kept = find_precision(model, data, Criterion("accuracy", bound, metric=accuracy))
    assert kept.searched.measures[0].value >= bound <= kept.checked.measures[0].value


def test_what_nothing_reaches(model: Model, data: Data) -> None:
    never = Criterion("never", 2.0, metric=lambda y, fixed: 1.25)
    with pytest.raises(PrecisionError) as error:
        find_precision(model, data, never)
    assert str(error.value) == (
        "keep 'never>=2': nothing reaches it; the best found, on 14 fraction bits in every tensor, is never 1.2500. "
        "Instead, keep a bound that never 1.2500 is safely within"
    )


def test_steps_are_taken_back_until_the_check_holds(model: Model, data: Data) -> None:
    """The check data are labelled by the float model, so that they ask for more than the data of the search."""
    strict = Data(X[:600], loopwire.compile(model).predict_float(X[:600]).argmax(1), None, "strict.npz")
    kept = find_precision(model, data, Criterion.parse(KEEP), check=strict)
    loose = find_precision(model, data, Criterion.parse(KEEP), check=data)  # the same search
    assert kept.checked.holds
    assert (kept.cost > loose.cost) == (kept.steps_taken_back > 0)


def test_bad_events(model: Model, data: Data) -> None:
    with pytest.raises(DataError, match=r"events.npz, labels: it has shape .* Give one label for each of the 3000"):
        find_precision(model, Data(X, data.labels[:-1], None, "events.npz"), KEEP)  # type: ignore[index]
    with pytest.raises(DataError, match=r"its labels are 1 to 3. The model has 3 classes: 0 to 2"):
        find_precision(model, Data(X, data.labels + 1, None, "events.npz"), KEEP)  # type: ignore[operator]
    with pytest.raises(DataError, match=r"data, 3 events for the|3 events leave none for the final check"):
        find_precision(model, Data(X[:3]), "mae<=0.1")
    with pytest.raises(ConfigError, match=r"integers: 'dat' is unknown. Did you mean 'data'.* Choose from data, proof"):
        find_precision(model, data, KEEP, integers="dat")


def test_integer_bits(model: Model) -> None:
    probe = Probe(model)
    met, proven = bits_from_data(probe, (X,)), bits_from_proof(probe, 5)
    names = {str(group): group for group in probe.groups}
    assert met[names["input"]] == int(np.ceil(np.log2(np.abs(X).max()))) + 1
    assert proven[names["input"]] == 5
    kernel = probe.model.layers[0].kernel  # type: ignore[attr-defined]
    assert met[names["lstm 1.weight"]] == proven[names["lstm 1.weight"]]
    assert 2.0 ** (met[names["lstm 1.weight"]] - 2) < np.abs(kernel).max() <= 2.0 ** (met[names["lstm 1.weight"]] - 1)
    assert proven[names["lstm 1.gate"]] == 1
    assert proven[names["lstm 1.cell"]] == int(np.ceil(np.log2(STEPS))) + 1
    assert all(proven[group] >= met[group] for group in probe.groups if group is not names["input"])


def test_types_that_would_only_be_cast_into_one_another_are_one(model: Model) -> None:
    # Keras numbers the layer by how many this process made before.
    (dense,) = (layer.name for layer in model.layers if layer.name.startswith("dense"))
    assert [str(group) for group in Probe(model).groups if group.layer == dense] == [
        f"{dense}.weight",
        f"{dense}.bias",
        f"{dense}.preactivation+result",
    ]


def test_proven_integer_bits_are_searched_too(model: Model, data: Data) -> None:
    proven = find_precision(model, data, KEEP, integers="proof")
    assert proven.checked.holds
    wild = loopwire.compile(model, proven.config)
    x = wild.random_inputs(500) * 1000
    assert [row.tensor for row in wild.clipping(np.clip(x, -4, 4))] == []


def test_workers_find_the_same_types(model: Model, data: Data, found: Precision) -> None:
    pytest.importorskip("distributed", reason="workers need Dask (pip install loopwire[explore])")
    with workers(2) as several:
        assert find_precision(model, data, KEEP, workers=several) == found


def test_a_search_among_three_groups() -> None:
    """A made-up loss, 2**-bits weighted, and a made-up cost: the search ends where no single bit can go."""
    weights, prices = (1.0, 4.0, 0.25), (3.0, 1.0, 2.0)

    def evaluate(choice: tuple[int, ...]) -> tuple[Judgement, float]:
        loss = sum(w * 2.0**-bits for w, bits in zip(weights, choice, strict=True))
        measure = Measure("made up", 1 - loss, 0.0)
        return Judgement((measure,), 0.1 - loss, 0.1 - loss, 1 - loss, measure), sum(map(np.multiply, prices, choice))

    def evaluate_all(choices: Sequence[tuple[int, ...]]) -> list[tuple[Judgement, float]]:
        return [evaluate(choice) for choice in choices]

    path = descend(evaluate_all, (12, 12, 12), (0, 0, 0), lambda *told: None)
    costs = [evaluate(choice)[1] for choice in path]
    assert costs == sorted(costs, reverse=True) and all(evaluate(choice)[0].is_safe for choice in path)
    last = path[-1]
    for group in range(3):
        assert not evaluate((*last[:group], last[group] - 1, *last[group + 1 :]))[0].is_safe


def test_the_command(path: Path, labels: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=X)
    np.save(tmp_path / "labels.npy", labels)
    out = tmp_path / "types.toml"
    options = ["--data", tmp_path / "x.npz", "--labels", tmp_path / "labels.npy", "--keep", KEEP, "--out", out]
    result = CliRunner().invoke(main, ["precision", str(path), *map(str, options)])
    assert result.exit_code == 0, result.output
    assert "Estimated cost:" in result.stdout and result.stdout.splitlines()[-2] == f"Types: {out}"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["labels.npy", "types.html", "types.toml", "x.npz"]
    compiled = CliRunner().invoke(
        main, ["compile", str(path), "--config", str(out), "--out", str(tmp_path / "out"), "--simulate", "0"]
    )
    assert compiled.exit_code == 0, compiled.output
    np.savez(tmp_path / "none.npz", X=X)
    options[3] = tmp_path / "none.npz"
    refused = CliRunner().invoke(main, ["precision", str(path), *map(str, options)])
    assert refused.exit_code == 1 and "none.npz: it has no 'y' (it holds X). Name the labels 'y'" in refused.stderr
    options[-1] = tmp_path
    refused = CliRunner().invoke(main, ["precision", str(path), *map(str, options)])
    named = tmp_path / "result"
    assert refused.stderr.strip() == f"error: {tmp_path}: it is a folder. Name a file in it, such as {named}"
