"""In a module no two things have one name, whatever layers, tensors, inputs and outputs are called."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import Case
from golden_designs import _cases, _graphs
from loopwire import CompileConfig, compile
from loopwire.datapath.signals import Signal
from loopwire.devices import find_part
from loopwire.knobs import PortNames
from loopwire.layers.dense import Dense
from loopwire.layers.lstm import Lstm
from loopwire.layers.model import ModelBuilder
from loopwire.schedule.plan import Plan, plan
from loopwire.targets.verilog import firmware
from loopwire.targets.verilog.layer_module import layer_modules
from loopwire.text.identifiers import Names
from random_models import SOFTMAX, Weights

HEAD = re.compile(r"^    (?:input|output)\s+logic(?: ?\[[^\]]*\])* (\w+)[, ]*(?://.*)?$", re.MULTILINE)
DECLARED = re.compile(r"^  (?:\(\*.*?\*\) )?(?:logic|wire)(?: signed)?((?: ?\[[^\]]*\])*) ([^;=]+)", re.MULTILINE)
INSTANCE = re.compile(r"^  (?!always_)(?:\w+ (?:#\(.*\) )?|\) )(\w+) \((?:\.|$)", re.MULTILINE)
BLOCK = re.compile(r"^  for .* begin : (\w+)$", re.MULTILINE)
PLAIN = PortNames(("a", "b"), ("c", "d"))


def names_of(text: str) -> list[str]:
    """Return what a module declares, in lower case: ports, nets, variables, instances and blocks."""
    nets = [name.split()[0] for _, names in DECLARED.findall(text) for name in names.split(",")]
    found = [*HEAD.findall(text), *nets, *INSTANCE.findall(text), *BLOCK.findall(text)]
    return [name.lower() for name in found]


@dataclass(frozen=True)
class Written:
    """A planned design, its signals, and the names that its modules declare where they are called as they are."""

    case: Case
    plan: Plan
    signals: tuple[Signal, ...]
    vocabulary: tuple[str, ...]

    def files(self, names: Mapping[Signal, str], ports: PortNames) -> Mapping[str, str]:
        """Return the design's files with other names of its signals and ports."""
        kept = {signal: signal.name for signal in self.signals}
        try:
            for signal, name in names.items():
                object.__setattr__(signal, "name", name)
            writer = firmware._Writer(find_part(self.case.part), self.case.name)
            return writer.write(self.plan, ports).files
        finally:
            for signal, name in kept.items():
                object.__setattr__(signal, "name", name)


def near() -> Case:
    """Return a design whose units have trees of their own."""
    w = Weights(3)
    layer = Lstm("lstm", w(32, 3), w(32, 8), w(32))
    return Case("near", input_shape=(5, 3), layers=[layer], part="LFE5U-85F", clock_period_ns=12.0)


@cache
def written(name: str) -> Written:
    case = (_cases() | _graphs() | {"near": near()})[name]
    made = plan(case.graph(), find_part(case.part), case.clock_period_ns, case)
    modules = [module for pipeline in made.pipelines for module in layer_modules(pipeline, 1)]
    signals = {v: None for m in modules for op in m.operations for v in (op.result, *op.operands)}
    signals |= {feedback.read: None for module in modules for feedback in module.feedbacks}
    found = Written(case, made, tuple(signals), ())
    texts = [text for path, text in found.files({}, PLAIN).items() if path.endswith(".sv")]
    vocabulary = sorted({word for text in texts if not text.startswith("// loopwire_") for word in names_of(text)})
    return Written(case, made, tuple(signals), (*vocabulary, *(f"gen_{v.name}" for v in signals)))


def twice(files: Mapping[str, str]) -> Iterator[str]:
    """Yield each name that a module declares twice."""
    for path, text in files.items():
        if path.endswith(".sv") and not path.startswith("loopwire_"):
            yield from (f"{path}: {name}" for name, count in Counter(names_of(text)).items() if count > 1)


DESIGNS = ("near", "folded", "channels_folded", "lstm", "graph_copies", "graph")


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(DESIGNS), st.integers(0, 1 << 32))
def test_no_module_has_a_name_twice(name: str, seed: int) -> None:
    """Signals and ports are called as what the generator itself declares is."""
    design, source = written(name), random.Random(seed)
    names = {signal: source.choice(design.vocabulary) for signal in design.signals}
    ports = [source.choice(design.vocabulary).removeprefix("s_").removeprefix("m_") for _ in range(4)]
    files = design.files(names, PortNames((ports[0], ports[1]), (ports[2], ports[3])))
    assert not list(twice(files))


def test_what_belongs_to_a_name_is_nobody_elses() -> None:
    names = Names(taken=["wx_0_tree"])
    first, second = names.unique("Wx"), names.unique("Wx_q")
    assert names.owned("", first, "_q") == names.owned("", first, "_q") == "Wx_q_2"
    assert names.owned("", first, "_0_tree") == "Wx_0_tree_2" and names.owned("gen_", second, "") == "gen_Wx_q"
    assert names.unique("gen_Wx_q") == "gen_Wx_q_2"


def test_no_stem_begins_another() -> None:
    names = Names(stems=["s_axis_a"])
    assert names.stem("s_a") == "s_a" and names.stem("s_ab") == "s_ab"
    assert names.stem("s_a_step") == "n2_s_a_step" and names.stem("s") == "n3_s"
    assert names.stem("s_axis") == "n2_s_axis"


def test_an_input_called_as_a_block() -> None:
    builder, weights = ModelBuilder(), Weights(1)
    given = builder.input("gen_y_exp", (2,)), builder.input("v", (2,))
    layers = (Dense(name, weights(3, 2), weights(3), SOFTMAX) for name in ("first", "second"))
    results = [builder.call(layer, x)[0] for layer, x in zip(layers, given, strict=True)]
    design = compile(builder.model("model", results, "test"), CompileConfig())
    names = names_of(design.firmware.files["model_first.sv"])
    assert {"gen_y_exp", "gen_y_exp_2", "wx_tree"} <= set(names) and len(names) == len(set(names))
