"""The stages of a network's study that make hardware: the knobs' figure, its proofs, and designs for the goals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import loopwire
from examples.events import Array
from examples.study.networks import ECP5, KU115, VU13P, Effort, Goal, Network
from examples.study.stages import Facts, Settings, Stages, digest_of, file_name
from loopwire.cli import main as loopwire_command
from loopwire.errors import ConfigError
from loopwire.optimise.chooser import choose
from loopwire.project.written import DRAWINGS
from loopwire.report.built import ResourceUse
from loopwire.report.drawings import draw
from loopwire.report.html import page
from loopwire.report.stored import from_json

PROVEN_POINTS = 3
EMULATED_EVENTS = 200
"""Of each point of the knobs' figure; their results are compared, bit by bit, with those of the first point."""


class DesignsStudy:
    """Plans, proves and, where asked, synthesises designs of a trained network whose types are found."""

    def __init__(
        self, network: Network, model: Path, types: Path, inputs: Array, stages: Stages, settings: Settings
    ) -> None:
        self._task = network.task
        self._reuse_factors = network.reuse_factors
        self._effort: Effort = network.task.quick if settings.quick else network.task.full
        self._model = loopwire.load(model)
        self._types = types
        self._projects = types.parent
        self._inputs = inputs
        self._stages = stages
        self._settings = settings
        self._digests = (digest_of(model), digest_of(types))

    def run(self) -> Facts:
        """Run what is due; return what each stage measured."""
        once, task, count = self._stages.once, self._task, self._effort.simulated_sequences
        model, _ = self._digests
        asked = (self._reuse_factors, task.others_reuse_factor, task.copies, task.copied)
        knobs = once("knobs", (model, task.part, asked), self._scan_knobs)
        goals, built = {}, {}
        for number, goal in enumerate(task.goals, 1):
            facts = once(f"goal_{number}", (self._digests, count, goal), partial(self._reach, goal))
            goals[goal.name] = facts
            for tool, part in self._builds(goal) if "refused" not in facts else ():
                stage = f"{tool}_{number}_{part.split('-')[0]}"
                run = partial(self._build, goal, tool, part)
                built[f"{goal.name}: {tool}, {part.split('-')[0]}"] = once(stage, (self._digests, facts["knobs"]), run)
        proofs = {}
        if count:
            for place in np.linspace(0, len(knobs["points"]) - 1, PROVEN_POINTS).round().astype(int).tolist():
                config = knobs["points"][place]["config"]
                proofs[str(place)] = once(f"proof_{place}", (model, count, config), partial(self._prove, config))
        return {"knobs": knobs, "proofs": proofs, "goals": goals, "built": built}

    def _scan_knobs(self) -> Facts:
        """Plan each point of the figure in the default types: one sequence in the loop, interleaved, copies."""
        task = self._task
        names = {layer.name for layer in self._model.layers}
        others = {name: factor for name, factor in task.others_reuse_factor.items() if name in names}
        base = loopwire.CompileConfig(part=task.part, layer_reuse_factor=others)
        kinds = (("static", 1), ("interleaved", None))
        factors = self._reuse_factors
        configs = [(kind, replace(base, reuse_factor=r, interleave=c)) for r in factors for kind, c in kinds]
        for copies in task.copies:
            io = "parallel" if copies == task.copies[-1] else base.io
            configs.append(("copies", replace(base, reuse_factor=factors[task.copied], copies=copies, io=io)))
        x = self._inputs[:EMULATED_EVENTS]
        expected = loopwire.compile(self._model, base).predict_integers(x)
        points: list[Facts] = []
        for kind, config in configs:
            point = self._planned(kind, config, x, expected)
            # A loop that one sequence fills has no room for others: its interleaved point is the static one.
            known = kind == "interleaved" and point is not None and _paces(point) in map(_paces, points)
            if point is not None and not known:
                points.append(point)
        return {"part": task.part, "points": points}

    def _planned(self, kind: str, config: loopwire.CompileConfig, x: Array, expected: Array) -> Facts | None:
        try:
            design = loopwire.compile(self._model, config)
            report = design.report()
        except ConfigError as error:
            print(f"left out, {error}", flush=True)
            return None
        assert report.predicted is not None
        return {
            "kind": kind,
            "config": {
                "part": config.part,
                "reuse_factor": config.reuse_factor,
                **({"layer_reuse_factor": dict(config.layer_reuse_factor)} if config.layer_reuse_factor else {}),
                "copies": config.copies,
                "io": config.io,
                **({} if config.interleave is None else {"interleave": config.interleave}),
            },
            "latency_cycles": report.predicted.latency_cycles,
            "interval_cycles": report.predicted.initiation_interval_cycles,
            "clock_period_ns": report.clock_period_ns,
            "emulated": len(x),
            "differing": int(np.count_nonzero(design.predict_integers(x) != expected)),
            "resources": _uses(report.estimated),
        }

    def _prove(self, config: Facts) -> Facts:
        """Simulate a point of the figure; that the cycles differ from the prediction would end the study."""
        design = loopwire.compile(self._model, loopwire.CompileConfig.from_dict(config))
        proof = loopwire.verify(design, self._inputs, self._effort.simulated_sequences)
        return {"config": config, "proof": str(proof), "simulated_latency_cycles": proof.simulated.latency_cycles}

    def _reach(self, goal: Goal) -> Facts:
        """Find, prove and write a design for a goal, in the types found."""
        config = replace(
            loopwire.CompileConfig.from_toml(self._types), part=goal.part, clock_period_ns=goal.clock_period_ns
        )
        try:
            choice = choose(loopwire.compile(self._model, config), goal.targets)
        except ConfigError as error:
            return {"refused": str(error)}
        design, count = choice.design, self._effort.simulated_sequences
        proof = loopwire.verify(design, self._inputs, count) if count else None
        report = design.report(proof)
        assert report.predicted is not None
        drawings = draw(report, design.target.pictures(design.hardware))
        reports = {
            "report.json": report.to_json(),
            "report.md": report.to_markdown(),
            "report.html": page(report, drawings),
            DRAWINGS: drawings.to_json(),
        }
        design.write(self._project(goal), self._inputs, reports)
        return {
            "part": goal.part,
            "clock_period_ns": goal.clock_period_ns,
            "knobs": [f"{knob.name} {knob.value}" for knob in choice.knobs],
            "latency_cycles": report.predicted.latency_cycles,
            "interval_cycles": report.predicted.initiation_interval_cycles,
            "proof": str(proof) if proof else "not simulated with these settings",
            "resources": _uses(report.estimated),
        }

    def _project(self, goal: Goal) -> Path:
        return self._projects / file_name(goal.name)

    def _builds(self, goal: Goal) -> Iterator[tuple[str, str]]:
        """Yield the tools that were asked for, each with a part."""
        if goal.part == ECP5:
            if self._settings.route:
                yield "route", ECP5
        elif self._settings.synthesise:
            yield "synth", KU115
            yield "synth", VU13P

    def _build(self, goal: Goal, tool: str, part: str) -> Facts:
        """Run `loopwire synth` or `loopwire route`."""
        project = self._project(goal)
        loopwire_command([tool, str(project), "--part", part], standalone_mode=False)
        built = from_json((project / "report.json").read_text()).built[-1]
        return {
            "tool": built.tool,
            "stage": built.stage,
            "clock_period_ns": built.clock_period_ns,
            "resources": _uses(built.resources),
        }


def _paces(point: Facts) -> tuple[float, float]:
    return point["latency_cycles"], point["interval_cycles"]


def _uses(resources: Sequence[ResourceUse]) -> Facts:
    return {use.name: [use.used, use.available] for use in resources}
