"""FPGA parts: what each holds, and how fast its cells are.

A family is a TOML file with all its numbers, each with its source. Those of Loopwire lie beside this module; a package
from outside names a package of its own that holds such files as an entry point of the group `loopwire.devices`. A
family that has the cells of another names it as `cells_of`, and takes its tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import Any

from loopwire.errors import ConfigError, nearest
from loopwire.plugins import data_files

MISSING = {
    r"xcv[cmphe]\d|xcv80": "it is a Versal part, of whose cells (look-ahead carry, DSP58) no delays are public",
    r"xc7s\d": "it is a Spartan-7 part, of which counts and delays have not been collected",
    r"xcvu\d+(?!p)(-|$)": "it is a Virtex UltraScale part, of which counts have not been collected",
    r"xc(a|s)u\d+p": "it is an Artix or a Spartan UltraScale+ part, of which counts have not been collected",
    r"xc\w+\S*-[12]lv": "its grade works at 0.72 V, at which no delays are public",
    r"xck2\d": "it is a Kria module's part, whose grade (-2LV) works at 0.72 V, at which no delays are public",
    r"10|5c|ag|1s": "it is an Intel part, of whose cells no delays are public",
    r"[zvk]cu\d|vck\d|[zkva]c\d|k[rv]260|pynq|zybo|ultra96|u(50|55c|200|250|280)$": "it is a board: give its part",
}
"""What is missing of parts that users have, by how their names begin."""


MEND = "Correct the file; those in loopwire/devices are examples"
LARGEST = 1e12


@dataclass(frozen=True, slots=True)
class Delays:
    """Worst-case delays of one speed grade, in nanoseconds; `docs/delay-model.md` tells how they are used."""

    clock_to_q_ns: float
    """Clock edge to the output of a flip-flop."""
    setup_ns: float
    """Setup of a flip-flop, with the wire to it from a cell in the same slice."""
    clock_uncertainty_ns: float
    """Jitter and skew between two registers of one clock."""
    net_ns: float
    """One average routed net with few loads."""
    net_fanout_ns: float
    """What each doubling of the loads beyond four adds to a net."""
    net_reach_ns: float
    """What a net takes from its driver to readers all over a piece of logic, by the square root of its look-up tables;
    0: not known."""
    lut_ns: float
    """A look-up table from its slowest input."""
    wide_mux_ns: float
    """One multiplexer that joins two LUTs, or two such pairs (MUXF7-F9, PFUMX, L6MUX21)."""
    carry_in_ns: float
    """Operand through its LUT into a carry chain, to the carry-out of the first block."""
    carry_block_ns: float
    """Carry-in to carry-out of one block, with the wire to the next."""
    carry_out_ns: float
    """Carry-in of the last block to its sum output, with the wire to the register beside it."""
    dsp_multiply_ns: float
    """A DSP block from a multiplier input through its adder, if it has one, to its output, without registers."""
    dsp_cascade_ns: float
    """What each further DSP block adds to a product summed over several."""
    dsp_to_flip_flop_ns: float
    """From the output of a DSP block to a flip-flop in a slice, beyond what `dsp_multiply_ns` has of it."""
    dsp_to_product_register_ns: float
    """Setup of the register behind a DSP block's multiplier, from the multiplier's input."""
    dsp_from_product_register_ns: float
    """Clock edge of that register to the output of the DSP block."""
    bram_clock_to_out_ns: float
    """Clock edge to the data of a block RAM without its output register."""
    bram_registered_clock_to_out_ns: float
    """The same with its output register."""


@dataclass(frozen=True, slots=True)
class Memories:
    """Memories of look-up tables, written with a clock and read without: one cell's words and bits, and what it takes.

    Of `half_words` a bit takes half; `luts_a_bank_bit` is what chooses between cells, a bit of each further one.
    """

    words: int
    half_words: int
    luts: int
    bits: int
    luts_a_bank_bit: float


@dataclass(frozen=True, slots=True)
class LutFactors:
    """Look-up tables that synthesis makes for each unit that the formulas count, by what they are used for."""

    adder: float
    """A bit of a carry chain."""
    constant: float
    """A bit to which a constant is added, or that is compared with one."""
    tree: float
    """A bit of the carry chains of a shift-add tree."""
    product: float
    """A bit of one factor times a bit of the other."""
    multiples: float
    """A look-up table of products made of them in carry chains."""
    choice: float
    """A bit of a multiplexer."""
    table: float
    """A look-up table of a ROM, or a bit of the adders behind it."""
    memory: float
    """A look-up table of ROMs of weights, memories and shift registers."""
    control: float
    """A look-up table of feeders and collectors."""


@dataclass(frozen=True, slots=True)
class Device:
    """An FPGA part in one speed grade.

    A DSP block multiplies a signed number of `dsp_a_bits` by one of `dsp_b_bits`; if it `dsp_has_adder`, it adds a
    third number in the same time. A product with a factor of at most `lut_factor_bits` is made of LUTs, in an engine
    without reuse one of a matrix or a loop with a factor of at most `parallel_lut_factor_bits`. A carry block adds
    `carry_bits` bits. Up to ``2**wide_mux_levels`` LUTs join through the multiplexers beside them. `bram18_shapes` are
    the (depth, width) an 18-kbit block RAM can have. A look-up table delays a bit by up to `srl_stages` cycles; 0: it
    is no shift register. The feeder chooses a slot and reads a step by `feeder_gates` in a row.
    `synthesis` is what open tools call the family (`tools.fabrics`); empty: they do not know it.
    """

    name: str
    family: str
    vendor: str
    synthesis: str
    speed_grade: str
    luts: int
    ffs: int
    dsps: int
    bram18s: int
    urams: int
    lut_inputs: int
    wide_mux_levels: int
    carry_bits: int
    dsp_a_bits: int
    dsp_b_bits: int
    dsp_has_adder: bool
    lut_factor_bits: int
    parallel_lut_factor_bits: int
    feeder_gates: int
    srl_stages: int
    memories: Memories
    lut_factors: LutFactors
    bram18_shapes: tuple[tuple[int, int], ...]
    delays: Delays

    @property
    def has_ternary_adders(self) -> bool:
        """Whether a bit of a sum of three takes one look-up table (UG474, UG574); with fewer inputs it takes two."""
        return self.lut_inputs >= 6

    def rom_luts(self, words: int, bits: int) -> int:
        """Return the look-up tables of a ROM without a clock: one of k inputs holds 2**k words of a bit."""
        return -(-words // (1 << self.lut_inputs)) * bits if words > 1 else 0

    def block_rams(self, words: int, bits: int) -> int:
        """Return the fewest 18-kbit block RAMs of one shape that hold these words of this many bits."""
        return min(-(-words // depth) * -(-bits // width) for depth, width in self.bram18_shapes)

    def slowed(self, factor: float) -> Device:
        """Return the part with all delays longer by a factor."""
        return replace(self, delays=Delays(**{name: factor * delay for name, delay in asdict(self.delays).items()}))


def find_part(name: str) -> Device:
    """Return the part called `name`, such as 'xcku115-flvb2104-2-i', 'LFE5U-85F-8BG381C' or plain 'xcku115'.

    Package and temperature grade make no difference. Without a speed grade it is the family's default.

    Raises:
        ConfigError: the part or the speed grade is unknown.
    """
    where = f"part {name!r}"
    text = name.strip().lower()
    for family in _families():
        match = re.fullmatch(family["name_pattern"], text)
        if match is None or match["part"] not in family["parts"]:
            continue
        speed_grade = match["speed"] or family["default_speed_grade"]
        if speed_grade not in family["delays"]:
            raise ConfigError(
                where,
                f"speed grade {speed_grade!r} is not in the data of {match['part']}",
                f"Choose from {', '.join(family['delays'])}",
            )
        return Device(
            name=name.strip(),
            family=family["family"],
            vendor=family["vendor"],
            synthesis=family["synthesis"],
            speed_grade=speed_grade,
            **family["parts"][match["part"]],
            **family["fabric"],
            memories=Memories(**family["memories"]),
            lut_factors=LutFactors(**family["lut_factors"]),
            bram18_shapes=tuple((depth, width) for depth, width in family["bram18_shapes"]),
            delays=Delays(**family["delays"][speed_grade]),
        )
    raise _unknown(where, text)


def _unknown(where: str, text: str) -> ConfigError:
    """Return the error of a part of which something is missing: what."""
    for pattern, missing in MISSING.items():
        if re.match(pattern, text):
            return ConfigError(
                where, missing, f"Known families: {', '.join(map(_spelled, _families()))}; loopwire parts lists them"
            )
    relatives = [family for family in _families() if re.fullmatch(family["name_pattern"], text)]
    known = [part for family in relatives or _families() for part in family["parts"]]
    hint = nearest(text[: max(map(len, known))], known)
    if relatives:
        problem = f"the data of {_spelled(relatives[0])} lack this part: how much logic and memory it has"
        return ConfigError(where, problem, f"{hint}It has {', '.join(known)}")
    families = ", ".join(map(_spelled, _families()))
    return ConfigError(where, "this part is not known", f"{hint}Known families: {families}; loopwire parts lists them")


def _spelled(family: dict[str, Any]) -> str:
    """Return a family's name and how its parts' names begin."""
    first = min(family["parts"])
    return f"{family['family'].replace('_', ' ')} ({first} …)"


def part_names() -> list[str]:
    """Return the plain names of all parts, in alphabetical order."""
    return sorted(part for family in _families() for part in family["parts"])


def all_parts() -> tuple[Device, ...]:
    """Return every part in its family's default speed grade, family by family."""
    return tuple(find_part(part) for family in _families() for part in family["parts"])


