"""HGQ2's layers: trained types for each element, as files of Keras 3 hold them.

A file holds weights before they are quantised, and for each quantiser the bits of its types as real numbers, rounded
half to even when they are used.

Ref: https://github.com/calad0i/HGQ2/tree/master/src/hgq, version 0.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from loopwire.errors import UnsupportedError
from loopwire.frontends.containers import Array
from loopwire.frontends.keras.activations import activation
from loopwire.frontends.keras.dense import dense_equation, dense_shapes
from loopwire.frontends.keras.layer import SavedLayer, Weights
from loopwire.frontends.keras.normalization import last_axis
from loopwire.ir.types import Overflow, Rounding
from loopwire.layers.model import Layer
from loopwire.layers.quantised.batch_normalization import QuantisedBatchNormalization
from loopwire.layers.quantised.dense import QuantisedActivation, QuantisedDense
from loopwire.layers.quantised.gru import QuantisedGru
from loopwire.layers.quantised.merge import Operation, QuantisedMerge
from loopwire.layers.quantised.quantiser import MOST_BITS, Activated, Quantiser, repeats_to
from loopwire.layers.quantised.simple_rnn import QuantisedSimpleRnn

DECAY = "i_decay_speed"
VARIABLES = {
    ("kif", False): ("i", "f", "k"),
    ("kif", True): ("f", "k", "i", DECAY),
    ("kbi", False): ("b", "i", "k"),
    ("kbi", True): ("b", "k", "i", DECAY),
}
"""The order of a quantiser's variables by its kind, and by whether it wraps: trainable ones come first."""
ROUNDINGS = {
    "RND": Rounding.RND,
    "RND_CONV": Rounding.RND_CONV,
    "TRN": Rounding.TRN,
    "S_RND": Rounding.RND,
    "S_RND_CONV": Rounding.RND_CONV,
}
"""Those with S_ draw lots in training alone."""
OVERFLOWS = {"WRAP": Overflow.WRAP, "SAT": Overflow.SAT, "SAT_SYM": Overflow.SAT_SYM, "SYM": Overflow.SAT_SYM}
HARD: dict[str, dict[str, Any]] = {
    "HardTanhConfig": {"overflow_mode": "SAT", "affine": None},
    "HardSigmoidConfig": {"overflow_mode": "SAT", "affine": [0.25, 0.5]},
}
"""What these configurations do not save."""
TRAINING_ONLY = (
    *("place", "qnoise_factor", "k0", "i0", "f0", "b0", "i_decay_speed"),
    *("ic", "ir", "fc", "fr", "bc", "br", "homogeneous_axis", "heterogeneous_axis"),
)
"""Options of a quantiser that say how it began and how it was trained."""
EBOPS = ("enable_ebops", "ebops_factor", "beta0", "parallelization_factor")
"""Options of layers that say what their cost was in training."""


def _dense(saved: SavedLayer) -> QuantisedDense:
    units = saved.count("units")
    saved.only("quantization_config", None, remedy="Save the model before it is quantised by Keras")
    return _biased(saved, units, saved.boolean("use_bias", True))


def _einsum_dense(saved: SavedLayer) -> QuantisedDense:
    """An einsum over the last axis alone, which is a dense layer on each step."""
    return _biased(saved, *dense_equation(saved))


def _biased(saved: SavedLayer, units: int, has_bias: bool) -> QuantisedDense:
    kernel, *bias = _latents(saved, **dense_shapes(saved, units, has_bias))
    input_quantiser, activated = _ends(saved, units)
    return QuantisedDense(
        saved.name,
        activated,
        kernel=_quantised(saved, "kq", kernel).T,
        bias=_quantised(saved, "bq", bias[0]) if bias else _no_bias(saved, "bq", units),
        input_quantiser=input_quantiser,
    )


def _unary(saved: SavedLayer) -> QuantisedActivation:
    saved.ignore("allow_heterogeneous_table", "enable_out_quantizer")
    input_quantiser, activated = _ends(saved, saved.context.input_shape[-1])
    return QuantisedActivation(saved.name, activated, input_quantiser=input_quantiser)


def _quantizer(saved: SavedLayer) -> QuantisedActivation:
    conf, features = saved.option("config"), saved.context.input_shape[-1]
    return QuantisedActivation(saved.name, input_quantiser=_vectors(saved, "quantizer", conf, features))


