"""Products that find no DSP block are made of look-up tables, as few of them as need be."""

from __future__ import annotations

import pytest

from conformance import Case
from loopwire.schedule.datapath import Products
from test_conformance_verilog import dense

DSPS = 28
"""Of the part."""


@pytest.mark.parametrize(("outputs", "rows"), [(4, 0), (5, 1), (7, 3), (9, 0)])
def test_rows_move_that_find_no_block(outputs: int, rows: int) -> None:
    case = Case("few", (6,), [dense("a", 6, outputs)], part="LFE5U-12F", clock_period_ns=12.0, multipliers="dsp")
    design = case.firmware(case.graph())
    (pipeline,) = design.pipelines
    (kind,) = (op.kind for op in pipeline.datapath.operations if isinstance(op.kind, Products))
    assert kind.lut_rows == rows
    assert 6 * (outputs - rows) <= DSPS or rows == 0