def speed_grades(part: Device) -> tuple[str, ...]:
    """Return the speed grades of a part's family that there are delays of."""
    return next(tuple(family["delays"]) for family in _families() if family["family"] == part.family)


PART = ("luts", "ffs", "dsps", "bram18s", "urams")
FABRIC = (
    *("lut_inputs", "wide_mux_levels", "carry_bits", "dsp_a_bits", "dsp_b_bits", "dsp_has_adder"),
    *("lut_factor_bits", "parallel_lut_factor_bits", "feeder_gates", "srl_stages"),
)
TEXTS = ("family", "vendor", "synthesis", "name_pattern", "default_speed_grade")
TABLES = ("fabric", "memories", "lut_factors", "parts", "delays")


@cache
def _families() -> tuple[dict[str, Any], ...]:
    """Return what all files tell, checked.

    Raises:
        ConfigError: a file from outside is no family.
    """
    read = {where: _parsed(where, text) for where, text in data_files(__package__, ".toml")}
    by_name = {family.get("family"): family for family in read.values()}
    families = {where: {**by_name.get(f.get("cells_of"), {}), **f} for where, f in read.items()}
    for where, family in families.items():
        _check(where, family)
    return tuple(families.values())


def _parsed(where: str, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, f"it is not TOML: {error}", MEND) from None


