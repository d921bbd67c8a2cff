"""Loopwire compiles trained recurrent neural networks into verified, ultra-low-latency FPGA firmware.

    model = loopwire.load("jet_tagger.keras")
    design = loopwire.compile(model)
    probabilities = design.predict(x)
    design.write("build/jet_tagger")

The public names are imported when they are first used, so that ``import loopwire`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopwire import errors, layers
    from loopwire.compiler import compile, load
    from loopwire.config import CompileConfig
    from loopwire.design import Design
    from loopwire.frontends.own import register_reader
    from loopwire.implementation import route, synthesise
    from loopwire.ir import functions
    from loopwire.ir.types import FixedType
    from loopwire.layers.model import Input, Model
    from loopwire.optimise.chooser import choose
    from loopwire.optimise.precision import find_precision
    from loopwire.optimise.scan import scan
    from loopwire.project.loaded import load_project
    from loopwire.tradeoff.exploration import explore
    from loopwire.training.finetune import finetune
    from loopwire.verification import verify

__all__ = [
    "CompileConfig",
    "Design",
    "FixedType",
    "Input",
    "Model",
    "choose",
    "compile",
    "errors",
    "explore",
    "find_precision",
    "finetune",
    "functions",
    "layers",
    "load",
    "load_project",
    "register_reader",
    "route",
    "scan",
    "synthesise",
    "verify",
]

_HOMES = {
    "CompileConfig": "loopwire.config",
    "Design": "loopwire.design",
    "FixedType": "loopwire.ir.types",
    "Input": "loopwire.layers.model",
    "Model": "loopwire.layers.model",
    "choose": "loopwire.optimise.chooser",
    "compile": "loopwire.compiler",
    "explore": "loopwire.tradeoff.exploration",
    "find_precision": "loopwire.optimise.precision",
    "finetune": "loopwire.training.finetune",
    "load": "loopwire.compiler",
    "load_project": "loopwire.project.loaded",
    "register_reader": "loopwire.frontends.own",
    "route": "loopwire.implementation",
    "scan": "loopwire.optimise.scan",
    "synthesise": "loopwire.implementation",
    "verify": "loopwire.verification",
}


def __getattr__(name: str) -> Any:
    if name == "functions":
        return import_module("loopwire.ir.functions")
    if name in ("errors", "layers"):
        return import_module(f"loopwire.{name}")
    if name == "__version__":
        return import_module("importlib.metadata").version("loopwire")
    if name not in _HOMES:
        raise AttributeError(f"module 'loopwire' has no attribute {name!r}", name=name, obj=import_module("loopwire"))
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
