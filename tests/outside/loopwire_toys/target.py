"""A target: the graph as a text, proved by evaluating what is read of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loopwire.config import CompileConfig
from loopwire.data import Batch
from loopwire.devices import Device
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.errors import UnsupportedError
from loopwire.fact_kinds import is_module
from loopwire.ir.text import parse_graph, print_graph
from loopwire.quantised_model import QuantisedModel
from loopwire.report.summary import HardwareFacts, Verification
from loopwire.targets.protocol import Progress

PREDICTS = False
KINDS = {"top": is_module}


@dataclass(frozen=True)
class Listing:
    model: QuantisedModel
    text: str


def check(model: QuantisedModel, device: Device) -> CompileConfig:
    if model.config.copies > 1:
        raise UnsupportedError("copies", "a listing has no copies", "Leave it out")
    return model.config


def generate(model: QuantisedModel, device: Device) -> Listing:
    return Listing(model, print_graph(model.graph))


def files(hardware: Listing, x: Batch) -> Mapping[str, str]:
    return {"listing.txt": hardware.text}


def facts(hardware: Listing) -> Mapping[str, object]:
    return {"top": "listing", "lines": len(hardware.text.splitlines())}


def summary(hardware: Listing) -> HardwareFacts:
    return HardwareFacts()


def pictures(hardware: Listing) -> list[str]:
    return []


def build(hardware: Listing) -> None:
    parse_graph(hardware.text)


def prove(hardware: Listing, x: Batch, seed: int, progress: Progress | None) -> Verification:
    integers, lengths = hardware.model.input_integers(x, None)
    found = evaluate_integers(parse_graph(hardware.text), integers.arrays, None)
    due = hardware.model.emulated(integers, lengths, np.zeros(len(x), np.bool_))
    assert all((one == other).all() for one, other in zip(found, due.arrays, strict=True))
    return Verification("The listing", "What is read of it was evaluated.", len(x))
