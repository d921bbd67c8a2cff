"""`loopwire parts`: the FPGAs that there are data of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from loopwire.cli.console import JSON, next_step, print_json, print_table
from loopwire.cli.failures import errors_reported

if TYPE_CHECKING:
    from loopwire.devices import Device

HEAD = ("Part", "Family", "LUTs", "FFs", "DSPs", "BRAM 18k", "URAMs", "Open tools")


@click.command("parts")
@click.argument("pattern", required=False, default="")
@JSON
def parts_command(pattern: str, as_json: bool) -> None:
    """List the FPGA parts that Loopwire knows. PATTERN is a piece of a name or of a family: ku11, zynq."""
    with errors_reported():
        from rich.console import Console

        from loopwire.devices import all_parts, speed_grades
        from loopwire.errors import ConfigError, nearest
        from loopwire.text.table import grouped

        parts = all_parts()
        wanted = _plain(pattern)
        found = [part for part in parts if wanted in _plain(part.name) or wanted in _plain(part.family)]
        if not found:
            families = ", ".join(dict.fromkeys(part.family.replace("_", " ") for part in parts))
            hint = nearest(pattern.lower(), {part.name for part in parts})
            raise ConfigError(f"parts {pattern!r}", "no known part matches", f"{hint}Families are {families}")
        if as_json:
            facts = ("name", "family", "vendor", "luts", "ffs", "dsps", "bram18s", "urams")
            known = [{fact: getattr(part, fact) for fact in facts} for part in found]
            more = [{"speed_grades": speed_grades(part), "open_tools": _open_tools(part)} for part in found]
            print_json([one | other for one, other in zip(known, more, strict=True)])
            return
        rows = []
        for part in found:
            counts = map(grouped, (part.luts, part.ffs, part.dsps, part.bram18s, part.urams))
            rows.append((part.name, part.family.replace("_", " "), *counts, ", ".join(_open_tools(part))))
        print_table(Console(), f"{len(rows)} part{'' if len(rows) == 1 else 's'}", HEAD, rows)
        next_step("loopwire", "compile", "MODEL", "--part", found[0].name)


def _open_tools(part: Device) -> tuple[str, ...]:
    """Return the commands that open tools make possible for a part."""
    return {"": (), "ecp5": ("synth", "route")}.get(part.synthesis, ("synth",))


def _plain(name: str) -> str:
    """Return a name's letters and digits."""
    return "".join(filter(str.isalnum, name.lower()))
