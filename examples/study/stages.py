"""The stages of a network's study, up to ROC curves; those of its designs are in `designs.py`.

Everything is asked of Loopwire as a user would ask it. Each stage leaves a JSON file with what it measured; one whose
file was made of the same inputs is not run again, so that a study that was interrupted goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import loopwire
from examples.events import Events
from examples.study.data import TaskData
from examples.study.networks import Effort, Network
from examples.training import areas, repeatable, save, train
from loopwire.data import Data
from loopwire.optimise.precision import find_precision
from loopwire.optimise.precision_file import write_toml
from loopwire.optimise.scan import scan, scan_figure
from loopwire.report.figures import save as save_figure
from loopwire.report.roc import class_rocs, roc_figure
from loopwire.system.workers import workers

AS_USERS_SET_IT = {"model": {"precision": "ap_fixed<16,6>"}}
"""hls4ml's usual type, which truncates and wraps; Loopwire's default rounds and saturates."""
SCANNED_EVENTS, INTEGER_BITS, FRACTION_BITS = 4000, (4, 6, 8), (2, 4, 6, 8, 10, 12)
SEED = 1
Facts = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How much is done.

    Attributes:
        quick: the quick effort of each task, else the full one.
        synthesise: the designs of the goals, with Yosys, for both AMD parts.
        route: those on an ECP5, with nextpnr.
        processes, scheduler: where types are tried, as `loopwire precision --workers` and `--scheduler` say.
    """

    quick: bool
    synthesise: bool = False
    route: bool = False
    processes: int | None = None
    scheduler: str | None = None


class Stages:
    """Runs stages, each once, and keeps what they measured in a folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    def once(self, stage: str, inputs: object, run: Callable[[], Facts]) -> Facts:
        """Return what a stage measured: before, if its inputs (told apart by their text) are as they were, or now."""
        path = self._folder / f"{stage}.json"
        key = key_of(stage, inputs)
        if path.is_file():
            kept: Facts = json.loads(path.read_text())
            if kept["key"] == key:
                return kept
        start, start_cpu = time.perf_counter(), _cpu_seconds()
        found = {**run(), "key": key}
        found["seconds"] = round(time.perf_counter() - start, 1)
        found["cpu_seconds"] = round(_cpu_seconds() - start_cpu, 1)
        print(f"{self._name}: {stage}, {found['seconds']:.0f} s, {found['cpu_seconds']:.0f} CPU s", flush=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(found, indent=1) + "\n")
        new.replace(path)
        return dict(json.loads(path.read_text()))  # as it is read when the stage is not run again


class NumbersStudy:
    """Trains a network, finds its types, and draws its curves."""

    def __init__(self, name: str, network: Network, data: TaskData, folder: Path, settings: Settings) -> None:
        self.name = name
        self.task = network.task
        self.data = data
        self.folder = folder
        self.stages = Stages(name, folder)
        self._make = network.make
        self._workers = partial(workers, settings.processes, settings.scheduler)
        self._effort: Effort = self.task.quick if settings.quick else self.task.full

    @property
    def model_path(self) -> Path:
        """The trained network."""
        return self.folder / f"{self.name}.keras"

    @property
    def types_path(self) -> Path:
        """The types found."""
        return self.folder / "types.toml"

    def run(self) -> Facts:
        """Run what is due; return what each stage measured."""
        task, data = self.task, self.data
        settings = (self._effort.epochs, task.learning_rate, task.odd, task.batch, SEED)
        inputs = (settings, _digest(data.training), _digest(data.test))
        facts = {"source": data.source, "training": self.stages.once("training", inputs, self._train)}
        model = digest_of(self.model_path)
        inputs = (model, task.keep, _digest(data.searched))
        state = self.folder / f"types_{key_of('types', inputs)}.state"
        facts["types"] = self.stages.once("types", inputs, partial(self._find_types, state))
        inputs = (model, SCANNED_EVENTS, INTEGER_BITS, FRACTION_BITS, _digest(data.test))
        facts["bits"] = self.stages.once("bits", inputs, self._scan_bits)
        inputs = (model, digest_of(self.types_path), _digest(data.test))
        facts["curves"] = self.stages.once("curves", inputs, self._draw_curves)
        return facts

    def _train(self) -> Facts:
        repeatable(SEED)
        model = self._make()
        task, epochs = self.task, self._effort.epochs
        history = train(
            model,
            self.data.training,
            epochs=epochs,
            learning_rate=task.learning_rate,
            odd=task.odd,
            batch=task.batch,
            seed=SEED,
        )
        assert save(model, history, self.folder) == self.model_path
        return {"parameters": model.count_params(), "epochs": epochs, "auc": areas(model, self.data.test)}

    def _find_types(self, state: Path) -> Facts:
        """Search types; a search of the same inputs that was stopped goes on by its state."""
        model, data = loopwire.load(self.model_path), _data(self.data.searched, "events")
        if self.task.keep.startswith("top1"):  # against the float network's own answers
            data = replace(data, labels=None)
        with self._workers() as several:
            found = find_precision(model, data, self.task.keep, state=state, workers=several)
        write_toml(found, self.types_path)
        return {
            "keep": self.task.keep,
            "choices": found.judged,
            "weight_bits": found.weight_bits,
            "activation_bits": found.activation_bits,
            "cost_share": found.cost / found.baseline_cost,
        }

    def _scan_bits(self) -> Facts:
        model = loopwire.load(self.model_path)
        events = _data(self.data.test.first(SCANNED_EVENTS), "test events")
        with self._workers() as several:
            points = scan(model, events, INTEGER_BITS, FRACTION_BITS, workers=several)
        with scan_figure(points) as drawn:
            save_figure(drawn, self.folder / "bits.png")
        return {"points": [asdict(point) for point in points.points]}

    def _draw_curves(self) -> Facts:
        model, test = loopwire.load(self.model_path), self.data.test
        configurations = {
            "ap_fixed<16,6>": loopwire.CompileConfig.from_dict(AS_USERS_SET_IT),
            "default": loopwire.CompileConfig(),
            "found": loopwire.CompileConfig.from_toml(self.types_path),
        }
        facts: Facts = {}
        for name, config in configurations.items():
            design = loopwire.compile(model, config)
            real, fixed = design.predict_float(test.inputs), design.emulate(test.inputs)
            rocs = class_rocs(test.labels, real, fixed, test.class_names)
            facts[name] = {
                "float": {roc.name: roc.real.auc for roc in rocs},
                "fixed": {roc.name: roc.fixed.auc for roc in rocs},
                "same_class": float((real.argmax(axis=1) == fixed.argmax(axis=1)).mean()),
            }
            with roc_figure(rocs, f"{self.name}, {name}") as drawn:
                save_figure(drawn, self.folder / f"roc_{file_name(name)}.png")
        return facts


def _cpu_seconds() -> float:
    """Return the time on all cores of this process, and of those that it has run and waited for."""
    return sum(os.times()[:4])


def key_of(stage: str, inputs: object) -> str:
    """Return what tells a stage's inputs from others, by their text."""
    return hashlib.sha256(f"{stage} {inputs} {loopwire.__version__}".encode()).hexdigest()[:16]


def file_name(text: str) -> str:
    """Return a text with everything but letters and digits replaced."""
    return "".join(letter if letter.isalnum() else "_" for letter in text)


def digest_of(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(events: Events) -> str:
    return hashlib.sha256(np.ascontiguousarray(events.inputs).tobytes() + events.labels.tobytes()).hexdigest()


def _data(events: Events, where: str) -> Data:
    return Data(events.inputs, events.labels, events.class_names, where)
