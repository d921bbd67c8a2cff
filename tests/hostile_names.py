"""Names that mean something in a language that Loopwire writes; and what their texts consist of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

MARK = "PWNED"
"""The file that each name would make, were it run."""

UNPRINTABLE = (
    "",
    " ",
    "\n",
    f'x\nmodule pwn; initial $system("touch {MARK}"); endmodule\nbind evil pwn p();\n//',
    f'x\nstatic int pwn = system("touch {MARK}");\n//',
    f"b.sv\n!touch {MARK}\n#.sv",
    f"x\r!touch {MARK}",
    "tab\there",
    "nul\0here",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "next\x85line",
    "line\u2028separator",
    "paragraph\u2029separator",
    "\u202eright to left",
    "\u2066isolated",
    "zero\u200bwidth",
    "byte order\ufeff",
    "lone \ud800 surrogate",
    "private \ue000 use",
    "back\b\b\b\bspace",
    "x" * 1001,
)
"""Refused where they come in."""

PRINTABLE = (
    f'*/ int pwn = system("touch {MARK}"); /*',
    f'*/ initial $system("touch {MARK}"); /*',
    "//",
    "/*",
    "continued \\",
    "continued \\  ",
    "trigraph ??/",
    "quote \" and '",
    "'",
    '"""',
    f'$system("touch {MARK}")',
    f'`include "{MARK}"',
    "`",
    "```",
    "`define x",
    "$display",
    "${name}",
    "$top",
    "$$",
    f"[exec touch {MARK}]",
    f"; exec touch {MARK} ;",
    f"}} ; exec touch {MARK} ; {{",
    f"!touch {MARK}",
    f"$(touch {MARK})",
    f"| touch {MARK}",
    f"&& touch {MARK}",
    "%",
    "%s%n",
    "{}",
    "{0}",
    "{{7*7}}",
    "{% raw %}",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;",
    "-->",
    "]]>",
    "$\\bad{$",
    "$x^2$",
    "\\frac{",
    "_hidden",
    "^_",
    "[bold]",
    "[red]red[/red]",
    "[link](http://x)",
    "a|b",
    "# heading",
    "../../x",
    "/etc/passwd",
    "C:\\x",
    ".",
    "-flag",
    "--help",
    "@file",
    "#include <x>",
    "%lstm.h @x: fixed<1,1>[1]",
    "a = b",
    "a.b.c",
    "循环层",
    "隐藏层",
    "Слой",
    "😀",
    "a" * 300,
    "a" * 299 + "b",
    "9",
    "rnn-1",
    "rnn_1",
    "RNN_1",
    "verilator lint_off",
    "synopsys translate_off",
    "clang-format off",
)
"""Taken in, and nothing but text wherever they are written."""

KEYWORDS = ("module", "endmodule", "input", "logic", "class", "int", "template", "main", "proc", "puts", "signed")
OWN = (
    *("x", "y", "k", "t", "beat", "step", "numbers", "results", "lengths", "sizes", "input_t", "result_t", "int64_t"),
    *("std", "hls", "loopwire", "aclk", "aresetn", "s_axis_tdata", "m_data", "slot", "ticket", "feeder", "collector"),
    *("loopwire_feeder", "loopwire_pins", "loopwire_host", "copy", "merger", "design_i", "model", "unused", "design"),
    *("engine", "engine_i", "ulx3s", "hosted", "ip", "expected", "identity", "wide", "load", "serial_in", "name_base"),
    *("step_valid", "a_q", "a_held", "top", "tb", "errno", "stdin", "NULL", "INT64_MIN", "fixed_of", "multiply"),
)
"""Words that are ours, a library's or a language's."""

NAMES = (*PRINTABLE, *KEYWORDS, *OWN)

_TOKEN = {
    "sv": r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\\n])*")"""
    r"""|(?P<number>\d*'s?[bdh]?[0-9a-fA-F]+|\d[\w.]*)|(?P<word>[$`]?[A-Za-z_]\w*)|(?P<space>\s+)|(?P<sign>[^\w\s"`$\\])""",
    "cpp": r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<number>\d[\w.]*)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<space>\s+)|(?P<sign>[^\w\s"`$\\@])""",
}


@cache
def tokens(text: str, language: str) -> Sequence[tuple[str, str]]:
    """Return kind and text of each token of SystemVerilog (sv) or C++ (cpp), comments and blanks left out.

    Raises:
        AssertionError: a character begins none.
    """
    if language == "cpp":
        text = text.replace("??/", "\\").replace("\\\n", "")
    place, found = 0, []
    pattern = re.compile(_TOKEN[language], re.DOTALL | re.ASCII)
    while place < len(text):
        match = pattern.match(text, place)
        assert match is not None, f"no token of {language}: {text[max(place - 40, 0) : place + 40]!r}"
        assert match.lastgroup is not None
        if match.lastgroup not in ("comment", "space"):
            found.append((match.lastgroup, match.group()))
        place = match.end()
    return found
