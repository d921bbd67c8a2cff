"""What the training scripts share: a training that repeats, and files that are written when it has succeeded.

Keras runs on the backend that KERAS_BACKEND names, on JAX where it names none: on a CPU it trains recurrent networks
three times as fast as PyTorch does.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
# Of JAX, read when it is imported: one thread, so that all sums are in one order.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from examples.events import Array, Events, mirrored
from loopwire.report.figures import figure
from loopwire.report.figures import save as save_figure

VALIDATION = 0.1
"""Share of the training events that only validate."""


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the weights of the epoch with the least validation loss, and ends a training that diverges."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Array] = []
        self._least = np.inf

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._refuse_divergence(logs, "loss")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        loss = self._refuse_divergence(logs, "val_loss")
        if loss < self._least:
            self._least, self.weights = loss, self.model.get_weights()

    def _refuse_divergence(self, logs: Mapping[str, float] | None, name: str) -> float:
        loss = (logs or {})[name]
        if not np.isfinite(loss):
            raise SystemExit(
                f"the training diverged: {name} is {loss}. Nothing was written. Take a smaller --learning-rate"
            )
        return loss


def train(
    model: keras.Model,
    events: Events,
    *,
    epochs: int,
    learning_rate: float,
    odd: Sequence[int] = (),
    batch: int = 256,
    seed: int = 1,
) -> dict[str, list[float]]:
    """Train with Adam, the learning rate falling to zero along half a cosine; return the history by its names.

    The weights that are kept are those of the epoch with the least validation loss. Call `repeatable` before the
    model is made, so that all repeats to the bit on one machine.

    Args:
        model: untrained.
        events: most of them train, the others validate.
        epochs: at the end of which the learning rate is zero.
        learning_rate: the first one.
        odd: places of features whose sign is of no meaning: the mirror images train too.
        batch: events a step.
        seed: of the order.

    Raises:
        SystemExit: the loss is not finite.
    """
    order = np.random.default_rng(seed).permutation(len(events.inputs))
    validating = events.part(order[: int(VALIDATION * len(order))])
    training = events.part(order[len(validating.inputs) :])
    if odd:
        training = mirrored(training, odd)
    steps = epochs * int(np.ceil(len(training.inputs) / batch))
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    watch = _Watch()
    history = model.fit(
        training.inputs,
        training.labels,
        batch_size=batch,
        epochs=epochs,
        validation_data=(validating.inputs, validating.labels),
        verbose=2,
        callbacks=[watch],
    )
    model.set_weights(watch.weights)
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def repeatable(seed: int) -> None:
    """Fix all seeds, and one thread where the backend is PyTorch, as is JAX's: sums are then always in one order."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)


def areas(model: keras.Model, events: Events) -> dict[str, float]:
    """Return the area under the ROC curve of each class against all others."""
    scores = model.predict(events.inputs, batch_size=1000, verbose=0)
    pairs = enumerate(events.class_names)
    return {name: float(roc_auc_score(events.labels == place, scores[:, place])) for place, name in pairs}


def save(model: keras.Model, history: Mapping[str, Sequence[float]], folder: Path) -> Path:
    """Write `<name>.keras` without the optimiser's state, and its history as JSON and figure; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    model.compile()
    path = folder / f"{model.name}.keras"
    new = path.with_name(f"new_{path.name}")
    model.save(new)
    new.replace(path)
    path.with_name(f"{model.name}_history.json").write_text(json.dumps(history, indent=1) + "\n")
    with figure() as drawn:
        axes = drawn.subplots()
        for name in ("loss", "val_loss"):
            axes.plot(range(1, len(history[name]) + 1), history[name], label=name)
        axes.set_xlabel("epoch")
        axes.set_ylabel("cross entropy")
        axes.legend()
        save_figure(drawn, path.with_name(f"{model.name}_history.png"))
    return path


def command(
    description: str,
    networks: Mapping[str, Callable[[], keras.Model]],
    read: Callable[[argparse.Namespace], tuple[Events, Events]],
    options: Callable[[argparse.ArgumentParser], None],
    *,
    epochs: int,
    learning_rate: float,
    out: Path,
    odd: Sequence[int] = (),
    batch: int = 256,
) -> None:
    """Run a training script: train the chosen networks, write them, print their areas on the test events.

    Args:
        description: of the script, its first line shown as help.
        networks: makes each untrained network, by its name.
        read: returns training and test events.
        options: adds the script's own options.
        epochs: where --epochs is not given; a fifth of them with --quick.
        learning_rate: where --learning-rate is not given.
        out: folder of the models where --out is not given.
        odd, batch: as `train` takes them.
    """
    parser = argparse.ArgumentParser(
        description=description.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options(parser)
    parser.add_argument("--networks", nargs="+", choices=list(networks), default=list(networks), help="what to train")
    parser.add_argument("--out", type=Path, default=out, help="folder of the models")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a fifth of the epochs, 5 000 events at most")
    chosen = parser.parse_args()
    training, test = read(chosen)
    if chosen.quick:
        training = training.first(5000)
    for name in chosen.networks:
        repeatable(chosen.seed)
        model = networks[name]()
        history = train(
            model,
            training,
            epochs=max(chosen.epochs // 5, 1) if chosen.quick else chosen.epochs,
            learning_rate=chosen.learning_rate,
            odd=odd,
            batch=batch,
            seed=chosen.seed,
        )
        path = save(model, history, chosen.out)
        listed = " ".join(f"{label} {area:.4f}" for label, area in areas(model, test).items())
        print(f"{path}: {model.count_params()} parameters, AUC {listed}", flush=True)
