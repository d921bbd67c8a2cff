"""A configuration as a file that `loopwire compile --config` takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields

from loopwire.config import CompileConfig, PrecisionConfig
from loopwire.knobs import Knobs

SETTINGS = ("part", "clock_period_ns", "name", *(field.name for field in fields(Knobs)))
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(config: CompileConfig) -> str:
    """Return the text of a file with all settings that are not the defaults; a configuration with targets has none."""
    assert config.targets is None
    default = CompileConfig()
    tables: dict[str, list[str]] = {"": []}
    for key in SETTINGS:
        value = getattr(config, key)
        if value != getattr(default, key):
            if isinstance(value, Mapping):
                tables[key] = [f"{toml_key(name)} = {json.dumps(item)}" for name, item in value.items()]
            else:
                tables[""].append(f"{key} = {json.dumps(value)}")
    tables["model"] = _group(config.model)
    for kind, groups in (("kind", config.kind), ("layer", config.layer)):
        for name, group in groups.items():
            tables[f"{kind}.{toml_key(name)}"] = _group(group)
    lines = [[f"[{head}]", *body] if head else body for head, body in tables.items() if body]
    return "\n\n".join("\n".join(table) for table in lines) + "\n"


def toml_key(name: str) -> str:
    """Return a name as a TOML key."""
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _group(group: PrecisionConfig) -> list[str]:
    lines = [] if group.precision is None else [f'precision = "{group.precision}"']
    lines += [f'{role} = "{type}"' for role, type in group.types.items()]
    numbers = {"table_size": group.table_size, "max_error_steps": group.max_error_steps}
    return lines + [f"{key} = {value}" for key, value in numbers.items() if value is not None]
