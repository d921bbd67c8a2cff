"""The examples' scripts in small: features, readers, a training, and the study of one network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from examples.events import Events, checked, mirrored, read_events, write_events
from examples.flavour.features import impact_mm, resolutions_mm, slog, track_features
from examples.quickdraw.drawings import CLASSES, SAMPLE, as_input, read_folder, read_ndjson, read_sketch_rnn, varied

ROOT = Path(__file__).parents[1]


def test_a_track_that_starts_beside_the_beam_line() -> None:
    vertex = np.array([[3.0, 4.0, 7.0], [3.0, 4.0, 7.0], [0.0, 0.1, 0.0]])
    momentum = np.array([[3.0, 4.0, 5.0], [-4.0, 3.0, 0.0], [1.0, 0.0, 0.0]])
    d0, z0 = impact_mm(vertex, momentum, jet_phi=np.arctan2(4.0, 3.0))
    np.testing.assert_allclose(np.abs(d0), [0.0, 5.0, 0.1], atol=1e-12)
    np.testing.assert_allclose(z0, [2.0, 7.0, 0.0], atol=1e-12)
    assert d0[1] > 0  # nearest on the jet's side
    assert impact_mm(vertex, momentum, jet_phi=np.arctan2(-4.0, -3.0))[0][1] < 0


def test_tracks_come_by_falling_significance_and_no_more_than_fifteen() -> None:
    random = np.random.default_rng(1)
    count = 40
    pt = random.uniform(1, 50, count)
    features = track_features(pt, np.zeros(count), random.normal(0, 0.1, count), np.zeros(count), 100.0, random)
    assert features.shape == (15, 6)
    assert (np.diff(np.abs(features[:, 4])) <= 0).all()
    low, high = resolutions_mm(np.array([1.0, 100.0]))[0]
    assert low > high > 0.009
    np.testing.assert_allclose(slog(np.array([-np.e + 1, 0.0, np.e - 1])), [-1, 0, 1])


def test_events_are_read_as_written(tmp_path: Path) -> None:
    x, y = np.random.default_rng(1).normal(size=(4, 3, 2)).astype(np.float32), np.array([0, 1, 1, 0], np.int8)
    write_events(tmp_path / "a.npz", x, y, ("a", "b"), ("f", "g"), np.zeros(2), np.ones(2))
    events = read_events(tmp_path / "a.npz", ("a", "b"))
    np.testing.assert_array_equal(events.inputs, x)
    np.testing.assert_array_equal(events.labels, y)


@pytest.mark.parametrize(
    ("inputs", "labels", "problem"),
    [
        (np.zeros((2, 3, 2)), [0, 0], "there is no event of class 'b'. Give events of each class"),
        (np.zeros((2, 3, 2)), [0, 2], "y reaches from 0 to 2; there are 2 classes"),
        (np.zeros((2, 3, 2)), [0, 1, 1], "X of shape (2, 3, 2) and y of (3,) are not events and their classes"),
        (np.full((2, 3, 2), np.nan), [0, 1], "X holds numbers that are not finite"),
    ],
)
def test_events_that_cannot_be_trained_on_are_refused(inputs: np.ndarray, labels: list[int], problem: str) -> None:
    with pytest.raises(SystemExit) as caught:
        checked("a.npz", Events(inputs, np.array(labels), ("a", "b")))
    assert str(caught.value) == f"a.npz: {problem}"


def test_a_missing_file_is_told_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"x\.npz: there is no such file\. Make the data first: see the README"):
        read_events(tmp_path / "x.npz", ("a",))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    whole = _events_file(tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(SystemExit, match=r"cut\.npz: it is no \.npz file of numbers, or is cut off \(.*Make it again"):
        read_events(tmp_path / "cut.npz", tuple("gqwzt"))


def test_labels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((1, 2, 2)), y=np.array(["b"]))
    with pytest.raises(SystemExit, match=r"a\.npz: it is no \.npz file of numbers"):
        read_events(tmp_path / "a.npz", ("a", "b"))


def test_training_events_without_test_events_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="training needs Keras (pip install loopwire[train])")
    from examples.study.data import task_data

    _events_file(tmp_path / "jets_train.npz")
    with pytest.raises(SystemExit) as caught:
        task_data("jets", tmp_path, tmp_path, quick=True)
    assert str(caught.value) == (
        f"{tmp_path}: jets_train.npz is there, but not both jets_train*.npz and jets_test*.npz. "
        "`python -m examples.jets.generate` makes them"
    )


def test_the_bundled_drawings_are_read() -> None:
    drawings = [(word, as_input(drawing)) for word, drawing in read_ndjson(SAMPLE)]
    assert [sum(word == name for word, _ in drawings) for name in CLASSES] == [8] * 5
    for _, steps in drawings:
        assert steps.shape == (100, 3) and set(np.unique(steps[:, 2])) <= {0.0, 1.0}
        assert not steps[0, :2].any()


def test_both_forms_of_a_drawing_agree(tmp_path: Path) -> None:
    line = {"word": "ant", "drawing": [[[0, 5, 7], [0, 1, 1]], [[9, 4], [2, 8]]]}
    (tmp_path / "ant.ndjson").write_text(json.dumps(line) + "\n")
    ((word, from_lines),) = read_ndjson(tmp_path / "ant.ndjson")
    arrays = np.empty(1, object)
    arrays[0] = np.array([[0, 0, 0], [5, 1, 0], [2, 0, 1], [2, 1, 0], [-5, 6, 1]], np.int16)
    np.savez(tmp_path / "ant.npz", train=arrays, valid=arrays, test=arrays)
    assert word == "ant"
    for drawing in read_sketch_rnn(tmp_path / "ant.npz"):
        np.testing.assert_array_equal(drawing, from_lines)


class _Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def test_a_file_of_sketch_rnn_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arrays = np.empty(1, object)
    arrays[0] = _Hostile()
    np.savez("ant.npz", train=arrays, valid=arrays, test=arrays)
    with pytest.raises(SystemExit, match=r"it names posix\.system, which no array needs"):
        list(read_sketch_rnn(Path("ant.npz")))
    assert not Path("pwned").exists()


@pytest.mark.parametrize("line", ['{"word": "ant", "draw', "[]", '{"word": "ant", "drawing": [[[1]]]}', "[" * 100_000])
def test_a_truncated_line_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "ant.ndjson").write_text(line)
    with pytest.raises(SystemExit, match=r"ant\.ndjson, line 1: this is not a drawing .* Was the download cut off\?"):
        list(read_ndjson(tmp_path / "ant.ndjson"))


def test_a_class_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"there are no drawings of 'ant'\. Put ant\.ndjson .* or ant\.npz"):
        read_folder(tmp_path)


def test_each_class_is_divided() -> None:
    pytest.importorskip("keras", reason="training needs Keras (pip install loopwire[train])")
    from examples.quickdraw.train import divided

    labels = np.array([0] * 8 + [1] * 4 + [2] * 2)
    events = Events(np.arange(14.0).reshape(14, 1, 1), labels, ("a", "b", "c"))
    training, test = divided(events, 0.4, 1)
    assert np.bincount(test.labels).tolist() == [3, 1, 1]
    assert sorted([*training.inputs.flat, *test.inputs.flat]) == list(range(14))


def test_varied_drawings_keep_their_pens_and_classes() -> None:
    events = Events(np.random.default_rng(1).normal(size=(3, 100, 3)).astype(np.float32), np.array([0, 1, 2]), CLASSES)
    more = varied(events, 4, np.random.default_rng(2))
    assert more.inputs.shape == (12, 100, 3) and np.bincount(more.labels).tolist() == [4, 4, 4]
    for label in range(3):
        for steps in more.inputs[more.labels == label]:
            np.testing.assert_array_equal(steps[:, 2], events.inputs[label, :, 2])


def _events_file(path: Path, scale: float = 1.0) -> Path:
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(5, dtype=np.int8), 20)
    inputs = random.normal(size=(100, 20, 6)) * 0.3
    inputs[np.arange(100), :, labels] += scale
    order = random.permutation(100)
    return _write(path, inputs[order].astype(np.float32), labels[order])


def _write(path: Path, inputs: np.ndarray, labels: np.ndarray) -> Path:
    write_events(path, inputs, labels, tuple("gqwzt"), tuple("abcdef"), *2 * (np.ones(6),))
    return path


def test_mirror_images_turn_the_odd_features_alone() -> None:
    events = Events(np.arange(1.0, 13.0).reshape(1, 4, 3), np.array([2]), ("a", "b", "c"))
    both = mirrored(events, (1,))
    np.testing.assert_array_equal(both.inputs[0], events.inputs[0])
    np.testing.assert_array_equal(both.inputs[1], events.inputs[0] * [1, -1, 1])
    assert both.labels.tolist() == [2, 2]


@pytest.mark.parametrize(("task", "steps"), [("jets", 20), ("flavour", 15)])
def test_generated_jets_repeat(task: str, steps: int) -> None:
    pytest.importorskip("pythia8mc", reason="generating needs Pythia and FastJet (pip install loopwire[physics])")
    from examples.generation import generate

    sample = import_module(f"examples.{task}.generate").SAMPLE
    two = replace(sample, processes=dict(list(sample.processes.items())[:2]))
    (jets, labels), (again, _) = generate(two, 3, seed=7), generate(two, 3, seed=7)
    assert sorted(labels.tolist()) == [0, 0, 0, 1, 1, 1] and sample.steps == steps
    for jet, same in zip(jets, again, strict=True):
        assert 1 <= len(jet) <= steps and jet.shape[1] == len(sample.feature_names)
        np.testing.assert_array_equal(jet, same)


def test_a_setting_that_pythia_does_not_know_is_named() -> None:
    pytest.importorskip("pythia8mc", reason="generating needs Pythia and FastJet (pip install loopwire[physics])")
    from examples.flavour import generate as flavour
    from examples.generation import generate

    with pytest.raises(SystemExit, match="Pythia refused the setting 'HardQCD:gg2nothing = on'"):
        generate(replace(flavour.SAMPLE, processes={"b": ["HardQCD:gg2nothing = on"]}), 1, seed=1)


def test_drawings_are_trained_on(tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="training needs Keras (pip install loopwire[train])")
    pytest.importorskip(
        "mplhep", reason="its history's figure needs matplotlib and mplhep (pip install loopwire[plots])"
    )
    for name in CLASSES:
        lines = [line for line in SAMPLE.read_text().splitlines() if json.loads(line)["word"] == name]
        (tmp_path / f"{name}.ndjson").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "examples.quickdraw.train", "--data", str(tmp_path), "--out", str(tmp_path)]
    arguments = ["--networks", "gru128", "--quick", "--epochs", "1", "--held-out", "0.5"]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "quickdraw_gru128.keras: 117637 parameters, AUC ant " in done.stdout, done.stderr


def test_a_folder_that_is_missing_is_told_with_what_belongs_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("keras", reason="training needs Keras (pip install loopwire[train])")
    from examples.study.__main__ import main

    monkeypatch.setattr(sys, "argv", ["study", "--data", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit):
        main()
    assert (
        "nowhere: there is no such folder. Put jets_train.npz, jets_test.npz, flavour_train.npz and"
        in capsys.readouterr().err
    )


def _train_gru16(file: str, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    arguments = ["--train", file, "--test", file, "--out", str(out), "--networks", "gru16", *options]
    command = [sys.executable, "-m", "examples.jets.train", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_training_writes_its_model_and_repeats(tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="training needs Keras (pip install loopwire[train])")
    pytest.importorskip(
        "mplhep", reason="its history's figure needs matplotlib and mplhep (pip install loopwire[plots])"
    )
    file = str(_events_file(tmp_path / "jets.npz"))
    weights = []
    for out in ("a", "b"):
        done = _train_gru16(file, tmp_path / out, "--epochs", "2")
        assert "jet_gru16.keras: 4485 parameters, AUC g " in done.stdout
        import loopwire

        (gru, *_) = loopwire.load(tmp_path / out / "jet_gru16.keras").layers
        weights.append(gru.kernel)
    np.testing.assert_array_equal(*weights)
    history = json.loads((tmp_path / "a" / "jet_gru16_history.json").read_text())
    assert len(history["loss"]) == 2
    assert (tmp_path / "a" / "jet_gru16_history.png").stat().st_size


def test_a_training_that_diverges_leaves_the_earlier_model(tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="training needs Keras (pip install loopwire[train])")
    file = str(_events_file(tmp_path / "jets.npz", scale=1e30))
    (tmp_path / "jet_gru16.keras").write_text("kept")
    done = _train_gru16(file, tmp_path, "--epochs", "1", "--learning-rate", "1e30")
    assert done.returncode == 1
    assert "the training diverged: val_loss is nan. Nothing was written. Take a smaller --learning-rate" in done.stderr
    assert (tmp_path / "jet_gru16.keras").read_text() == "kept"


def test_the_study_of_one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All stages but the simulations, on events that are easy to tell apart; run again, it keeps what it has."""
    pytest.importorskip("keras", reason="training needs Keras (pip install loopwire[train])")
    pytest.importorskip("mplhep", reason="the figures need matplotlib and mplhep (pip install loopwire[plots])")
    from examples.study import hls4ml_emulation, stages
    from examples.study.__main__ import study
    from examples.study.networks import NETWORKS, Effort, Goal, Network
    from examples.study.page import write_page
    from examples.study.stages import Settings

    from loopwire.design_targets import DesignTargets

    monkeypatch.setattr(hls4ml_emulation, "is_installed", lambda: False)
    monkeypatch.setattr(stages, "INTEGER_BITS", (6,))
    monkeypatch.setattr(stages, "FRACTION_BITS", (4, 10))
    events = read_events(_events_file(tmp_path / "jets.npz"), tuple("gqwzt"))
    for part in ("train", "test"):
        _write(tmp_path / f"jets_{part}.npz", np.repeat(events.inputs, 4, axis=0), np.repeat(events.labels, 4))
    jets = NETWORKS["jet_gru16"]
    task = replace(
        jets.task,
        quick=Effort(epochs=1, simulated_sequences=0),
        keep="mae<=0.2",
        copies=(2,),
        goals=(
            Goal("small", jets.task.part, 5.0, DesignTargets(max_share=1.0)),
            Goal("nothing", jets.task.part, 5.0, DesignTargets(max_latency_ns=1.0)),
        ),
    )
    network, settings = Network(task, jets.make, (1, 4)), Settings(quick=True)
    facts = study("jet_gru16", network, tmp_path, tmp_path, settings)
    points = facts["knobs"]["points"]
    assert [point["kind"] for point in points] == ["static", "interleaved"] * 2 + ["copies"]
    assert [(point["emulated"], point["differing"]) for point in points] == [(200, 0)] * 5
    assert "jet_gru16" in (tmp_path / "jet_gru16" / "small" / "report.json").read_text()
    path = tmp_path / "jet_gru16" / "types.json"
    before = path.stat().st_mtime_ns
    assert study("jet_gru16", network, tmp_path, tmp_path, settings) == facts
    assert path.stat().st_mtime_ns == before
    page = write_page({"jet_gru16": facts}, tmp_path, "python -m examples.study").read_text()
    assert "jet_gru16" in page and "not simulated with these settings" in page
    assert "refused" in facts["goals"]["nothing"]


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code, with fewer sequences in the search and in the proof."""
    pytest.importorskip("mplhep", reason="the figures need matplotlib and mplhep (pip install loopwire[plots])")
    cells = json.loads((ROOT / "examples" / "own_model.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for whole, small in (("verify(design, x, 100)", "verify(design, x, 4)"), ("top1>=0.95", "top1>=0.5")):
        assert whole in code
        code = code.replace(whole, small)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "own_model.ipynb", "exec"), {})
    assert (tmp_path / "own_roc.png").stat().st_size and (tmp_path / "build" / "own_model" / "report.html").is_file()
