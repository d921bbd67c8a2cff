"""Products that find no DSP block are made of look-up tables, as few of them as need be; on ECP5 narrow ones, too."""

from __future__ import annotations

import pytest

from conformance import Case, types
from loopwire import CompileConfig, compile
from loopwire.datapath.lut_products import rides_along
from loopwire.datapath.ops import Multiply, Products
from loopwire.errors import ConfigError
from loopwire.layers.model import chain
from test_conformance_verilog import dense, lstm

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


def multiplications(part: str, width: int) -> list[Multiply]:
    case = Case("gates", (3, 2), [lstm("a", 2, 2)], types(f"fixed<{width},2,RND,SAT>"), part=part, clock_period_ns=14.0)
    (pipeline,) = case.firmware(case.graph()).pipelines
    return [op.kind for op in pipeline.datapath.operations if isinstance(op.kind, Multiply)]


@pytest.mark.parametrize(("part", "width", "in_luts"), [("LFE5U-85F", 6, 3), ("LFE5U-85F", 14, 0), ("xcku115", 6, 0)])
def test_which_products_of_two_vectors_are_made_of_luts(part: str, width: int, in_luts: int) -> None:
    kinds = multiplications(part, width)
    assert (len(kinds), sum(kind.in_luts for kind in kinds)) == (3, in_luts)


@pytest.mark.parametrize(("bits", "in_luts"), [(0, 0), (3, 0), (6, 3), (8, 3)])
def test_the_user_says_which_products_are_made_of_luts(bits: int, in_luts: int) -> None:
    case = Case(
        "gates", (3, 2), [lstm("a", 2, 2)], types("fixed<6,2,RND,SAT>"), part="LFE5U-85F", clock_period_ns=14.0,
        lut_product_bits=bits,
    )  # fmt: skip
    (pipeline,) = case.firmware(case.graph()).pipelines
    kinds = [op.kind for op in pipeline.datapath.operations if isinstance(op.kind, Multiply)]
    assert (len(kinds), sum(kind.in_luts for kind in kinds)) == (3, in_luts)


def test_the_user_says_which_products_of_one_layer_are_made_of_luts() -> None:
    layers = [lstm("a", 2, 2), dense("b", 2, 3, "softmax")]
    case = Case("one", (3, 2), layers, layer_lut_product_bits={"b": 16}, clock_period_ns=14.0)
    (pipeline,) = case.firmware(case.graph()).pipelines
    found = [op for op in pipeline.datapath.operations if isinstance(op.kind, Multiply)]
    assert {(op.result.layer, op.kind.in_luts) for op in found} == {("a", False), ("b", True)}


@pytest.mark.parametrize(
    ("knob", "text"),
    [
        ({"bb": 16}, r"\[layer_lut_product_bits\] bb: the model has no layer of this name. Did you mean 'b'"),
        ({"b": 33}, "layer_lut_product_bits.b: 33 bits are out of range. Give from 0"),
    ],
)
def test_bits_that_no_layer_can_have_are_refused(knob: dict[str, int], text: str) -> None:
    model = chain("m", (3, 2), [lstm("a", 2, 2), dense("b", 2, 3)], "test")
    with pytest.raises(ConfigError, match=text):
        compile(model, CompileConfig(layer_lut_product_bits=knob))


def test_a_constant_that_no_block_adds_has_an_adder_of_its_own() -> None:
    """It rounds: a DSP block of AMD adds it, that of an ECP5 has no adder."""
    assert any(kind.added for kind in multiplications("xcku115", 14))
    assert not any(kind.added for kind in multiplications("LFE5U-85F", 14))


@pytest.mark.parametrize(
    ("rows", "added", "along"),
    [(6, 32, True), (6, 16, True), (6, 8, False), (3, 4, True), (7, 64, False), (8, 64, False), (4, 4, False)],
)
def test_a_constant_rides_along_where_the_tree_has_a_level_to_spare(rows: int, added: int, along: bool) -> None:
    assert rides_along(rows, added) == along
