"""ONNX's Scan and Loop, and recurrences that an exporter wrote out: one layer, with onnxruntime's numbers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import loopwire  # noqa: E402
from loopwire.config import CompileConfig  # noqa: E402
from loopwire.errors import LoopwireError  # noqa: E402
from onnx_loops import BATCH, LOOPS, F, T, U, rounds  # noqa: E402
from onnx_models import close, node, reference, results, saved  # noqa: E402

Array = npt.NDArray[Any]
pytestmark = pytest.mark.filterwarnings("ignore::loopwire.errors.LoopwireWarning")


@pytest.mark.parametrize("form", LOOPS)
def test_loops_equal_onnxruntime(form: str, tmp_path: Path) -> None:
    proto = LOOPS[form]()
    path = saved(proto, tmp_path / "m.onnx")
    random = np.random.default_rng(5)
    shapes = {x.name: [d.dim_value or BATCH for d in x.type.tensor_type.shape.dim] for x in proto.graph.input}
    inputs = {name: random.normal(0, 1, shape) for name, shape in shapes.items()}
    model = loopwire.load(path)
    close(results(model, inputs), reference(path, inputs))
    assert "Loop" in model.layer_kinds().values()
    assert len(model.calls) < 12
    if form == "Scan":
        assert model.layer_kinds()["rnn"] == "Loop"


@pytest.mark.parametrize("form", ["Scan of gates", "Loop of results fed back"])
def test_all_machines_agree(form: str, tmp_path: Path) -> None:
    model = loopwire.load(saved(LOOPS[form](), tmp_path / "m.onnx"))
    design = loopwire.compile(model, CompileConfig())
    random = np.random.default_rng(2)
    inputs = {x.name: random.uniform(-1, 1, (12, *x.shape)) for x in model.inputs}
    loopwire.verify(design, inputs if len(inputs) > 1 else next(iter(inputs.values())), 12)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "rounds by the data": (
        lambda: rounds("n", before=[node("Cast", ["v"], ["n"], to=7)]),
        "(Cast): it converts a result of the network to whole numbers",
    ),
    "no round": (lambda: rounds("none"), "node 'Loop_y' (Loop): it has no iteration. Export the model without it"),
    "an operator in the body": (lambda: rounds("five", op="Sin"), "node 'Sin_h_next' (Sin): Sin is not supported."),
    "rounds without end": (lambda: rounds("", "true"), "(Loop): it has more than 16384 iterations. Give it fewer"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_loops_that_are_refused(form: str, tmp_path: Path) -> None:
    made, problem = REFUSED[form]
    with pytest.raises(LoopwireError) as refused:
        loopwire.load(saved(made(), tmp_path / "m.onnx"))
    assert problem in str(refused.value)


def test_what_the_newer_exporter_of_pytorch_writes_out(tmp_path: Path) -> None:
    """An Elman network, step after step."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")

    class Tagger(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = torch.nn.RNN(F, U, batch_first=True), torch.nn.Linear(U, 2)

        def forward(self, x: Any) -> Any:
            return self.head(self.rnn(x)[0])

    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            torch.manual_seed(1)
            torch.onnx.export(Tagger().eval(), (torch.randn(2, T, F),), tmp_path / "m.onnx", dynamo=True, verbose=False)
    finally:
        logging.disable(logging.NOTSET)
    x = np.random.default_rng(1).normal(size=(2, T, F))
    model = loopwire.load(tmp_path / "m.onnx")
    close(results(model, {model.inputs[0].name: x}), reference(tmp_path / "m.onnx", {"x": x}))
    assert "Loop" in model.layer_kinds().values()
