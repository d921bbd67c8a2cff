"""From hls4ml's configuration of a model to Loopwire's: the type of every tensor, reuse factors, table sizes.

What hls4ml calls                   is here
`result` of a recurrent layer       result, state and cell: hls4ml has one type for h and c
`table` of a recurrent layer        gate: the values that its activation tables hold
`accum` of any layer                preactivation: the exact sum is cast to it once, where hls4ml adds in it
`result` of a Dense with activation preactivation: hls4ml makes the activation a layer of its own, `dense_relu`,
                                    whose `result` is the Dense's result here
`scale` of a normalisation          weight
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwire.config import DEFAULT_TYPE, PrecisionConfig
from loopwire.hls4ml import keys
from loopwire.hls4ml.settings import HlsConfig, LayerSettings, read_count, read_strategy
from loopwire.ir.types import FixedType, Overflow, Rounding
from loopwire.layers.activation import LINEAR, Function
from loopwire.layers.model import Layer, Model
from loopwire.layers.roles import Role
from loopwire.layers.shape import Flatten
from loopwire.passes.fold_batch_normalization import fold_batch_normalization

EXACT_SUMS = "no effect: the sum is exact and is cast once, to the layer's `result`"
TABLE_IS_RESULT = "no effect: a table's values have the type of the result"
BOTH_KERNELS = "no effect: both kernels are used in the same cycles of a step, so ReuseFactor is for both"
TENSORS: dict[str, str] = {
    Role.WEIGHT: "weight",
    Role.RECURRENT_WEIGHT: "recurrent_weight",
    Role.BIAS: "bias",
    Role.GATE: "table",
}
"""hls4ml's names of roles; all others are a `result`."""
SCALING = ("BatchNormalization",)
"""Kinds of layers whose weight is a `scale` there."""
STATIC = "no effect: there is a cell for each step (`copies`) only if all recurrent layers ask for it"


def activation_name(layer: Layer, function: Function) -> str:
    """Return hls4ml's name for an activation inside a layer: `dense_relu`."""
    return f"{layer.name}_{function.name}"


def functions_of(layer: Layer) -> tuple[Function, ...]:
    """Return a layer's activations."""
    return tuple(value for value in vars(layer).values() if isinstance(value, Function))


def separate_activation(layer: Layer) -> Function | None:
    """Return the activation behind a sum of products that is a layer of its own in hls4ml."""
    if Role.STATE in layer.roles or Role.PREACTIVATION not in layer.roles:
        return None
    function = next(iter(functions_of(layer)), LINEAR)
    return None if function == LINEAR else function


def tensor_of(layer: Layer, role: str) -> str:
    """Return hls4ml's name for what plays a role in a layer."""
    return "scale" if role == Role.WEIGHT and layer.kind in SCALING else TENSORS.get(role, "result")


def input_name(keras_classes: Mapping[str, str]) -> str:
    """Return hls4ml's name for the model's input."""
    name, keras_class = next(iter(keras_classes.items()))
    return name if keras_class == "InputLayer" else f"{name}_input"