def _batch_normalization(saved: SavedLayer) -> QuantisedBatchNormalization:
    """Without `center` HGQ2's offset is 1 - mean·scale, where Keras's is the same less 1."""
    shape = (last_axis(saved),)
    saved.only("renorm", False, remedy="Train with renorm=False")
    saved.ignore("momentum", "synchronized", "renorm_clipping", "renorm_momentum")
    names = ["gamma"] * saved.boolean("scale", True) + ["beta"] * saved.boolean("center", True)
    names += ["moving_mean", "moving_variance"]
    single = (array.astype(np.float32) for array in _latents(saved, **dict.fromkeys(names, shape)))
    tensors = dict(zip(names, single, strict=True))
    spread = tensors["moving_variance"] + np.float32(saved.number("epsilon"))
    if (spread <= 0).any():
        saved.damaged("its moving_variance is negative")
    one = np.ones(shape, np.float32)
    scale = tensors.get("gamma", one) / np.sqrt(spread)
    offset = tensors.get("beta", one) - tensors["moving_mean"] * scale
    if not (np.isfinite(scale) & np.isfinite(offset)).all():
        saved.damaged("its moving_variance is too small for its gamma")
    input_quantiser = _of_vectors(saved, "iq", *shape) if saved.boolean("enable_iq", True) else None
    return QuantisedBatchNormalization(
        saved.name,
        Activated(quantiser=_result_quantiser(saved, *shape)),
        scale=_quantised(saved, "kq", scale.astype(np.float64)),
        offset=_quantised(saved, "bq", offset.astype(np.float64)),
        input_quantiser=input_quantiser,
    )


def _merge(operation: Operation, *, is_mean: bool = False) -> Callable[[SavedLayer], QuantisedMerge]:
    """Return the reader of a merging layer; a mean of n is a sum times the power of two that is nearest to 1/n."""

    def read(saved: SavedLayer) -> QuantisedMerge:
        features, count = saved.context.input_shape[-1], 1 + len(saved.context.further_shapes)
        confs = saved.option("iq_confs", None) if saved.boolean("enable_iq", True) else [None] * count
        if not isinstance(confs, list) or len(confs) != count:
            saved.damaged(f"its iq_confs are no list of quantisers for {count} inputs")
        result = _result_quantiser(saved, features)
        return QuantisedMerge(
            saved.name,
            operation=operation,
            input_quantisers=tuple(_vectors(saved, f"iq_{n}", conf, features) for n, conf in enumerate(confs)),
            factor=2.0 ** round(np.log2(1 / count)) if is_mean else 1.0,
            result_quantiser=result,
        )

    return read


def _result_quantiser(saved: SavedLayer, features: int) -> Quantiser | None:
    saved.ignore(*EBOPS)
    result = _needed(saved, "oq", features) if saved.boolean("enable_oq", False) else None
    saved.ignore("iq_conf", "iq_confs", "oq_conf")
    return result


def _gru(saved: SavedLayer) -> QuantisedGru:
    units = saved.count("units")
    reset_after = saved.boolean("reset_after", False)
    biases = (2, 3 * units) if reset_after else (3 * units,)
    kernel, recurrent_kernel, bias = _recurrent_weights(saved, units, 3, biases)
    own, recurrent = bias if reset_after else (bias, np.zeros(3 * units))
    gates = 2 * units
    return QuantisedGru(
        saved.name,
        kernel,
        recurrent_kernel,
        own + np.concatenate([recurrent[:gates], np.zeros(units)]),
        recurrent[gates:],
        reset_after,
        activation=_activated(saved, "activation", "paq", units),
        recurrent_activation=_activated(saved, "recurrent_activation", "praq", gates),
        input_quantiser=_of_vectors(saved, "iq", saved.context.input_shape[-1]),
        state_quantiser=_of_vectors(saved, "sq", units),
        reset_quantiser=_needed(saved, "rhq", units),
        **_recurrent_options(saved),
    )


def _simple_rnn(saved: SavedLayer) -> QuantisedSimpleRnn:
    units = saved.count("units")
    kernel, recurrent_kernel, bias = _recurrent_weights(saved, units, 1, (units,))
    saved.ignore("enable_sq")
    return QuantisedSimpleRnn(
        saved.name,
        kernel,
        recurrent_kernel,
        bias,
        activation=_activated(saved, "activation", None),
        input_quantiser=_of_vectors(saved, "iq", saved.context.input_shape[-1]),
        state_quantiser=_of_vectors(saved, "sq", units),
        sum_quantiser=_needed(saved, "paq", units),
        **_recurrent_options(saved),
    )


def _recurrent_weights(
    saved: SavedLayer, units: int, gates: int, biases: tuple[int, ...]
) -> tuple[Weights, Weights, Weights]:
    """Return kernel (GU, F), recurrent kernel (GU, U) and bias, quantised."""
    features = saved.context.input_shape[-1]
    shapes = {"kernel": (features, gates * units), "recurrent_kernel": (units, gates * units)}
    if saved.boolean("use_bias", True):
        kernel, recurrent_kernel, bias = _latents(saved, **shapes, bias=biases)
        bias = _quantised(saved, "bq", bias)
    else:
        kernel, recurrent_kernel = _latents(saved, **shapes)
        saved.ignore("bq_conf")
        bias = np.zeros(biases)
    return _quantised(saved, "kq", kernel).T, _quantised(saved, "rkq", recurrent_kernel).T, bias


