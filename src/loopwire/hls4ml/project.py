"""A converted model, with the methods that hls4ml's users know."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy.typing as npt

from loopwire.arguments import instance
from loopwire.data import read_data
from loopwire.design import Design
from loopwire.hls4ml.notes import Notes
from loopwire.hls4ml.trace import Reals, layer_results
from loopwire.project.folder import check_project
from loopwire.project.written import REPORT, report_files
from loopwire.report.drawings import draw
from loopwire.verification import verify

VENDOR_STAGES = "no effect: synthesis is the vendor tool's, for which the project has scripts; see its README"


@dataclass(frozen=True)
class ModelConfig:
    """What a model was converted with, as hls4ml's `HLSConfig` gives it.

    Attributes:
        config: hls4ml's dictionary.
        project_name: of the top module.
        output_dir: the project's folder.
    """

    config: dict[str, Any]
    project_name: str
    output_dir: Path

    def get_config_value(self, key: str, default: Any = None) -> Any:
        """Return a value of the dictionary's top, or the default."""
        return self.config.get(key, default)

    def get_project_name(self) -> str:
        """Return the name of the top module."""
        return self.project_name

    def get_output_dir(self) -> str:
        """Return the project's folder."""
        return str(self.output_dir)


@dataclass(frozen=True)
class HlsLayer:
    """A layer as hls4ml's `get_layers` gives it.

    Attributes:
        name: in the model.
        class_name: its kind.
        output_shape: of its result, without the batch.
        precision: the types of its tensors, by their names.
    """

    name: str
    class_name: str
    output_shape: tuple[int, ...]
    precision: dict[str, str]


@dataclass(frozen=True, eq=False)
class HlsModel:
    """What `convert_from_keras_model` returns: hls4ml calls it a ModelGraph.

    Attributes:
        design: the model with the types of all tensors chosen, with everything else that Loopwire knows of it.
        output_dir: the project's folder.
        input_data: a file of inputs for verification and testbench; random ones if None.
        config: what it was converted with.
    """

    design: Design = field(repr=False)
    output_dir: Path
    input_data: Path | None = None
    config: ModelConfig | None = field(default=None, repr=False)

    def get_layers(self) -> tuple[HlsLayer, ...]:
        """Return the layers in the order of their calls; normalisations that were merged are gone."""
        proofs = self.design.range_proofs()
        return tuple(
            HlsLayer(
                call.layer.name,
                call.layer.kind,
                call.outputs[0].shape,
                {proof.tensor: str(proof.type) for proof in proofs if proof.layer == call.layer.name},
            )
            for call in self.design.model.calls
        )

    def compile(self) -> None:
        """Make the emulator; `predict` does it as well. Nothing is written."""
        self.design.emulate(self.design.random_inputs(1))

    def predict(self, x: npt.ArrayLike) -> Reals:
        """Return the fixed-point outputs (N, *output shape) for inputs (N, *input shape), bit for bit the hardware's.

        Raises:
            DataError: x does not fit the model.
        """
        outputs: Reals = self.design.predict(x)
        return outputs

    def trace(self, x: npt.ArrayLike) -> tuple[Reals, dict[str, Reals]]:
        """Return the outputs, and the fixed-point result (N, *shape) of each layer by its name.

        As in hls4ml, `dense` is what is before the activation of a Dense, `dense_relu` what comes after it.

        Raises:
            DataError: x does not fit the model.
        """
        return self.predict(x), layer_results(self.design, x)

    def write(self) -> Path:
        """Write the project without simulating it; return its folder.

        Raises:
            DataError: the input data do not fit the model.
            OutputError: the folder holds something else, or cannot be written.
            UnsupportedError: no hardware can be made of this model.
        """
        return self.design.write(self.output_dir, self._inputs())

    def build(
        self,
        reset: bool = False,
        csim: bool = True,
        synth: bool = False,
        cosim: bool = False,
        validation: bool = False,
        export: bool = False,
        vsynth: bool = False,
        fifo_opt: bool = False,
    ) -> dict[str, Any]:
        """Simulate the firmware, compare every bit and cycle with what was predicted, and write the project.

        Args:
            reset: makes no difference: Loopwire's files in the folder are always replaced.
            csim: simulate; without it, and without `cosim` and `validation`, the firmware is written unverified.
            synth: has no effect, which is reported; so have `export`, `vsynth` and `fifo_opt`.
            cosim: as `csim`.
            validation: as `csim`.
            export: see `synth`.
            vsynth: see `synth`.
            fifo_opt: see `synth`.

        Returns:
            What `report.json` in the folder holds, each number with its unit in its name.

        Raises:
            DataError: the input data do not fit the model.
            OutputError: the folder holds something else, or cannot be written.
            ToolError: Verilator or a C++ compiler is missing or fails.
            UnsupportedError: no hardware can be made of this model.
            VerificationError: a bit or a cycle differs.
        """
        notes = Notes()
        for stage, asked in {"synth": synth, "export": export, "vsynth": vsynth, "fifo_opt": fifo_opt}.items():
            if asked:
                notes.add(f"build, {stage}", VENDOR_STAGES)
        notes.warn()
        check_project(self.output_dir)
        x = self._inputs()
        verification = None
        if csim or cosim or validation:
            count = self.design.config.simulate_sequences
            verification = verify(self.design, self.design.random_inputs(count) if x is None else x, count)
        report = self.design.report(verification)
        reports = report_files(report, draw(report, self.design.pictures()))
        self.design.write(self.output_dir, x, reports)
        facts: dict[str, Any] = json.loads(reports[REPORT])
        return facts

    def _inputs(self) -> npt.NDArray[Any] | None:
        if self.input_data is None:
            return None
        model = self.design.model
        inputs: npt.NDArray[Any] = read_data(self.input_data, model.inputs, model.outputs).inputs
        return inputs


def converted(model: Any) -> HlsModel:
    """Return a converted model.

    Raises:
        ConfigError: it is none.
    """
    check = instance(HlsModel, "Give what hls4ml.converters.convert_from_keras_model returns")
    return cast(HlsModel, check("model", model))
