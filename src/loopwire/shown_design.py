"""What a design shows of itself: its summary, its pictures, its report page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from loopwire import arguments
from loopwire.data import Data, Inputs, given_data
from loopwire.errors import ConfigError, DataError, UnsupportedError, nearest
from loopwire.judgement import NOT_JUDGED, judge, outputs
from loopwire.quantised_model import QuantisedModel
from loopwire.report.bits_picture import bits_picture
from loopwire.report.drawings import draw
from loopwire.report.html import page
from loopwire.report.layers import input_facts, layer_facts, layer_table
from loopwire.report.model_picture import model_picture
from loopwire.report.picture import Picture
from loopwire.report.profile import profile_figure
from loopwire.report.roc import class_rocs, roc_figure
from loopwire.report.summary import Report, Verification
from loopwire.system.outputs import check_file, write_file
from loopwire.text.table import Table


class ShownDesign(QuantisedModel, ABC):
    """A model on a device, as a notebook shows it. Where a method takes `data`, it is what `data.given_data` takes:
    inputs x, a pair (x, y) with labels, the path of a file, or an open .npz file.
    """

    @abstractmethod
    def report(self, verification: Verification | None = None) -> Report:
        """Return what is known of the design."""

    @abstractmethod
    def pictures(self) -> list[str]:
        """Return pictures of the schedule as SVG."""

    def summary(self) -> Table:
        """Return the layers with types, reuse factors and stages, under what the whole takes; plans the hardware."""
        report = self.report()
        facts = [f"{self!r}"[1:-1]]
        if report.predicted is not None:
            cycles, interval = report.predicted.latency_cycles, report.predicted.initiation_interval_cycles
            facts.append(
                f"latency {cycles} cycles ({cycles * report.clock_period_ns:g} ns), interval {interval:g} cycles"
            )
        facts += [f"{use.name} {use}" for use in report.estimated]
        return layer_table("; ".join(facts), report.layers, report.range_proofs, report.engines, report.stages)

    def plot_model(self) -> Picture:
        """Return the layers as a diagram, with shapes, types, reuse factors and stages; plans the hardware."""
        report = self.report()
        return Picture(model_picture(report.inputs, report.layers, report.range_proofs, report.engines, report.stages))

    def plot_bits(self) -> Picture:
        """Return the bits of every tensor: those asked for, and those that are built."""
        return Picture(bits_picture(self.range_proofs()))

    def plot_timeline(self) -> Picture:
        """Return when sequences come in and when their results leave, at full rate; plans the hardware.

        Raises:
            UnsupportedError: the target does not know, or the design is a network, whose engines alone are drawn.
        """
        return self._scheduled("plot_timeline", 0)

    def plot_pipeline(self, engine: int = 0) -> Picture:
        """Return which stage of an engine works on which sequence, cycle by cycle; plans the hardware.

        Args:
            engine: its number, in the order of the summary.

        Raises:
            ConfigError: there is no such engine.
            UnsupportedError: the target does not know.
        """
        return self._scheduled("plot_pipeline", 1 + arguments.not_negative("engine", engine))

    def _scheduled(self, where: str, place: int) -> Picture:
        """Return one of the pictures of the schedule."""
        found = self.pictures()
        if not found:
            problem = f"only the tool of the target {self.config.target!r} knows its cycles"
            raise UnsupportedError(where, problem, "Run loopwire build, and read that tool's report")
        if place >= len(found):
            raise ConfigError(where, f"there is no engine {place - 1}", f"Give 0 to {len(found) - 2}")
        return Picture(found[place])

    def plot_roc(self, data: Any, output: str | None = None) -> Picture:
        """Return the ROC curve of each class, float against fixed.

        Args:
            data: with labels.
            output: whose classes; may be left out where only one output has labels.

        Raises:
            DataError: the data do not fit the model, or have no labels.
            ToolError: the extra `plots` is not installed.
        """
        given = self._given(data)
        names = [tensor.name for tensor in self.model.outputs]
        if output is not None and output not in names:
            remedy = f"{nearest(output, names)}It has {', '.join(map(repr, names))}"
            raise DataError("plot_roc", f"the model has no output {output!r}", remedy)
        asked = names if output is None else [output]
        labelled = {name: labels for name in asked if (labels := given.labels_of(name)) is not None}
        if not labelled:
            raise DataError("data", "they have no labels", "Give (x, y), or a file that holds y")
        if len(labelled) > 1:
            several = ", ".join(map(repr, labelled))
            raise DataError("plot_roc", f"the outputs {several} have labels", "Name one of them: output='…'")
        ((name, labels),) = labelled.items()
        found, place = outputs(self, given), names.index(name)
        real, fixed = found.real[place], found.fixed[place]
        if real.ndim != 2:
            raise DataError("data", f"outputs of shape {real.shape[1:]} are not classes", "Use predict")
        return Picture.drawn(partial(roc_figure, class_rocs(labels.classes, real, fixed, labels.names)))

    def plot_profile(self, x: Inputs) -> Picture:
        """Return the distribution of |value| of every tensor on these inputs, in float and in fixed point.

        Raises:
            DataError: x does not fit the model.
            ToolError: the extra `plots` is not installed.
        """
        return Picture.drawn(partial(profile_figure, self.profile(x)))

    def to_html(self, path: str | Path, data: Any = None, verification: Verification | None = None) -> Path:
        """Write the whole report as one page that needs nothing else; return its path.

        Args:
            path: of the file.
            data: what the design is judged with; no judgement if None.
            verification: what `loopwire.verify` returned.

        Raises:
            DataError: the data do not fit the model.
            OutputError: the file cannot be written.
        """
        file = arguments.path("path", path)
        check_file(file)
        judged = NOT_JUDGED
        if data is not None:
            given = self._given(data)
            judged = judge(self, given, outputs(self, given))
        report = replace(self.report(verification), **judged.facts)
        write_file(file, page(report, draw(report, self.pictures(), judged.evidence)).encode())
        return file

    def _given(self, data: Any) -> Data:
        return given_data("data", data, self.ports, self.model.outputs)

    def __repr__(self) -> str:
        clock = f"{self.config.part} at {self.config.clock_period_ns:g} ns"
        return f"<Design {self.name!r}: {self.config.target} for {clock}, {len(self.model.calls)} layers>"

    def _repr_html_(self) -> str:
        table = layer_table(f"{self!r}"[1:-1], layer_facts(self.model), self.range_proofs())
        shape = model_picture(input_facts(self.model), layer_facts(self.model), self.range_proofs())
        return table._repr_html_() + shape