def translate(config: HlsConfig, model: Model, keras_classes: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a `CompileConfig` that the dictionary `HLSConfig` decides, with a type for every tensor.

    Args:
        config: the dictionary.
        model: as read.
        keras_classes: the Keras class of each of its layers by name, in the order of the data.

    Raises:
        ConfigError: a group names nothing in the model, or a value is out of range.
    """
    return _Translation(config, model, keras_classes).fields()


class _Translation:
    def __init__(self, config: HlsConfig, model: Model, keras_classes: Mapping[str, str]) -> None:
        self._config, self._notes = config, config.notes
        self._folded = fold_batch_normalization(model)
        self._default = config.model.precision.get("default") or DEFAULT_TYPE
        self._input = input_name(keras_classes)
        self._classes = _classes(model, keras_classes)
        config.refuse_unknown(self._classes)

    def fields(self) -> dict[str, Any]:
        model = self._config.model.options
        factor = read_count("Model.ReuseFactor", model.get("ReuseFactor", 1))
        layers = {layer.name: self._layer(layer) for layer in self._folded.layers}
        source = self._of(self._input).type_of("result")
        self._note_truncation([source, *(type for group in layers.values() for type in group.types.values())])
        fields = {
            "reuse_factor": factor,
            "layer_reuse_factor": self._layer_reuse_factors(factor),
            **self._strategy(),
            **self._copies(),
            "model": PrecisionConfig(types={Role.INPUT: source}),
            "layer": {name: group for name, group in layers.items() if group.given()},
        }
        same = (1, factor)
        harmless = {"ReuseFactor": same, "RecurrentReuseFactor": same, "Static": (True,), "Trace": (True, False)}
        self._config.note_unread(harmless)
        return fields

    def _of(self, name: str) -> LayerSettings:
        return self._config.of(name, self._classes.get(name, ()), self._default)

    def _layer(self, layer: Layer) -> PrecisionConfig:
        settings = self._of(layer.name)
        types = {role: settings.type_of(tensor_of(layer, role)) for role in layer.roles if role != Role.PREACTIVATION}
        if Role.STATE in layer.roles:
            return self._cell(layer, settings, types)
        if Role.PREACTIVATION in layer.roles:
            return self._affine(layer, settings, types)
        for function in functions_of(layer):
            self._note_inner_types(function, settings)
        return PrecisionConfig(types=types, table_size=self._table_size(layer, settings))

    def _cell(self, layer: Layer, settings: LayerSettings, types: dict[str, FixedType]) -> PrecisionConfig:
        accum = settings.given("accum")
        if accum is not None and Role.PREACTIVATION in layer.roles:
            types[Role.PREACTIVATION] = accum
        inside = [self._of(activation_name(layer, function)) for function in functions_of(layer)]
        if Role.GATE in layer.roles:
            named = next((group for group in inside if group.groups), None)
            types[Role.GATE] = settings.type_of("table") if named is None else named.type_of("result")
        elif settings.given("table") is not None:
            settings.remark("table", TABLE_IS_RESULT)
        recurrent_bias = settings.given("recurrent_bias")
        if recurrent_bias not in (None, types[Role.BIAS]):
            settings.remark("recurrent_bias", f"no effect: all biases have the type of `bias`, {types[Role.BIAS]}")
        return PrecisionConfig(types=types, table_size=self._table_size(layer, settings, *inside))

    def _affine(self, layer: Layer, settings: LayerSettings, types: dict[str, FixedType]) -> PrecisionConfig:
        """Return the types of a sum of products and the activation behind it."""
        function = next(iter(functions_of(layer)), LINEAR)
        result, accum = settings.given("result"), settings.given("accum")
        inside = self._of(activation_name(layer, function))
        if function == LINEAR and inside.given("result") is None:
            before = accum
        else:
            types[Role.RESULT] = inside.type_of("result")
            before = result or accum
            if result is not None and accum is not None:
                settings.remark("accum", EXACT_SUMS)
        if before is not None:
            types[Role.PREACTIVATION] = before
        self._note_inner_types(function, inside)
        return PrecisionConfig(types=types, table_size=self._table_size(layer, settings, inside))

    def _table_size(self, layer: Layer, *settings: LayerSettings) -> int | None:
        if not any(function.needs_table for function in functions_of(layer)):
            return None
        found = [option for option in (group.option("TableSize") for group in settings) if option is not None]
        return read_count(*found[0]) if found else None

    def _layer_reuse_factors(self, model_factor: int) -> dict[str, int]:
        factors = {}
        for layer in self._folded.layers:
            if Role.WEIGHT not in layer.roles:
                continue
            settings = self._of(layer.name)
            found = settings.option("ReuseFactor")
            factor = model_factor if found is None else read_count(*found)
            if factor != model_factor:
                factors[layer.name] = factor
            recurrent = settings.option("RecurrentReuseFactor")
            if recurrent is not None and read_count(*recurrent) != factor:
                self._notes.add(recurrent[0], BOTH_KERNELS)
        return factors

    def _strategy(self) -> dict[str, Any]:
        """Return the kind of multipliers that the model's strategy asks for."""
        chosen: list[str] = []
        for group in (self._config.model, *self._config.layer_type.values(), *self._config.layer_name.values()):
            if "Strategy" in group.options:
                place = f"{group.place}.Strategy"
                strategy = read_strategy(place, group.options["Strategy"])
                if group is self._config.model and strategy == keys.SHIFT_ADD:
                    chosen.append(strategy)
                elif keys.STRATEGIES[strategy] and strategy not in chosen:
                    self._notes.add(place, f"no effect: {keys.STRATEGIES[strategy]}")
                self._config.read.add(place)
        return {"multipliers": "shift_add"} if keys.SHIFT_ADD in chosen else {}

    def _copies(self) -> dict[str, Any]:
        """Return a cell for each step where no recurrent layer is static."""
        recurrent = [self._of(layer.name) for layer in self._folded.layers if Role.STATE in layer.roles]
        found = [option for option in (settings.option("Static") for settings in recurrent) if option is not None]
        unrolled = [place for place, is_static in found if is_static is False]
        if unrolled and len(unrolled) == len(recurrent):
            return {"copies": self._recurrent_steps()}
        for place in unrolled:
            self._notes.add(place, STATIC)
        return {}

    def _recurrent_steps(self) -> int:
        """Return the steps that the first recurrent layer reads."""
        call = next(call for call in self._folded.calls if Role.STATE in call.layer.roles)
        return call.inputs[0].shape[0]

    def _note_truncation(self, types: list[FixedType]) -> None:
        plain = (Rounding.TRN, Overflow.WRAP)
        found = dict.fromkeys(str(type) for type in types if (type.rounding, type.overflow) == plain)
        if found:
            self._notes.add(
                ", ".join(found),
                "truncates and wraps, as ap_fixed does without modes; ',RND,SAT' would round and saturate",
            )

    def _note_inner_types(self, function: Function, settings: LayerSettings) -> None:
        """Note the types inside an activation that is a layer of hls4ml's."""
        inner = {"table": TABLE_IS_RESULT}
        if function.name == "softmax":
            inner = dict.fromkeys(("table", "accum"), f"no effect: {keys.SOFTMAX_INSIDE.why}")
        for tensor, remark in inner.items():
            if settings.given(tensor) is not None:
                settings.remark(tensor, remark)


def _classes(model: Model, keras_classes: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the names by which `LayerType` may call each layer, by its name; those inside others as well."""
    classes: dict[str, tuple[str, ...]] = {input_name(keras_classes): ("InputLayer", "Input")}
    for name, keras_class in keras_classes.items():
        classes.setdefault(name, (keras_class,))
    for layer in model.layers:
        own = [*classes[layer.name], layer.kind]
        for function in functions_of(layer):
            inside = "Softmax" if function.name == "softmax" else "Activation"
            if layer.roles != (Role.RESULT,):
                classes[activation_name(layer, function)] = () if Role.STATE in layer.roles else (inside,)
            elif inside == "Softmax":
                own.insert(0, inside)
        if isinstance(layer, Flatten):
            own.append("Reshape")
        classes[layer.name] = tuple(dict.fromkeys(own))
    return classes