def _check(where: str, family: Mapping[str, Any]) -> None:
    for name in TEXTS:
        if not isinstance(family.get(name), str):
            raise ConfigError(where, f"{name!r} is {family.get(name)!r}, not a text", MEND)
    for name in TABLES:
        if not isinstance(family.get(name), dict):
            raise ConfigError(where, f"it has no table [{name}]", MEND)
    try:
        groups = re.compile(family["name_pattern"]).groupindex.keys()
    except re.error as error:
        raise ConfigError(where, f"'name_pattern' is not a regular expression: {error}", MEND) from None
    if not {"part", "speed"} <= groups:
        raise ConfigError(where, "'name_pattern' lacks a group 'part' or 'speed'", MEND)
    if not (family.get("bram18_shapes") and all(map(_is_shape, family["bram18_shapes"]))):
        raise ConfigError(where, "'bram18_shapes' is not a list of [depth, width]", MEND)
    if family["default_speed_grade"] not in family["delays"]:
        raise ConfigError(where, f"it lacks [delays.{family['default_speed_grade']}], the default speed grade's", MEND)
    _check_numbers(where, "fabric", family["fabric"], FABRIC)
    _check_numbers(where, "memories", family["memories"], (field.name for field in fields(Memories)))
    _check_numbers(where, "lut_factors", family["lut_factors"], (field.name for field in fields(LutFactors)))
    for part, counts in family["parts"].items():
        _check_numbers(where, f"parts.{part}", counts, PART)
    for grade, delays in family["delays"].items():
        _check_numbers(where, f"delays.{grade}", delays, (field.name for field in fields(Delays)))


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and len(shape) == 2 and all(type(size) is int and size > 0 for size in shape)


def _check_numbers(where: str, name: str, numbers: Any, expected: Iterable[str]) -> None:
    if not isinstance(numbers, dict):
        raise ConfigError(where, f"{name!r} is {numbers!r}, not a table", MEND)
    names = set(expected)
    for key in sorted(names ^ numbers.keys()):
        raise ConfigError(where, f"[{name}] {'lacks' if key in names else 'has an unknown'} {key!r}", MEND)
    for key, number in numbers.items():
        if not isinstance(number, int | float) or not 0 <= number < LARGEST:
            raise ConfigError(where, f"[{name}] {key} is {number!r}, not a number of 0 or more", MEND)
