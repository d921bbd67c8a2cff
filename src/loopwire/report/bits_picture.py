"""The bits of every tensor as a picture: those of the type asked for, and those that its wires are built of.

A column is a power of two. A bit that is asked for and not built is one that no value ever needs.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopwire.ir.types import FixedType
from loopwire.report.range_proof import RangeProof
from loopwire.report.svg import COLOURS, INK, box, cut, line, picture, text

CELL, ROW, LABEL, NUMBERS, TOP = 9, 17, 210, 90, 30
CHARACTERS = 34


def bits_picture(proofs: Sequence[RangeProof]) -> str:
    """Return the picture as SVG."""
    rows = [proof for proof in proofs if proof.type.width and proof.built.width]
    ends = [_ends(type) for proof in rows for type in (proof.type, proof.built)]
    low, high = min((end[0] for end in ends), default=0), max((end[1] for end in ends), default=1)
    low, high = min(low, 0), max(high, 0)

    def x(exponent: float) -> float:
        return LABEL + (high - exponent) * CELL

    height = TOP + len(rows) * ROW + 4
    parts = [text(x(0), 12, "binary point", "middle"), line(x(0), 16, x(0), height - 4)]
    parts += [text(x(e), 26, str(abs(e)), "middle") for e in range(-(-low // 4) * 4, high + 1, 4)]
    layer = None
    for place, proof in enumerate(rows):
        y = TOP + place * ROW
        if proof.layer != layer:
            parts.append(line(0, y, x(low) + NUMBERS, y))
            layer = proof.layer
        name = f"{proof.layer}: {proof.tensor}" if proof.layer else proof.tensor
        parts.append(text(LABEL - 8, y + 12, cut(name, CHARACTERS), "end"))
        for type, colour, opacity in ((proof.type, INK, 0.15), (proof.built, COLOURS[0], 0.85)):
            first, last = _ends(type)
            parts += [box(x(e + 1) + 0.5, y + 3, CELL - 1, ROW - 5, colour, opacity) for e in range(first, last)]
        built, asked = proof.built.width, proof.type.width
        parts.append(
            text(
                x(low) + 8, y + 12, f"{built} of {asked} bits" if built != asked else f"{asked} bit{'s' * (asked > 1)}"
            )
        )
    return picture(x(low) + NUMBERS, height, parts, "Bits of every tensor: asked for, and built")


def _ends(type: FixedType) -> tuple[int, int]:
    """Return the powers of two of the lowest bit, and one beyond that of the highest."""
    return -type.fraction, -type.fraction + type.width
