"""An hls4ml configuration read and checked: unknown keys are errors, those without effect are noted.

hls4ml looks for what concerns a tensor in `LayerName`, then in `LayerType`, then in `Model`; in each for the tensor
itself, then for `default`, which is what a `Precision` that is a text gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopwire.errors import ConfigError, FixedTypeError, nearest
from loopwire.hls4ml import keys
from loopwire.hls4ml.keys import NoEffect
from loopwire.hls4ml.notes import Notes
from loopwire.ir.types import FixedType

WHERE = "hls4ml configuration"
AUTO = "auto"
UNREAD = "no effect: no layer needs it, or more specific settings decide"


@dataclass(frozen=True)
class Group:
    """What is in `Model`, or under one name of `LayerType` or `LayerName`; `precision` is None for 'auto'."""

    place: str
    precision: Mapping[str, FixedType | None] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerSettings:
    """What concerns one layer: the groups that name it, the most specific one first, and the model's.

    What is found is added to `read`, the places that decide something.
    """

    groups: tuple[Group, ...]
    model: Group
    default: FixedType
    notes: Notes
    read: set[str]

    def given(self, tensor: str) -> FixedType | None:
        """Return the type given to this very tensor; None for none, or 'auto'."""
        group, key = self._find(tensor)
        if group is None or key != tensor:
            return None
        self.read.add(_tensor_place(group, key))
        return group.precision[key]

    def type_of(self, tensor: str) -> FixedType:
        """Return the type of a tensor that must have one; 'auto' is the model's default."""
        group, key = self._find(tensor)
        if group is None:
            return self.default
        self.read.add(_tensor_place(group, key))
        found = group.precision[key]
        if found is None:
            self.notes.add(group.place, f"a type of 'auto' is the model's default, {self.default}")
        return found or self.default

    def remark(self, tensor: str, remark: str) -> None:
        """Note something of a type that is `given`."""
        group, key = self._find(tensor)
        assert group is not None
        self.notes.add(_tensor_place(group, key), remark)

    def option(self, key: str) -> tuple[str, Any] | None:
        """Return where a layer's option is, and its value."""
        for group in self.groups:
            if key in group.options:
                place = f"{group.place}.{key}"
                self.read.add(place)
                return place, group.options[key]
        return None

    def _find(self, tensor: str) -> tuple[Group | None, str]:
        for group in (*self.groups, self.model):
            for key in (tensor, "default"):
                if key in group.precision:
                    return group, key
        return None, ""


@dataclass(frozen=True)
class HlsConfig:
    """The dictionary `HLSConfig`: groups by the lower-case names that they concern, as hls4ml compares them."""

    model: Group
    layer_type: Mapping[str, Group]
    layer_name: Mapping[str, Group]
    notes: Notes
    read: set[str] = field(default_factory=set)

    @classmethod
    def parse(cls, values: object, notes: Notes) -> HlsConfig:
        """Read it, noting what has no effect.

        Raises:
            ConfigError: a key is unknown, or a value is not of its kind.
            FixedTypeError: a type cannot be read.
        """
        read = read_table("HLSConfig", values, keys.HLS_CONFIG_USED, keys.HLS_CONFIG_NO_EFFECT, notes)
        return cls(
            _group("Model", read.get("Model", {}), keys.MODEL_USED, keys.MODEL_NO_EFFECT, notes),
            _groups("LayerType", read.get("LayerType", {}), notes),
            _groups("LayerName", read.get("LayerName", {}), notes),
            notes,
        )

    def of(self, name: str, classes: Sequence[str], default: FixedType) -> LayerSettings:
        """Return what concerns a layer of this name and these classes."""
        by_name = [self.layer_name[name.lower()]] if name.lower() in self.layer_name else []
        by_type = [self.layer_type[key.lower()] for key in classes if key.lower() in self.layer_type]
        return LayerSettings((*by_name, *by_type), self.model, default, self.notes, self.read)

    def refuse_unknown(self, classes: Mapping[str, Sequence[str]]) -> None:
        """Refuse groups that name nothing in the model, whose layers have these classes by their names.

        Raises:
            ConfigError: there is one.
        """
        types = list(dict.fromkeys(name for names in classes.values() for name in names))
        for what, groups, known in (("name", self.layer_name, list(classes)), ("type", self.layer_type, types)):
            present = {name.lower() for name in known}
            for key, group in groups.items():
                if key not in present:
                    given = group.place.split(".", 1)[1]
                    raise ConfigError(
                        f"{WHERE}, {group.place}",
                        f"the model has no layer of this {what}",
                        f"{nearest(given, known)}It has {', '.join(known)}",
                    )

    def note_unread(self, harmless: Mapping[str, Sequence[object]]) -> None:
        """Note every type and option that has decided nothing, but for options with `harmless` values."""
        for group in (*self.layer_name.values(), *self.layer_type.values(), self.model):
            types = [key for key, type in group.precision.items() if type is not None]
            places = [_tensor_place(group, key) for key in types if group is not self.model or key != "default"]
            if group is not self.model:
                options = group.options.items()
                places += [f"{group.place}.{key}" for key, value in options if value not in harmless.get(key, ())]
            for place in places:
                if place not in self.read:
                    self.notes.add(place, UNREAD)


