"""`loopwire route --retime`: compiled again with the delays that a route taught, until the clock is met."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from loopwire.cli import main
from loopwire.cli.retime import ROUNDS, Compilation, compilation_of, retimed
from loopwire.cli.route import route_command
from loopwire.devices import find_part
from loopwire.errors import ConfigError
from loopwire.implementation import Routed
from loopwire.project.folder import replace_files
from loopwire.report.built import Built

MODEL = Path(__file__).parents[1] / "examples" / "jets" / "jet_lstm20.keras"
ARGUMENTS = (MODEL, "--simulate", 0, "--part", "xcvu13p", "--multipliers", "dsp")


@pytest.fixture(autouse=True)
def _in_route() -> Iterator[None]:
    """Be within the command, which notes what an interrupt would leave."""
    with click.Context(route_command):
        yield


@pytest.fixture(scope="module")
def compilation(tmp_path_factory: pytest.TempPathFactory) -> Compilation:
    folder = tmp_path_factory.mktemp("retime") / "jets"
    result = CliRunner().invoke(main, [*map(str, ("compile", *ARGUMENTS)), "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return compilation_of(folder)


def missed_by(excess_ns: float) -> Routed:
    """A design that was routed, and missed 5 ns by so much; its clock is met where that is not above 0."""
    built = Built("nextpnr", "routed", clock_period_ns=5.0 + excess_ns)
    return Routed(built, None, 5.0, Path("design.bit"))


def facts(folder: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads((folder / "report.json").read_text())
    return read


def test_a_report_tells_how_its_project_was_compiled(compilation: Compilation) -> None:
    given = {name: value for name, value in compilation.options.items() if value is not None and value is not False}
    model = {"model_path": MODEL, "sequences": 0, "part": "xcvu13p", "multipliers": "dsp", "out": compilation.project}
    assert given == model
    assert (compilation.clock_period_ns, compilation.delay_factor) == (5.0, 1.0)


def test_delays_are_multiplied_by_what_each_route_took(
    compilation: Compilation, capsys: pytest.CaptureFixture[str]
) -> None:
    routed, slacks = [], [-0.5, 0.25]

    def route(folder: Path) -> Routed:
        routed.append(folder)
        return missed_by(-slacks[len(routed) - 1])

    retimed(compilation, missed_by(1.0), route)
    first, second = routed
    assert (first.name, second.name) == ("jets_retimed_1", "jets_retimed_2")
    assert (facts(first)["delay_factor"], facts(second)["delay_factor"]) == (1.2, 1.32)
    assert facts(first)["clock_period_ns"] == 5.0
    assert facts(compilation.project)["delay_factor"] == 1.0
    assert f"--out {first} " in str(facts(first)["command"])
    assert "× 1.2" in (first / "report.md").read_text()
    assert capsys.readouterr().out.endswith(f"The clock is met in {second}\n")


def test_the_fastest_is_told_where_all_miss(compilation: Compilation, capsys: pytest.CaptureFixture[str]) -> None:
    slacks = iter([-0.02, -0.01, -0.03])
    retimed(compilation, missed_by(0.05), lambda _: missed_by(-next(slacks)))
    told = capsys.readouterr().out
    fastest = compilation.project.with_name("jets_retimed_2")
    assert told.endswith(f"The clock is missed after {ROUNDS} rounds. The fastest is in {fastest}\n")


def test_delays_too_long_for_an_operation_end_it(compilation: Compilation, capsys: pytest.CaptureFixture[str]) -> None:
    """A product cannot be cut in two, however slow a part is."""
    retimed(compilation, missed_by(2.0), lambda _: missed_by(9.0))
    told = capsys.readouterr().out
    assert "No such design: clock period 5 ns: " in told
    assert told.endswith(f"The clock is missed after 1 rounds. The fastest is in {compilation.project}\n")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("", "does not record how it was compiled"),
        *(
            (f"loopwire compile model {options}", f"a command that this version does not take: .* model {options}")
            for options in ("--speed 3", "--copies two", "'")
        ),
    ],
)
def test_a_project_that_no_command_of_this_version_wrote(command: str, problem: str, compilation: Compilation) -> None:
    before = (compilation.project / "report.json").read_text()
    after = json.dumps({**json.loads(before), "command": command})
    replace_files(compilation.project, {"report.json": after})
    with pytest.raises(ConfigError, match=problem):
        compilation_of(compilation.project)
    replace_files(compilation.project, {"report.json": before})


def test_a_slower_part_has_longer_delays() -> None:
    part = find_part("xcvu13p")
    assert part.slowed(1.5).delays.lut_ns == 1.5 * part.delays.lut_ns
    assert part.slowed(1.5).luts == part.luts


def test_an_impossible_factor() -> None:
    result = CliRunner().invoke(main, ["compile", str(MODEL), "--delay-factor", "0"])
    assert result.exit_code == 1
    assert "delay_factor: 0.0 is not a factor. Give a number above 0, such as 1.2" in result.output


@pytest.mark.parametrize(("missed_ns", "status"), [(0.1, 3), (0.0, 0)])
def test_a_missed_clock_has_an_exit_status_of_its_own(
    missed_ns: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopwire.cli.route._route", lambda *_: missed_by(missed_ns))
    result = CliRunner().invoke(main, ["route", str(tmp_path), "--json"])
    assert result.exit_code == status
    assert json.loads(result.stdout)["slack_ns"] == pytest.approx(-missed_ns)
