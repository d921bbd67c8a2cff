"""Keras's activation functions: by name, as a serialised function, or as a layer.

Ref: https://github.com/keras-team/keras/blob/master/keras/src/activations/activations.py (Keras 3),
https://github.com/keras-team/tf-keras/blob/master/tf_keras/activations.py (Keras 2).
"""

from __future__ import annotations

from typing import Any

from loopwire.errors import UnsupportedError, nearest
from loopwire.frontends.keras.layer import SavedLayer
from loopwire.frontends.keras.saved import layer_entry
from loopwire.layers.activation import LINEAR, Function

FUNCTIONS = {
    "linear": LINEAR,
    "relu": Function("relu"),
    "relu6": Function("relu6"),
    "leaky_relu": Function("leaky_relu", slope=0.2),
    "elu": Function("elu", slope=1.0),
    "sigmoid": Function("sigmoid"),
    "tanh": Function("tanh"),
    "softsign": Function("softsign"),
    "softplus": Function("softplus"),
    "selu": Function("selu"),
    "silu": Function("silu"),
    "swish": Function("silu"),
    "gelu": Function("gelu"),
    "celu": Function("celu", slope=1.0),
    "exponential": Function("exponential"),
    "hard_tanh": Function("hard_tanh"),
    "hard_silu": Function("hard_silu"),
    "hard_swish": Function("hard_silu"),
    "hard_shrink": Function("hard_shrink", slope=0.5),
    "soft_shrink": Function("soft_shrink", slope=0.5),
    "tanh_shrink": Function("tanh_shrink"),
    "log_sigmoid": Function("log_sigmoid"),
    "log_softmax": Function("log_softmax"),
    "mish": Function("mish"),
    "sparse_plus": Function("sparse_plus"),
    "sparse_sigmoid": Function("hard_sigmoid", slope=0.5, offset=0.5),
    "squareplus": Function("squareplus"),
    "softmax": Function("softmax"),
    "sparsemax": Function("keras_sparsemax"),
}
GLU = "glu"
"""A function too, which changes the shape: a layer here."""
HARD_SIGMOID = {
    2: Function("hard_sigmoid", slope=0.2, offset=0.5),
    3: Function("hard_sigmoid", slope=1 / 6, offset=0.5),
}
"""clip(0.2 x + 0.5, 0, 1) in Keras 2, relu6(x + 3) / 6 in Keras 3."""


def activation(saved: SavedLayer, key: str) -> Function:
    """Return the function that an option of a layer names."""
    value: Any = saved.option(key)
    match value:
        case None:
            return LINEAR
        case {"class_name": str() as class_name, "config": dict()} if class_name in ACTIVATION_LAYERS:
            entry = layer_entry(saved.where, value)
            if entry.custom:
                return _named(saved, key, value)
            inner = SavedLayer(entry, saved.context, ())
            function = activation_layer(inner)
            inner.finish()
            return function
        case {"class_name": "function", "module": str() as module, "config": str() as name}:
            return _named(saved, key, name if module.split(".")[0] == "keras" else value)
        case _:
            return _named(saved, key, value)


def activation_layer(saved: SavedLayer) -> Function:
    """Return the function that an activation layer applies."""
    match saved.entry.class_name:
        case "Activation":
            return activation(saved, "activation")
        case "ReLU":
            return _relu(saved)
        case "LeakyReLU":
            key = "alpha" if saved.context.keras_major == 2 else "negative_slope"
            return Function("leaky_relu", slope=saved.number(key))
        case "ELU":
            if "alpha" not in saved.entry.config:
                raise UnsupportedError(
                    saved.where,
                    "its alpha is not in the model: some versions of Keras 3 do not save it",
                    "Use Activation('elu') where alpha is 1, or save with a newer Keras",
                )
            return Function("elu", slope=saved.number("alpha"))
        case "Softmax":
            return FUNCTIONS["softmax"]
        case other:
            raise AssertionError(f"{other} is not an activation layer")


ACTIVATION_LAYERS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")


def is_glu(saved: SavedLayer) -> bool:
    """Say whether an activation layer is a gated linear unit; if so, its function counts as read."""
    found = saved.entry.class_name == "Activation" and saved.entry.config.get("activation") == GLU
    if found:
        saved.ignore("activation")
    return found


def _named(saved: SavedLayer, key: str, name: Any) -> Function:
    if name == "hard_sigmoid":
        return HARD_SIGMOID[saved.context.keras_major]
    if name == GLU:
        saved.refuse(key, name, "It halves the features: give it as a layer of its own, Activation('glu')")
    if not isinstance(name, str) or name not in FUNCTIONS:
        known = [*FUNCTIONS, "hard_sigmoid"]
        hint = nearest(name, known) if isinstance(name, str) else ""
        saved.refuse(key, name, f"{hint}Supported: {', '.join(known)}")
    return FUNCTIONS[name]


def _relu(saved: SavedLayer) -> Function:
    slope = saved.number("negative_slope", 0.0)
    maximum = None if saved.entry.config.get("max_value") is None else saved.number("max_value")
    threshold = 0.0 if saved.entry.config.get("threshold") is None else saved.number("threshold")
    return Function("relu", slope=slope, offset=threshold, maximum=maximum)