def read_table(
    place: str, values: object, used: Sequence[str], no_effect: Mapping[str, NoEffect], notes: Notes
) -> dict[str, Any]:
    """Return the keys that are used and given; None is not given.

    Raises:
        ConfigError: it is not a table, or a key is unknown.
    """
    where = f"{WHERE}, {place}" if place else WHERE
    if not isinstance(values, Mapping):
        raise ConfigError(where, f"{values!r} is not a table of settings", f"Its keys are {', '.join(used)}")
    result = {}
    for given, value in ((str(key), value) for key, value in values.items()):
        key = keys.ALIASES.get(given, given)
        here = f"{place}.{given}" if place else given
        if key in no_effect:
            if value is not None and value not in no_effect[key].harmless:
                notes.add(here, f"no effect: {no_effect[key].why}")
        elif key not in used:
            known = [*used, *no_effect]
            raise ConfigError(
                where, f"{given!r} is not a key of hls4ml", f"{nearest(given, known)}Choose from {', '.join(known)}"
            )
        elif value is not None:
            result[key] = value
    return result


def read_count(where: str, value: object) -> int:
    """Return a whole number from 1 on.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{WHERE}, {where}", f"{value!r} is not a whole number of 1 or more", "Give one, such as 4")
    return value


def read_strategy(place: str, value: object) -> str:
    """Return a strategy in hls4ml's small letters.

    Raises:
        ConfigError: it is unknown.
    """
    name = keys.SHIFT_ADD if str(value).lower() == "da" else str(value).lower()
    if name not in keys.STRATEGIES:
        raise ConfigError(
            f"{WHERE}, {place}",
            f"{value!r} is not a strategy of hls4ml",
            f"{nearest(name, keys.STRATEGIES)}Choose from {', '.join(keys.STRATEGIES)}",
        )
    return name


def _tensor_place(group: Group, tensor: str) -> str:
    return f"{group.place}.Precision.{tensor}"


def _groups(place: str, values: object, notes: Notes) -> dict[str, Group]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{WHERE}, {place}", f"{values!r} is not a table", "Give a table for each name")
    return {
        str(name).lower(): _group(f"{place}.{name}", group, keys.LAYER_USED, keys.LAYER_NO_EFFECT, notes)
        for name, group in values.items()
    }


def _group(place: str, values: object, used: Sequence[str], no_effect: Mapping[str, NoEffect], notes: Notes) -> Group:
    options = read_table(place, values, used, no_effect, notes)
    precision = _precision(f"{place}.Precision", options.pop("Precision", {}), notes)
    if "TableT" in options:
        precision["table"] = _type(f"{place}.TableT", options.pop("TableT"))
    return Group(place, precision, options)


def _precision(place: str, values: object, notes: Notes) -> dict[str, FixedType | None]:
    if not isinstance(values, Mapping):
        return {"default": _type(place, values)}
    read = read_table(place, values, keys.TENSORS_USED, keys.TENSORS_NO_EFFECT, notes)
    return {tensor: _type(f"{place}.{tensor}", value) for tensor, value in read.items()}


def _type(place: str, value: object) -> FixedType | None:
    """Read a type as a text, or as an object whose text it is (hls4ml's own)."""
    if isinstance(value, FixedType):
        return value
    if str(value).lower() == AUTO:
        return None
    try:
        return FixedType.parse(str(value))
    except FixedTypeError as error:
        raise FixedTypeError(f"{WHERE}, {place}: {error.where}", error.problem, error.remedy) from None
