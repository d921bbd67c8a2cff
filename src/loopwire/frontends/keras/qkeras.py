"""QKeras's layers: a quantiser by its name and arguments for each tensor of a layer.

A file holds weights before they are quantised. Rounding is half to even.

Ref: https://github.com/google/qkeras/tree/master/qkeras, version 0.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from loopwire.frontends.keras.activations import FUNCTIONS
from loopwire.frontends.keras.layer import SavedLayer, Weights
from loopwire.frontends.keras.qkeras_quantisers import Arguments, arguments_of, data_quantiser, quantised_weights
from loopwire.layers.activation import LINEAR, Function
from loopwire.layers.model import Layer
from loopwire.layers.quantised.dense import QuantisedActivation, QuantisedDense
from loopwire.layers.quantised.gru import QuantisedGru
from loopwire.layers.quantised.lstm import QuantisedLstm
from loopwire.layers.quantised.quantiser import Activated, Quantiser
from loopwire.layers.quantised.simple_rnn import QuantisedSimpleRnn

HARD_SIGMOID = Function("hard_sigmoid", slope=0.5, offset=0.5)
"""QKeras's: Keras's own has another slope."""


def _activation_layer(saved: SavedLayer) -> QuantisedActivation:
    activated = _activated(saved, "activation")
    if activated.function == LINEAR:
        return QuantisedActivation(saved.name, input_quantiser=activated.quantiser)
    return QuantisedActivation(saved.name, activated)


def _dense(saved: SavedLayer) -> QuantisedDense:
    units, features = saved.count("units"), saved.context.input_shape[-1]
    saved.ignore("kernel_range", "bias_range")
    kernel, bias = _weights(saved, (units,), kernel=(features, units))
    return QuantisedDense(saved.name, _activated(saved, "activation"), kernel=kernel.T, bias=bias)


def _lstm(saved: SavedLayer) -> QuantisedLstm:
    units = saved.count("units")
    saved.ignore("unit_forget_bias")
    kernel, recurrent_kernel, bias = _recurrent_weights(saved, units, 4, (4 * units,))
    return QuantisedLstm(
        saved.name,
        kernel.T,
        recurrent_kernel.T,
        bias,
        activation=_activated(saved, "activation"),
        recurrent_activation=_activated(saved, "recurrent_activation"),
        **_recurrent_options(saved),
    )


def _gru(saved: SavedLayer) -> QuantisedGru:
    units, reset_after = saved.count("units"), saved.boolean("reset_after", False)
    biases = (2, 3 * units) if reset_after else (3 * units,)
    kernel, recurrent_kernel, bias = _recurrent_weights(saved, units, 3, biases)
    own, recurrent = bias if reset_after else (bias, np.zeros(3 * units))
    gates = 2 * units
    return QuantisedGru(
        saved.name,
        kernel.T,
        recurrent_kernel.T,
        own + np.concatenate([recurrent[:gates], np.zeros(units)]),
        recurrent[gates:],
        reset_after,
        activation=_activated(saved, "activation"),
        recurrent_activation=_activated(saved, "recurrent_activation"),
        **_recurrent_options(saved),
    )


def _simple_rnn(saved: SavedLayer) -> QuantisedSimpleRnn:
    units = saved.count("units")
    kernel, recurrent_kernel, bias = _recurrent_weights(saved, units, 1, (units,))
    return QuantisedSimpleRnn(
        saved.name,
        kernel.T,
        recurrent_kernel.T,
        bias,
        activation=_activated(saved, "activation"),
        **_recurrent_options(saved),
    )


def _recurrent_weights(saved: SavedLayer, units: int, gates: int, biases: tuple[int, ...]) -> list[Weights]:
    features = saved.context.input_shape[-1]
    return _weights(saved, biases, kernel=(features, gates * units), recurrent=(units, gates * units))


def _weights(saved: SavedLayer, biases: tuple[int, ...], **shapes: tuple[int, ...]) -> list[Weights]:
    """Return what the layer computes with: each tensor quantised, last a bias, of zeros where there is none."""
    has_bias = saved.boolean("use_bias", True)
    latents = saved.weights(**shapes, **({"bias": biases} if has_bias else {}))
    names = [*shapes, *(["bias"] if has_bias else [])]
    options = [saved.option(f"{name}_quantizer", None) for name in names]
    saved.ignore("bias_quantizer")
    given = zip(names, options, latents, strict=True)
    read = [quantised_weights(saved, f"{name}_quantizer", option, latent) for name, option, latent in given]
    return read if has_bias else [*read, np.zeros(biases)]


def _recurrent_options(saved: SavedLayer) -> dict[str, Any]:
    saved.only("time_major", False, remedy="Give sequences as (batch, steps, features)")
    saved.ignore("dropout", "recurrent_dropout", "seed", "unroll", "implementation")
    names = ("return_sequences", "go_backwards", "stateful", "return_state")
    return {**{name: saved.boolean(name, False) for name in names}, "state_quantiser": _state_quantiser(saved)}


def _state_quantiser(saved: SavedLayer) -> Quantiser | None:
    option = saved.option("state_quantizer", None)
    if option is None:
        return None
    quantiser = data_quantiser(saved, "state_quantizer", _quantiser_arguments(saved, "state_quantizer", option))
    return quantiser.quantiser


def _quantiser_arguments(saved: SavedLayer, key: str, option: Any) -> Arguments:
    found = arguments_of(option)
    if found is None:
        saved.refuse(key, option, "Give one of QKeras's quantisers, with its arguments by name")
    return found


def _activated(saved: SavedLayer, key: str) -> Activated:
    """Return what an option names: one of QKeras's quantisers, or a function."""
    option = saved.option(key, None)
    if option == "hard_sigmoid":
        return Activated(HARD_SIGMOID)
    if option is None or (isinstance(option, str) and option in FUNCTIONS):
        activated = Activated(FUNCTIONS[option or "linear"])
    else:
        activated = data_quantiser(saved, key, _quantiser_arguments(saved, key, option))
    activated.check(saved.where)
    return activated


READERS: dict[str, Callable[[SavedLayer], Layer | None]] = {
    "QActivation": _activation_layer,
    "QDense": _dense,
    "QLSTM": _lstm,
    "QGRU": _gru,
    "QSimpleRNN": _simple_rnn,
}
