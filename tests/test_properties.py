"""The proofs of some modules' properties, and that a fault refutes them; `make prove` proves all."""

from __future__ import annotations

from importlib import resources

import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed (pip install loopwire[prove])")

from bench.prove import PROOFS, PROVED, prove

FAULTS = {
    "split": ("s_ready = !begun && m_ready", "s_ready = m_ready"),
    "meet": ("&s_valid && surplus == '0", "&s_valid"),
    "feeder": (" && tickets_out < (TICKET_BITS + 1)'(TICKETS)", ""),
}


@pytest.mark.parametrize("checker", FAULTS)
def test_properties_are_proved_and_a_fault_refutes_them(checker: str) -> None:
    proof = next(proof for proof in PROOFS if proof.checker == checker)
    assert prove(proof) == PROVED
    text = resources.files("loopwire.hdl").joinpath(f"loopwire_{checker}.sv").read_text()
    right, wrong = FAULTS[checker]
    assert right in text
    assert "was asserted in frame" in prove(proof, texts={checker: text.replace(right, wrong)})


def test_every_checker_is_proved() -> None:
    properties = resources.files("loopwire.hdl").joinpath("properties").iterdir()
    checkers = {file.name for file in properties if file.name.endswith("_properties.sv")}
    assert checkers == {f"loopwire_{proof.checker}_properties.sv" for proof in PROOFS}
