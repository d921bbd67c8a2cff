"""Mutants that are no fault: equal to their module in all that it says, in every cycle, by proof.

Both stand side by side in the place of the module in its checker, which brings what is assumed of the surroundings:
the rules of AXI4-Stream, say. What a stream says beside its valid counts only while that is high. The sizes are
those of the proofs.
"""

from __future__ import annotations

import re
from importlib import resources

from bench.mutation import Mutant, instrumented
from bench.prove import PROOFS, PROVED, prove

SECONDS = 60
"""At most, for a size: what takes longer is not called equal."""
_HEAD = re.compile(r"^module (\w+) (#\(.*?\n\) \(\n)(.*?)\);\n", re.M | re.S)
_PARAMETER = re.compile(r"^    parameter \w+ (?:\w+ )?(\w+) = ", re.M)
_OUTPUT = re.compile(r"^    output logic ((?:\[[^\n]*?\] ?)*)(\w+)[,\s]", re.M)
_SAID = ("m_valid", "m_ready", "s_ready", "valid", "step_valid", "step_clears", "begins", "m_padding")
"""Outputs that mean something in every cycle, as do those of status and tickets."""


def is_equal(mutant: Mutant) -> bool:
    """Say whether a mutant is proved to do what its module does, at all sizes of the module's proofs."""
    proofs = [proof for proof in PROOFS if mutant.module in proof.modules]
    pair = {mutant.module: side_by_side(mutant)}
    return bool(proofs) and all(prove(proof, SECONDS, pair) == PROVED for proof in proofs)


def side_by_side(mutant: Mutant) -> str:
    """Return a module that does what its original does, and asserts that the mutant does, too."""
    name = f"loopwire_{mutant.module}"
    text = resources.files("loopwire.hdl").joinpath(f"{name}.sv").read_text()
    faulty, mutants = instrumented(mutant.module, text, 1)
    number = next(m.number for m in mutants if (m.line, m.rule, m.before, m.after) == _what(mutant))
    faulty = re.sub(r"  logic \[15:0\] mutant \[0:0\];\n  initial .*\n", "", faulty)
    faulty = re.sub(r"mutant\[0\]", f"16'd{number}", faulty)
    head = _HEAD.search(text)
    assert head is not None
    whole, parameters, ports = head[0], head[2], head[3]
    values = ", ".join(f".{one}({one})" for one in _PARAMETER.findall(parameters))
    outputs = _OUTPUT.findall(ports)
    lines = [f"  logic {bits}{one}_faulty;" for bits, one in outputs]
    if mutant.module == "feeder":  # whose step_x may come a cycle later
        lines += ["  logic x_comes, was_valid;", "  always_ff @(posedge aclk) was_valid <= aresetn && step_valid;"]
        lines.append("  assign x_comes = X_STAGE ? was_valid : step_valid;")
    of_faulty = ", ".join(f".{one}({one}_faulty)" for _, one in outputs)
    inputs = ", ".join(
        f".{one}({one})" for one in re.findall(r"^    input +logic (?:\[[^\n]*?\] ?)*(\w+)[,\s]", ports, re.M)
    )
    originals = ", ".join(f".{one}({one})" for _, one in outputs)
    lines += [
        f"  {name}_right #({values}) right ({inputs}, {originals});",
        f"  {name}_faulty #({values}) faulty ({inputs}, {of_faulty});",
        "  always_comb begin",
        "    if (aresetn) begin",
    ]
    for _, one in outputs:
        valid = _valid_of(one, [other for _, other in outputs])
        lines.append(f"      assert ({f'!{valid} || ' if valid else ''}{one} == {one}_faulty);")
    lines += ["    end", "  end", "endmodule", ""]
    return "\n".join([whole.rstrip("\n"), *lines, _renamed(text, name, "right"), _renamed(faulty, name, "faulty")])


def _what(mutant: Mutant) -> tuple[int, str, str, str]:
    return mutant.line, mutant.rule, mutant.before, mutant.after


def _valid_of(output: str, outputs: list[str]) -> str:
    """Return the signal that tells when an output means something; none: always."""
    if output in _SAID or not any(
        output.startswith(stem) for stem in ("m_", "step_", "accompanying", "word", "chunk", "pass")
    ):
        return ""
    if output == "step_x":
        return "x_comes"
    stem = output.split("_")[0] if "_" in output else ""
    valid = {"m": "m_valid", "step": "step_valid", "": "valid"}[stem]
    return valid if valid in outputs else ""


def _renamed(text: str, name: str, end: str) -> str:
    return text.replace(f"module {name} ", f"module {name}_{end} ", 1)
