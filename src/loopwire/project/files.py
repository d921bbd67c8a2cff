"""What a written project consists of, each file's text by its path."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from loopwire.data import Inputs, check_batch
from loopwire.devices import Device
from loopwire.ir.text import print_graph
from loopwire.project.folder import MARKER
from loopwire.quantised_model import QuantisedModel
from loopwire.targets.protocol import Target

GRAPH = "graph.txt"
"""The lowered graph: what the emulator runs."""
TESTBENCH_SEQUENCES = 32
"""Enough for every slot of the loop, and vectors of some 100 kB."""
TESTBENCH_SEQUENCES_A_CHANNEL = 3
"""At least, where something of a channel lasts."""


def project_files(
    model: QuantisedModel, device: Device, target: Target, hardware: Any, x: Inputs | None
) -> dict[str, str]:
    """Return the files of a design; its testbench's vectors are the first of `x`, or random if None.

    Args:
        model: what is compiled.
        device: for which part.
        target: what it is compiled to.
        hardware: what that made of it.
        x: inputs, (N, ...) of the input's shape.
    """
    count = TESTBENCH_SEQUENCES
    if model.config.remembers:
        count = max(count, TESTBENCH_SEQUENCES_A_CHANNEL * model.config.channels)
    vectors = check_batch("x", model.random_inputs(count) if x is None else x, model.ports)[:count]
    facts = {**_facts(model, device), **target.facts(hardware)}
    files = {**target.files(hardware, vectors), GRAPH: print_graph(model.graph)}
    return {**files, MARKER: json.dumps(facts, indent=2) + "\n"}


def _facts(model: QuantisedModel, device: Device) -> dict[str, object]:
    """Return what is true of a design on every target."""
    values = [*model.graph.inputs, *(result for node in model.graph.walk() for result in node.results)]
    return {
        "loopwire": {"version": version("loopwire")},
        "target": model.config.target,
        "model": {"name": model.name, "source": model.source_name, **_input_shapes(model)},
        "part": device.name,
        "speed_grade": device.speed_grade,
        "clock_period_ns": model.config.clock_period_ns,
        "knobs": asdict(model.config.knobs),
        "tensors": {value.name: str(value.type) for value in values},
    }


def _input_shapes(model: QuantisedModel) -> dict[str, object]:
    shapes = {tensor.name: list(tensor.shape) for tensor in model.model.inputs}
    return {"input_shapes": shapes} if len(shapes) > 1 else {"input_shape": next(iter(shapes.values()))}
