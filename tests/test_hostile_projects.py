"""Projects whose files are damaged or made to harm: each command that reads one ends in an error of ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from board_simulation import write_pass_through
from loopwire.boards.identity import identity_of
from loopwire.errors import LoopwireError, OutputError
from loopwire.project.folder import check_project
from loopwire.project.written import read_facts, read_graph, read_report

STRANGE: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**18,
    1e308,
    "",
    "x",
    "fixed<16,6>",
    "../../etc/passwd",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    {"type": "fixed<1,1>"},
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pass_through(tmp_path_factory.mktemp("project") / "same")


@pytest.fixture
def facts(project: Path) -> Any:
    """The facts, written back afterwards."""
    text = (project / "design.json").read_text()
    yield json.loads(text)
    (project / "design.json").write_text(text)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of everything in a value of JSON."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *places(value[key]))]


@pytest.mark.parametrize("seed", range(30))
def test_any_damage_to_the_facts_is_read_or_refused(seed: int, project: Path, facts: Any) -> None:
    random = Random(seed)
    container, key = random.choice([place for place in places(facts) if place[0] is not facts["loopwire"]["files"]])
    if random.random() < 0.3:
        del container[key]
    else:
        container[key] = random.choice(STRANGE)
    (project / "design.json").write_text(json.dumps(facts))
    try:
        identity = identity_of(read_facts(project), 4096)
        assert identity.input.bits < 1 << 21
    except LoopwireError as error:
        assert len(str(error)) < 600


BROKEN = {
    "": "it is not JSON: Expecting value: line 1 column 1",
    "{": "it is not JSON: Expecting property name",
    "[]": "it holds [], not a table",
    "1": "it holds 1, not a table",
    "[" * 50_000: "it nests deeper than",
    "[" + "1," * 200_000 + "1]": "it holds more than 100000 values",
    "\ud800": "it is not JSON: 'utf-8' codec can't decode",
    '{"files": {}}': "'loopwire' is None, not a table",
    '{"loopwire": "0.1"}': "'loopwire' is '0.1', not a table",
    '{"loopwire": {"files": ["rtl/a.sv"]}}': "'loopwire.files' is ['rtl/a.sv'], not a table",
    '{"loopwire": {"files": {"rtl/a.sv": 1}}}': "'loopwire.files.rtl/a.sv' is 1, not a digest",
}


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: repr(text[:40]))
def test_facts_that_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "design.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(OutputError) as refused:
        read_facts(tmp_path)
    told = f"{tmp_path}/design.json: it does not list what Loopwire wrote here ({BROKEN[text]}"
    assert str(refused.value).startswith(told)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "design.json").write_text('{"loopwire": {"files": {"pipe": "0"}}}')
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="'pipe' was changed since Loopwire wrote it"):
        check_project(tmp_path)


def test_a_file_larger_than_any_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "design.json").write_text('{"loopwire": {"files": {"big": "0"}}}')
    with (tmp_path / "big").open("wb") as big:
        big.truncate(1 << 40)  # takes no space
    with pytest.raises(OutputError, match="'big' was changed since Loopwire wrote it"):
        check_project(tmp_path)


def test_a_report_that_is_a_pipe_or_endless_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(OutputError, match="it is not a regular file"):
        read_report(tmp_path)
    (tmp_path / "report.json").unlink()
    with (tmp_path / "report.json").open("wb") as big:
        big.truncate(1 << 40)
    with pytest.raises(OutputError, match="bytes that are read"):
        read_report(tmp_path)


GRAPHS = {
    "graph { input %x: fixed<16,6>[2] %y: fixed<16,6>[3] = add %x, %x output %y }": "not a graph of a model",
    "graph { input %x: fixed<16,6>[60000000, 60000000] output %x }": "a shape of at most 67108864 elements",
    "graph { %y: fixed<16,6>[9999999999999] = const 0.0 output %y }": "a whole number from 1 up",
    "graph { input %x: fixed<16,100000>[2] output %x }": "fraction bits are out of range",
    "graph { " + "%y: fixed<1,1>[1] = scan states=0 length=1 { " * 3000: "at most 20 scans in one another",
    "graph { %y: fixed<1,1>[1] = scan states=1 length=10000000 { } output %y }": "a whole number from 1 up to 1048576",
    "graph { input %x: fixed<16,6>[2] output %x, %x }\0": "expected the end of the text",
}


@pytest.mark.parametrize("text", GRAPHS, ids=GRAPHS.values())
def test_graphs_that_no_model_gives(text: str, tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text(text)
    with pytest.raises(LoopwireError, match=GRAPHS[text]):
        read_graph(tmp_path)


def test_reports_of_anything(tmp_path: Path) -> None:
    for content in (b"", b"[]", b"{}", b"[" * 50_000, b"\xff\xfe", b'{"model": []}'):
        (tmp_path / "report.json").write_bytes(content)
        with pytest.raises(OutputError, match="it is not this version's report"):
            read_report(tmp_path)
