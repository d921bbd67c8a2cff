"""Links of the documents lead somewhere, their code is code, and the commands and options that they name exist."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwire.cli import main

ROOT = Path(__file__).parent.parent
FOLDERS = (".", "docs", "docs/tutorials", "examples", "examples/*")
PAGES = sorted({page.resolve() for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md")})
FENCED = re.compile(r"^```(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
DEFINITION = re.compile(r"\[[^\]]+\]: ")
DIALECT = re.compile(
    r"\b(?:is|are|was|were|be) (?:told|had)\b|\btaken of\b|\bnone besides\b|\bso many times as\b", re.I
)
COMMAND = re.compile(r"^(?:    )?(?:\$ )?(?:\.venv/bin/)?loopwire (?!-)(.+)$", re.MULTILINE)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pages
def test_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in links(page) if not leads_somewhere(page, link)]
    assert not broken


@pages
def test_python_in_documents_is_python(page: Path) -> None:
    for kind, text in FENCED.findall(page.read_text()):
        if kind.strip() in ("python", "{code-cell} ipython3"):
            ast.parse(re.sub(r"^:tags:.*$", "", text, flags=re.MULTILINE))


@pages
def test_commands_in_documents_exist_with_their_options(page: Path) -> None:
    known = main.commands
    for line in COMMAND.findall(page.read_text().replace("\\\n", " ")):
        words = shlex.split(line.split("   # ")[0], comments=True)
        command = known.get(words[0])
        assert command is not None, f"loopwire {words[0]} is not a command"
        options = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        options |= {"-h", "--help"}
        missing = [word for word in words[1:] if re.match(r"-[-a-z]", word) and word.split("=")[0] not in options]
        assert not missing, f"loopwire {line}"


@pages
def test_lines_of_documents_are_at_most_100_columns(page: Path) -> None:
    """Rows of tables, and words that no line break can shorten, may be longer."""
    lines = [line for line in page.read_text().splitlines() if not line.startswith("|")]
    assert not [line for line in lines if len(line) > 100 and len(line.split()) > 1 and not DEFINITION.match(line)]


@pages
def test_documents_are_in_plain_english(page: Path) -> None:
    assert not DIALECT.findall(page.read_text())


def test_all_pages_are_in_the_site() -> None:
    index = (ROOT / "docs/index.md").read_text()
    # The notebook is an entry without its ending, as all are.
    entries = {(ROOT / "docs" / f"{entry}.md").resolve() for entry in re.findall(r"^([\w./-]+)$", index, re.MULTILINE)}
    assert entries == {*PAGES, ROOT / "examples/tagger.md"} - {ROOT / "docs/index.md"}


def links(page: Path) -> Iterator[str]:
    text = FENCED.sub("", page.read_text())
    for found in LINK.findall(text):
        link = found[0] or found[1]
        if "://" not in link and not link.startswith("mailto:"):
            yield link


def leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as the hosts of repositories make them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
