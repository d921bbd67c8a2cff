"""Files of the modules that are the same in every design: those that its texts instantiate, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources

from golden_designs import designs
from loopwire.hdl.library import INSTANTIATED, LibraryModules, library_files

TEXTS = {
    file.name.removesuffix(".sv"): file.read_text()
    for file in resources.files("loopwire.hdl").iterdir()
    if file.name.startswith("loopwire_")
}
INSTANCE = re.compile(r"^ *(loopwire_\w+) (?:#\(|\w+ \()", re.MULTILINE)


def instantiated(texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in INSTANCE.findall(text)}


def test_the_table_tells_what_these_modules_instantiate() -> None:
    found = {name: tuple(sorted(instantiated([text]))) for name, text in TEXTS.items()}
    assert {name: modules for name, modules in found.items() if modules} == INSTANTIATED


def test_files_of_a_module_are_those_of_all_below_it_too() -> None:
    assert [*library_files(["loopwire_host"])] == [
        "loopwire_crc32.sv",
        "loopwire_frame_buffer.sv",
        "loopwire_hdlc_receiver.sv",
        "loopwire_hdlc_sender.sv",
        "loopwire_host.sv",
    ]


def test_a_module_that_is_named_twice_has_one_file() -> None:
    library = LibraryModules()
    assert {library.module("loopwire_join"), library.module("loopwire_join")} == {"loopwire_join"}
    assert library.files() == {"loopwire_join.sv": TEXTS["loopwire_join"]}


def test_a_design_has_the_files_of_what_it_instantiates() -> None:
    for name, golden in designs().items():
        given = {path.removesuffix(".sv") for path in golden.files} & set(TEXTS)
        own = (text for path, text in golden.files.items() if path.removesuffix(".sv") not in TEXTS)
        assert given == instantiated(own), name
