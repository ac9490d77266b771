"""A profile as the TOML text that reads back as it, a point a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dispatch.devices.control import MODULUS
from dispatch.devices.profile import Profile


def profile_text(profile: Profile, heading: str) -> str:
    """The text, beginning with `heading` as comment lines; what is as it is by default is left out."""
    given = _stated(profile)
    watchdog = None if profile.control is None else profile.control.watchdog
    if watchdog is not None and watchdog.modulus == MODULUS:
        del given["control"]["watchdog"]["modulus"]
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    lines += [
        f"{key} = {_value(value)}" for key, value in given.items() if not isinstance(value, dict | list)
    ]
    for key in ("blocks", "points"):
        lines += ["", f"{key} = [", *(f"  {_value(item)}," for item in given[key]), "]"]
    for key in ("fast_channel", "roles", "states", "limits", "control"):
        if key in given:
            lines += ["", f"[{key}]"]
            lines += [f"{_key(name)} = {_value(value, 1)}" for name, value in given[key].items()]
    return "\n".join(lines) + "\n"


def _stated(struct: msgspec.Struct) -> dict[str, Any]:
    """The fields that are not at their defaults, in the order of the Struct."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if not field.required and value in (field.default, None, {}):
            continue
        found[field.name] = _plain(value)
    return found


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return _stated(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _value(value: object, depth: int = 0) -> str:
    """A value; tables in a list at depth 1 stand in a line each."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        if depth and value and isinstance(value[0], Mapping):
            return "[\n" + "".join(f"  {_value(item)},\n" for item in value) + "]"
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else json.dumps(name)
