"""Mutated projects: folders that `loopwire synth`, `route`, `build`, `board` and `run` read, up to their tools."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

import loopwire
from fuzz.configurations import small_model
from fuzz.files import FileCampaign, Files
from fuzz.mutations import Mutator, mutate_bytes, mutate_json, mutate_text
from loopwire.boards.project import write_board
from loopwire.boards.session import _emulated
from loopwire.cli.retime import compilation_of
from loopwire.config import CompileConfig
from loopwire.implementation import _sources
from loopwire.project.files import GRAPH
from loopwire.project.folder import MARKER
from loopwire.project.written import DRAWINGS, REPORT, add_built, read_verilog_facts, report_files
from loopwire.report.built import Built
from loopwire.report.drawings import draw
from loopwire.tools import quartus, vivado
from loopwire.tools.rtl_files import RtlFiles

TOP = "tagger"
FOLDER = "project"
MUTATED = {
    f"{FOLDER}/{MARKER}": (mutate_json, mutate_json, mutate_json, mutate_text, mutate_bytes),
    f"{FOLDER}/{REPORT}": (mutate_json, mutate_json, mutate_text, mutate_bytes),
    f"{FOLDER}/{DRAWINGS}": (mutate_json, mutate_json, mutate_text, mutate_bytes),
    f"{FOLDER}/{GRAPH}": (mutate_text, mutate_text, mutate_bytes),
    f"{FOLDER}/report.html": (mutate_text,),
    f"{FOLDER}/rtl/{TOP}.sv": (mutate_text, mutate_bytes),
}
PARTS = ("xcku115-flvb2104-2-i", "5CGXFC7C7F23C8")
"""Of Vivado and of Quartus."""


class Projects(FileCampaign):
    """What reads a project ends in an error of ours, and writes nothing beside it."""

    name = "projects"

    @cached_property
    def originals(self) -> Sequence[Files]:
        """A chain with its report, stateful or not."""
        return [_project(stateful) for stateful in (False, True)]

    def mutators(self, file: str) -> Sequence[Mutator]:
        """Of facts, report, graph and top module."""
        return MUTATED.get(file, ())

    def finished(self, files: dict[str, bytes], source: random.Random) -> Files:
        """Mostly list the digests of the mutated files, as one who means harm does."""
        marker = f"{FOLDER}/{MARKER}"
        try:
            facts = json.loads(files[marker])
            listed = facts["loopwire"]["files"]
            for name in listed:
                listed[name] = hashlib.sha256(files[f"{FOLDER}/{name}"]).hexdigest()
        except (ValueError, LookupError, TypeError, RecursionError):
            return files
        return {**files, marker: json.dumps(facts).encode()} if source.random() < 0.8 else files

    def check(self, folder: Path) -> None:
        """Read a project as each command does."""
        project = folder / FOLDER
        for command in (_built, _routed, _run, _vendors, _board):
            command(project)
        beside = sorted(path.name for path in folder.iterdir())
        assert beside in ([FOLDER], ["board", FOLDER]), f"beside the project: {beside}"


def _built(project: Path) -> None:
    compilation_of(project)
    add_built(project, Built("a tool", "synthesised"))


def _routed(project: Path) -> None:
    _sources(project, read_verilog_facts(project))


def _run(project: Path) -> None:
    facts = read_verilog_facts(project)
    if facts["input"]["shape"] == [4, 2]:
        _emulated([np.zeros((3, 4, 2), np.int64)], project)


def _vendors(project: Path) -> None:
    facts = read_verilog_facts(project)
    files = RtlFiles.read(project, facts)
    for tool, part in zip((vivado, quartus), PARTS, strict=True):
        tool.project_files(files, part, facts["clock_period_ns"])


def _board(project: Path) -> None:
    write_board(project, "ulx3s-85f", project.parent / "board", None, 1_000_000)


def _project(stateful: bool) -> Files:
    choices = {"model": {"precision": "fixed<8,3>"}, "part": "LFE5U-85F", "clock_period_ns": 12.0, "name": TOP}
    design = loopwire.compile(small_model(), CompileConfig.from_dict({**choices, "stateful": stateful}))
    report = replace(design.report(), command="loopwire compile model.keras --out project")
    with tempfile.TemporaryDirectory() as folder:
        design.write(Path(folder, FOLDER), more=report_files(report, draw(report, design.pictures())))
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


CAMPAIGN = Projects()
