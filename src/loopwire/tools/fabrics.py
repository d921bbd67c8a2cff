"""How Yosys synthesises for a family of FPGAs, and what its cells take there.

Ref: Yosys 0.70, `help synth_xilinx`, `help synth_ecp5`, `help synth_nexus`, `help synth_intel_alm`; Xilinx UG474 and
UG574 (LUT RAM), FPGA-TN-02200 (ECP5: a CCU2C takes two LUTs, a 16 x 4 RAM four and its write port two).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from loopwire.devices import Device, find_part
from loopwire.errors import ConfigError
from loopwire.report.built import ResourceUse

Counts = Mapping[str, int]

LUTS, FFS, DSPS, BRAMS, URAMS = "LUTs", "FFs", "DSPs", "BRAM 18k", "URAMs"
RESOURCES = (LUTS, FFS, DSPS, BRAMS, URAMS)


@dataclass(frozen=True)
class Fabric:
    """A family as Yosys knows it.

    Attributes:
        name: what `--family` calls it.
        script: the command, without `-top`.
        before: commands of our own, by the label of the command before which they run, in the command's order.
        modules: of ours that it makes otherwise, in place of those of the same names, each a file of this package.
        takes: (regular expression of cells' names, resource, how many of it), the first that matches counts.
        limits: what its numbers do not tell.
    """

    name: str
    script: str
    before: Mapping[str, tuple[str, ...]]
    takes: tuple[tuple[str, str, int], ...]
    limits: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def commands(self, top: str) -> tuple[str, ...]:
        """Return the commands that map modules that were read, down to cells of the family."""
        run = f"{self.script} -top {top} -run"
        theirs = (f"{run} {first}:{last}" for first, last in itertools.pairwise(("begin", *self.before, "")))
        ours = (*self.before.values(), ())
        mapped = (line for command, lines in zip(theirs, ours, strict=True) for line in (command, *lines))
        return (*(f"read_verilog -sv -defer -overwrite {_here(name)}" for name in self.modules), *mapped)

    def resources(self, cells: Counts) -> dict[str, int]:
        """Return how much of each resource some cells take.

        Args:
            cells: how many of each type there are.
        """
        used = dict.fromkeys(RESOURCES, 0)
        for cell, count in cells.items():
            for pattern, resource, each in self.takes:
                if re.fullmatch(pattern, cell):
                    used[resource] += each * count
                    break
        return used


KEEP_TABLE_REGISTERS = (
    "proc",
    "opt_expr",
    "opt_clean",
    "memory_dff",
    "memory_collect",
    "select -set tables t:$mem_v2 r:RD_CLK_ENABLE=1'0 %i",
    "setattr -mod -unset keep_hierarchy @tables %m",
    "memory_map -rom-only @tables",
)
"""Activation tables become logic before Yosys looks for memories: it would take the register of a table's index for
that of a memory's address and move it behind the table, into a stage where the schedule has something else to do. Then
their modules need not be kept apart, and what is not read of a table can go."""


_REGISTERS = "t:$dff t:$dffe t:$sdff t:$sdffe"
SIGNS_ONCE = (f"splitcells {_REGISTERS}", f"wreduce {_REGISTERS}", "opt_clean")
"""A register keeps the sign of each product once, before Yosys packs it into DSP48E1 blocks. Where a register of
several products keeps a sign twice, for a wider sum, Yosys 0.70 (`xilinx_dsp`) takes the product into the block and
leaves the copy of its sign, which then reads nothing: 0."""


def _here(name: str) -> str:
    """Return a file of this package as one that a command reads."""
    return f"<<END\n{resources.files('loopwire.tools').joinpath('maps', f'{name}.v').read_text()}END"


def read_map(name: str, *parts: str) -> tuple[str, ...]:
    """Return the commands that read a techmap of this package, which `%name` then names, and maps that it uses."""
    read = (f"read_verilog -icells {_here(each)}" for each in (name, *parts))
    return ("design -push", *read, f"design -stash {name}", "design -pop")


ADDERS_ONE_BY_ONE = (*read_map("adders"), "wreduce", "opt_clean", "techmap -map %adders t:$add t:$sub")
"""Every adder becomes a carry chain. Else Yosys joins those that follow one another into sums of many terms, and makes
these of full adders, two LUTs a bit: 38 % more LUTs for the shift-add tree of an LSTM(20) on ECP5."""

PRODUCTS_OF_CHAINS = (*read_map("xilinx_product", "xilinx_sum3"), "techmap -map %xilinx_product t:$mul")
"""What no DSP block multiplies is made of carry chains, as the delay model has it."""

BARE_CHAINS = (
    *read_map("ecp5_carry_chain"),
    "opt_clean",
    "select -set read t:* %ci1 t:* %d o:* %u",
    "select -set carrying @read %ci1:+$alu[CO] t:$alu %i",
    "techmap -map %ecp5_carry_chain t:$alu @carrying %d",
)
"""Chains whose carries nobody else reads go without the two cells that nextpnr gives to the ends of the others: 16 %
fewer LUTs in a routed LSTM(20)."""


def _narrow_products_in_luts(part: str) -> tuple[str, ...]:
    """Return the commands that keep from DSP blocks the products that the device data say are made of LUTs."""
    bits = find_part(part).lut_factor_bits
    return (
        "wreduce t:$mul",
        f"select -set narrow t:$mul r:A_WIDTH<={bits} r:B_WIDTH<={bits} %u %i",
        "chtype -set $__soft_mul @narrow",
    )


_XILINX = (
    (r"LUT\d|LUT6_2|INV|SRL16E|SRLC32E|RAM(32|64)X1S", LUTS, 1),
    (r"RAM(32|64)X1D|RAM128X1S", LUTS, 2),
    (r"RAM128X1D|RAM256X1S|RAM(32|64)M", LUTS, 4),
    (r"RAM256X1D|RAM512X1S|RAM32M16|RAM64M8", LUTS, 8),
    (r"FD[RSCP]E|LD[CP]E", FFS, 1),
    (r"DSP48E[12]", DSPS, 1),
    (r"RAMB18E[12]", BRAMS, 1),
    (r"RAMB36E[12]", BRAMS, 2),
    (r"URAM288", URAMS, 1),
)
_LATTICE = (
    (r"LUT4|INV", LUTS, 1),
    (r"CCU2C?|WIDEFN9", LUTS, 2),
    (r"TRELLIS_DPR16X4|DPR16X4", LUTS, 6),
    (r"TRELLIS_FF|FD1P3\w+", FFS, 1),
    (r"MULT(9X9|18X18)D?|MULTADDSUB\w+|MULTPREADD\w+|MULT18X36|MULT36X36", DSPS, 1),
    (r"DP16KD?|PDPW16KD?|PDPSC?16K|SP16K", BRAMS, 1),
)
_INTEL = (
    (r"MISTRAL_ALUT\w+|MISTRAL_NOT|MISTRAL_MLAB", LUTS, 1),
    (r"MISTRAL_FF", FFS, 1),
    (r"MISTRAL_MUL\w+", DSPS, 1),
    (r"MISTRAL_M10K", BRAMS, 1),
)
_XILINX_COARSE = (*PRODUCTS_OF_CHAINS, *ADDERS_ONE_BY_ONE)
_XILINX_STEPS = {"prepare": KEEP_TABLE_REGISTERS, "coarse": _XILINX_COARSE}
_XILINX_MODULES = ("xilinx_sum3", "xilinx_counters", "xilinx_lut_product", "xilinx_product", "xilinx_dot")
_ULTRASCALE_MODULES = (*_XILINX_MODULES, "dsp48e2", "xilinx_rounded_product")
_LAYERS_APART = "Each layer is synthesised by itself: nothing is shared or simplified across layers"
UNROUTED = (_LAYERS_APART, "No clock: only the vendor's tool shows what this part reaches")
_ULTRASCALE_LIMITS = (
    "Yosys packs no registers and no adders but those of constants into DSP48E2 and uses CARRY4, not CARRY8: more LUTs "
    "and FFs than Vivado's",
    *UNROUTED,
)

FABRICS = {
    fabric.name: fabric
    for fabric in (
        Fabric(
            "xc7",
            "synth_xilinx -family xc7 -noiopad -noclkbuf",
            {"prepare": KEEP_TABLE_REGISTERS, "map_dsp": SIGNS_ONCE, "coarse": _XILINX_COARSE},
            _XILINX,
            UNROUTED,
            (*_XILINX_MODULES, "dsp48e1"),
        ),
        Fabric(
            "xcu",
            "synth_xilinx -family xcu -noiopad -noclkbuf",
            _XILINX_STEPS,
            _XILINX,
            _ULTRASCALE_LIMITS,
            _ULTRASCALE_MODULES,
        ),
        Fabric(
            "xcup",
            "synth_xilinx -family xcup -uram -noiopad -noclkbuf",
            _XILINX_STEPS,
            _XILINX,
            _ULTRASCALE_LIMITS,
            _ULTRASCALE_MODULES,
        ),
        Fabric(
            "ecp5",
            "synth_ecp5",
            {
                "coarse": (*KEEP_TABLE_REGISTERS, *_narrow_products_in_luts("lfe5u-85"), *ADDERS_ONE_BY_ONE),
                "map_gates": BARE_CHAINS,
            },
            _LATTICE,
            (_LAYERS_APART, "No clock: run loopwire route to get it"),
            ("ecp5_product",),
        ),
        Fabric("nexus", "synth_nexus -noiopad", {"coarse": KEEP_TABLE_REGISTERS}, _LATTICE, UNROUTED),
        Fabric(
            "cyclonev",
            "synth_intel_alm -family cyclonev -noiopad -noclkbuf",
            {"coarse": (*KEEP_TABLE_REGISTERS, *ADDERS_ONE_BY_ONE)},
            _INTEL,
            (*UNROUTED, "Block RAMs are M10K of 10 kbit"),
        ),
    )
}
"""By what `--family` calls them."""


def fabric_of(device: Device) -> Fabric:
    """Return how Yosys synthesises for a part.

    Raises:
        ConfigError: it does not.
    """
    if device.synthesis not in FABRICS:
        known = ", ".join(FABRICS)
        raise ConfigError(
            f"part {device.name!r}", f"Yosys does not know the cells of {device.family}", f"Give --family, of {known}"
        )
    return FABRICS[device.synthesis]


def uses(resources: Counts, device: Device | None) -> tuple[ResourceUse, ...]:
    """Return resources beside what a part has of them; without a part, alone."""
    available = {} if device is None else capacity(device)
    return tuple(ResourceUse(name, used, available.get(name)) for name, used in resources.items())


def capacity(device: Device) -> dict[str, int]:
    """Return what a part has of each resource."""
    return dict(zip(RESOURCES, (device.luts, device.ffs, device.dsps, device.bram18s, device.urams), strict=True))
