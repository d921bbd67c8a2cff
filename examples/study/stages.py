"""The stages of a network's study: each takes a few seconds to minutes and leaves one JSON file with what it measured.

A stage whose file is there and was made by the same settings is not run again, so that a study that was interrupted
goes on. Everything is asked of Loopwire as a user would ask it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import loopwire
from examples.study.data import TaskData
from examples.study.networks import Network
from examples.training import areas, repeatable, save, train
from loopwire.errors import ConfigError
from loopwire.explore.chooser import choose
from loopwire.explore.events import Events
from loopwire.explore.precision import find_precision
from loopwire.explore.precision_file import write_toml
from loopwire.explore.scan import scan, scan_figure
from loopwire.report.figures import save as save_figure
from loopwire.report.roc import class_rocs, roc_figure

AS_USERS_SET_IT = {"model": {"precision": "ap_fixed<16,6>"}}
"""hls4ml's usual type, which cuts and wraps; Loopwire's default rounds and saturates."""
SCANNED_EVENTS, INTEGER_BITS, FRACTION_BITS = 4000, (4, 6, 8), (2, 4, 6, 8, 10, 12)
SEARCHED_EVENTS = 8000
PROVEN_POINTS = 3
Facts = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How much is done: `quick` trains less and simulates fewer sequences."""

    quick: bool
    seed: int = 1

    @property
    def simulated_sequences(self) -> int:
        """Sequences of each proof."""
        return 40 if self.quick else 400


