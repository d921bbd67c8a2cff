"""From a model file to a design: the short story of the project."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from loopwire.arguments import instance, path
from loopwire.config import CompileConfig
from loopwire.design import Design
from loopwire.devices import find_part
from loopwire.emulator.windows import check_window
from loopwire.errors import ConfigError, LoopwireWarning, UnsupportedError
from loopwire.ir import ops
from loopwire.ir.interval import table_form
from loopwire.ir.verify import verify
from loopwire.layers.cell import Cell
from loopwire.layers.model import Model
from loopwire.passes.carry_states import carry_states
from loopwire.passes.fold_batch_normalization import fold_batch_normalization
from loopwire.passes.leave_out_activations import without_final_activations
from loopwire.passes.lower import lower
from loopwire.quantised_model import QuantisedModel
from loopwire.report.foreseen import foreseen
from loopwire.targets.registry import find_target
from loopwire.type_choice import TypeChoice

STATEFUL = (
    "its layers are stateful, so it is compiled stateful: a sequence goes on from what its channel's last one left"
)

_CONFIG = instance(CompileConfig, "Give a dictionary of settings, the path of a TOML file, a CompileConfig, or nothing")

if TYPE_CHECKING:
    from loopwire.ir.graph import Graph


def load(
    source: str | Path | Any,
    trust: bool = False,
    *,
    weights: str | Path | None = None,
    steps: int | None = None,
    example_inputs: Sequence[Any] | None = None,
) -> Model:
    """Read a trained model; none of its code is run, but that of a live PyTorch module.

    Args:
        source: a Keras `.h5` or `.keras` file, the `.json` of an architecture, a PyTorch `.pt2` file, a live
            `keras.Model` or `torch.nn.Module`; what else frontends from outside read. `format` of the result tells what
            it was found to be.
        trust: whether to read a file in this process; else one of its own with limits of time and memory reads it.
        weights: the file of the weights of an architecture: what `model.save_weights` wrote, or a whole model.
        steps: of a sequence, where the model leaves their number open.
        example_inputs: what a live PyTorch module is called with, to export it: its positional arguments.

    Raises:
        ConfigError: what is said of weights, steps or example inputs contradicts the model.
        ModelFileError: the file is missing, damaged, of another kind, its weights are not finite, or reading it takes
            too much time or memory.
        UnsupportedError: a layer, an option or a graph that Loopwire does not compile.
    """
    from loopwire.frontends.reading import Reading
    from loopwire.frontends.registry import read

    examples = None if example_inputs is None else tuple(example_inputs)
    return read(source, Reading(None if weights is None else path("weights", weights), steps, trust, examples))


def compile(
    model: Model | str | Path | Any,
    /,
    config: CompileConfig | Mapping[str, Any] | str | Path | None = None,
    **settings: Any,
) -> Design:
    """Choose every tensor's type and lower the model to primitive operations.

        design = loopwire.compile("tagger.keras", precision="fixed<12,4>", part="xczu7ev-ffvc1156-2-e", reuse_factor=4)

    The hardware is planned when it is first asked for (`Design.firmware`). A `LoopwireWarning` tells of each weight
    that its type cannot hold, and of results whose bounds, whatever the input, show that they may not fit theirs.

    Args:
        model: as `load` returns it, or what `load` reads.
        config: the user's choices, a dictionary of them, or the path of a TOML file; all defaults if None.
        settings: keys of a TOML file (docs/configuration.md) in place of what `config` says, and `precision` of all
            tensors.

    Raises:
        ConfigError: the configuration does not fit the model, or asks for what cannot be.
        FixedTypeError: a type cannot be read.
        ModelFileError: the model cannot be read.
        UnsupportedError: a layer cannot take what the one before it hands on or carry its states, or the target cannot
            express a knob.
    """
    chosen = configuration(config, settings)
    loaded = model if isinstance(model, Model) else load(model, steps=chosen.steps)
    if chosen.logits and without_final_activations(loaded) is loaded:
        raise ConfigError(
            "logits",
            f"no output of model {loaded.name!r} ends in a softmax or a sigmoid that no other layer reads",
            "Leave 'logits' out",
        )
    design = compile_silently(loaded, chosen)
    for text in foreseen(design.graph):
        warnings.warn(text, LoopwireWarning, stacklevel=2)
    return design


def configuration(config: Any, settings: Mapping[str, Any] | None = None) -> CompileConfig:
    """Return the configuration that the arguments of `compile` make.

    Raises:
        ConfigError: one of them is of another kind, or unknown.
        FixedTypeError: a type cannot be read.
    """
    if config is None:
        config = CompileConfig()
    elif isinstance(config, Mapping):
        config = CompileConfig.from_dict(config)
    elif isinstance(config, str | os.PathLike):
        config = CompileConfig.from_toml(Path(config))
    return cast(CompileConfig, _CONFIG("config", config)).changed("settings", **(settings or {}))


def compile_silently(model: Model, config: CompileConfig | None = None) -> Design:
    """Do what `compile` does, without a word of values that may not fit: for searches, which judge types by data."""
    config = CompileConfig() if config is None else config
    if config.targets is not None:
        raise ConfigError(
            "targets",
            "no knobs have been chosen for them",
            "Compile without them, then call loopwire.choose(design, targets)",
        )
    config = _as_the_model_asks(config, model)
    device = find_part(config.part).slowed(config.delay_factor)
    folded, graph = lowered(model, config)
    _refuse_tables(graph)
    if config.stateful:
        graph = carry_states(graph, {layer.name for layer in folded.layers if isinstance(layer, Cell)})
    if config.sliding_window:
        check_window(graph)
    config = find_target(config.target).check(QuantisedModel(folded, config, graph), device)
    return Design(folded, config, graph, device)


def lowered(model: Model, config: CompileConfig) -> tuple[Model, Graph]:
    """Return a model, what can be folded into its weights folded, and its operations with the types chosen.

    Raises:
        ConfigError: the configuration does not fit the model.
    """
    folded = fold_batch_normalization(without_final_activations(model) if config.logits else model)
    types = TypeChoice(config, folded)
    graph = verify(lower(folded, types.input_type(), types.layer_types))
    types.refuse_unread(graph)
    return folded, graph


def _as_the_model_asks(config: CompileConfig, model: Model) -> CompileConfig:
    """Return the configuration with what the model's layers say of their states.

    Raises:
        ConfigError: the model has another number of steps than the configuration.
        UnsupportedError: some recurrent layers are stateful and some are not.
    """
    if config.steps is not None and model.input_shape[:-1] != (config.steps,):
        raise ConfigError(
            "steps", f"the model's input has shape {model.input_shape}, not {config.steps} steps", "Leave 'steps' out"
        )
    recurrent = [layer for layer in model.layers if isinstance(layer, Cell)]
    stateful = [layer.name for layer in recurrent if layer.stateful]
    if config.stateful or not stateful:
        return config
    if len(stateful) < len(recurrent):
        other = next(layer.name for layer in recurrent if not layer.stateful)
        raise UnsupportedError(
            f"layer {other!r}",
            f"it is not stateful, as {stateful[0]!r} is: all recurrent layers carry their states, or none",
            "Set 'stateful', so that all do, or save the model with stateful=False",
        )
    warnings.warn(f"{model.source}: {STATEFUL}", LoopwireWarning, stacklevel=4)
    return replace(config, stateful=True)


def _refuse_tables(graph: Graph) -> None:
    """Design every table, so that one that cannot be is refused here, with its layer's name."""
    for node in graph.walk():
        if isinstance(node.op, ops.Table):
            try:
                table_form(node.op, node.operands[0].type.element)
            except ConfigError as error:
                where = f"layer {node.result.layer!r}, {error.where}" if node.result.layer else error.where
                raise ConfigError(where, error.problem, error.remedy) from None
