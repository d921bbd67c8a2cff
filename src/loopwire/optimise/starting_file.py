"""A first file of settings for a model: all that is usual as it is, the rest as comments to be uncommented."""

from __future__ import annotations

import textwrap

from loopwire.config import DEFAULT_TYPE, CompileConfig
from loopwire.devices import find_part
from loopwire.layers.inspection import headline, inspect
from loopwire.layers.model import Layer, Model
from loopwire.layers.roles import Role
from loopwire.optimise.config_file import toml_key
from loopwire.passes.fold_batch_normalization import fold_batch_normalization

COLUMNS = 100


def starting_file(model: Model, config: CompileConfig) -> str:
    """Return the text of a file that `loopwire compile --config` takes as it is.

    Args:
        model: whose layers and tensors are listed.
        config: whose part and clock are written.

    Raises:
        ConfigError: the part is not known.
    """
    find_part(config.part)
    folded = fold_batch_normalization(model)
    wrapped = textwrap.wrap(f"{headline(inspect(model, {}))}, read from {model.source}.", COLUMNS - 2)
    lines = [
        *(f"# {line}" for line in wrapped),
        "# docs/configuration.md describes every setting.",
        "",
        f'part = "{config.part}"              # loopwire parts lists others',
        f"clock_period_ns = {config.clock_period_ns:g}",
        "# reuse_factor = 4                  # products that a multiplier serves in each step; 1: fully parallel",
        "# interleave = 1                    # sequences in the loop at once; as many as fit if not given",
        "# copies = 2                        # of the recurrent layers, dealt sequences in turn",
        '# io = "parallel"                   # a whole sequence in a beat, instead of a step',
        "",
        "# Instead of these knobs, what the design shall not exceed; knobs are then chosen:",
        "# [targets]",
        "# max_latency_ns = 1000",
        '# max_share = "60%"                 # of the part, by estimate',
        "",
        "[model]                             # all tensors, where nothing more specific is said",
        f'precision = "{DEFAULT_TYPE}"',
        f'# input = "{DEFAULT_TYPE}"',
        "",
        "# loopwire precision finds types that keep the physics. By hand, layer by layer:",
    ]
    for layer in folded.layers:
        roles = [role for role in layer.roles if role not in (Role.INPUT, Role.PREACTIVATION)]
        if roles:
            lines += ["", *_layer(layer, roles)]
    return "\n".join(lines) + "\n"


def _layer(layer: Layer, roles: list[str]) -> list[str]:
    settings = (f'# {role} = "{DEFAULT_TYPE}"' for role in roles)
    return [f"# [layer.{toml_key(layer.name)}]  # {layer.kind}", *settings]