class Study:
    """One network's study in a folder of its own."""

    def __init__(self, name: str, network: Network, data: TaskData, folder: Path, settings: Settings) -> None:
        self.name = name
        self.network = network
        self.data = data
        self.folder = folder
        self.settings = settings
        self._types: Mapping[str, Any] = {}

    def run(self) -> Facts:
        """Run all stages that are due; return what each measured."""
        stages: dict[str, Callable[[], Facts]] = {
            "training": self._train,
            "types": self._find_types,
            "bits": self._scan_bits,
            "curves": self._draw_curves,
            "knobs": self._scan_knobs,
            "goals": self._reach_goals,
        }
        facts: Facts = {"source": self.data.source}
        for name, stage in stages.items():
            facts[name] = self._once(name, stage)
        return facts

    def _once(self, name: str, stage: Callable[[], Facts]) -> Facts:
        path = self.folder / f"{name}.json"
        key = self._key(name)
        if path.is_file():
            kept: Facts = json.loads(path.read_text())
            if kept["key"] == key:
                return kept
        start = time.perf_counter()
        found = {**stage(), "key": key}
        found["seconds"] = round(time.perf_counter() - start, 1)
        print(f"{self.name}: {name}, {found['seconds']:.0f} s", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(found, indent=1) + "\n")
        new.replace(path)
        return self._once(name, stage)

    def _key(self, stage: str) -> str:
        """Return what a stage's result depends on, as a digest."""
        model = self.model_path
        trained = "" if stage == "training" else hashlib.sha256(model.read_bytes()).hexdigest()
        events = hashlib.sha256(self.data.test.inputs.tobytes() + self.data.training.labels.tobytes()).hexdigest()
        text = f"{stage} {self.network} {self.settings} {trained} {events} {loopwire.__version__}"
        return hashlib.sha256(_without_addresses(text).encode()).hexdigest()[:16]

    @property
    def model_path(self) -> Path:
        """The trained network."""
        return self.folder / f"{self.name}.keras"

    def _train(self) -> Facts:
        network, settings = self.network, self.settings
        repeatable(settings.seed)
        model = network.make()
        epochs = network.epochs[settings.quick]
        history = train(
            model, self.data.training, epochs=epochs, learning_rate=network.learning_rate, seed=settings.seed
        )
        assert save(model, history, self.folder) == self.model_path
        return {"parameters": model.count_params(), "epochs": epochs, "auc": areas(model, self.data.test)}

    def _events(self, count: int, test: bool = True) -> Events:
        events = (self.data.test if test else self.data.training).first(count)
        return Events(events.inputs, events.labels, events.class_names, "test events" if test else "training events")

    def _find_types(self) -> Facts:
        model = loopwire.load(self.model_path)
        data = self._events(SEARCHED_EVENTS, test=False)
        if self.network.keep.startswith("top1"):
            data = replace(data, labels=None)
        found = find_precision(model, data, self.network.keep, state=self.folder / "types.state")
        write_toml(found, self.folder / "types.toml")
        return {
            "keep": self.network.keep,
            "choices": found.judged,
            "weight_bits": found.weight_bits,
            "activation_bits": found.activation_bits,
            "cost_share": found.cost / found.baseline_cost,
        }

    def _scan_bits(self) -> Facts:
        model = loopwire.load(self.model_path)
        points = scan(model, self._events(SCANNED_EVENTS), INTEGER_BITS, FRACTION_BITS)
        with scan_figure(points) as drawn:
            save_figure(drawn, self.folder / "bits.png")
        return {"points": [asdict(point) for point in points.points]}

    def _configurations(self) -> dict[str, loopwire.CompileConfig]:
        types = loopwire.CompileConfig.from_toml(self.folder / "types.toml")
        users = loopwire.CompileConfig.from_dict(AS_USERS_SET_IT)
        return {"ap_fixed<16,6>": users, "default": loopwire.CompileConfig(), "found": types}

    def _draw_curves(self) -> Facts:
        model, test = loopwire.load(self.model_path), self.data.test
        facts: Facts = {}
        for name, config in self._configurations().items():
            design = loopwire.compile(model, config)
            real, fixed = design.predict_float(test.inputs), design.emulate(test.inputs)
            rocs = class_rocs(test.labels, real, fixed, test.class_names)
            facts[name] = {
                "float": {roc.name: roc.real.auc for roc in rocs},
                "fixed": {roc.name: roc.fixed.auc for roc in rocs},
                "same_class": float((real.argmax(axis=1) == fixed.argmax(axis=1)).mean()),
            }
            with roc_figure(rocs, f"{self.name}, {name}") as drawn:
                save_figure(drawn, self.folder / f"roc_{_plain(name)}.png")
        return facts

    def _scan_knobs(self) -> Facts:
        """Plan each point of the figure in the default types: one sequence in the loop, interleaved, copies."""
        network, model = self.network, loopwire.load(self.model_path)
        base = loopwire.CompileConfig(part=network.part)
        points = []
        for factor in network.reuse_factors:
            for name, interleave in (("static", 1), ("interleaved", None)):
                points.append(self._planned(model, replace(base, reuse_factor=factor, interleave=interleave), name))
        for copies in network.copies:
            config = replace(base, reuse_factor=network.reuse_factors[0], copies=copies)
            if copies == network.copies[-1]:
                config = replace(config, io="parallel")
            points.append(self._planned(model, config, "copies"))
        points = [point for point in points if point]
        proven = [points[place] for place in np.linspace(0, len(points) - 1, PROVEN_POINTS).round().astype(int)]
        for point in proven if self._fits_a_simulation() else []:
            design = loopwire.compile(model, loopwire.CompileConfig.from_dict(point["config"]))
            proof = loopwire.verify(design, self.data.test.inputs, self.settings.simulated_sequences)
            point["proven"] = str(proof)
            point["simulated_latency_cycles"] = proof.simulated.latency_cycles
        return {"part": network.part, "points": points}

    def _fits_a_simulation(self) -> bool:
        return not (self.settings.quick and self.network.task == "quickdraw")

    def _planned(self, model: Any, config: loopwire.CompileConfig, name: str) -> Facts | None:
        try:
            report = loopwire.compile(model, config).report()
        except ConfigError as error:
            print(f"{self.name}: left out, {error}", flush=True)
            return None
        assert report.predicted is not None
        knobs = {
            "part": config.part,
            "reuse_factor": config.reuse_factor,
            "copies": config.copies,
            "io": config.io,
            **({} if config.interleave is None else {"interleave": config.interleave}),
        }
        return {
            "kind": name,
            "config": knobs,
            "latency_cycles": report.predicted.latency_cycles,
            "interval_cycles": report.predicted.initiation_interval_cycles,
            "clock_period_ns": report.clock_period_ns,
            **_resources(report),
        }

    def _reach_goals(self) -> Facts:
        """Find and prove a design for each goal, in the types found."""
        model = loopwire.load(self.model_path)
        found: Facts = {}
        types = loopwire.CompileConfig.from_toml(self.folder / "types.toml")
        for goal in self.network.goals:
            config = replace(types, part=goal.part, clock_period_ns=goal.clock_period_ns)
            choice = choose(loopwire.compile(model, config), goal.targets)
            report = choice.design.report()
            assert report.predicted is not None
            sequences = self.settings.simulated_sequences
            proof = loopwire.verify(choice.design, self.data.test.inputs, sequences)
            found[goal.name] = {
                "part": goal.part,
                "clock_period_ns": goal.clock_period_ns,
                "knobs": [f"{knob.name} {knob.value}" for knob in choice.knobs],
                "latency_cycles": report.predicted.latency_cycles,
                "interval_cycles": report.predicted.initiation_interval_cycles,
                "proven": str(proof),
                **_resources(report),
            }
        return found


def _resources(report: Any) -> Facts:
    return {"resources": {use.name: [use.used, use.available] for use in report.estimated}}


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _without_addresses(text: str) -> str:
    return " ".join(word for word in text.split() if not word.startswith("0x"))
