"""Training on the hardware's numbers: it helps, it repeats, and the model carries exactly what was trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch (pip install loopwire[train])")

import loopwire  # noqa: E402
from loopwire import CompileConfig, compile  # noqa: E402
from loopwire.cmvm.signed_digits import csd_digits  # noqa: E402
from loopwire.emulator.differentiable import DifferentiableGraph  # noqa: E402
from loopwire.errors import ConfigError, DataError, TrainingError  # noqa: E402
from loopwire.ir import ops  # noqa: E402
from loopwire.ir.fixed_point import quantise, to_real  # noqa: E402
from loopwire.layers.activation import SIGMOID, Activation, Function  # noqa: E402
from loopwire.layers.batch_normalization import BatchNormalization  # noqa: E402
from loopwire.layers.dense import Dense  # noqa: E402
from loopwire.layers.gru import Gru  # noqa: E402
from loopwire.layers.lstm import Lstm  # noqa: E402
from loopwire.layers.model import Layer, Model, ModelBuilder, chain  # noqa: E402
from loopwire.layers.shape import Flatten  # noqa: E402
from loopwire.layers.simple_rnn import SimpleRnn  # noqa: E402
from loopwire.training.finetune import Tuned, arrays_of, finetune  # noqa: E402
from loopwire.training.links import constants, followed, links  # noqa: E402
from loopwire.training.losses import End, Loss, scored  # noqa: E402
from loopwire.training.schedule import Schedule  # noqa: E402
from loopwire.training.widths import Widths, mean_weight_bits  # noqa: E402

COARSE = CompileConfig.from_dict({"model": {"precision": "fixed<6,3,RND,SAT>"}})
SHORT = Schedule(epochs=12, batch=32, learning_rate=1e-2, patience=12)
SOFTMAX = Activation("softmax", Function("softmax"))


def array(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape) * 0.6


def lstm(sequences: bool = False) -> Lstm:
    return Lstm("lstm", array(16, 3), array(16, 4), array(16), return_sequences=sequences)


def gru(after: bool = True) -> Gru:
    return Gru("gru", array(12, 3), array(12, 4), array(12), array(12, seed=2) * after, after)


def dense(columns: int = 4, rows: int = 3, function: Function | None = None) -> Dense:
    return Dense("dense", array(rows, columns), array(rows), **({} if function is None else {"activation": function}))


def model_of(*layers: Layer) -> Model:
    return chain("m", (5, 3), layers, "test")


MODELS: dict[str, Sequence[Layer]] = {
    "lstm": (lstm(), dense(), SOFTMAX),
    "gru": (gru(), dense(), SOFTMAX),
    "gru reset before": (gru(False), dense(), SOFTMAX),
    "rnn": (SimpleRnn("rnn", array(4, 3), array(4, 4), array(4)), dense(rows=1, function=SIGMOID)),
    "merged normalisation": (lstm(), dense(), BatchNormalization("bn", array(3) + 2, array(3, seed=3)), SOFTMAX),
    "numbers": (lstm(), dense(rows=2)),
}
X = array(400, 5, 3)


@pytest.mark.parametrize("name", MODELS)
def test_the_model_carries_what_was_trained_and_is_better_on_other_events(name: str) -> None:
    model = model_of(*MODELS[name])
    tuned = finetune(model, COARSE, X, schedule=SHORT)
    assert tuned.kept >= 0 and tuned.history[tuned.kept].held_out_loss < tuned.start_loss
    graph = tuned.design.graph
    x = to_real(quantise(X, graph.inputs[0].type.element), graph.inputs[0].type.element.fraction)
    (y,) = DifferentiableGraph(graph, ())(torch.from_numpy(x))
    np.testing.assert_array_equal(tuned.design.predict(X), y.double().numpy())


def test_a_training_repeats() -> None:
    runs = [finetune(model_of(*MODELS["lstm"]), COARSE, X, schedule=SHORT) for _ in range(2)]
    assert runs[0].history == runs[1].history
    for one, other in zip(*(arrays_of(run.model).values() for run in runs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_price_of_bits_makes_weights_cheap_and_the_model_carries_them() -> None:
    free, priced = (
        finetune(model_of(*MODELS["lstm"]), COARSE, X, schedule=replace(SHORT, bit_price=price)) for price in (0, 0.1)
    )
    bits = [mean_weight_bits(tuned.design.graph) for tuned in (free, priced)]
    assert bits[1] < bits[0] - 1
    weights = [np.asarray(w) for w in arrays_of(priced.model).values() if w.ndim > 1]
    assert any((w == 0).any() for w in weights)


def test_a_price_leaves_out_what_multiplies_a_flattened_sequence() -> None:
    flat = model_of(lstm(sequences=True), Flatten("flat"), dense(20), SOFTMAX)
    tuned = finetune(flat, COARSE, X, schedule=replace(SHORT, epochs=6, bit_price=0.3))
    left = {name: np.array(found).mean() for name, found in _weights_left(tuned).items()}
    assert left["lstm.U"] < 2 and left["dense.W"] > 15


def test_pruning_leaves_as_many_weights_in_each_row_and_the_best_epoch_that_has_no_more() -> None:
    pruned = {"lstm.recurrent_weight": 0.5, "lstm.weight": 0.34}
    tuned = finetune(model_of(*MODELS["lstm"]), COARSE, X, schedule=replace(SHORT, pruned=pruned))
    left = _weights_left(tuned)
    assert max(left["lstm.U"]) == max(left["lstm.W"]) == 2 and max(left["dense.W"]) > 2
    later = [epoch.held_out_loss for epoch in tuned.history[SHORT.epochs // 2 - 1 :]]
    assert tuned.history[tuned.kept].held_out_loss == min(later)


def test_weights_settle_on_as_few_digits_as_the_budget_has() -> None:
    flat = model_of(lstm(sequences=True), Flatten("flat"), dense(20), SOFTMAX)
    tuned = finetune(flat, COARSE, X, schedule=replace(SHORT, digits=0.6))
    digits = {name: [csd_digits(int(n)) for n in integers.flat] for name, integers in _integers(tuned).items()}
    assert np.mean([*digits["lstm.W"], *digits["lstm.U"]]) <= 0.6
    assert np.mean(digits["dense.W"]) > 1  # they change from step to step, so that digits gain nothing
    assert tuned.kept >= SHORT.epochs - 2  # weights settle until the last twelfth


def test_a_training_without_time_to_settle_settles_at_its_end() -> None:
    schedule = replace(SHORT, epochs=1, batch=400, digits=0.5)
    tuned = finetune(model_of(*MODELS["lstm"]), COARSE, X, schedule=schedule)
    digits = [csd_digits(int(n)) for integers in _integers(tuned).values() for n in integers.flat]
    assert np.mean(digits) <= 0.5


def test_a_model_learns_from_one_with_more_units() -> None:
    student = model_of(Lstm("lstm", array(8, 3), array(8, 2), array(8)), dense(2), SOFTMAX)
    teacher = model_of(*MODELS["lstm"])
    outputs = compile(teacher).predict_float(X)

    def distance(tuned: Tuned) -> float:
        return float(np.abs(tuned.design.predict(X) - outputs).mean())

    taught, alone = (finetune(student, COARSE, X, schedule=SHORT, teacher=each) for each in (teacher, None))
    assert distance(taught) < distance(alone)
    with pytest.raises(DataError, match=r"teacher: its outputs have shapes \[\(3,\)\], those of the model \[\(2,\)\]"):
        finetune(model_of(*MODELS["numbers"]), COARSE, X, schedule=SHORT, teacher=[teacher])


def test_a_model_learns_the_mean_of_several() -> None:
    models = [model_of(cell, dense(rows=2)) for cell in (lstm(), gru())]
    mean = np.mean([compile(model).predict_float(X) for model in models], axis=0)
    once = replace(SHORT, epochs=1)
    taught = finetune(models[0], COARSE, X, schedule=once, teacher=models)
    assert taught.history == finetune(models[0], COARSE, X, mean, loss="labels", schedule=once).history


def test_one_epoch_prunes_all() -> None:
    schedule = replace(SHORT, epochs=1, pruned={"lstm.recurrent_weight": 0.75})
    tuned = finetune(model_of(*MODELS["lstm"]), COARSE, X, schedule=schedule)
    assert max(_weights_left(tuned)["lstm.U"]) == 1


def _weights_left(tuned: Tuned) -> dict[str, list[int]]:
    """Return how many weights each row of each matrix keeps."""
    return {name: (integers != 0).sum(axis=1).tolist() for name, integers in _integers(tuned).items()}


def _integers(tuned: Tuned) -> dict[str, np.ndarray]:
    """Return the integers of each matrix."""
    consts = [node for node in tuned.design.graph.walk() if isinstance(node.op, ops.Const)]
    return {c.result.name: c.op.integers for c in consts if len(c.result.type.shape) > 1}


def test_a_share_of_what_is_no_matrix_is_refused() -> None:
    schedule = replace(SHORT, pruned={"lstm.recurent_weight": 0.5})
    text = "finetune, pruned: 'lstm.recurent_weight' is not a matrix of trained weights. Did you mean"
    with pytest.raises(ConfigError, match=re.escape(text)):
        finetune(model_of(*MODELS["lstm"]), COARSE, X, schedule=schedule)


def test_grids_start_at_the_types_and_end_at_nothing() -> None:
    graph = compile(model_of(*MODELS["lstm"]), COARSE).graph
    machine = DifferentiableGraph(graph, [value for value in constants(graph).values() if len(value.type.shape) > 1])
    widths = Widths(machine.weights)
    x = torch.from_numpy(to_real(quantise(X[:8], graph.inputs[0].type.element), graph.inputs[0].type.element.fraction))
    for one, other in zip(machine(x), machine(x, weights=widths.on_grids(machine.weights)), strict=True):
        assert torch.equal(one, other)
    for fractions in widths.fractions.values():
        fractions.data.fill_(-100)
    widths.clamp_()
    assert not any(reals.any() for reals in widths.on_grids(machine.weights).values())
    assert widths.mean_bits(widths.on_grids(machine.weights)).item() == 0


def test_the_gradient_of_a_grid_is_that_of_its_error() -> None:
    """q = w - e, and e shrinks by ln 2 of itself a bit (arXiv:2405.00645, section III)."""
    graph = compile(model_of(*MODELS["lstm"]), COARSE).graph
    value = next(value for value in constants(graph).values() if len(value.type.shape) > 1)
    reals = torch.linspace(-1, 1, int(np.prod(value.type.shape)), dtype=torch.float64).reshape(value.type.shape)
    widths = Widths({value: reals})
    rounded = widths.on_grids({value: reals})[value]
    rounded.sum().backward()
    error = (reals - rounded).detach()
    torch.testing.assert_close(widths.fractions[value.name].grad, error * np.log(2))


def with_two_outputs(second: str) -> Model:
    builder = ModelBuilder()
    x = builder.input("x", (5, 3))
    (h,) = builder.call(lstm(), x)
    return builder.model("m", [builder.call(d, h)[0] for d in (dense(), replace(dense(rows=2), name=second))], "test")


def test_several_outputs_are_trained_together() -> None:
    model = with_two_outputs("head")
    tuned = finetune(model, COARSE, X, schedule=SHORT)
    assert tuned.history[tuned.kept].held_out_loss < tuned.start_loss
    with pytest.raises(DataError, match=r"labels: output 'head' has none. Give labels of each output by its name"):
        finetune(model, COARSE, X, {"dense": X[:, 0]}, loss=Loss.LABELS)


def test_several_outputs_learn_from_those_of_the_same_names() -> None:
    model, other = map(with_two_outputs, ("head", "tail"))
    once = replace(SHORT, epochs=1)
    alone, taught = (finetune(model, COARSE, X, schedule=once, teacher=each) for each in (None, [model, model]))
    assert taught.history == alone.history
    text = "teacher: its outputs have shapes {'dense': (3,), 'tail': (2,)}, those of the model {'dense': (3,), 'head': "
    for teachers in (other, [model, other]):
        with pytest.raises(DataError, match=re.escape(text)):
            finetune(model, COARSE, X, schedule=once, teacher=teachers)


def test_labels_train_classes_and_numbers() -> None:
    labels = (X.sum(axis=(1, 2)) > 0).astype(int)
    tuned = finetune(model_of(*MODELS["lstm"]), COARSE, X, labels, loss=Loss.LABELS, schedule=SHORT)
    assert _right(tuned, labels) > 0.6
    numbers = np.stack([X[:, 0, 0], X[:, -1, 1]], axis=1)
    tuned = finetune(model_of(*MODELS["numbers"]), COARSE, X, numbers, loss=Loss.LABELS, schedule=SHORT)
    assert tuned.history[tuned.kept].held_out_loss < tuned.start_loss


def _right(tuned: Tuned, labels: np.ndarray) -> float:
    return float((tuned.design.predict(X).argmax(axis=1) == labels).mean())


@pytest.mark.parametrize(
    ("name", "end"),
    [("lstm", End.SOFTMAX), ("rnn", End.SIGMOID), ("numbers", End.NUMBERS)],
)
def test_the_loss_is_computed_on_logits(name: str, end: End) -> None:
    graph = compile(model_of(*MODELS[name])).graph
    found = scored(graph, graph.outputs[0])
    assert found.end is end
    assert found.value.name.startswith("dense")
    assert (found.value is graph.outputs[0]) == (end is End.NUMBERS)


def test_the_links_of_a_gru_find_both_of_its_biases() -> None:
    design = compile(model_of(*MODELS["gru"]), COARSE)
    found = links(lambda given: _graph(design.model, given), arrays_of(design.model))
    pairs = {(link.constant, link.array) for link in found}
    assert {("gru.b", "gru/bias"), ("gru.W", "gru/kernel"), ("dense.W", "dense/kernel")} <= pairs
    wanted = {"dense.b": np.array([0.5, -0.25, 1.0])}
    given = followed(lambda given: _graph(design.model, given), arrays_of(design.model), found, wanted)
    np.testing.assert_allclose(given["dense/bias"], wanted["dense.b"])


def _graph(model: Model, given):
    from loopwire.training.finetune import with_arrays

    return compile(with_arrays(model, given), COARSE).graph


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(DataError, match=re.escape("there are no labels, and the loss needs them")):
        finetune(model_of(*MODELS["lstm"]), COARSE, X, loss=Loss.LABELS)
    for wrong, text in (
        ({"epochs": 0}, "finetune, epochs: 0 is not above 0. Give a number above 0"),
        ({"epochs": 1.5}, "finetune, epochs: 1.5 is not a whole number. Give a whole number, such as 8"),
        ({"learning_rate": float("inf")}, "finetune, learning_rate: inf is not above 0. Give a number above 0"),
        ({"batch": "many"}, "finetune, batch: 'many' is not a whole number"),
        ({"seed": -1}, "finetune, seed: -1 is out of range. Give 0 or more"),
        ({"bit_price": -0.5}, "finetune, bit_price: -0.5 is out of range. Give 0 or more"),
        ({"pruned": {"lstm.weight": 1}}, "finetune, pruned, lstm.weight: a share of 1 is out of range"),
        ({"pruned": 0.5}, "finetune, pruned: 0.5 is not a table. Give a value for each name"),
        ({"narrow": "yes", "bit_price": 0.1}, "finetune, narrow: 'yes' is neither true nor false"),
        ({"digits": 0}, "finetune, digits: 0 is not above 0. Give a number above 0"),
        (
            {"digits": 0.5, "pruned": {"lstm.weight": 0.5}},
            "finetune, digits: 'bit_price' and 'pruned' also choose which weights become cheap. Give one of the three",
        ),
        ({"held_out": 0.95}, "finetune, held_out: 0.95 leaves little to train on. Give less than 0.9"),
    ):
        with pytest.raises(ConfigError, match=re.escape(text)):
            Schedule(**wrong)
    with pytest.raises(DataError, match=re.escape("1 events are too few to train on")):
        finetune(model_of(*MODELS["lstm"]), COARSE, X[:1])
    with pytest.raises(DataError, match=re.escape("they are not a finite number for each of the 400 events")):
        finetune(model_of(*MODELS["numbers"]), COARSE, X, X[:, 0, :2] * np.inf, loss=Loss.LABELS)


def test_types_in_which_everything_saturates_have_no_gradient() -> None:
    tiny = CompileConfig.from_dict({"model": {"precision": "fixed<4,-8,RND,SAT>"}})
    with pytest.raises(TrainingError, match=r"no weight has a gradient.*Give types with more integer bits"):
        finetune(model_of(dense(3), Activation("relu", Function("relu"))), tiny, X, schedule=SHORT)


@pytest.mark.parametrize(
    ("name", "rate", "sign"),
    [
        ("lstm", 30.0, "no weight has a gradient any more in epoch 2. Give a learning_rate below 30"),
        ("numbers", 1.0, r"the held-out loss is [\d.]+ after 2 epochs, [\d.]+ before training. Give a learning_rate"),
    ],
)
def test_a_training_that_diverges_is_refused(name: str, rate: float, sign: str) -> None:
    with pytest.raises(TrainingError, match=f"finetune: the training diverged: {sign}"):
        finetune(model_of(*MODELS[name]), COARSE, X, schedule=replace(SHORT, epochs=2, learning_rate=rate))


def test_types_of_activations_become_narrower_the_dearer_their_bits_and_the_design_has_them() -> None:
    wide = CompileConfig.from_dict({"model": {"precision": "fixed<12,4,RND,SAT>"}})
    schedules = [replace(SHORT, epochs=8, bit_price=price, narrow=True) for price in (1e-4, 1e-2)]
    cheap, dear = (finetune(model_of(*MODELS["lstm"]), wide, X, schedule=schedule) for schedule in schedules)
    types = [tuned.design.config.layer["lstm"].types.values() for tuned in (cheap, dear)]
    assert {type.integer for of_one in types for type in of_one} == {4}
    widths = [sum(type.width for type in of_one) for of_one in types]
    assert widths[1] < widths[0] < 12 * len(types[0])
    assert "softmax" not in dear.design.config.layer
    again = compile(dear.model, dear.design.config)
    np.testing.assert_array_equal(dear.design.predict(X), again.predict(X))


def test_narrow_types_without_a_price_are_refused() -> None:
    text = "finetune, narrow: it needs a bit_price, which is 0. Give a bit_price above 0"
    with pytest.raises(ConfigError, match=re.escape(text)):
        Schedule(narrow=True)


def test_settings_are_dictionaries_too_and_the_result_shows_its_losses() -> None:
    model, few = model_of(*MODELS["numbers"]), {"epochs": 2, "batch": 64}
    types = {"model": {"precision": "fixed<6,3,RND,SAT>"}}
    tuned = loopwire.finetune(model, types, X, schedule=few)
    same = finetune(model, COARSE, X, loss="distillation", schedule=Schedule(epochs=2, batch=64))
    assert tuned.history == same.history
    assert re.match(r"<Tuned model 'm': loss of held-out events [\d.]+ to [\d.]+, epoch \d of 2>$", repr(tuned))
    assert len(tuned.table().rows) == 3 and "<table>" in tuned._repr_html_()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"schedule": {"epoch": 3}}, "schedule: 'epoch' is not a setting. Did you mean 'epochs'? Choose from epochs, "),
        ({"schedule": 3}, "schedule: 3 is not a Schedule. Give its values by name: {'epochs': 20}"),
        ({"loss": "mse"}, "loss: 'mse' is unknown. Choose from distillation, labels"),
        ({"config": 6}, "config: 6 is not a CompileConfig"),
        ({"model": "m.keras"}, "model: 'm.keras' is not a Model. Give what loopwire.load returns"),
        ({"teacher": "m.keras"}, "teacher: 'm.keras' is not a Model. Give what loopwire.load returns"),
    ],
)
def test_arguments_of_another_kind_are_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        finetune(**{"model": model_of(*MODELS["numbers"]), "config": COARSE, "x": X, **given})
