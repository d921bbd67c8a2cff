"""Words that no name of a design's own may be, in SystemVerilog.

Ref: IEEE 1800-2017, annex B (reserved keywords), 26.7 (package std).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from loopwire.text.identifiers import words_of

_KEYWORDS = """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind
    bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config
    const constraint context continue cover covergroup coverpoint cross deassign default defparam design disable
    dist do edge else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup
    endinterface endmodule endpackage endprimitive endprogram endproperty endspecify endsequence endtable endtask
    enum event eventually expect export extends extern final first_match for force foreach forever fork forkjoin
    function generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import
    incdir include initial inout input inside instance int integer interconnect interface intersect join join_any
    join_none large let liblist library local localparam logic longint macromodule matches medium modport module
    nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed
    parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg
    reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always s_eventually s_nexttime
    s_until s_until_with scalared sequence shortint shortreal showcancelled signed small soft solve specify
    specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on sync_reject_on table
    tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg
    type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
    wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
KEYWORDS = frozenset(_KEYWORDS.split())
SIMULATION_TOP = "loopwire_all_ports"
"""Stands around a design where Verilator simulates it."""


@cache
def reserved_words() -> frozenset[str]:
    """Return keywords, our own modules, and the words of what is written around a design: testbench, boards."""
    files = list(_texts(resources.files("loopwire")))
    around = (file for file in files if ".template." in file.name)
    modules = (file.name.partition(".")[0] for file in files)
    return frozenset(
        {"std", SIMULATION_TOP, *KEYWORDS, *modules, *(word for file in around for word in words_of(file.read_text()))}
    )


@cache
def library_words() -> frozenset[str]:
    """Return the words of our own modules, which those that instantiate them use."""
    modules = (file for file in resources.files("loopwire.hdl").iterdir() if file.name.startswith("loopwire_"))
    return frozenset(word for file in modules for word in words_of(file.read_text()))


def _texts(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _texts(entry)
        elif entry.name.endswith((".sv", ".v")):
            yield entry