def _recurrent_options(saved: SavedLayer) -> dict[str, Any]:
    saved.only("enable_oq", False, remedy="Quantise its results by the layer after it")
    saved.ignore("dropout", "recurrent_dropout", "seed", "unroll", "implementation", "zero_output_for_mask")
    saved.ignore("enable_iq", "oq_conf", *EBOPS)
    names = ("return_sequences", "go_backwards", "stateful", "return_state")
    return {name: saved.boolean(name, False) for name in names}


def _latents(saved: SavedLayer, **shapes: tuple[int, ...]) -> list[Weights]:
    """Return the weights before they are quantised; what HGQ2 keeps of a layer's cost are single numbers."""
    saved.arrays = tuple(array for array in saved.arrays if array.shape)
    return saved.weights(**shapes)


def _ends(saved: SavedLayer, units: int) -> tuple[Quantiser | None, Activated]:
    """Return what quantises a layer's input, and what makes its result."""
    saved.ignore(*EBOPS)
    given = None
    if saved.boolean("enable_iq", True):
        given = _of_vectors(saved, "iq", saved.context.input_shape[-1])
    activated = _activated(saved, "activation", "oq" if saved.boolean("enable_oq", False) else None, units)
    saved.ignore("iq_conf", "oq_conf")
    return given, activated


def _activated(saved: SavedLayer, key: str, name: str | None, count: int | None = None) -> Activated:
    """Return the function that an option names, with the quantiser behind it, if any."""
    activated = Activated(activation(saved, key), None if name is None else _needed(saved, name, count))
    activated.check(saved.where)
    return activated


def _needed(saved: SavedLayer, name: str, count: int | None) -> Quantiser:
    quantiser = _of_vectors(saved, name, count)
    if quantiser is None:
        saved.refuse(f"{name}_conf", None, "Train it with this quantiser")
    return quantiser


def _of_vectors(saved: SavedLayer, name: str, count: int | None) -> Quantiser | None:
    """Return a quantiser of vectors (count,), the same for each step of a sequence; None where there is none."""
    return _vectors(saved, name, saved.option(f"{name}_conf", None), count)


def _vectors(saved: SavedLayer, name: str, conf: Any, count: int | None) -> Quantiser | None:
    read = _quantiser(saved, name, conf)
    if read is None:
        return None
    quantiser, _ = read
    bits = np.broadcast_arrays(quantiser.signed, quantiser.integer, quantiser.fraction)
    rows = [each.reshape(-1, each.shape[-1] if each.ndim else 1) for each in bits]
    if any((each != each[0]).any() for each in rows):
        problem = f"its quantiser {name} has different types in each step"
        raise UnsupportedError(saved.where, problem, "Share them between steps: homogeneous_axis=(0, 1)")
    if count is not None and rows[0].shape[1] not in (1, count):
        saved.damaged(f"its quantiser {name} has {rows[0].shape[1]} types where {count} belong")
    signed, integer, fraction = (each[0] for each in rows)
    return Quantiser(
        signed,
        integer,
        fraction,
        quantiser.rounding,
        quantiser.overflow,
        quantiser.scale,
        quantiser.gain,
        quantiser.offset,
    )


def _no_bias(saved: SavedLayer, name: str, units: int) -> Weights:
    saved.ignore(f"{name}_conf")
    return np.zeros(units)


def _quantised(saved: SavedLayer, name: str, latent: Weights) -> Weights:
    """Return weights as the framework computes with them: it rounds half up in float32, and wraps no trained weight."""
    read = _quantiser(saved, name, saved.option(f"{name}_conf", None))
    if read is None:
        saved.refuse(f"{name}_conf", None, "Train it with a quantiser of its weights")
    quantiser, only_rounds = read
    scaled = latent / quantiser.scale
    if not repeats_to(quantiser.shape, latent.shape):
        saved.damaged(f"its quantiser {name} has types of shape {quantiser.shape} for weights of {latent.shape}")
    if quantiser.rounding is Rounding.RND:
        up = np.ldexp(scaled.astype(np.float32), quantiser.fraction) + np.float32(0.5)
        scaled = np.ldexp(np.floor(up).astype(np.float64), -quantiser.fraction)
    if only_rounds:
        quantiser = replace(quantiser, signed=np.array(1), integer=np.array(MOST_BITS), overflow=Overflow.SAT)
    return quantiser.quantised(scaled * quantiser.scale)


