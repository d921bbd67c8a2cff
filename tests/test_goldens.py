"""The firmware of the golden designs is what it was: every file's hash, the cycles, the estimates.

A change that alters them on purpose updates the file: `pytest tests/test_goldens.py --update-golden`. `make replay`
shows the texts' differences.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from golden_designs import Golden, designs
from replay import compare, write

STORED = Path(__file__).parent / "goldens" / "firmware.json"


def facts_of(golden: Golden) -> dict[str, object]:
    """Return what is kept of a design."""
    hashes = {path: hashlib.sha256(text.encode()).hexdigest()[:16] for path, text in sorted(golden.files.items())}
    return {"facts": golden.facts, "files": hashes}


def test_firmware_cycles_and_estimates_are_those_kept(request: pytest.FixtureRequest) -> None:
    made = {name: facts_of(golden) for name, golden in designs().items()}
    if request.config.getoption("--update-golden"):
        STORED.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
        return
    stored = json.loads(STORED.read_text())
    assert sorted(stored) == sorted(made), "other designs; see this file's head"
    changed = [line for name in made for line in differences(name, stored[name], made[name])]
    assert not changed, "\n".join(["what is generated has changed; see this file's head", *changed])


def differences(name: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    lines = []
    for part in ("facts", "files"):
        before, after = old[part], new[part]
        assert isinstance(before, Mapping) and isinstance(after, Mapping)
        changed = (key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key))
        lines += [f"{name}: {key} {before.get(key)} → {after.get(key)}" for key in changed]
    return lines


def test_replay_tells_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same, changed = tmp_path / "same", tmp_path / "changed"
    one = {"a": Golden({"a.sv": "x\ny\n", "b.hex": "1\n"}, {"latency_cycles": 3}), "b": Golden({}, {})}
    monkeypatch.setattr("golden_designs.designs", lambda: one)
    write(same)
    assert compare(same, same, show_text=False) == []
    monkeypatch.setattr("golden_designs.designs", lambda: {"a": Golden({"a.sv": "x\nz\n"}, {"latency_cycles": 4})})
    write(changed)
    assert compare(same, changed, show_text=False) == [
        "a: latency_cycles 3 → 4",
        "a/a.sv: changed, 2 lines",
        "a/b.hex: removed, 1 lines",
        "b: removed",
    ]
    assert "+z" in compare(same, changed, show_text=True)
