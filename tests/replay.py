"""What a change alters of the golden designs' firmware, cycles and estimates: `make replay`, against a base revision.

    make replay BASE=main            the working tree against the revision `main`
    make replay BASE=main DIFF=1     with the differences of the texts

The base is checked out beside, and makes the designs with its own sources.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def write(folder: Path) -> None:
    """Write all designs of this working tree below `folder`."""
    from golden_designs import designs

    for name, golden in designs().items():
        for path, text in {**golden.files, "facts.json": json.dumps(golden.facts, indent=1)}.items():
            target = folder / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


def made_by(tree: Path, folder: Path) -> Path:
    """Let the sources of a tree write their designs below `folder`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tree / "src"), str(tree / "tests")))}
    subprocess.run([sys.executable, tree / "tests/replay.py", "--write", folder], check=True, env=environment)
    return folder


def compare(before: Path, after: Path, show_text: bool) -> list[str]:
    """Return lines that tell what differs."""
    lines = []
    names = sorted({path.name for folder in (before, after) for path in folder.iterdir()})
    for name in names:
        olds, news = (_files(folder / name) for folder in (before, after))
        if not olds or not news:
            lines.append(f"{name}: {'added' if news else 'removed'}")
            continue
        lines += [f"{name}: {line}" for line in _facts(olds.pop("facts.json"), news.pop("facts.json"))]
        for path in sorted({*olds, *news}):
            old, new = olds.get(path), news.get(path)
            if old == new:
                continue
            kind = "added" if old is None else "removed" if new is None else "changed"
            diff = [*difflib.unified_diff((old or "").splitlines(), (new or "").splitlines(), lineterm="", n=2)]
            count = sum(line[0] in "+-" for line in diff[2:])
            lines.append(f"{name}/{path}: {kind}, {count} lines")
            lines += diff[2:] if show_text else []
    return lines


def _files(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def _facts(old_text: str, new_text: str) -> list[str]:
    old, new = json.loads(old_text), json.loads(new_text)
    facts: Mapping[str, None] = dict.fromkeys((*old, *new))
    return [f"{fact} {old.get(fact)} → {new.get(fact)}" for fact in facts if old.get(fact) != new.get(fact)]


def main() -> None:
    """Compare the working tree with a revision; exit with 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="only write the designs")
    parser.add_argument("--base", default="main", help="revision to compare with")
    parser.add_argument("--diff", action="store_true", help="show the differences of the texts")
    options = parser.parse_args()
    if options.write is not None:
        write(options.write)
        return
    with tempfile.TemporaryDirectory(prefix="loopwire-replay-") as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), options.base], check=True)
        try:
            lines = compare(made_by(tree, Path(folder) / "before"), made_by(ROOT, Path(folder) / "after"), options.diff)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    print("\n".join(lines) or f"Nothing differs from {options.base}.")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