def _quantiser(saved: SavedLayer, name: str, raw: Any) -> tuple[Quantiser, bool] | None:
    """Return a quantiser, with the shapes that the file has, and whether it only rounds; None where there is none."""
    if raw is None:
        return None
    match raw:
        case {"class_name": str() as class_name, "config": dict() as given}:
            config: dict[str, Any] = {**given, **HARD.get(class_name, {})}
        case _:
            saved.damaged(f"its quantiser {name} has no configuration")
    kind, overflow = str(config.get("q_type")), str(config.get("overflow_mode"))
    rounding = str(config.get("round_mode"))
    if kind == "dummy":
        return None
    if (kind, False) not in VARIABLES or rounding not in ROUNDINGS or overflow not in OVERFLOWS:
        problem = f"its quantiser {name} is {kind} {rounding} {overflow}"
        remedy = f"Supported: kif and kbi, {', '.join(ROUNDINGS)}, {', '.join(OVERFLOWS)}"
        raise UnsupportedError(saved.where, problem, remedy)
    if config.get("bw_mapper") is not None:
        saved.refuse(f"{name}_conf, bw_mapper", config["bw_mapper"], "Say which elements share types by axes")
    for key in config:
        if key not in (*TRAINING_ONLY, *READ):
            saved.refuse(f"{name}_conf, {key}", config[key], "Loopwire does not know this option of a quantiser")
    bits = _bits(saved, name, VARIABLES[kind, overflow == "WRAP"])
    fraction = bits["f"] if kind == "kif" else bits["b"] - bits["i"]
    scale, (gain, offset) = _factors(saved, name, config)
    quantiser = Quantiser(
        bits["k"], bits["i"], fraction, ROUNDINGS[rounding], OVERFLOWS[overflow], scale, scale * gain, offset
    )
    quantiser.refuse_uncarried(saved.where)
    is_trained_weight = config.get("is_weight") is True and config.get("trainable", True) is True
    only_rounds = overflow == "WRAP" and is_trained_weight and (kind == "kif" or rounding == "RND")
    return quantiser, only_rounds


READ = ("q_type", "round_mode", "overflow_mode", "scaler", "affine", "bw_mapper", "trainable", "is_weight")


def _factors(saved: SavedLayer, name: str, config: Mapping[str, Any]) -> tuple[float, tuple[float, float]]:
    scaler, affine = config.get("scaler"), config.get("affine")
    numbers = [1.0 if scaler is None else scaler, *([1.0, 0.0] if affine is None else affine)]
    if len(numbers) != 3 or not all(isinstance(n, int | float) and np.isfinite(n) for n in numbers) or numbers[0] <= 0:
        saved.damaged(f"the scaler or affine of its quantiser {name} is not a number")
    return float(numbers[0]), (float(numbers[1]), float(numbers[2]))


def _bits(saved: SavedLayer, name: str, variables: tuple[str, ...]) -> dict[str, Any]:
    """Return the numbers of bits by their variables' names."""
    listed: dict[str, Array] = {
        part.removeprefix(f"{name}/"): arrays[0] for part, arrays in saved.parts.items() if part.startswith(f"{name}/")
    }
    numbered = saved.parts.get(name, ())
    if not listed and len(numbered) == len(variables):
        listed = dict(zip(variables, numbered, strict=True))
    if set(listed) != set(variables):
        problem = f"its quantiser {name} has {len(listed) or len(numbered)} arrays where {', '.join(variables)} belong"
        raise UnsupportedError(saved.where, problem, "Give the .keras file that model.save wrote, of HGQ2 0.2")
    bits = {}
    for variable in (each for each in variables if each != DECAY):
        values = listed[variable].astype(np.float64)
        if not np.isfinite(values).all() or np.abs(values).max(initial=0) > 2**20:
            saved.damaged(f"its quantiser {name} holds numbers of bits beyond all types, or none")
        bits[variable] = np.rint(values).astype(np.int64)
    if len({values.shape for values in bits.values()}) > 1 or not np.isin(bits["k"], (0, 1)).all():
        saved.damaged(f"the arrays of its quantiser {name} do not fit one another")
    return bits


READERS: dict[str, Callable[[SavedLayer], Layer | None]] = {
    "QDense": _dense,
    "QEinsumDense": _einsum_dense,
    "QGRU": _gru,
    "QSimpleRNN": _simple_rnn,
    "QUnaryFunctionLUT": _unary,
    "QBatchNormalization": _batch_normalization,
    "Quantizer": _quantizer,
    "QAdd": _merge("sum"),
    "QAveragePow2": _merge("sum", is_mean=True),
    "QSubtract": _merge("difference"),
    "QMultiply": _merge("product"),
    "QMaximum": _merge("maximum"),
    "QMinimum": _merge("minimum"),
}
